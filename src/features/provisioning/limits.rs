//! What a tenant's login may use beside its own data: the server's shared facilities, of which one
//! tenant can take all there is from the others.

use serde_json::json;

use super::error::ProvisioningError;
use super::worker::Provisioning;
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::features::tenants::{Tenant, TenantState};
use crate::infra::cluster::{self, Facility};
use crate::infra::db::{PgConnection, durable_transaction};
use crate::kernel::Caller;

impl Provisioning {
    /// Lets a tenant's login use a facility, or no longer. `false`: it was so already. What is not
    /// to be done is only looked at where `dry_run` is set.
    ///
    /// # Errors
    /// [`ProvisioningError::Tenant`] where nobody can enter its database; when a statement fails.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn allow(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        tenant: &Tenant,
        (facility, allowed): (Facility, bool),
        dry_run: bool,
    ) -> Result<bool, ProvisioningError> {
        let caller =
            &access::authorize(control, caller, &rights::TENANT_UPDATE, About::Tenant(tenant.id)).await?;
        if !matches!(tenant.state, TenantState::Active | TenantState::Pooled) {
            return Err(tenant.clone().unusable().into());
        }
        let names = &tenant.resources;
        let cluster = self.placement.cluster(control, &tenant.cluster).await?;
        let mut inside = cluster.admin.database(&names.database_name).connect("nexus:limits").await?;
        let is_new = cluster::allows(&mut inside, &names.app_role, facility).await? != allowed;
        if is_new && !dry_run {
            let mut tx = durable_transaction(control).await?;
            let detail = json!({ "slug": tenant.slug, facility.as_str(): allowed });
            let action = "tenant.update";
            let entry = audit::Entry { caller, action, tenant: Some(tenant.id), operation: None, detail };
            audit::record(&mut tx, entry).await?;
            tx.commit().await?;
            cluster::allow(&mut inside, &names.app_role, facility, allowed).await?;
        }
        let _ = inside.close().await;
        Ok(is_new)
    }
}
