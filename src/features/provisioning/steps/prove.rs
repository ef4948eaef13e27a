//! Steps that prove, with the tenant's own credentials, that what is its own works and that
//! nothing else lets it in.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use crate::infra::cluster::{self, Closed};
use crate::infra::objects::{BucketClient, Refusal, ScopedKey};
use crate::infra::saga::{Probe, Step};

/// What a proof writes.
const CONTENT: &[u8] = b"nexus proof";

/// The tenant's login may open its own database, and none of the others that are to keep it out: by the
/// server's own account of every database. That it is so in fact, too, `tenant prove` tries.
pub(super) struct Isolation;

#[async_trait]
impl Step<Plan, ProvisioningError> for Isolation {
    fn name(&self) -> &'static str {
        "prove-isolation"
    }

    fn after(&self) -> &'static [&'static str] {
        &["privileges"]
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let (names, server) = (&plan.tenant.resources, &plan.server.cluster.admin);
        let control = &plan.on.control;
        let is_control = (&control.host, control.port) == (&server.host, server.port);
        let mut nobodys = vec!["postgres", "template1", &server.database];
        nobodys.extend(is_control.then_some(&*control.database));
        let closed = Closed { marks: &plan.on.installation.marks(), names: &nobodys };
        let mut admin = plan.server.admin.lock().await;
        let may_open = cluster::may_open(&mut admin, &names.app_role, &names.database_name, closed).await?;
        drop(admin);
        if let Some(other) = may_open.others.first() {
            let what = format!("role {} may open database {other}", names.app_role);
            return Err(ProvisioningError::NotIsolated(what));
        }
        if may_open.own {
            Ok(())
        } else {
            let what = format!("role {} may not open database {}", names.app_role, names.database_name);
            Err(ProvisioningError::NotUsable(what))
        }
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}

/// The tenant's login writes a row in its own database and reads it.
pub(super) struct DatabaseUse;

#[async_trait]
impl Step<Plan, ProvisioningError> for DatabaseUse {
    fn name(&self) -> &'static str {
        "prove-database"
    }

    fn after(&self) -> &'static [&'static str] {
        &["privileges"]
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut own = plan.own_session().await?;
        if super::super::store::write_and_read(&mut own).await? {
            Ok(())
        } else {
            Err(ProvisioningError::NotUsable("a row was not read as it was written".to_owned()))
        }
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}

/// The tenant's key writes an object in its own bucket and reads it, and is refused at a
/// neighbour's.
pub(super) struct StoreUse;

#[async_trait]
impl Step<Plan, ProvisioningError> for StoreUse {
    fn name(&self) -> &'static str {
        "prove-store"
    }

    fn after(&self) -> &'static [&'static str] {
        &["seal"]
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let key: ScopedKey = plan.key.lock().await.clone().ok_or_else(|| plan.lost("the key's secret"))?;
        let store = &plan.store.driver;
        let client = BucketClient::new(store.endpoint(), store.region(), &key);
        let name = format!(".nexus-proof-{}", plan.operation);
        client.put(plan.bucket(), &name, CONTENT).await?;
        let read = client.get(plan.bucket(), &name).await?;
        client.delete(plan.bucket(), &name).await?;
        if read != CONTENT {
            return Err(ProvisioningError::NotUsable("an object was not read as it was written".to_owned()));
        }
        // One key for all keeps nobody out, and whoever registered the store said so.
        if let Some(neighbour) = plan.neighbour.as_ref().filter(|_| !plan.store.shared_key)
            && client.try_list(neighbour).await? == Refusal::Allowed
        {
            let what = format!("key {} got access to bucket {}", key.access_key_id, neighbour);
            return Err(ProvisioningError::NotIsolated(what));
        }
        Ok(())
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}
