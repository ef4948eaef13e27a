//! What a pooled tenant has already, when it is claimed: nothing to do forward, all to be undone.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use crate::infra::saga::{Probe, Step};

/// A step whose effect is there since the tenant was made for the pool.
pub(super) struct PrecreatedTenant<S>(pub(super) S);

#[async_trait]
impl<S: Step<Plan, ProvisioningError>> Step<Plan, ProvisioningError> for PrecreatedTenant<S> {
    fn name(&self) -> &'static str {
        self.0.name()
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Done)
    }

    async fn apply(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        self.0.undo(plan).await
    }
}
