//! Making a tenant, taking a database under Nexus that is there, closing and opening it, and taking
//! it away: recorded operations made of steps that can be repeated.
//!
//! A process feature. It may use the doors of `tenants`, `placement`, `secrets`, `iam`,
//! `installation` and `audit`. Start reading at `create.rs` and `change.rs`, then `steps/mod.rs`; what happens
//! after a crash is in `recovery.rs`; what workers carry out, in `queue/mod.rs`.

mod adopt;
mod batch;
mod change;
mod choice;
mod create;
mod credentials;
mod difference;
mod error;
mod examine;
mod kinds;
mod limits;
mod locked;
mod operations;
mod outline;
mod plan;
mod pool;
mod queue;
mod recovery;
mod repair;
mod reserve;
mod sizes;
mod steps;
mod store;
mod worker;

pub use crate::infra::cluster::Facility;
pub use crate::infra::saga::{StepRecord, StepState};
pub use adopt::{AdoptOutcome, AdoptedTenant};
pub use batch::{
    Attempt, Batch, BatchError, BatchOptions, BatchReport, BatchRow, Member, Prospect, RepairSelection,
    Reversal, Selected, WayBack, way_back,
};
pub use change::{Change, ChangeOutcome, Changed};
pub use create::{CreateOutcome, CreateRequest, Created};
pub use credentials::Concealed;
pub(crate) use credentials::OpenBucket;
pub use difference::Difference;
pub use error::ProvisioningError;
pub use examine::{AdoptRequest, Examined, plan_adopt};
pub use operations::{FIELDS as OPERATION_FIELDS, OperationFilter, OperationState, OperationView, Watches};
pub use outline::{PlannedStep, plan_create, plan_purge};
pub use pool::{Filled, PoolView};
pub use queue::{DrivenBy, MOST_ATTEMPTS};
pub use recovery::Direction;
pub use repair::{RepairOutcome, Repaired};
pub use sizes::Sizes;
pub use worker::{Provisioning, Worker};
