//! Taking a tenant away, with everything that is its own.

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::create::Intent;
use super::error::ProvisioningError;
use super::plan::Plan;
use super::recovery::{Direction, stopped};
use super::steps;
use super::store;
use super::worker::{Provisioning, Worker};
use crate::features::audit;
use crate::features::tenants::{self, Tenant, TenantRef, TenantState, TenantView};
use crate::infra::db::{AdvisoryLock, LockKey, durable_transaction};
use crate::infra::objects::Owner;
use crate::infra::saga::Journal;
use crate::kernel::{Caller, OperationId, Progress};

/// A tenant that is gone.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Deleted {
    /// The operation that took it away.
    pub operation: OperationId,
    /// What it was.
    #[serde(flatten)]
    pub tenant: TenantView,
}

impl Provisioning {
    /// Takes a tenant away at once: logins, key, bucket, database, roles, secrets. A deletion that
    /// was begun before is finished.
    ///
    /// # Errors
    /// [`ProvisioningError::InProgress`] when another operation changes the tenant, or
    /// [`ProvisioningError::Stopped`] with the operation to resume.
    pub async fn purge(
        &self,
        worker: &Worker,
        caller: &Caller,
        name: &TenantRef,
        progress: &dyn Progress,
        stop: &CancellationToken,
    ) -> Result<Deleted, ProvisioningError> {
        let tenant = tenants::get(&mut *worker.control.lock().await, caller, name).await?;
        let unfinished = store::unfinished(&mut *worker.control.lock().await, tenant.id).await?;
        if let Some(row) = unfinished {
            if row.kind != "purge" {
                let running =
                    store::is_locked(&mut *worker.control.lock().await, &LockKey::of("tenant", tenant.id))
                        .await?;
                return Err(ProvisioningError::InProgress { slug: tenant.slug, operation: row.id, running });
            }
            let gone = self.take_up(worker, caller, row.id, Direction::AsRecorded, progress, stop).await?;
            return Ok(Deleted { operation: row.id, tenant: gone.into() });
        }
        let tenant = tenant.active()?;
        let intent = self.intend_purge(worker, caller, tenant).await?;
        let operation = intent.operation;
        let opened = self.open_secrets(&mut *worker.control.lock().await, intent.tenant.id).await?;
        let owner = Owner { mark: Plan::mark(self, &intent.tenant), fence: intent.fence };
        let fenced = match self.store_of(worker, &intent.tenant).await {
            Ok(store) => store.driver.fence(&owner).await.map_err(Into::into),
            Err(error) => Err(error),
        };
        fenced.map_err(|error| stopped(operation, "purge", intent.tenant.slug.clone(), false, error))?;
        let gone = Box::pin(self.drive(worker, intent, "purge", opened, progress, stop)).await?;
        Ok(Deleted { operation, tenant: gone.into() })
    }

    async fn intend_purge(
        &self,
        worker: &Worker,
        caller: &Caller,
        tenant: Tenant,
    ) -> Result<Intent, ProvisioningError> {
        let operation = OperationId::new();
        let mut control = worker.control.lock().await;
        let in_progress =
            |running| ProvisioningError::InProgress { slug: tenant.slug.clone(), operation, running };
        let lock = AdvisoryLock::try_take(&mut control, LockKey::of("tenant", tenant.id)).await?;
        let lock = lock.ok_or_else(|| in_progress(true))?;
        let mut tx = durable_transaction(&mut control).await?;
        let facts = json!({ "slug": tenant.slug });
        let fence = store::insert(&mut tx, (operation, tenant.id, "purge"), caller, &facts).await?;
        let Some(fence) = fence else {
            tx.rollback().await?;
            lock.release(&mut control).await?;
            return Err(in_progress(false));
        };
        tenants::set_state(&mut tx, tenant.id, TenantState::Deleting).await?;
        Journal::plan(&mut tx, operation, &steps::outline(&steps::purge())).await?;
        let entry = audit::Entry {
            caller,
            action: "tenant.delete",
            tenant: Some(tenant.id),
            operation: Some(operation),
            detail: facts,
        };
        audit::record(&mut tx, entry).await?;
        tx.commit().await?;
        crate::infra::failpoint::pass(|| "purge.intent.after".to_owned()).await;
        Ok(Intent { operation, fence, tenant, lock, fresh: true })
    }
}
