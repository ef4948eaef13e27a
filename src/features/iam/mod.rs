//! Who may do what in a realm: schema `nexus` of a tenant's database or of the control database.
//!
//! A fact feature: others call it on a connection to the realm's database.

mod store;

pub use store::{FirstSignIn, seed_administrator};
