//! Batches: the changes of several tenants that one command asked for, and the way back of exactly
//! these.
//!
//! Start reading at [`Batch`] and `many.rs`, which has what a door can ask for; `run.rs` is the loop that all
//! of it goes through. The way back is in `back.rs`.

use super::error::ProvisioningError;
use crate::features::access::{self, About, Right, rights};
use crate::infra::db::PgConnection;
use crate::kernel::{BatchId, Caller};

mod back;
mod error;
mod many;
mod report;
mod run;
mod store;

pub use back::{Member, Prospect, WayBack};
pub use error::BatchError;
pub use many::{RepairSelection, Reversal, Selected};
pub use report::{BatchReport, way_back};
pub use run::{Attempt, BatchOptions, BatchRow};

/// The batch that a change of a tenant is a part of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Batch {
    pub id: BatchId,
    /// The kind of its operations. One of that kind that was interrupted, and that the batch finishes,
    /// becomes a part of it.
    pub kind: &'static str,
    /// The batch that it rolls back: of a tenant that was changed again since, nothing is changed.
    pub reverses: Option<BatchId>,
}

impl Batch {
    /// Records a batch before its first change: what is done to each tenant, and to how many.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn begin(
        control: &mut PgConnection,
        caller: &Caller,
        (kind, tenants): (&'static str, usize),
        reverses: Option<BatchId>,
    ) -> Result<Self, ProvisioningError> {
        let caller = &access::authorize(control, caller, right_of(kind), About::Platform).await?;
        let id = BatchId::new();
        store::insert(control, id, (kind, tenants), caller, reverses).await?;
        Ok(Self { id, kind, reverses })
    }
}

/// The permission that a verb needs on each tenant, so also to begin it on many.
fn right_of(verb: &str) -> &'static Right {
    match verb {
        "suspend" | "resume" => &rights::TENANT_SUSPEND,
        "delete" | "undelete" => &rights::TENANT_DELETE,
        "purge" => &rights::TENANT_PURGE,
        "update" => &rights::TENANT_UPDATE,
        _ => &rights::OPERATION_RESUME,
    }
}
