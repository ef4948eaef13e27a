//! Runs as they are recorded, and as a person sees them.

pub(super) mod store;

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use sqlx::types::Json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::FleetError;
use super::model::{Plan, Versions};
use crate::features::access::{self, About, rights};
use crate::infra::db::{PgConnection, stored_as_text};
use crate::kernel::ids::RunId;
use crate::kernel::{Caller, Hint, Page, TenantId};

/// Which way a run goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum RunKind {
    /// Files are applied.
    Forward,
    /// Those of another run are rolled back.
    #[sqlx(rename = "back")]
    Rollback,
}
stored_as_text!(RunKind);

/// How a run stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum RunState {
    /// Processes are at work on it, or were when they died.
    Running,
    /// Every tenant is done.
    Done,
    /// Every tenant was tried, and some failed.
    Partial,
    /// Some were never begun: too many failed, or a person pressed Ctrl-C.
    Stopped,
    /// Some were never begun: a person said so.
    Cancelled,
}
stored_as_text!(RunState);

impl RunState {
    /// All of them, for help and completion.
    pub const ALL: [Self; 5] = [Self::Running, Self::Done, Self::Partial, Self::Stopped, Self::Cancelled];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Partial => "partial",
            Self::Stopped => "stopped",
            Self::Cancelled => "cancelled",
        }
    }
}

/// How a tenant stands in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum TenantState {
    /// Not begun.
    Pending,
    /// A process is at work on it.
    Running,
    /// It has everything.
    Done,
    /// It has not.
    Failed,
    /// It was meant, and was in no state to be migrated.
    #[sqlx(rename = "left_out")]
    Skipped,
}
stored_as_text!(TenantState);

impl TenantState {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Skipped => "skipped",
        }
    }
}

/// Which runs a list holds.
#[derive(Debug, Clone, Copy, Default)]
pub struct RunFilter {
    /// In this state.
    pub state: Option<RunState>,
    /// Only those that come after this one in the list: it began then, and has this id.
    pub before: Option<(OffsetDateTime, RunId)>,
}

/// A run's row.
#[derive(Debug, Clone, FromRow)]
pub(super) struct Run {
    pub(super) id: RunId,
    pub(super) kind: RunKind,
    pub(super) state: RunState,
    pub(super) stopping: Option<String>,
    pub(super) plan: Json<Plan>,
    pub(super) wave: i32,
    /// How long until the wave may begin, in milliseconds.
    pub(super) soak_left: i64,
}

/// A run as doors show it.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct RunView {
    pub id: RunId,
    pub kind: RunKind,
    pub state: RunState,
    pub caller: String,
    /// Which tenants were meant, in words.
    pub selection: String,
    /// The newest version of each set in it.
    pub versions: Json<Versions>,
    /// How many tenants it is for, without those that are skipped.
    pub tenants: i64,
    /// How many have everything.
    pub done: i64,
    /// How many have not, though they were tried.
    pub failed: i64,
    /// How many are being migrated.
    pub running: i64,
    /// How many were never begun.
    pub pending: i64,
    /// How many were meant, and were in no state to be migrated.
    pub skipped: i64,
    /// The wave under way, from 1.
    pub wave: i32,
    /// How many waves there are.
    pub waves: i32,
    /// The run that this one rolls back.
    pub rolls_back: Option<Uuid>,
    pub message: Option<String>,
    /// When it began.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

/// A file that a run applied to a tenant, or took back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct AppliedView {
    pub set: String,
    pub version: i64,
    pub milliseconds: i64,
}

/// What PostgreSQL said while a file ran in a tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, serde::Deserialize)]
pub struct NoticeView {
    pub set: String,
    pub file: String,
    /// `warning`, `notice` or `info`.
    pub level: String,
    pub text: String,
}

/// A tenant in a run as doors show it.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct RunTenantView {
    pub id: TenantId,
    /// Its slug as it was when the run began.
    pub slug: String,
    pub cluster: String,
    /// Its wave, from 1.
    pub wave: i32,
    pub state: TenantState,
    pub attempts: i32,
    /// What it had; `null`: it was not looked at.
    pub before: Option<Json<Versions>>,
    pub after: Option<Json<Versions>>,
    /// What was applied, in order.
    pub applied: Json<Vec<AppliedView>>,
    /// What PostgreSQL said meanwhile: the first of it.
    pub notices: Json<Vec<NoticeView>>,
    /// How much of that there was.
    pub notices_count: i32,
    pub milliseconds: Option<i64>,
    /// Why it failed, as a stable word.
    pub code: Option<String>,
    /// Why it failed, as the server says it (manual, appendix A).
    pub sqlstate: Option<String>,
    /// Why it failed, for a person.
    pub message: Option<String>,
    pub hint: Option<Json<Hint>>,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
}

impl RunView {
    /// One page of runs, the newest first.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn list(
        control: &mut PgConnection,
        caller: &Caller,
        filter: &RunFilter,
        page: Page,
    ) -> Result<Vec<Self>, FleetError> {
        access::authorize(control, caller, &rights::RUN_READ, About::Platform).await?;
        Ok(store::views(control, None, filter, page).await?)
    }

    /// One run.
    ///
    /// # Errors
    /// [`FleetError::NoRun`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn show(control: &mut PgConnection, caller: &Caller, id: RunId) -> Result<Self, FleetError> {
        access::authorize(control, caller, &rights::RUN_READ, About::Platform).await?;
        Self::read(control, id).await
    }

    /// How it ends, with those of its tenants that failed.
    ///
    /// # Errors
    /// [`FleetError::Partial`] where not everything was done that was to be.
    pub fn verdict(&self, tenants: &[RunTenantView]) -> Result<(), FleetError> {
        if self.state == RunState::Done {
            return Ok(());
        }
        let mut failed = tenants.iter().filter(|tenant| tenant.state == TenantState::Failed).peekable();
        let unreachable = self.done == 0
            && failed.peek().is_some()
            && failed.all(|tenant| tenant.code.as_deref() == Some("database_unreachable"));
        Err(FleetError::Partial {
            id: self.id,
            state: self.state.as_str(),
            done: self.done,
            failed: self.failed,
            pending: self.pending,
            unreachable,
        })
    }

    pub(super) async fn read(control: &mut PgConnection, id: RunId) -> Result<Self, FleetError> {
        let found =
            store::views(control, Some(id), &RunFilter::default(), Page { page: 1, limit: 1 }).await?;
        found.into_iter().next().ok_or(FleetError::NoRun { id })
    }

    /// Its tenants, by wave and slug.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn tenants_of(
        control: &mut PgConnection,
        caller: &Caller,
        id: RunId,
    ) -> Result<Vec<RunTenantView>, FleetError> {
        access::authorize(control, caller, &rights::RUN_READ, About::Platform).await?;
        Self::read_tenants(control, id).await
    }

    pub(super) async fn read_tenants(
        control: &mut PgConnection,
        id: RunId,
    ) -> Result<Vec<RunTenantView>, FleetError> {
        Ok(store::tenant_views(control, id).await?)
    }
}

/// A tenant's row of a run that is about to be written.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NewTenant<'a> {
    pub(super) tenant_id: TenantId,
    pub(super) slug: &'a str,
    pub(super) cluster: &'a str,
    pub(super) wave: i32,
    pub(super) state: &'static str,
    pub(super) before: Option<Value>,
    pub(super) message: Option<String>,
}
