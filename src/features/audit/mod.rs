//! The audit log: one row per change, in the transaction of its intent, never changed again.
//!
//! The rows are a chain: each holds a hash over itself and the hash of the row before it, so that
//! an edit, a deletion or a forged row shows. What the chain cannot show, a cut tail with the head
//! set back, an [`Anchor`] kept elsewhere shows.
//!
//! A fact feature: others record through [`record`] on their own connection, as the last statement
//! before the commit, because writers wait for each other from there on.
//! The list is [`super::tenants::log`], which knows tenants by their names.
//! Start reading at `chain.rs`, then `walk.rs`.

mod anchor;
mod chain;
mod error;
mod export;
mod part;
mod service;
mod store;
mod tampering;
mod views;
mod walk;

pub use anchor::{Anchor, AnchorFile};
pub use chain::{Hash, Record};
pub use error::AuditError;
pub use export::check_file;
pub use part::verify_part;
pub(in crate::features) use service::read_page;
pub use service::{Period, Watch, anchor, export, outline, verify};
pub use store::{AuditFilter, Entry, OfTenant};
pub(in crate::features) use store::{record, record_and_commit, statement};
pub use tampering::Tampering;
pub use views::{AuditFinding, AuditView, ExportFormat, Exported, Verified, VerifiedPart, VerifyOutcome};
