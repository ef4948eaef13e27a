//! Object stores: making buckets, making keys that can touch one bucket alone, and the S3 client
//! that a key holder uses. Knows nothing of tenants.
//!
//! [`ObjectStore`] is the border: one driver a kind of store. Start reading there.

mod admin_api;
mod aws;
mod breaker;
mod bucket;
mod client;
pub mod clock;
mod error;
mod garage;
mod health;
mod isolation_probe;
mod late;
mod local;
mod patience;

use async_trait::async_trait;
use secrecy::SecretString;

pub use aws::{ADMINISTRATOR_ACTIONS, AwsConfig, AwsStore, SharedKeyStore};
pub use breaker::{Breaker, Circuit};
pub use bucket::{Bucket, BucketOpener, FoundObject, Presigned, PresignedObject};
pub use client::{BucketClient, Refusal};
pub use error::ObjectError;
pub use garage::GarageStore;
pub use health::health;
pub use isolation_probe::{Attempt, Trespasser, WAYS};
pub use late::LateStore;
pub use local::LocalStore;

/// Whose something is, and how young the right to change it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Owner {
    /// Marks what Nexus made for one tenant; what bears another mark is never touched.
    pub mark: String,
    /// Grows whenever an operation is taken up. A store that can refuses a lower one than it was
    /// told of, so that a late request of a dead process changes nothing.
    pub fence: i64,
}

/// A key that can touch one bucket alone.
#[derive(Debug, Clone)]
pub struct ScopedKey {
    pub access_key_id: String,
    /// The secret half; the store tells it once.
    pub secret: SecretString,
}

/// A bucket that bears a mark of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundBucket {
    pub name: String,
    pub mark: String,
}

/// A key that bears a mark of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundKey {
    pub access_key_id: String,
    pub mark: String,
    /// The buckets that it can touch; where it may do less there than read and write, or more, that
    /// is said behind the name.
    pub buckets: Vec<String>,
    /// Whether it is let in.
    pub enabled: bool,
}

/// What a store holds of one installation.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct StoreInventory {
    /// Buckets, by name.
    pub buckets: Vec<FoundBucket>,
    /// Keys, by id.
    pub keys: Vec<FoundKey>,
    /// Keys of others that can touch one of these buckets, and which of them; where the store tells.
    pub unmanaged: Vec<FoundKey>,
}

/// A kind of object store, with the rights of its administrator.
///
/// Every call may be repeated; deleting what is not there is no error; what bears another owner's
/// mark is [`ObjectError::Foreign`].
#[async_trait]
pub trait ObjectStore: Send + Sync {
    /// Where its S3 protocol is spoken: scheme, host, port.
    fn endpoint(&self) -> &str;

    /// The region that signatures name.
    fn region(&self) -> &str;

    /// From now on refuses changes of this owner's things that bear less than `owner.fence`.
    async fn fence(&self, owner: &Owner) -> Result<(), ObjectError>;

    /// Whether the bucket is there and bears the owner's mark.
    async fn has_bucket(&self, bucket: &str, owner: &Owner) -> Result<bool, ObjectError>;

    /// Makes a bucket.
    async fn create_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError>;

    /// Deletes a bucket and all that is in it.
    async fn purge_bucket(&self, bucket: &str, owner: &Owner) -> Result<(), ObjectError>;

    /// The ids of the owner's keys.
    async fn keys(&self, owner: &Owner) -> Result<Vec<String>, ObjectError>;

    /// Makes a key for one bucket.
    async fn create_key(&self, bucket: &str, owner: &Owner) -> Result<ScopedKey, ObjectError>;

    /// Deletes a key; it is refused from then on.
    async fn delete_key(&self, access_key_id: &str, owner: &Owner) -> Result<(), ObjectError>;

    /// Turns a key off, so that it is refused from then on, or on again with the same secret. A key
    /// that is not there is off; turning it on is [`ObjectError::Missing`].
    async fn set_key_enabled(
        &self,
        access_key_id: &str,
        bucket: &str,
        owner: &Owner,
        enabled: bool,
    ) -> Result<(), ObjectError>;

    /// All that bears a mark beginning with `installation` (e.g. `nexus:<uuid>:`), in a bounded
    /// number of requests where the protocol allows it.
    async fn inventory(&self, installation: &str) -> Result<StoreInventory, ObjectError>;

    /// The highest fence that it was told of for owners beginning with `installation`; 0: none, or it
    /// knows no fences. No default: who wraps a store must not forget to ask it.
    async fn high_water(&self, installation: &str) -> Result<i64, ObjectError>;

    /// That the administrator's credentials are at hand; asks nobody.
    async fn ready(&self) -> Result<(), ObjectError> {
        Ok(())
    }

    /// That the administrator's credentials are good for making buckets and keys; changes nothing.
    async fn check(&self) -> Result<(), ObjectError>;

    /// Whether a key can be confined to one bucket.
    fn scopes_keys(&self) -> bool {
        true
    }
}
