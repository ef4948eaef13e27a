//! Who may do what in a realm: schema `nexus` of a tenant's database or of the control database.
//!
//! A fact feature: others call it on a connection to the realm's database.

mod store;
mod subject;

pub use store::{FirstSignIn, seed_administrator};
pub use subject::{Subject, active_subjects, emails, includes, subject, subject_by_id};
