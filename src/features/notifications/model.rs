//! What is asked to be sent, and to whom.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::features::iam::NameRef;
use crate::features::templates::{Channel, Kind};
use crate::infra::db::stored_as_text;
use crate::kernel::line::lines;
use crate::kernel::{Email, UserId, text};

/// How urgent a notification is.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema, sqlx::Encode, sqlx::Decode,
)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
#[schema(as = NotificationPriority)]
pub enum NotificationPriority {
    /// Sent also in quiet hours.
    High,
    #[default]
    Normal,
    Low,
}
stored_as_text!(NotificationPriority);

impl NotificationPriority {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::High, Self::Normal, Self::Low];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::High => "high",
            Self::Normal => "normal",
            Self::Low => "low",
        }
    }
}

lines! {
    /// What makes a request the same as an earlier one: 1 to 200 characters.
    DedupKey: |given| text::one_line("a key", given, 1..=200);
    /// The subject of a notification that has no template: 1 to 200 characters.
    Subject: |given| text::one_line("a subject", given, 1..=200);
}

/// Whom a notification is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum To {
    User(UserId),
    /// All of a group, and of those within it.
    Group(NameRef),
    /// The user of that address, or, where there is none, the address.
    Address(Email),
}

/// A text that says nobody.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is nobody: give an e-mail address, user:ID, or group:NAME")]
pub struct NotARecipient(String);

impl FromStr for To {
    type Err = NotARecipient;

    fn from_str(given: &str) -> Result<Self, NotARecipient> {
        let wrong = || NotARecipient(given.chars().take(100).collect());
        if let Some(id) = given.strip_prefix("user:") {
            return id.parse().map(Self::User).map_err(|_| wrong());
        }
        if let Some(name) = given.strip_prefix("group:") {
            return name.parse().map(Self::Group).map_err(|_| wrong());
        }
        given.parse().map(Self::Address).map_err(|_| wrong())
    }
}

impl fmt::Display for To {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Group(name) => write!(f, "group:{name}"),
            Self::Address(address) => address.fmt(f),
        }
    }
}

/// What a notification says.
#[derive(Debug, Clone)]
pub enum Content {
    /// The template of a kind.
    Template(Kind),
    /// As it is.
    Text { subject: Subject, text: String },
}

/// A notification that is asked for.
#[derive(Debug, Clone)]
pub struct NewNotification {
    /// An app's own.
    pub kind: Kind,
    pub content: Content,
    pub to: Vec<To>,
    /// None: in their inbox and by mail, as far as they want both.
    pub channel: Option<Channel>,
    /// What the template may say as `data`.
    pub data: Map<String, Value>,
    pub priority: NotificationPriority,
    /// What was asked for with it before is not asked for again.
    pub dedup_key: Option<DedupKey>,
    /// Not before this moment, which is at most a year away.
    pub not_before: Option<OffsetDateTime>,
}

/// What came of a request to send.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = SentNotifications)]
pub struct Accepted {
    /// Of the request.
    pub request_id: Uuid,
    /// Of each recipient and channel.
    pub ids: Vec<Uuid>,
    /// Whether it was asked for before with the same key: nothing more is sent.
    pub repeated: bool,
}
