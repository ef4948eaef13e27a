//! What every connection shares.

use std::sync::Arc;

use super::fences::Fences;
use super::seal::Sealer;
use super::store::buckets::Buckets;
use super::store::keys::Keys;
use super::store::root::Root;
use super::store::{StoreError, bucket::Bucket};
use super::{ObjectServerConfig, ObjectServerError};
use crate::kernel::{ExposeSecret, SecretString};

/// Fewer characters than this protect nothing.
const MIN_TOKEN: usize = 16;

/// The store, the keys, and who may administer them.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) root: Arc<Root>,
    pub(crate) region: String,
    pub(crate) buckets: Buckets,
    pub(crate) keys: Keys,
    pub(crate) fences: Fences,
    pub(crate) admin_token: SecretString,
}

impl State {
    /// Takes the folder and reads which buckets and keys there are.
    pub(crate) fn open(config: ObjectServerConfig) -> Result<Self, ObjectServerError> {
        if config.admin_token.expose_secret().len() < MIN_TOKEN {
            return Err(ObjectServerError::WeakToken(MIN_TOKEN));
        }
        let root = Arc::new(Root::open(&config.root)?);
        let sealer = Sealer::new(&config.admin_token).ok_or(StoreError::Broken)?;
        Ok(Self {
            buckets: Buckets::load(Arc::clone(&root))?,
            keys: Keys::load(Arc::clone(&root), sealer)?,
            fences: Fences::new(Arc::clone(&root)),
            region: config.region,
            admin_token: config.admin_token,
            root,
        })
    }

    /// A bucket.
    pub(crate) fn bucket(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        self.buckets.get(name)
    }
}

/// Seconds since 1970.
pub(crate) fn now() -> i64 {
    time::OffsetDateTime::now_utc().unix_timestamp()
}
