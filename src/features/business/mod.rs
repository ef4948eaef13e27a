//! What business modules stand on: a tenant's own database by the login that its apps use ([`Database`]), which is
//! another thing than a realm's session, and what leads to both ([`Reach`]).
//!
//! Whoever asks is checked in the realm, which decides who may do what; then rows are read and written by the
//! limited login, which sees what the tenant's apps see and nothing of Nexus's own. Start reading at [`usage`], the
//! smallest of such services.

mod database;
mod error;
mod reach;
mod service;
mod store;
mod views;

pub use database::Database;
pub use error::BusinessError;
pub use reach::Reach;
pub use service::usage;
pub use views::{DatabaseView, OwnUsageView, SchemaView, Used};
