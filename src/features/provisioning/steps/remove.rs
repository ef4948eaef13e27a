//! Steps of taking a tenant away: the undoing of those that made it, behind closed doors.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use crate::infra::cluster;
use crate::infra::saga::{Probe, Step};

/// No login, no new session, and an end to those that are open.
pub(super) struct CloseLogins;

#[async_trait]
impl Step<Plan, ProvisioningError> for CloseLogins {
    fn name(&self) -> &'static str {
        "close-logins"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Absent)
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(cluster::close_logins(&mut *plan.worker.admin.lock().await, plan.roles(), plan.database()).await?)
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(ProvisioningError::OnlyForward { id: plan.operation })
    }
}

/// The undoing of a step that makes something.
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
impl<S: Step<Plan, ProvisioningError>> Step<Plan, ProvisioningError> for Remove<S> {
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
        self.makes.undo(plan).await
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        Err(ProvisioningError::OnlyForward { id: plan.operation })
    }
}
