//! The platform itself: its control database, its keys' registration, its template, its first
//! operator. A process feature; start reading at `service.rs`.

mod age;
mod error;
mod service;
mod store;

pub use age::{RecordOlder, compare_age};
pub use error::InstallationError;
pub use service::{Installation, NewOperator, Outcome, Setup, open};
