//! The tenants' secrets, and the platform's own: sealed with a data key for each, which the master
//! key wraps.
//!
//! Knows the control database's tables `master_keys`, `data_keys` and `sealed_secrets`, and that a
//! tenant has an id; not what a secret is for. Imports no other feature.
//! Start reading at [`Secrets`]; `docs/keys.md` says what all this protects from.

mod batch;
mod error;
mod manifest;
mod service;
mod store;
mod views;

pub use batch::OpenedOrNot;
pub use error::SecretsError;
pub use service::{Secrets, recorded_master, status};
pub use views::{MasterKeyUse, StatusView};
