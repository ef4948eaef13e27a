//! Rows of the outbox.

use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

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

/// A row that is to be delivered.
#[derive(Debug, FromRow)]
pub(in crate::features) struct Entry {
    pub(in crate::features) id: Uuid,
    #[sqlx(rename = "type")]
    pub(in crate::features) kind: String,
    pub(in crate::features) payload: Value,
    pub(in crate::features) at: OffsetDateTime,
}
