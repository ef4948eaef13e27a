//! Files of a realm: rows of `nexus.files`, and the objects in the tenant's bucket that they stand for. What is
//! uploaded and downloaded goes between the client and the store, by URLs that are signed here.
//!
//! A fact feature. Knows that a realm has sessions and a bucket ([`Reach`]); not who opens them. Start reading at
//! [`create`]; `sweep.rs` finishes what was left half done, and `due/` knows where something may have been left.

mod complete;
mod error;
mod model;
mod reach;
mod service;
mod store;
mod sweep;
mod sweeps;

pub use crate::infra::objects::{Bucket, Presigned as StoreRequest};
pub use complete::complete;
pub use error::FilesError;
pub use model::{
    AttachedId, AttachedKind, Attachment, ContentType, Digest, Download, File, FileChange, FileFilter,
    FileName, FileSize, FileState, FileUsage, NewFile, Upload,
};
pub use reach::Reach;
pub(in crate::features) use service::totals;
pub use service::{create, delete, download, get, list, renew_upload, update, usage};
pub use sweep::{Swept, sweep};
pub use sweeps::{ExpectedSweeps, SweepOutcome, claim_sweeps, expect_sweep, settle_sweep};
