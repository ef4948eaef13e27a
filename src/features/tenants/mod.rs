//! Tenants: who they are, what state they are in, what is theirs. A fact feature: it changes rows
//! only; `provisioning` changes the world.
//!
//! Start reading at `model.rs`. The exported functions take the caller's connection, so that one
//! transaction can span a tenant's row and what belongs to it.

mod env;
mod error;
mod model;
mod service;
mod store;

pub use env::EnvView;
pub use error::TenantError;
pub use model::{NewTenant, Resources, Tenant, TenantFilter, TenantSort, TenantState, TenantView};
pub use service::{TenantRef, find, get, list, slugs};
pub use store::{by_id, insert, set_access_key, set_state};
