//! Rows of the outbox.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

/// What the types of rows begin with that are messages to people, and no events.
const MESSAGES: &str = "mail.";

/// A row that is about to be written.
#[derive(Debug)]
pub(in crate::features) struct NewEntry {
    /// What it is about: rows of one key are delivered in their order.
    pub(in crate::features) key: String,
    /// Words with dots between them.
    pub(in crate::features) kind: &'static str,
    /// Ids, and nothing that must be secret.
    pub(in crate::features) payload: Value,
}

/// A row as it waits.
#[derive(Debug, FromRow)]
pub(in crate::features) struct Waiting {
    pub(in crate::features) id: Uuid,
    #[sqlx(rename = "type")]
    pub(in crate::features) kind: String,
    /// Of a message; nothing where it is too long.
    pub(in crate::features) payload: Option<String>,
    pub(in crate::features) at: OffsetDateTime,
}

impl Waiting {
    /// What is to be delivered; none where it cannot be read. Of an event the payload stays in its row.
    pub(in crate::features) fn entry(&self) -> Option<Entry> {
        let payload = match &self.payload {
            None if !self.kind.starts_with(MESSAGES) => Value::Null,
            payload => serde_json::from_str(payload.as_deref()?).ok()?,
        };
        Some(Entry { id: self.id, kind: self.kind.clone(), payload, at: self.at })
    }
}

/// A row that is to be delivered.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::features) struct Entry {
    pub(in crate::features) id: Uuid,
    #[serde(rename = "type")]
    pub(in crate::features) kind: String,
    pub(in crate::features) payload: Value,
    #[serde(with = "time::serde::rfc3339")]
    pub(in crate::features) at: OffsetDateTime,
}

/// An event as the log has it.
#[derive(Debug, FromRow)]
pub(in crate::features) struct LoggedEvent {
    pub(in crate::features) position: i64,
    pub(in crate::features) id: Uuid,
    #[sqlx(rename = "type")]
    pub(in crate::features) kind: String,
    pub(in crate::features) key: String,
    pub(in crate::features) actor: String,
    pub(in crate::features) at: OffsetDateTime,
    /// Nothing where it is too long.
    pub(in crate::features) payload: Option<String>,
}

/// Which positions the log has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(in crate::features) struct LogEnds {
    /// The oldest that is kept; one more than the newest where none is.
    pub(in crate::features) oldest: i64,
    /// The newest that was given; 0 before the first.
    pub(in crate::features) newest: i64,
}
