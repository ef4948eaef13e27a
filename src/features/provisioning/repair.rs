//! Looking after tenants: finishing what was begun, and putting right what is amiss.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::create::{Intent, Neighbour};
use super::error::ProvisioningError;
use super::kinds::steps_of;
use super::locked::{LockedTenant, owned_by_other};
use super::outline::drifted_steps;
use super::plan::Plan;
use super::recovery::{Direction, Opened, stopped};
use super::steps;
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::access::{Authorized, rights};
use crate::features::tenants::TenantRef;
use crate::infra::objects::Owner;
use crate::kernel::{Caller, OperationId, Progress, TenantId};

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum RepairOutcome {
    /// Nothing was wrong.
    Unchanged,
    /// An unfinished operation was finished.
    Finished,
    /// An unfinished operation could not be finished, and was taken back.
    RolledBack,
    /// Something was missing or changed, and was put right.
    Fixed,
    /// Something is unfinished or amiss, and a repair would see to it.
    Needed,
    /// It could not be repaired.
    Failed,
}

impl RepairOutcome {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unchanged => "unchanged",
            Self::Finished => "finished",
            Self::RolledBack => "rolled_back",
            Self::Fixed => "fixed",
            Self::Needed => "needed",
            Self::Failed => "failed",
        }
    }
}

/// A tenant that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Repaired {
    pub tenant: String,
    pub outcome: RepairOutcome,
    /// By which operation.
    pub operation: Option<OperationId>,
    /// Which steps were at fault.
    pub steps: Vec<&'static str>,
    /// Why it could not be repaired.
    pub error: Option<String>,
}

impl Provisioning {
    /// Finishes what was begun with a tenant, or takes it back where it cannot be finished; where
    /// nothing was begun, checks what is the tenant's and puts right what can be.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when data is gone; others when it cannot be repaired now.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn repair(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Repaired, ProvisioningError> {
        let caller = &worker.authorize(caller, &rights::TENANT_REPAIR, name.about()).await?;
        Box::pin(self.repair_for(worker, caller, name, progress, stop)).await
    }

    /// The same, as a part of something else.
    pub(in crate::features) async fn repair_for(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        name: &TenantRef,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Repaired, ProvisioningError> {
        let held = self.hold(worker, &name.for_caller(caller)).await?;
        let slug = held.tenant().slug.clone();
        let answer = |outcome, operation, steps| Repaired {
            tenant: slug.clone(),
            outcome,
            operation,
            steps,
            error: None,
        };
        if let Some((id, state)) = held.unfinished().map(|row| (row.id, row.state.clone())) {
            let ended = self.resume(worker, caller, held, Direction::AsRecorded, (progress, stop)).await;
            return match ended {
                Ok(_) if state == "rolling_back" => {
                    Ok(answer(RepairOutcome::RolledBack, Some(id), Vec::new()))
                }
                Ok(_) => Ok(answer(RepairOutcome::Finished, Some(id), Vec::new())),
                Err(ProvisioningError::Stopped { rolled_back: true, .. }) => {
                    Ok(answer(RepairOutcome::RolledBack, Some(id), Vec::new()))
                }
                Err(error) => Err(error),
            };
        }
        let held = held.in_use(worker).await?;
        match self.check(worker, caller, held, progress, stop).await? {
            None => Ok(answer(RepairOutcome::Unchanged, None, Vec::new())),
            Some((operation, steps)) => Ok(answer(RepairOutcome::Fixed, Some(operation), steps)),
        }
    }

    /// Looks at everything that a tenant has, open or closed; repairs it by an operation of its own only
    /// where something is amiss.
    async fn check(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        mut held: LockedTenant,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<(OperationId, Vec<&'static str>)>, ProvisioningError> {
        let operation = OperationId::new();
        let drifted_steps = match self.find_drift(worker, &held, operation).await {
            Ok(drifted_steps) if drifted_steps.is_empty() => {
                held.end(&mut *worker.control.lock().await, None).await?;
                return Ok(None);
            }
            Ok(drifted_steps) => drifted_steps,
            Err(error) => {
                worker.forget(&held.tenant().cluster, &error).await;
                return Err(held.refuse(worker, error).await);
            }
        };
        let (fence, opened) =
            match self.intend_repair(worker, caller, &mut held, (operation, &drifted_steps)).await {
                Ok(ready) => ready,
                Err(error) => return Err(held.refuse(worker, error).await),
            };
        let intent = Intent {
            operation,
            fence,
            held,
            fresh: false,
            named: false,
            neighbour: Neighbour::Unknown,
            entering: None,
        };
        self.drive(worker, intent, "repair", opened, progress, stop).await?;
        Ok(Some((operation, drifted_steps)))
    }

    /// The steps whose effect is not there, or not whole.
    pub(super) async fn find_drift(
        &self,
        worker: &Worker,
        held: &LockedTenant,
        operation: OperationId,
    ) -> Result<Vec<&'static str>, ProvisioningError> {
        let opened = self.open_secrets(&mut *worker.control.lock().await, held.tenant().id).await?;
        let plan = self.plan(worker, (operation, 0), held, "repair", opened).await?;
        let drifted_steps = drifted_steps(&plan).await;
        plan.close().await;
        drifted_steps
    }

    /// Writes the intent, and tells the store of its fence.
    async fn intend_repair(
        &self,
        worker: &Worker,
        caller: &Authorized<'_>,
        held: &mut LockedTenant,
        (operation, drifted_steps): (OperationId, &[&str]),
    ) -> Result<(i64, Opened), ProvisioningError> {
        let tenant = held.tenant().clone();
        let new = store::NewOperation {
            attempt: None,
            waits: None,
            id: operation,
            tenant: tenant.id,
            kind: "repair",
            steps: &steps::outline(&steps_of("repair", tenant.adopted)),
            facts: json!({ "slug": tenant.slug, "faults": drifted_steps }),
            action: "tenant.repair",
            instead_of: None,
            change: None,
            batch: None,
        };
        let written = store::intend(&mut *worker.control.lock().await, caller, new).await?;
        let (fence, _) = written.ok_or_else(|| owned_by_other(tenant.slug.clone(), None, false))?;
        held.changed(None);
        let ready = async {
            let opened = self.open_secrets(&mut *worker.control.lock().await, tenant.id).await?;
            let owner = Owner { mark: Plan::mark(self, &tenant), fence };
            self.store_of(worker, &tenant).await?.driver.fence(&owner).await?;
            Ok(opened)
        };
        let opened =
            ready.await.map_err(|error| stopped(operation, "repair", tenant.slug.clone(), false, error))?;
        Ok((fence, opened))
    }

    /// The tenants that a repair of all looks at: those with an unfinished operation, then the
    /// others that are not gone.
    pub(super) async fn to_repair(&self, worker: &Worker) -> Result<Vec<TenantRef>, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let mut ids: Vec<TenantId> =
            store::all_unfinished(&mut control).await?.into_iter().map(|row| row.tenant_id).collect();
        for id in store::settled_tenants(&mut control).await? {
            if !ids.contains(&id) {
                ids.push(id);
            }
        }
        Ok(ids.into_iter().map(TenantRef::Id).collect())
    }
}
