//! Steps at the object store.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::{Plan, sealed};
use super::remove::{Makes, leave_foreign};
use crate::features::tenants;
use crate::infra::db::relaxed_transaction;
use crate::infra::saga::{Probe, Step};

/// The bucket.
pub(super) struct MakeBucket;

#[async_trait]
impl Step<Plan, ProvisioningError> for MakeBucket {
    fn name(&self) -> &'static str {
        "bucket"
    }

    fn after(&self) -> &'static [&'static str] {
        &["reserve"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        if plan.store.driver.has_bucket(plan.bucket(), &plan.owner).await? {
            return Ok(Probe::Done);
        }
        if plan.may_remake { Ok(Probe::Absent) } else { Err(plan.lost(format!("bucket {}", plan.bucket()))) }
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(plan.store.driver.create_bucket(plan.bucket(), &plan.owner).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        leave_foreign(self.remove(plan).await)
    }
}

#[async_trait]
impl Makes for MakeBucket {
    async fn remove(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(plan.store.driver.purge_bucket(plan.bucket(), &plan.owner).await?)
    }
}

/// The key that can touch the bucket alone. Its secret is told once: a key whose secret was not
/// sealed before a crash is of no use, and is replaced.
pub(super) struct MakeKey;

#[async_trait]
impl Step<Plan, ProvisioningError> for MakeKey {
    fn name(&self) -> &'static str {
        "key"
    }

    fn after(&self) -> &'static [&'static str] {
        &["bucket"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let Some(key) = &*plan.key.lock().await else { return Ok(Probe::Absent) };
        let there = plan.store.driver.keys(&plan.owner).await?;
        Ok(if there == [key.access_key_id.as_str()] { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.undo(plan).await?;
        let made = plan.store.driver.create_key(plan.bucket(), &plan.owner).await?;
        *plan.key.lock().await = Some(made);
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let store = &plan.store.driver;
        for id in store.keys(&plan.owner).await? {
            store.delete_key(&id, &plan.owner).await?;
        }
        Ok(())
    }
}

impl Makes for MakeKey {}

/// The key's secret, sealed in the control database.
pub(super) struct Seal;

#[async_trait]
impl Step<Plan, ProvisioningError> for Seal {
    fn name(&self) -> &'static str {
        "seal"
    }

    fn after(&self) -> &'static [&'static str] {
        &["key"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let made = plan.key.lock().await.as_ref().map(|key| key.access_key_id.clone());
        let row = tenants::by_id(&mut *plan.worker.control.lock().await, plan.tenant.id).await?;
        let sealed = row.and_then(|row| row.access_key_id);
        Ok(if made.is_some() && made == sealed { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let key = plan.key.lock().await.clone().ok_or_else(|| plan.lost("the key's secret"))?;
        let mut control = plan.worker.control.lock().await;
        let mut tx = relaxed_transaction(&mut control).await?;
        plan.on.secrets.put(&mut tx, plan.tenant.id, sealed::KEY, &key.secret).await?;
        tenants::set_access_key(
            &mut tx,
            plan.tenant.id,
            Some(&key.access_key_id),
            plan.on.secrets.record_key(),
        )
        .await?;
        tx.commit().await?;
        Ok(())
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}
