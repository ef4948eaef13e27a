//! Operations that workers carry out: a request to the API records its intent and is answered; a worker of any
//! server takes the operation up, also after that server died.
//!
//! Which a worker may take up is said by the operation's row alone: `driven_by`, how often it was tried, when it
//! may be tried again; and by the tenant's lock, which a living process holds. What a person takes up becomes
//! theirs, and no worker touches it again until it is handed over.

use serde::Serialize;
use serde_json::json;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::{ChangeOutcome, Changed};
use super::error::ProvisioningError;
use super::recovery::Direction;
use super::worker::{Provisioning, Worker};
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::features::iam::idempotency::Attempt;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{PgConnection, durable_transaction, stored_as_text};
use crate::kernel::{Caller, Failure, OperationId, Progress};

mod store;

/// How often workers try an operation that fails for something that passes, e.g. a server that does not answer,
/// before it is left to a person. From the seventh on they try once a minute.
pub const MOST_ATTEMPTS: i16 = 30;

/// Who carries an operation out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum DrivenBy {
    /// Whoever asked for it, or took it up.
    #[default]
    Person,
    /// A worker of one of the API's servers.
    Worker,
}
stored_as_text!(DrivenBy);

impl DrivenBy {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Person => "person",
            Self::Worker => "worker",
        }
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives the fields of a view by reference")]
    pub(super) fn is_person(&self) -> bool {
        *self == Self::Person
    }
}

impl Provisioning {
    /// The same, where changes are recorded only, and left to the workers.
    #[must_use]
    pub fn for_workers(self) -> Self {
        Self { driven_by: DrivenBy::Worker, ..self }
    }

    /// The same, as a part of an attempt to carry out a request once.
    #[must_use]
    pub fn attempted(self, attempt: Option<Attempt>) -> Self {
        Self { attempt, ..self }
    }

    /// What an attempt to carry out a request recorded, whose answer was lost: as it was answered, with the tenant as
    /// it is now.
    ///
    /// # Errors
    /// Without `operation:read`; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn recorded_by(
        control: &mut PgConnection,
        caller: &Caller,
        attempt: Uuid,
    ) -> Result<Option<Changed>, ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_READ, About::Platform).await?;
        let Some((operation, tenant)) = super::store::of_attempt(control, attempt).await? else {
            return Ok(None);
        };
        let tenant = tenants::by_id(control, tenant).await?;
        Ok(tenant.map(|tenant| Changed::of(ChangeOutcome::Planned, Some(operation), tenant)))
    }

    /// Whether what is asked for is recorded only.
    pub(super) fn only_records(&self) -> bool {
        self.driven_by == DrivenBy::Worker
    }

    /// Operations that a worker may take up now. Callers take turns: one who asked for many does not hold up
    /// the others.
    ///
    /// # Errors
    /// Without `operation:resume`; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn queued(
        control: &mut PgConnection,
        caller: &Caller,
        limit: i64,
    ) -> Result<Vec<OperationId>, ProvisioningError> {
        access::authorize(control, caller, &rights::OPERATION_RESUME, About::Platform).await?;
        Ok(store::queued(control, MOST_ATTEMPTS, limit).await?)
    }

    /// Carries out an operation that is a worker's to carry out. Why it failed is recorded with it, wherever it
    /// did. What trying again cannot help, or did not help often enough, is left to a person.
    ///
    /// # Errors
    /// As [`Provisioning::take_up`]; [`ProvisioningError::Over`] where it is not a worker's any more.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn carry_out_queued(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: OperationId,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Tenant, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::OPERATION_RESUME, About::Platform).await?;
        let ended =
            Box::pin(self.take_up_for(worker, caller, id, Direction::AsRecorded, (progress, stop))).await;
        let (error, (counted, try_again)) = match &ended {
            Err(ProvisioningError::Stopped { rolled_back: false, source, passing, .. }) => {
                (&**source, (true, *passing))
            }
            // Somebody else's, or over.
            Ok(_)
            | Err(
                ProvisioningError::Stopped { .. }
                | ProvisioningError::InProgress { .. }
                | ProvisioningError::Over { .. }
                | ProvisioningError::NoOperation { .. },
            ) => return ended,
            // Before the attempt was counted.
            Err(error) => (error, (false, error.is_passing())),
        };
        let failed = store::Failed { code: error.code(), message: &error.to_string(), counted, try_again };
        store::failed(&mut *worker.control.lock().await, id, failed, MOST_ATTEMPTS).await?;
        ended
    }

    /// Hands an operation that is not finished over to the workers, who try it afresh.
    ///
    /// # Errors
    /// Without `operation:resume`; [`ProvisioningError::NoOperation`], [`ProvisioningError::Over`];
    /// [`ProvisioningError::InProgress`] where a process is at work on it.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn hand_over(
        &self,
        worker: &Worker,
        caller: &Caller,
        id: OperationId,
    ) -> Result<(), ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::OPERATION_RESUME, About::Platform).await?;
        let found = super::store::operation(&mut *worker.control.lock().await, id).await?;
        let found = found.ok_or(ProvisioningError::NoOperation { id })?;
        if found.is_over() {
            return Err(super::recovery::over(&found, Direction::AsRecorded));
        }
        let held = match self.hold(worker, &TenantRef::Id(found.tenant_id)).await {
            Err(ProvisioningError::InProgress { slug, .. }) => {
                let kind = found.kind;
                return Err(ProvisioningError::InProgress { slug, operation: Some(id), kind, running: true });
            }
            other => other?,
        };
        let handed = async {
            let mut control = worker.control.lock().await;
            let mut tx = durable_transaction(&mut control).await?;
            if !store::hand_over(&mut tx, id).await? {
                return Err(super::recovery::over(&found, Direction::AsRecorded));
            }
            let (action, tenant) = ("operation.hand_over", Some(found.tenant_id));
            let detail = json!({ "kind": found.kind });
            let entry = audit::Entry { caller, action, tenant, operation: Some(id), detail };
            audit::record(&mut tx, entry).await?;
            Ok(tx.commit().await?)
        };
        let handed: Result<(), ProvisioningError> = handed.await;
        match handed {
            Ok(()) => held.end(&mut *worker.control.lock().await, None).await.map(drop),
            Err(error) => Err(held.refuse(worker, error).await),
        }
    }
}
