//! Signing keys and recorded tokens, as rows and as doors show them.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::infra::db::stored_as_text;
use crate::kernel::{Email, TenantId};

/// Where in its life a signing key is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum KeyState {
    /// Published, so that everybody knows it before its first token; does not sign yet.
    Next,
    /// Signs.
    Active,
    /// Has stopped signing; what it signed is good until it expires.
    Retiring,
    /// Nothing that it signed is accepted.
    Gone,
}
stored_as_text!(KeyState);

impl KeyState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Active => "active",
            Self::Retiring => "retiring",
            Self::Gone => "gone",
        }
    }
}

/// What a signing key is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum Purpose {
    /// The tokens of this installation.
    Platform,
    /// Tokens that developers mint offline.
    Development,
}
stored_as_text!(Purpose);

impl Purpose {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Platform => "platform",
            Self::Development => "development",
        }
    }
}

/// A signing key: nothing secret.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct KeyView {
    pub kid: String,
    pub algorithm: String,
    pub purpose: Purpose,
    pub state: KeyState,
    /// When it was made.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it began to sign.
    #[serde(with = "time::serde::rfc3339::option")]
    pub activated_at: Option<OffsetDateTime>,
    /// When it stopped signing.
    #[serde(with = "time::serde::rfc3339::option")]
    pub retired_at: Option<OffsetDateTime>,
    /// From when on nothing that it signed is accepted.
    #[serde(with = "time::serde::rfc3339::option")]
    pub good_until: Option<OffsetDateTime>,
    /// The realms for which it signs, where it is a development key; the nil id: the platform.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub realms: Vec<Uuid>,
    /// The public half.
    #[serde(skip)]
    pub public_jwk: serde_json::Value,
    /// For how long it has been there, in seconds.
    #[serde(skip)]
    pub age: i64,
}

/// What a rotation did, or would do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rotated {
    pub algorithm: String,
    /// The key that signs from now on.
    pub active: Option<String>,
    /// The key that has stopped signing.
    pub retiring: Option<String>,
    /// The key that is published now; none where this is a plan.
    pub next: Option<String>,
    /// The key whose tokens are refused from now on.
    pub gone: Option<String>,
}

/// A token that was minted here; not the token itself.
#[derive(Debug, Clone, Serialize, FromRow)]
pub struct IssuedView {
    pub jti: Uuid,
    /// `good`, `revoked` or `expired`.
    pub state: String,
    /// The tenant's slug; none: the platform itself.
    pub tenant: Option<String>,
    /// The user's e-mail address.
    pub email: String,
    pub kid: String,
    pub audience: String,
    pub caller: String,
    /// Whether the caller acts as the user.
    pub impersonated: bool,
    pub reason: Option<String>,
    /// When it was issued.
    #[serde(with = "time::serde::rfc3339")]
    pub issued_at: OffsetDateTime,
    /// When it expires.
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
}

/// Which recorded tokens a list holds.
#[derive(Debug, Clone, Default)]
pub struct IssuedFilter {
    /// Of this tenant; the nil id: of the platform itself.
    pub tenant: Option<TenantId>,
    /// Of the user of this address, however it is written in the record.
    pub user: Option<Email>,
    /// Also those that are revoked or expired.
    pub all: bool,
    /// Only those that come after this one in the list: it was issued then, and has this id.
    pub before: Option<(OffsetDateTime, Uuid)>,
}
