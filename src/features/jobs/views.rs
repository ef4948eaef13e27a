//! Jobs as doors show them.

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::model::JobState;
use crate::kernel::{JobId, TenantId};

/// Which jobs a list holds.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    pub state: Option<JobState>,
    pub kind: Option<String>,
    pub tenant: Option<TenantId>,
    /// Only those that come after this one in the list.
    pub before: Option<JobId>,
}

/// A job.
#[derive(Debug, Clone, FromRow, Serialize, ToSchema)]
#[schema(as = Job)]
pub struct JobView {
    #[schema(value_type = Uuid)]
    pub id: JobId,
    /// What it does.
    #[schema(example = "message.send")]
    pub kind: String,
    /// Whose it is, by id; the nil UUID for the platform's own.
    pub tenant_id: Uuid,
    /// Whose it is, by slug; `null` for the platform's own, and where the tenant is purged.
    #[schema(example = "acme")]
    pub tenant: Option<String>,
    /// `queued`, `running`, `retrying` or `dead`.
    #[schema(example = "retrying")]
    pub state: String,
    /// The lower, the sooner.
    pub priority: i16,
    /// How often it was started.
    pub attempts: i32,
    /// How often it is started at most.
    pub max_attempts: i32,
    /// When it is started at the earliest, or when its lease ends; `null` where its turn is next, and where it is dead.
    #[serde(with = "time::serde::rfc3339::option")]
    pub due_at: Option<OffsetDateTime>,
    /// Why the last attempt failed.
    pub last_error: Option<String>,
    /// Ids of what it is about.
    pub payload: Value,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// Which jobs are waited for.
#[derive(Debug, Clone, Default)]
pub struct BacklogFilter {
    pub kind: Option<String>,
    pub tenant: Option<TenantId>,
    /// Without those whose time is more than a minute away.
    pub only_due: bool,
}

/// How many jobs are not done; dead ones do not count.
#[derive(Debug, Clone, Copy, FromRow, Serialize)]
pub struct Backlog {
    /// They wait for their moment, or their turn.
    pub waiting: i64,
    pub running: i64,
    /// Whether there are more than were counted.
    pub are_more: bool,
    /// For how many seconds the one that was written first has been there.
    pub oldest_seconds: f64,
}
