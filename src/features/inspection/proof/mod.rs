//! Proving that tenants are kept apart: each logs in as itself, and tries what is its neighbours'.
//!
//! Start reading at `service.rs`; `attempts.rs` has what is tried, `report.rs` what an auditor gets.

mod attempts;
mod report;
mod service;

pub use report::{Breach, Checked, Kind, Proof, ProofOutcome, SignedProof, check, public_key, sign};
pub use service::prove;
