//! Operations as a person sees them.

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use super::error::ProvisioningError;
use super::queue::DrivenBy;
use crate::features::access::{self, About, rights};
use crate::infra::db::PgConnection;
use crate::infra::saga::StepRecord;
use crate::kernel::filter::{Condition, FieldType, FilterField, Operator};
use crate::kernel::word::words_of;
use crate::kernel::{BatchId, Caller, OperationId, Page, Pagination, TenantId, Total};

pub(super) mod store;
mod watch;

pub use watch::Watches;

/// How an operation stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperationState {
    /// It is recorded, and waits for a process to take it up.
    Planned,
    /// A process is at work on it.
    Running,
    /// Its process died.
    Interrupted,
    /// It failed and can be resumed.
    Stopped,
    /// It is being taken back.
    RollingBack,
    /// It is done.
    Done,
    /// It was taken back whole.
    RolledBack,
}

impl OperationState {
    /// All of them, for help and completion.
    pub const ALL: [Self; 7] = [
        Self::Planned,
        Self::Running,
        Self::Interrupted,
        Self::Stopped,
        Self::RollingBack,
        Self::Done,
        Self::RolledBack,
    ];

    /// The word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Planned => "planned",
            Self::Running => "running",
            Self::Interrupted => "interrupted",
            Self::Stopped => "stopped",
            Self::RollingBack => "rolling_back",
            Self::Done => "done",
            Self::RolledBack => "rolled_back",
        }
    }
}

/// The words of the states.
const STATES: [&str; OperationState::ALL.len()] = words_of!(OperationState);

/// What operations may be filtered by, beside their tenant and their batch.
pub const FIELDS: &[FilterField] = {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    &[
        FilterField {
            name: "state",
            kind: FieldType::Word(&STATES),
            operators: &[Eq, Ne, In],
            about: "In this state: planned, running, interrupted, stopped, rolling_back, done or rolled_back",
        },
        FilterField {
            name: "kind",
            kind: FieldType::Word(&super::kinds::NAMES),
            operators: &[Eq, Ne, In],
            about: "Of this kind, e.g. create",
        },
        FilterField {
            name: "caller",
            kind: FieldType::Text,
            operators: &[Eq, Ne, In, Contains],
            about: "Asked for by this caller, e.g. machine:ann",
        },
        FilterField {
            name: "created_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Asked for at this moment",
        },
        FilterField {
            name: "finished_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Ended at this moment",
        },
    ]
};

/// Which operations a list holds.
#[derive(Debug, Clone, Default)]
pub struct OperationFilter {
    /// Of this tenant.
    pub tenant: Option<TenantId>,
    /// In this state.
    pub state: Option<OperationState>,
    /// That meet all of these, each of a field of [`FIELDS`].
    pub conditions: Vec<Condition>,
    /// Only those that are not over.
    pub open: bool,
    /// This one alone.
    pub id: Option<OperationId>,
    /// Those of this batch.
    pub batch: Option<BatchId>,
    /// Only those that come after this one in the list: it was asked for then, and has this id.
    pub before: Option<(OffsetDateTime, OperationId)>,
}

/// An operation as doors show it.
#[derive(Debug, Clone, PartialEq, FromRow, Serialize, ToSchema)]
#[schema(as = Operation)]
pub struct OperationView {
    #[schema(value_type = Uuid)]
    pub id: OperationId,
    /// What it does, e.g. `create`, `suspend`, `delete`.
    #[schema(example = "create")]
    pub kind: String,
    /// Of which tenant, by id.
    pub tenant_id: Uuid,
    /// Of which tenant, by slug.
    #[sqlx(rename = "slug")]
    #[schema(example = "acme")]
    pub tenant: String,
    /// `planned`, `running`, `interrupted`, `stopped`, `rolling_back`, `done` or `rolled_back`.
    #[schema(example = "running")]
    pub state: String,
    /// Who asked for it.
    pub caller: String,
    /// Why it stopped: code and message.
    #[schema(value_type = Option<HashMap<String, String>>)]
    pub error: Option<Value>,
    /// Who carries it out; only where workers do.
    #[serde(skip_serializing_if = "DrivenBy::is_person")]
    #[schema(required = false)]
    pub driven_by: DrivenBy,
    /// From when on a worker tries it again; only where one does.
    #[serde(with = "time::serde::rfc3339::option", skip_serializing_if = "Option::is_none")]
    #[schema(required = false)]
    pub retry_at: Option<OffsetDateTime>,
    /// The batch that it is a part of.
    #[sqlx(rename = "batch_id")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub batch: Option<BatchId>,
    /// When it was asked for.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it last moved.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When it ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// Its steps; only where one operation is shown.
    #[sqlx(skip)]
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub steps: Vec<StepRecord>,
}

impl OperationView {
    /// One page of operations, the newest first.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn list(
        control: &mut PgConnection,
        caller: &Caller,
        filter: &OperationFilter,
        page: Page,
    ) -> Result<Vec<Self>, ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_READ, About::Platform).await?;
        Self::read_list(control, filter, page).await
    }

    /// The same, with where the page stands among all.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn page(
        control: &mut PgConnection,
        caller: &Caller,
        filter: &OperationFilter,
        (page, total): (Page, Total),
    ) -> Result<(Vec<Self>, Pagination), ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_READ, About::Platform).await?;
        let mut rows = store::page(control, filter, page).await?;
        let counting = store::count(control, filter, total.limit());
        let place = Pagination::of((page, total), &mut rows, filter.before.is_none(), counting).await?;
        Ok((rows, place))
    }

    /// The same for other features.
    pub(in crate::features) async fn read_list(
        control: &mut PgConnection,
        filter: &OperationFilter,
        page: Page,
    ) -> Result<Vec<Self>, ProvisioningError> {
        Ok(store::list(control, filter, page).await?)
    }

    /// One operation with its steps.
    ///
    /// # Errors
    /// [`ProvisioningError::NoOperation`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn show(
        control: &mut PgConnection,
        caller: &Caller,
        id: OperationId,
    ) -> Result<Self, ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_READ, About::Platform).await?;
        Self::read(control, id).await
    }

    /// Whether nobody is at work on it, and no worker will be.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        match self.state.as_str() {
            "done" | "rolled_back" => true,
            "stopped" | "interrupted" => self.retry_at.is_none(),
            _ => false,
        }
    }

    /// The same for who was authorised before.
    pub(super) async fn read(control: &mut PgConnection, id: OperationId) -> Result<Self, ProvisioningError> {
        let filter = OperationFilter { id: Some(id), ..OperationFilter::default() };
        let found = store::list(control, &filter, Page { page: 1, limit: 1 }).await?;
        let mut view = found.into_iter().next().ok_or(ProvisioningError::NoOperation { id })?;
        view.steps = crate::infra::saga::steps(control, id).await?;
        Ok(view)
    }
}
