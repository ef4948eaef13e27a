//! What leads to what is a tenant's own.

use std::ops::DerefMut;

use super::database::Database;
use crate::features::files;
use crate::features::tenants::Tenant;
use crate::kernel::AnyFailure;

/// What leads to a tenant's database, beside its realm and its bucket. Sessions are few, and a tenant has a share of
/// them: whoever holds the realm gives it back before the database is asked for.
pub trait Reach: files::Reach {
    /// A session in the database, for as long as this is held.
    type Database<'a>: DerefMut<Target = Database> + Send
    where
        Self: 'a;

    /// Whose it is.
    fn tenant(&self) -> &Tenant;

    /// Opens the database by the login of the tenant's apps.
    fn database(&self) -> impl Future<Output = Result<Self::Database<'_>, AnyFailure>> + Send;
}
