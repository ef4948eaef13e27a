//! The fleet: one migration of many tenants, as a run that is recorded, shared by any number of
//! processes, and picked up where it stood.
//!
//! A process feature. Start reading at `model.rs`, then `engine/mod.rs`; what only asks or compares
//! stands on `asking/mod.rs`. What of a set of
//! migrations is in a tenant is decided by the tenant's own history; the registry says where it is
//! worth looking. Nothing of a tenant's run has an operator's rights: see
//! `infra/cluster/migrator.rs`.

mod asking;
mod engine;
mod error;
mod exec;
mod model;
mod plan;
mod rehearse;
mod release;
mod runs;
mod scratch;
mod status;
mod tenant_failure;
mod verify;
mod wave;

pub use asking::{Scope, Wanted};
pub use engine::{Fleet, RunOutcome, WayBack};
pub use error::FleetError;
pub use exec::{
    ExecLine, ExecOutcome, ExecPlan, ExecRequest, Executed, MaxFailures, Statement, exec, plan_exec,
};
pub use model::{
    Limit, LimitError, Only, Plan, PlannedFile, PlannedSet, Request, Selection, Settings, Shard, ShardError,
};
pub use plan::{PlanFile, Planned, PlannedTenant, SkippedTenant};
pub use rehearse::{Forecast, Lock, Rehearsal, RehearseRequest, Rehearsed, Step, StepError, rehearse};
pub use runs::{AppliedView, NoticeView, RunFilter, RunKind, RunState, RunTenantView, RunView, TenantState};
pub use status::{SetStatus, StatusReport, Straggler, Untouched, VersionCount, status};
pub use verify::{Comparison, Finding, Verified, VerifyRequest, verify};
pub use wave::{Wave, WaveError, Waves};
