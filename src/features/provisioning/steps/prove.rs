//! Steps that prove, with the tenant's own credentials, that what is its own works and that
//! nothing else lets it in.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::{PROOF, Plan};
use crate::infra::db::{ServerAddress, transaction};
use crate::infra::objects::{BucketClient, Refusal, ScopedKey};
use crate::infra::saga::{Probe, Step};

/// SQLSTATE `insufficient_privilege`.
const REFUSED: &str = "42501";
/// What a proof writes.
const CONTENT: &[u8] = b"nexus proof";

/// The tenant's login is refused at a neighbour's database and at the maintenance databases.
pub(super) struct Isolation;

#[async_trait]
impl Step<Plan, ProvisioningError> for Isolation {
    fn name(&self) -> &'static str {
        "prove-isolation"
    }

    fn after(&self) -> &'static [&'static str] {
        &["roles"]
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let maintenance = plan.server.cluster.admin.database.as_str();
        let neighbour = plan.neighbour.as_ref().map(|neighbour| neighbour.database_name.as_str());
        for database in [Some(maintenance), neighbour].into_iter().flatten() {
            refused(&plan.login(database)?).await?;
        }
        Ok(())
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}

async fn refused(server: &ServerAddress) -> Result<(), ProvisioningError> {
    match server.connect_plain(PROOF).await {
        Err(error) if error.state() == Some(REFUSED) => Ok(()),
        // 3D000: the neighbour was deleted at this moment. 55000: it takes no connections at all.
        Err(error) if matches!(error.state(), Some("3D000" | "55000")) => Ok(()),
        Err(error) => Err(error.into()),
        Ok(_) => Err(ProvisioningError::NotIsolated(format!(
            "role {} got access to database {}",
            server.user, server.database
        ))),
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
        let mut tx = transaction(&mut own).await?;
        let read = super::super::store::write_and_read(&mut tx).await?;
        tx.rollback().await?;
        if read {
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
            && client.try_list(&neighbour.bucket).await? == Refusal::Allowed
        {
            let what = format!("key {} got access to bucket {}", key.access_key_id, neighbour.bucket);
            return Err(ProvisioningError::NotIsolated(what));
        }
        Ok(())
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}
