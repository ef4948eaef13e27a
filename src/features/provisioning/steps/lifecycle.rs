//! Steps in the tenant's row and in its realm.

use async_trait::async_trait;

use super::super::error::ProvisioningError;
use super::super::plan::Plan;
use super::remove::Makes;
use crate::features::iam;
use crate::features::notifications::provider;
use crate::features::tenants::{self, TenantState};
use crate::features::{services, subscribers, webhooks};
use crate::infra::cluster;
use crate::infra::db::{relaxed_transaction, transaction_as};
use crate::infra::saga::{Probe, Step};

/// The tenant's row, its names and its sealed password: written with the operation's intent.
pub(super) struct Reserve;

#[async_trait]
impl Step<Plan, ProvisioningError> for Reserve {
    fn name(&self) -> &'static str {
        "reserve"
    }

    async fn probe(&self, _plan: &Plan) -> Result<Probe, ProvisioningError> {
        Ok(Probe::Done)
    }

    async fn apply(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }

    /// Erases the secrets and frees the slug.
    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        let mut tx = relaxed_transaction(&mut control).await?;
        plan.on.secrets.erase(&mut tx, plan.tenant.id).await?;
        webhooks::forget_tenant(&mut tx, plan.tenant.id).await?;
        services::forget_tenant(&mut tx, plan.tenant.id).await?;
        subscribers::forget_tenant(&mut tx, plan.tenant.id).await?;
        provider::forget_tenant(&mut tx, plan.tenant.id).await?;
        tenants::set_access_key(&mut tx, plan.tenant.id, None, plan.on.secrets.record_key()).await?;
        tenants::set_state(&mut tx, plan.tenant.id, TenantState::Deleted).await?;
        tx.commit().await?;
        Ok(())
    }
}

impl Makes for Reserve {}

/// The first administrator, in the tenant's realm.
pub(super) struct Seed {
    pub(super) after: &'static [&'static str],
}

#[async_trait]
impl Step<Plan, ProvisioningError> for Seed {
    fn name(&self) -> &'static str {
        "seed"
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let wanted = plan.tenant.admin_email.is_some() && plan.first_sign_in.is_some();
        Ok(if wanted { Probe::Absent } else { Probe::Done })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let (Some(email), Some(sign_in)) = (&plan.tenant.admin_email, &plan.first_sign_in) else {
            return Ok(());
        };
        let rules = &plan.on.rules;
        let (owner, invited) = (plan.database().owner, iam::seed_statement(email, sign_in, rules));
        plan.inside(async |inside| {
            if let Some(statement) = invited {
                return Ok(cluster::run_as(inside, owner, &statement).await?);
            }
            let mut tx = transaction_as(inside, owner).await?;
            iam::seed_administrator(&mut tx, email, sign_in, rules).await?;
            tx.commit().await?;
            Ok(())
        })
        .await
    }

    async fn undo(&self, _plan: &Plan) -> Result<(), ProvisioningError> {
        Ok(())
    }
}

/// The tenant is in use from here on.
pub(super) struct Activate {
    pub(super) after: &'static [&'static str],
}

#[async_trait]
impl Step<Plan, ProvisioningError> for Activate {
    fn name(&self) -> &'static str {
        "activate"
    }

    fn after(&self) -> &'static [&'static str] {
        self.after
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let row = tenants::by_id(&mut *plan.worker.control.lock().await, plan.tenant.id).await?;
        Ok(if row.is_some_and(|row| row.state == TenantState::Active) { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, TenantState::Active).await?)
    }

    fn at_the_end(&self, plan: &Plan) -> Option<String> {
        Some(tenants::state_statement(plan.tenant.id, TenantState::Active))
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, TenantState::Provisioning).await?)
    }
}

/// The tenant is ready, and waits for who will ask for one.
pub(super) struct Park;

#[async_trait]
impl Step<Plan, ProvisioningError> for Park {
    fn name(&self) -> &'static str {
        "shelve"
    }

    fn after(&self) -> &'static [&'static str] {
        &["prove-isolation", "prove-database", "prove-store"]
    }

    async fn probe(&self, plan: &Plan) -> Result<Probe, ProvisioningError> {
        let row = tenants::by_id(&mut *plan.worker.control.lock().await, plan.tenant.id).await?;
        Ok(if row.is_some_and(|row| row.state == TenantState::Pooled) { Probe::Done } else { Probe::Absent })
    }

    async fn apply(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, TenantState::Pooled).await?)
    }

    fn at_the_end(&self, plan: &Plan) -> Option<String> {
        Some(tenants::state_statement(plan.tenant.id, TenantState::Pooled))
    }

    async fn undo(&self, plan: &Plan) -> Result<(), ProvisioningError> {
        let mut control = plan.worker.control.lock().await;
        Ok(tenants::set_state(&mut control, plan.tenant.id, TenantState::Provisioning).await?)
    }
}
