//! Tenants' secrets at rest: envelope encryption over the control database.
//!
//! The master key wraps one data key a tenant; the data key seals each secret for its one place.
//! A fact feature: its calls take the caller's connection, so that one transaction can span a
//! secret and what it belongs to. Start reading at `service.rs`.

mod error;
mod service;
mod store;

pub use error::SecretsError;
pub use service::{MasterStatus, SecretStatus, Secrets};
