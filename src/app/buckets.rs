//! The buckets of tenants, each by the tenant's own key, kept in memory: a request opens no secret.

use std::collections::HashMap;
use std::sync::Arc;

use super::App;
use super::cache::{Cache, CacheTicket};
use crate::features::placement::Store;
use crate::features::provisioning::OpenBucket;
use crate::features::tenants::Tenant;
use crate::infra::objects::Bucket;
use crate::kernel::{AnyFailure, TenantId};

/// Most buckets that are kept open: each holds a client of its own.
const MOST: usize = 1_000;

/// The buckets that are open.
#[derive(Default)]
pub(super) struct Buckets(Cache<HashMap<TenantId, ByKey>>);

/// A bucket, and the key that it was opened by.
struct ByKey {
    open: OpenBucket,
    access_key_id: Option<String>,
}

impl Buckets {
    /// The bucket of a tenant, where neither its key nor its store is another since it was opened.
    fn get(&self, tenant: &Tenant, store: Option<&Store>) -> Result<Bucket, CacheTicket> {
        self.0.get(|all| {
            let kept = all.get(&tenant.id)?;
            let is_same = Arc::ptr_eq(&kept.open.store.driver, &store?.driver)
                && kept.access_key_id == tenant.access_key_id;
            is_same.then(|| kept.open.bucket.clone())
        })
    }

    fn keep(&self, reading: CacheTicket, tenant: &Tenant, open: OpenBucket) {
        let by_key = ByKey { open, access_key_id: tenant.access_key_id.clone() };
        self.0.insert(reading, MOST, (tenant.id, by_key));
    }

    /// Forgets that of a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.0.change(|all| all.remove(&tenant));
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        self.0.change(HashMap::clear);
    }
}

impl App {
    /// The bucket of a tenant that [`App::tenant`] gave, by the tenant's own key.
    ///
    /// # Errors
    /// When the control database does not answer, or the key does not open.
    pub async fn bucket(&self, tenant: &Tenant) -> Result<Bucket, AnyFailure> {
        let shared = self.shared();
        let store = shared.provisioning.placement.opened_store(&tenant.store).await;
        let reading = match shared.buckets.get(tenant, store.as_ref()) {
            Ok(bucket) => return Ok(bucket),
            Err(reading) => reading,
        };
        let mut control = self.control().await?;
        let open = shared.provisioning.open_bucket(&mut control, tenant).await?;
        let bucket = open.bucket.clone();
        shared.buckets.keep(reading, tenant, open);
        Ok(bucket)
    }
}
