//! The buckets of tenants, each by the tenant's own key, kept in memory: a request opens no secret.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::App;
use crate::features::placement::Store;
use crate::features::tenants::Tenant;
use crate::infra::objects::Bucket;
use crate::kernel::{AnyFailure, TenantId};

/// Most buckets that are kept open: each holds a client of its own.
const MOST: usize = 1_000;

/// The buckets that are open.
#[derive(Default)]
pub(super) struct Buckets(Mutex<HashMap<TenantId, Kept>>);

/// A bucket, and what it was opened by.
struct Kept {
    bucket: Bucket,
    store: Store,
    access_key_id: Option<String>,
}

impl Buckets {
    /// The bucket of a tenant, where neither its key nor its store is another since it was opened.
    fn get(&self, tenant: &Tenant, store: &Store) -> Option<Bucket> {
        let kept = self.kept();
        let found = kept.get(&tenant.id)?;
        let is_same =
            Arc::ptr_eq(&found.store.driver, &store.driver) && found.access_key_id == tenant.access_key_id;
        is_same.then(|| found.bucket.clone())
    }

    fn keep(&self, tenant: &Tenant, store: Store, bucket: &Bucket) {
        let mut kept = self.kept();
        if kept.len() >= MOST {
            kept.clear();
        }
        let access_key_id = tenant.access_key_id.clone();
        kept.insert(tenant.id, Kept { bucket: bucket.clone(), store, access_key_id });
    }

    /// Forgets that of a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.kept().remove(&tenant);
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        self.kept().clear();
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<TenantId, Kept>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl App {
    /// The bucket of a tenant that [`App::tenant`] gave, by the tenant's own key.
    ///
    /// # Errors
    /// When the control database does not answer, or the key does not open.
    pub async fn bucket(&self, tenant: &Tenant) -> Result<Bucket, AnyFailure> {
        let shared = self.shared();
        let placement = &shared.provisioning.placement;
        if let Some(store) = placement.opened_store(&tenant.store).await
            && let Some(bucket) = shared.buckets.get(tenant, &store)
        {
            return Ok(bucket);
        }
        let mut control = self.control().await?;
        let bucket = shared.provisioning.open_bucket(&mut control, tenant).await?;
        if let Some(store) = placement.opened_store(&tenant.store).await {
            shared.buckets.keep(tenant, store, &bucket);
        }
        Ok(bucket)
    }
}
