//! Inspecting: whether the world is as the control database says, in both directions, and fixing
//! what differs. Proving that tenants are kept apart.
//!
//! A process feature. It may use the doors of `tenants`, `placement`, `secrets`, `provisioning`,
//! `installation` and `audit`. Start reading at `service.rs`, then `server.rs`; `codes.rs` has all
//! that can be found, `expectation.rs` what should be there of a tenant in each state.

mod buckets;
mod codes;
mod databases;
mod error;
mod expectation;
mod fixing;
mod ledger;
mod look;
mod model;
mod proof;
mod record;
mod sealed;
mod server;
mod service;
mod store;
mod unmanaged;
mod whole;

pub use codes::{CODES, Entry, FixKind, entry_of};
pub use error::InspectionError;
pub use fixing::{PlannedFix, fix, plan};
pub use model::{Details, Finding, Inspected, Report, Request};
pub use proof::{Breach, Checked, Kind, Proof, ProofOutcome, SignedProof, check, prove, public_key, sign};
pub use record::{Accepted, accept, examine_record};
pub use service::inspect;
