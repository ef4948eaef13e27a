//! Steps of taking a tenant away: the removal of what was made, behind closed doors.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use crate::infra::cluster::{self, ClusterError};
use crate::infra::objects::ObjectError;
use crate::infra::saga::{Probe, Step};

/// Looks at all that will be removed, and finds that it is ours, before anything is.
pub(super) struct Look;

#[async_trait]
impl Step<Plan, ProvisioningError> for Look {
    fn name(&self) -> &'static str {
        "look"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut admin = plan.server.admin.lock().await;
        let limit = plan.server.cluster.connection_limit;
        cluster::roles(&mut admin, plan.roles(), limit).await?;
        cluster::database(&mut admin, plan.database()).await?;
        let server = &plan.server.cluster.admin;
        cluster::check_nothing_else_is_theirs(&mut admin, server, plan.roles(), plan.database()).await?;
        drop(admin);
        plan.store.driver.has_bucket(plan.bucket(), &plan.owner).await?;
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}

/// A step that makes something which can be removed.
#[async_trait]
pub(super) trait Makes: Step<Plan, ProvisioningError> {
    /// Removes it; refuses where what bears its name is not ours.
    async fn remove(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.undo(plan).await
    }
}

/// The end of an undoing: what is not ours was there before us, and stays.
pub(super) fn leave_foreign(removed: Result<(), ProvisioningError>) -> Result<(), ProvisioningError> {
    match removed {
        Err(
            ProvisioningError::Cluster(ClusterError::Foreign { .. })
            | ProvisioningError::Objects(ObjectError::Foreign { .. }),
        ) => Ok(()),
        other => other,
    }
}

/// The removal of what a step makes.
pub(super) struct Remove<S> {
    name: Option<&'static str>,
    makes: S,
    after: &'static [&'static str],
}

impl<S> Remove<S> {
    /// Under the name of what is removed.
    pub(super) fn of(makes: S, after: &'static [&'static str]) -> Self {
        Self { name: None, makes, after }
    }

    /// Under a name of its own.
    pub(super) fn named(name: &'static str, makes: S, after: &'static [&'static str]) -> Self {
        Self { name: Some(name), makes, after }
    }
}

#[async_trait]
impl<S: Makes> Step<Plan, ProvisioningError> for Remove<S> {
    fn name(&self) -> &'static str {
        self.name.unwrap_or_else(|| self.makes.name())
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.makes.remove(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(plan.only_forward())
    }
}
