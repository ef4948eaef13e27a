//! A store whose administrator's secret is looked for when the first request needs it: who only reads
//! the control database needs none.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;
use tokio::sync::OnceCell;

use super::{ObjectError, ObjectStore, Owner, ScopedKey, StoreInventory};
use crate::settings::SecretSetting;

type Open = dyn Fn(SecretString) -> Arc<dyn ObjectStore> + Send + Sync;

/// A store that is opened by its first request.
pub struct LateStore {
    endpoint: String,
    region: String,
    secret: SecretSetting,
    open: Box<Open>,
    opened: OnceCell<Arc<dyn ObjectStore>>,
}

impl LateStore {
    /// At an endpoint, opened with the secret that a setting refers to.
    #[must_use]
    pub fn new(
        (endpoint, region): (&str, &str),
        secret: SecretSetting,
        open: impl Fn(SecretString) -> Arc<dyn ObjectStore> + Send + Sync + 'static,
    ) -> Self {
        let (endpoint, region) = (endpoint.to_owned(), region.to_owned());
        Self { endpoint, region, secret, open: Box::new(open), opened: OnceCell::new() }
    }

    async fn store(&self) -> Result<&Arc<dyn ObjectStore>, ObjectError> {
        let open = async || Ok((self.open)(self.secret.resolve().await?));
        self.opened.get_or_try_init(open).await
    }
}

#[async_trait]
impl ObjectStore for LateStore {
    fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn region(&self) -> &str {
        &self.region
    }

    async fn ready(&self) -> Result<(), ObjectError> {
        self.store().await?.ready().await
    }

    async fn fence(&self, owner: &Owner) -> Result<(), ObjectError> {
        self.store().await?.fence(owner).await
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        self.store().await?.has_bucket(bucket, owner).await
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.store().await?.create_bucket(bucket, owner).await
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.store().await?.purge_bucket(bucket, owner).await
    }

    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError> {
        self.store().await?.keys(owner).await
    }

    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError> {
        self.store().await?.create_key(bucket, owner).await
    }

    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError> {
        self.store().await?.delete_key(access_key_id, owner).await
    }

    async fn set_key_enabled(
        &self,
        access_key_id: &str,
        bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError> {
        self.store().await?.set_key_enabled(access_key_id, bucket, owner, enabled).await
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        self.store().await?.inventory(installation).await
    }

    async fn high_water(&self, installation: &str) -> Result<i64, ObjectError> {
        self.store().await?.high_water(installation).await
    }

    async fn check(&self) -> Result<(), ObjectError> {
        self.store().await?.check().await
    }
}
