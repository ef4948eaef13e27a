//! How much a tenant holds, for who is about to delete it. Nothing of it fails: what cannot be
//! counted in a moment is left out.

use std::time::Duration;

use super::error::ProvisioningError;
use super::worker::Provisioning;
use crate::features::access::{self, About, AccessError, rights};
use crate::features::tenants::Tenant;
use crate::infra::cluster;
use crate::infra::db::PgConnection;
use crate::infra::objects::BucketClient;
use crate::kernel::Caller;

/// How long a person waits for numbers.
const SIZES_TIMEOUT: Duration = Duration::from_secs(3);

/// How much a tenant holds, as far as it can be told.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sizes {
    /// The database's size on the disk.
    pub database_bytes: Option<i64>,
    /// Tables besides the realm's, and about how many rows are in them. Nobody can look inside a
    /// database that is closed.
    pub tables_and_rows: Option<(i64, i64)>,
    /// Objects in the bucket, and whether there are more.
    pub objects: Option<(usize, bool)>,
}

impl Provisioning {
    /// How much a tenant holds.
    ///
    /// # Errors
    /// Without `tenant:read`.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn sizes(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        tenant: &Tenant,
    ) -> Result<Sizes, AccessError> {
        access::authorize(control, caller, &rights::TENANT_READ, About::Tenant(tenant.id)).await?;
        let mut sizes = Sizes::default();
        let counting = async {
            let _ = self.database_sizes(control, tenant, &mut sizes).await;
            if let Ok(objects) = self.objects(control, tenant).await {
                sizes.objects = Some(objects);
            }
        };
        let _ = tokio::time::timeout(SIZES_TIMEOUT, counting).await;
        Ok(sizes)
    }

    async fn database_sizes(
        &self,
        control: &mut PgConnection,
        tenant: &Tenant,
        sizes: &mut Sizes,
    ) -> Result<(), ProvisioningError> {
        let server = self.placement.cluster(control, &tenant.cluster).await?.admin;
        let name = &tenant.resources.database_name;
        sizes.database_bytes = cluster::database_bytes(&mut server.connect("nexus").await?, name).await?;
        if !tenant.is_closed() {
            let mut inside = server.database(name).connect("nexus").await?;
            sizes.tables_and_rows = Some(cluster::tables_and_rows(&mut inside).await?);
        }
        Ok(())
    }

    /// One page of the bucket, as the tenant sees it.
    async fn objects(
        &self,
        control: &mut PgConnection,
        tenant: &Tenant,
    ) -> Result<(usize, bool), ProvisioningError> {
        let (_, key) = self.credentials(control, tenant).await?;
        let store = self.placement.store(control, &tenant.store).await?.driver;
        let client = BucketClient::new(store.endpoint(), store.region(), &key);
        Ok(client.count(&tenant.resources.bucket).await?)
    }
}
