//! A session in a tenant's own database.

use crate::infra::db::{Lease, PgConnection};

/// A session in a tenant's database, by the limited login that its own apps use: what that login does not see, nobody
/// sees through this. It is made safe before each use, and a statement ends after ten seconds.
///
/// It is no realm's session ([`crate::features::iam::Realm`]), and neither can be had from the other: a service of
/// identity is not called with this, and one of the business not with a realm. Names of tables are given with their
/// schema: none is looked for but in `pg_catalog`.
#[derive(Debug)]
pub struct Database(Lease);

impl Database {
    /// Of a session by that login. Only `app` makes one.
    #[must_use]
    pub(crate) fn new(lease: Lease) -> Self {
        Self(lease)
    }

    /// What statements are run in.
    pub(in crate::features) fn session(&mut self) -> &mut PgConnection {
        &mut self.0
    }
}
