//! Steps on the PostgreSQL server.

use async_trait::async_trait;
use secrecy::ExposeSecret;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use super::remove::{Makes, leave_foreign};
use crate::infra::cluster::{self, ClusterError, DatabaseFound};
use crate::infra::crypto::scram;
use crate::infra::saga::{Probe, Step};

/// SQLSTATE `object_in_use`: sessions, prepared transactions, subscriptions, slots.
const IN_USE: &str = "55006";

/// The owner role and the app role.
pub(super) struct MakeRoles;

#[async_trait]
impl Step<Plan, ProvisioningError> for MakeRoles {
    fn name(&self) -> &'static str {
        "roles"
    }

    fn after(&self) -> &'static [&'static str] {
        &["reserve"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let limit = plan.server.cluster.connection_limit;
        let found = cluster::roles(&mut *plan.server.admin.lock().await, plan.roles(), limit).await?;
        // The tenant can change its own password: the sealed one must still be the one that counts.
        let fits = match (&found.verifier, &plan.password) {
            (Some(verifier), Some(password)) => scram::verify(verifier, password),
            _ => false,
        };
        Ok(if found.owner && found.app && fits && found.login != plan.tenant.is_closed() {
            Probe::Done
        } else {
            Probe::Absent
        })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let password = plan.password.as_ref().ok_or_else(|| plan.lost("its sealed password"))?;
        let verifier = scram::verifier(password)?;
        let (verifier, name) = (verifier.expose_secret(), plan.database().name);
        let limits = (plan.server.cluster.connection_limit, !plan.tenant.is_closed());
        let mut admin = plan.server.admin.lock().await;
        if plan.fresh {
            let change = (plan.on.installation.id, plan.owner.fence);
            return Ok(cluster::create_new_roles(&mut admin, change, plan.roles(), verifier, limits).await?);
        }
        Ok(cluster::create_roles(&mut admin, plan.roles(), name, verifier, limits).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        leave_foreign(self.remove(plan).await)
    }
}

#[async_trait]
impl Makes for MakeRoles {
    async fn remove(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut admin = plan.server.admin.lock().await;
        let server = &plan.server.cluster.admin;
        Ok(cluster::drop_roles_everywhere(&mut admin, server, plan.roles(), plan.database()).await?)
    }
}

/// The database, cloned from the template; nobody can connect yet.
pub(super) struct MakeDatabase;

#[async_trait]
impl Step<Plan, ProvisioningError> for MakeDatabase {
    fn name(&self) -> &'static str {
        "database"
    }

    fn after(&self) -> &'static [&'static str] {
        &["roles"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        match cluster::database(&mut *plan.server.admin.lock().await, plan.database()).await? {
            DatabaseFound::Absent if !plan.may_remake => {
                Err(plan.lost(format!("database {}", plan.tenant.resources.database_name)))
            }
            DatabaseFound::Absent => Ok(Probe::Absent),
            DatabaseFound::Closed | DatabaseFound::Open => Ok(Probe::Done),
        }
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let (server, template) = (&plan.server.cluster.admin, &plan.template().await?.database);
        let mut admin = plan.server.admin.lock().await;
        Ok(cluster::create_database(&mut admin, server, plan.database(), (template, plan.fresh)).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        leave_foreign(self.remove(plan).await)
    }
}

#[async_trait]
impl Makes for MakeDatabase {
    async fn remove(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        plan.inside.lock().await.take();
        let mut admin = plan.server.admin.lock().await;
        match cluster::drop_database(&mut admin, plan.database()).await {
            Err(ClusterError::Db(error)) if error.state() == Some(IN_USE) => {
                cluster::clear_database(&mut admin, &plan.server.cluster.admin, plan.database()).await?;
                Ok(cluster::drop_database(&mut admin, plan.database()).await?)
            }
            other => Ok(other?),
        }
    }
}

/// Who may connect, who owns what is inside, and what the app role may do there.
pub(super) struct Grant;

#[async_trait]
impl Step<Plan, ProvisioningError> for Grant {
    fn name(&self) -> &'static str {
        "privileges"
    }

    fn after(&self) -> &'static [&'static str] {
        &["database"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        // Nobody can look inside a database that is closed.
        if plan.tenant.is_closed() {
            return Ok(Probe::Done);
        }
        let found = cluster::database(&mut *plan.server.admin.lock().await, plan.database()).await?;
        if found != DatabaseFound::Open {
            return Ok(Probe::Absent);
        }
        let granted =
            plan.inside(async |inside| Ok(cluster::granted_inside(inside, plan.database()).await?)).await?;
        Ok(if granted { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        cluster::open_database(&mut *plan.server.admin.lock().await, plan.database()).await?;
        if !plan.may_remake {
            cluster::put_in_app_role(&mut *plan.server.admin.lock().await, plan.database().app).await?;
            return plan
                .inside(async |inside| Ok(cluster::regrant_inside(inside, plan.database()).await?))
                .await;
        }
        let template = plan.template().await?;
        plan.inside(async |inside| {
            // The first session in a database writes a file that every other one reads instead of the
            // catalogue (`RelationCacheInitializePhase3` in PostgreSQL's relcache.c).
            plan.begin_own_session().await?;
            let (owner, carried) = (&template.owner_role, &template.carried);
            Ok(cluster::grant_inside(inside, plan.database(), owner, carried).await?)
        })
        .await
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}
