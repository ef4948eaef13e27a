//! What leads to the files of a realm.

use std::ops::DerefMut;

use super::error::FilesError;
use crate::features::iam::{Realm, RowsTx};
use crate::infra::objects::Bucket;
use crate::kernel::AnyFailure;

/// What leads to a realm's rows and to its bucket. Sessions are few: one is held while a statement needs it, and
/// none while the store is asked.
pub trait Reach: Sync {
    /// A realm that is open, for as long as this is held.
    type Realm<'a>: DerefMut<Target = Realm> + Send
    where
        Self: 'a;

    /// Opens the realm.
    fn realm(&self) -> impl Future<Output = Result<Self::Realm<'_>, AnyFailure>> + Send;

    /// How many bytes its files may have; none: as many as there are.
    fn most_bytes(&self) -> Option<i64>;

    /// Makes known that something of the files will have to be swept, before it is written.
    fn expect_sweep(&self) -> impl Future<Output = Result<(), AnyFailure>> + Send;

    /// The bucket, by the tenant's own key. Not asked for where the realm has none.
    fn bucket(&self) -> impl Future<Output = Result<Bucket, AnyFailure>> + Send;
}

/// Requires that the realm is a tenant's.
pub(super) fn require_bucket(work: &RowsTx<'_>) -> Result<(), FilesError> {
    if work.is_platform() { Err(FilesError::NoBucket) } else { Ok(()) }
}
