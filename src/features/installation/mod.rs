//! The platform itself: its control database, its keys' registration, its template, its first
//! operator. A process feature; start reading at `service.rs`.

mod error;
mod service;
mod store;

pub use error::InstallationError;
pub use service::{Installation, NewOperator, Setup, SetupOutcome, open};
