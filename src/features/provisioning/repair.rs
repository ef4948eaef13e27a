//! Looking after tenants: finishing what was begun, and putting right what is amiss.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::create::Intent;
use super::error::ProvisioningError;
use super::outline::amiss;
use super::plan::Plan;
use super::recovery::{Direction, steps_of};
use super::steps;
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::audit;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{AdvisoryLock, LockKey, durable_transaction};
use crate::infra::objects::Owner;
use crate::infra::saga::Journal;
use crate::kernel::{Caller, OperationId, Progress, TenantId};

/// What a repair did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Mended {
    /// Nothing was wrong.
    Nothing,
    /// An unfinished operation was finished.
    Finished,
    /// An unfinished operation could not be finished, and was taken back.
    TakenBack,
    /// Something was missing or changed, and was put right.
    Restored,
    /// Something is unfinished or amiss, and a repair would see to it.
    Wanted,
    /// It could not be repaired.
    Failed,
}

impl Mended {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Nothing => "nothing",
            Self::Finished => "finished",
            Self::TakenBack => "taken_back",
            Self::Restored => "restored",
            Self::Wanted => "wanted",
            Self::Failed => "failed",
        }
    }
}

/// A tenant that was looked at.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Repaired {
    /// Which.
    pub tenant: String,
    /// What was done.
    pub mended: Mended,
    /// By which operation.
    pub operation: Option<OperationId>,
    /// Which steps were at fault.
    pub restored: Vec<&'static str>,
    /// Why it could not be repaired.
    pub error: Option<String>,
}

impl Provisioning {
    /// Finishes what was begun with a tenant, or takes it back where it cannot be finished; where
    /// nothing was begun, checks what is the tenant's and puts right what can be.
    ///
    /// # Errors
    /// [`ProvisioningError::Lost`] when data is gone; others when it cannot be repaired now.
    pub async fn repair(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Repaired, ProvisioningError> {
        let tenant = tenants::get(&mut *worker.control.lock().await, caller, name).await?;
        let unfinished = store::unfinished(&mut *worker.control.lock().await, tenant.id).await?;
        let slug = tenant.slug.clone();
        let answer = |mended, operation, restored| Repaired {
            tenant: slug.clone(),
            mended,
            operation,
            restored,
            error: None,
        };
        if let Some(row) = unfinished {
            let back = row.state == "rolling_back";
            return match self.take_up(worker, caller, row.id, Direction::AsRecorded, progress, stop).await {
                Ok(_) if back => Ok(answer(Mended::TakenBack, Some(row.id), Vec::new())),
                Ok(_) => Ok(answer(Mended::Finished, Some(row.id), Vec::new())),
                Err(ProvisioningError::Stopped { taken_back: true, .. }) => {
                    Ok(answer(Mended::TakenBack, Some(row.id), Vec::new()))
                }
                Err(error) => Err(error),
            };
        }
        let tenant = tenant.in_use()?;
        match self.check(worker, caller, tenant, progress, stop).await? {
            None => Ok(answer(Mended::Nothing, None, Vec::new())),
            Some((operation, restored)) => Ok(answer(Mended::Restored, Some(operation), restored)),
        }
    }

    /// Looks at everything that a tenant has, open or closed; repairs it by an operation of its own only
    /// where something is amiss.
    async fn check(
        &self,
        worker: &Worker,
        caller: &Caller,
        tenant: Tenant,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Option<(OperationId, Vec<&'static str>)>, ProvisioningError> {
        let mut control = worker.control.lock().await;
        let Some(lock) = AdvisoryLock::take(&mut control, LockKey::of("tenant", tenant.id)).await? else {
            return Err(super::change::somebody_elses(&mut control, &tenant, true).await?);
        };
        let opened = self.open_secrets(&mut control, tenant.id).await?;
        drop(control);
        let operation = OperationId::new();
        let intent = Intent { operation, fence: 0, tenant, lock, fresh: false };
        let plan = self.plan(worker, (operation, 0), intent.tenant.clone(), "repair", opened).await?;
        let amiss = amiss(&plan).await;
        plan.close().await;
        let amiss = match amiss {
            Ok(amiss) if !amiss.is_empty() => amiss,
            other => {
                intent.lock.release(&mut *worker.control.lock().await).await?;
                return other.map(|_| None);
            }
        };
        let fence = self.intend_repair(worker, caller, &intent, &amiss).await?;
        let opened = self.open_secrets(&mut *worker.control.lock().await, intent.tenant.id).await?;
        let owner = Owner { mark: Plan::mark(self, &intent.tenant), fence };
        self.store_of(worker, &intent.tenant).await?.driver.fence(&owner).await?;
        self.drive(worker, Intent { fence, ..intent }, "repair", opened, progress, stop).await?;
        Ok(Some((operation, amiss)))
    }

    async fn intend_repair(
        &self,
        worker: &Worker,
        caller: &Caller,
        intent: &Intent,
        amiss: &[&str],
    ) -> Result<i64, ProvisioningError> {
        let (operation, tenant) = (intent.operation, intent.tenant.id);
        let facts = json!({ "slug": intent.tenant.slug, "amiss": amiss });
        let mut control = worker.control.lock().await;
        let mut tx = durable_transaction(&mut control).await?;
        let fence = store::insert(&mut tx, (operation, tenant, "repair"), caller, &facts).await?;
        let fence = fence.ok_or_else(|| ProvisioningError::InProgress {
            slug: intent.tenant.slug.clone(),
            operation: None,
            kind: String::new(),
            running: false,
        })?;
        Journal::plan(&mut tx, operation, &steps::outline(&steps_of("repair", intent.tenant.adopted)))
            .await?;
        let entry = audit::Entry {
            caller,
            action: "tenant.repair",
            tenant: Some(tenant),
            operation: Some(operation),
            detail: facts,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        Ok(fence)
    }

    /// The tenants that a repair of all looks at: those with an unfinished operation, then the
    /// others that are not gone.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn to_repair(&self, worker: &Worker) -> Result<Vec<TenantRef>, ProvisioningError> {
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
