//! What is shown of keys: names and counts, never a secret.

use serde::Serialize;
use sqlx::FromRow;
use time::OffsetDateTime;

use crate::infra::crypto::MasterKeyId;

/// Which key seals how much.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct StatusView {
    /// The master key at hand; absent when it cannot be had.
    pub in_use: Option<MasterKeyId>,
    /// The master key that this control database seals with; absent before `nexus init`.
    pub recorded: Option<MasterKeyId>,
    /// Whether the two are the same. When not, no secret opens.
    pub matches: bool,
    /// Every master key ever recorded, the oldest first.
    pub master_keys: Vec<MasterKeyUse>,
}

/// What hangs on one master key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, FromRow)]
pub struct MasterKeyUse {
    /// The key's fingerprint or name.
    pub id: String,
    /// `active`: wraps new data keys. `retiring`: unwraps the old ones only.
    pub state: String,
    /// Data keys that it wraps: one for each tenant.
    pub data_keys: i64,
    /// Secrets sealed with those.
    pub sealed_values: i64,
    /// When it was recorded.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
}
