//! What is due again and again, and what its jobs do.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::App;
use crate::features::jobs::schedules::{self, Missed, Schedule};
use crate::features::jobs::{Backoff, JobEnd, JobKind, Limits, Priority};
use crate::features::provisioning::{Change, ProvisioningError};
use crate::kernel::progress::Silent;
use crate::kernel::{AnyFailure, Caller};

/// Pools of ready tenants are brought to their size.
pub static FILL_POOLS: JobKind = upkeep("pool.fill", Duration::from_hours(1));
/// Deleted tenants are purged once their time is over.
pub static PURGE_DUE: JobKind = upkeep("tenant.purge_due", Duration::from_hours(6));

/// Of those that nobody waits for, one at a time; the next moment makes up for one that failed.
const fn upkeep(name: &'static str, timeout: Duration) -> JobKind {
    let backoff = Backoff { first: Duration::from_secs(30), longest: Duration::from_mins(10) };
    JobKind { name, priority: Priority::Low, max_attempts: 3, timeout, backoff, limits: Limits::ONE }
}

/// All that is due again and again.
pub static SCHEDULES: [Schedule; 2] = [
    Schedule {
        name: "pool.fill",
        kind: &FILL_POOLS,
        expression: "every 5m",
        time_zone: "UTC",
        missed_runs: Missed::Once,
    },
    Schedule {
        name: "tenant.purge_due",
        kind: &PURGE_DUE,
        expression: "20 3 * * *",
        time_zone: "UTC",
        missed_runs: Missed::Once,
    },
];

impl App {
    /// Makes known what schedules there are.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn register_schedules(&self, all: &[&'static Schedule]) -> Result<(), AnyFailure> {
        Ok(schedules::register_schedules(&mut *self.control().await?, &Caller::System, all).await?)
    }

    /// Writes the jobs of those that are due; how many, and in how long the next one is due.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn run_due_schedules(
        &self,
        all: &[&'static Schedule],
    ) -> Result<(usize, Option<time::Duration>), AnyFailure> {
        Ok(schedules::run_due_schedules(&mut *self.control().await?, &Caller::System, all).await?)
    }

    /// Brings every pool to its size.
    ///
    /// # Errors
    /// The first pool's that could not be filled; the others are.
    pub async fn fill_pools(&self) -> Result<JobEnd, AnyFailure> {
        let (provisioning, worker) = self.operation_worker().await?;
        let mut failed = None;
        for pool in provisioning.pools(&worker, &Caller::System).await? {
            let stop = CancellationToken::new();
            // Dropped, it stops at the edge of a step.
            let _stopping = stop.clone().drop_guard();
            let filled = provisioning.fill_pool(&worker, &Caller::System, &pool, 1, (&Silent, &stop)).await;
            match filled {
                Ok(_) | Err(ProvisioningError::InProgress { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(JobEnd::Done), |error| Err(error.into()))
    }

    /// Purges the tenants whose time in the trash is over.
    ///
    /// # Errors
    /// The last tenant's that could not be purged; the others are.
    pub async fn purge_due(&self) -> Result<JobEnd, AnyFailure> {
        let (provisioning, worker) = self.operation_worker().await?;
        let mut failed = None;
        for due in provisioning.due(&worker, &Caller::System).await? {
            let stop = CancellationToken::new();
            let _stopping = stop.clone().drop_guard();
            // Whether its time is over is looked at again under its lock: somebody may have undeleted it.
            let change = Change::Purge { only_if_due: true };
            let purging = provisioning.change(&worker, &Caller::System, &due.tenant, &change, &Silent, &stop);
            match Box::pin(purging).await {
                Ok(changed) => {
                    tracing::info!(tenant = %due.slug, outcome = ?changed.outcome, "a deleted tenant was purged");
                }
                Err(ProvisioningError::InProgress { .. }) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(JobEnd::Done), |error| Err(error.into()))
    }
}
