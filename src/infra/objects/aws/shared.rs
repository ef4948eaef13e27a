//! An S3 endpoint of which there is one key and no more: it makes the buckets, and every tenant
//! holds it. Nothing keeps tenants apart here; whoever registers such a store says so.

use async_trait::async_trait;
use secrecy::SecretString;

use super::buckets::{Buckets, Whose};
use super::connect::{self, Places};
use super::{AwsConfig, foreign_bucket};
use crate::infra::objects::{FoundBucket, ObjectError, ObjectStore, Owner, ScopedKey, StoreInventory};

/// An S3 endpoint with one key for all.
pub struct SharedKeyStore {
    buckets: Buckets,
    key: ScopedKey,
}

impl SharedKeyStore {
    /// Connects when it is first used.
    #[must_use]
    pub fn new(endpoint: &str, region: &str, access_key_id: &str, secret: SecretString) -> Self {
        let config = AwsConfig {
            s3_endpoint: Some(endpoint.trim_end_matches('/').to_owned()),
            iam_endpoint: None,
            region: region.to_owned(),
            access_key_id: access_key_id.to_owned(),
            secret: secret.clone(),
        };
        let places = Places::of(&config);
        let buckets = Buckets {
            client: connect::s3(&config, &places),
            endpoint: places.s3.clone(),
            region: config.region.clone(),
            is_aws: false,
        };
        Self { buckets, key: ScopedKey { access_key_id: config.access_key_id, secret } }
    }

    /// Whether the bucket is there. One without a mark is what a crash left of a creation, as
    /// long as nothing is in it.
    async fn standing(&self, bucket: &str, owner: &Owner) -> Result<Whose, ObjectError> {
        match self.buckets.whose(bucket).await? {
            Whose::Of(mark) if mark != owner.mark => Err(foreign_bucket(bucket)),
            Whose::Unmarked if !self.buckets.is_empty(bucket).await? => Err(foreign_bucket(bucket)),
            standing => Ok(standing),
        }
    }
}

#[async_trait]
impl ObjectStore for SharedKeyStore {
    fn endpoint(&self) -> &str {
        &self.buckets.endpoint
    }

    fn region(&self) -> &str {
        &self.buckets.region
    }

    fn scopes_keys(&self) -> bool {
        false
    }

    async fn high_water(&self, _installation: &str) -> Result<i64, ObjectError> {
        Ok(0)
    }

    async fn check(&self) -> Result<(), ObjectError> {
        Ok(self.buckets.check().await?)
    }

    /// S3 cannot refuse a late request.
    async fn fence(&self, _owner: &Owner) -> Result<(), ObjectError> {
        Ok(())
    }

    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError> {
        Ok(matches!(self.standing(bucket, owner).await?, Whose::Of(_)))
    }

    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        if self.standing(bucket, owner).await? == Whose::Absent && !self.buckets.create(bucket, owner).await?
        {
            return Err(foreign_bucket(bucket));
        }
        if self.standing(bucket, owner).await? == Whose::Unmarked {
            self.buckets.mark(bucket, owner).await?;
        }
        Ok(())
    }

    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError> {
        match self.standing(bucket, owner).await? {
            Whose::Absent => Ok(()),
            _ => Ok(self.buckets.purge(bucket).await?),
        }
    }

    /// The one key is everybody's.
    async fn keys(&self, _owner: &Owner) -> Result<Vec<String>, ObjectError> {
        Ok(vec![self.key.access_key_id.clone()])
    }

    async fn create_key(&self, _bucket: &str, _owner: &Owner) -> Result<ScopedKey, ObjectError> {
        Ok(self.key.clone())
    }

    /// It stays: others hold it, too.
    async fn delete_key(&self, _access_key_id: &str, _owner: &Owner) -> Result<(), ObjectError> {
        Ok(())
    }

    /// It cannot be turned off: others hold it, too.
    async fn set_key_enabled(
        &self,
        _access_key_id: &str,
        _bucket: &str,
        _owner: &Owner,
        _enabled: bool,
    ) -> Result<(), ObjectError> {
        Ok(())
    }

    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError> {
        let mut buckets = Vec::new();
        for (name, _) in self.buckets.all(None).await? {
            if let Whose::Of(mark) = self.buckets.whose(&name).await?
                && mark.starts_with(installation)
            {
                buckets.push(FoundBucket { name, mark });
            }
        }
        Ok(StoreInventory { buckets, ..StoreInventory::default() })
    }
}
