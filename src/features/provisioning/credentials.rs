//! A tenant's own credentials, and how they are handed over.

use serde_json::json;

use super::error::ProvisioningError;
use super::plan::sealed;
use super::worker::Provisioning;
use crate::features::access::{self, About, rights};
use crate::features::audit;
use crate::features::placement::Store;
use crate::features::secrets::StatusView;
use crate::features::tenants::{self, EnvView, Renamed, Tenant, TenantRef};
use crate::infra::db::{PgConnection, ServerAddress};
use crate::infra::objects::{Bucket, ScopedKey};
use crate::kernel::{Caller, Expected, SecretString, Slug};

/// A tenant's credentials, opened and not told: only [`Concealed::disclose`] gives them.
#[derive(Debug)]
pub struct Concealed {
    view: EnvView,
    tenant: Tenant,
}

/// A tenant's bucket, and the store that it was opened in.
pub(crate) struct OpenBucket {
    pub(crate) bucket: Bucket,
    pub(crate) store: Store,
}

impl Concealed {
    /// With the secrets masked.
    #[must_use]
    pub fn view(&self) -> &EnvView {
        &self.view
    }

    /// The credentials, once the audit log says that they were told, and how.
    ///
    /// # Errors
    /// Without `secret:reveal`; when the log cannot be written.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn disclose(
        self,
        control: &mut PgConnection,
        caller: &Caller,
        (action, how): (&'static str, &str),
    ) -> Result<EnvView, ProvisioningError> {
        let about = About::Tenant(self.tenant.id);
        let caller = &access::authorize(control, caller, &rights::SECRET_REVEAL, about).await?;
        let (tenant, detail) = (Some(self.tenant.id), json!({ "how": how }));
        audit::record(control, audit::Entry { caller, action, tenant, operation: None, detail }).await?;
        Ok(self.view.revealed())
    }

    /// The same for whoever needs the login alone.
    ///
    /// # Errors
    /// As [`Concealed::disclose`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn disclose_login(
        self,
        control: &mut PgConnection,
        caller: &Caller,
        how: (&'static str, &str),
    ) -> Result<ServerAddress, ProvisioningError> {
        Ok(self.disclose(control, caller, how).await?.into_server())
    }
}

impl Provisioning {
    /// A tenant's own credentials, opened and not told.
    ///
    /// # Errors
    /// Without `tenant:read`; when a secret does not open.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn environment(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        tenant: &Tenant,
    ) -> Result<Concealed, ProvisioningError> {
        access::authorize(control, caller, &rights::TENANT_READ, About::Tenant(tenant.id)).await?;
        let (password, key) = self.credentials(control, tenant).await?;
        let cluster = self.placement.cluster(control, &tenant.cluster).await?;
        let store = self.placement.store(control, &tenant.store).await?;
        let names = &tenant.resources;
        let server = cluster.admin.database(&names.database_name).login(&names.app_role, password);
        let view = EnvView::new(tenant, server, (store.driver.endpoint(), store.driver.region()), key);
        Ok(Concealed { view, tenant: tenant.clone() })
    }

    /// A tenant's bucket, by the tenant's own key, which reaches no other. What is done there is for the caller of
    /// a request to be allowed.
    ///
    /// # Errors
    /// When the key is not sealed here, or does not open.
    pub(crate) async fn open_bucket(
        &self,
        control: &mut PgConnection,
        tenant: &Tenant,
    ) -> Result<OpenBucket, ProvisioningError> {
        let lost = || ProvisioningError::Lost { slug: tenant.slug.clone(), what: "its key".to_owned() };
        let access_key_id = tenant.access_key_id.clone().ok_or_else(lost)?;
        let store = self.placement.store(control, &tenant.store).await?;
        let secret = self.secrets.get(control, tenant.id, sealed::KEY).await?;
        let bucket = store.buckets.open(&tenant.resources.bucket, &ScopedKey { access_key_id, secret });
        Ok(OpenBucket { bucket, store })
    }

    /// The password of the login that a tenant's apps use. What is done with it is for the caller of a request to be
    /// allowed.
    ///
    /// # Errors
    /// When it is not sealed here, or does not open.
    pub(crate) async fn open_password(
        &self,
        control: &mut PgConnection,
        tenant: &Tenant,
    ) -> Result<SecretString, ProvisioningError> {
        Ok(self.secrets.get(control, tenant.id, sealed::PASSWORD).await?)
    }

    /// Gives a tenant another slug, as [`tenants::rename`] says.
    ///
    /// # Errors
    /// As there; without `tenant:update`.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn rename(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        (name, slug): (&TenantRef, &Slug),
        (expected, dry_run): (&Expected, bool),
    ) -> Result<Renamed, ProvisioningError> {
        let caller = &access::authorize(control, caller, &rights::TENANT_UPDATE, name.about()).await?;
        let to = (slug, self.secrets.record_key());
        let how = (expected, dry_run, self.attempt.as_ref());
        Ok(tenants::rename(control, caller, &name.for_caller(caller), to, how).await?)
    }

    /// Which key seals how much.
    ///
    /// # Errors
    /// Without `secret:read`; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn secret_status(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<StatusView, ProvisioningError> {
        access::authorize(control, caller, &rights::SECRET_READ, About::Platform).await?;
        Ok(self.secrets.status(control).await?)
    }
}
