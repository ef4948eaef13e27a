//! Where tenants are placed: on which PostgreSQL server and in which object store.
//!
//! A context has one of each, named `default`; a tenant's row holds the name, so that more can be
//! registered without touching a tenant.

use std::sync::Arc;

use crate::infra::db::ServerAddress;
use crate::infra::objects::ObjectStore;

/// The name of a context's only server and only store.
pub const DEFAULT: &str = "default";

/// A PostgreSQL server for tenants' databases.
#[derive(Debug, Clone)]
pub struct Cluster {
    /// Its name, as tenants' rows hold it.
    pub name: String,
    /// Its administrator's login, at the maintenance database.
    pub admin: ServerAddress,
    /// Most sessions that one tenant may have at a time.
    pub connection_limit: i32,
}

/// Where new tenants go.
#[derive(Clone)]
pub struct Placement {
    /// The server.
    pub cluster: Cluster,
    /// The store's name, as tenants' rows hold it.
    pub store_name: String,
    /// The store.
    pub store: Arc<dyn ObjectStore>,
}
