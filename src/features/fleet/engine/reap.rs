//! What dead processes left: sessions that are still at it, databases that stand open, logins,
//! tenants that count as being migrated.

use super::Fleet;
use super::runner::{application_of, lock_of};
use super::store;
use crate::features::fleet::error::FleetError;
use crate::features::fleet::runs;
use crate::features::placement::PlacementError;
use crate::features::tenants;
use crate::infra::cluster::{close_after_migration, drop_marked_migrators, fence};
use crate::infra::db::{AdvisoryLock, LockKey, PgConnection};
use crate::kernel::TenantId;
use crate::kernel::ids::{RunId, RunnerId};
use std::time::Duration;

/// How long to wait for somebody who changes a tenant.
const TENANT_LOCK_TIMEOUT: Duration = Duration::from_secs(10);

impl Fleet {
    /// Marks the logins of a runner.
    pub(super) fn mark_of(&self, runner: RunnerId) -> String {
        format!("{}migrator:{runner}", self.installation.marks())
    }

    /// Cleans up behind every dead runner of a run; how many live. One is dead when its lock is
    /// free, or when it gave no sign of life for so long that its lease is over: its server may
    /// not have noticed that it is gone.
    pub(super) async fn reap_dead_runners(
        &self,
        control: &mut PgConnection,
        run: RunId,
    ) -> Result<usize, FleetError> {
        let mut alive = 0;
        for (runner, overdue) in runs::store::runners(control, run).await? {
            let key = if overdue { LockKey::of("runner-grave", runner) } else { lock_of(runner) };
            let Some(lock) = AdvisoryLock::try_take(control, key).await? else {
                alive += 1;
                continue;
            };
            let buried = self.clean_up(control, runner).await;
            lock.release(control).await?;
            buried?;
        }
        Ok(alive)
    }

    async fn clean_up(&self, control: &mut PgConnection, runner: RunnerId) -> Result<(), FleetError> {
        let opened = store::opened_by(control, runner).await?;
        for name in store::servers_of_runner(control, runner).await? {
            let cluster = self.placement.cluster(control, &name).await?;
            let who = (self.installation.id, "nexus:run");
            let mut admin = self.placement.open_for_changes(control, &cluster, who).await?;
            // A statement outlives its client: what it was at has come about after this, or never will.
            fence(&mut admin, &application_of(runner)).await?;
            for (tenant, run, place, database, app, suspended) in &opened {
                if *place == name {
                    if *suspended {
                        let named = (database.as_str(), app.as_str());
                        close_if_shut(control, &mut admin, *tenant, named).await?;
                    }
                    store::note_opened(control, *run, *tenant, false).await?;
                }
            }
            drop_marked_migrators(&mut admin, &self.mark_of(runner)).await?;
        }
        Ok(store::delete_runner(control, runner).await?)
    }
}

/// Closes a database that a dead runner opened, if its tenant is shut out still: it may have been
/// resumed since the runner was looked at.
async fn close_if_shut(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    tenant: TenantId,
    (database, app): (&str, &str),
) -> Result<(), FleetError> {
    let lock = AdvisoryLock::wait(control, LockKey::of("tenant", tenant), TENANT_LOCK_TIMEOUT).await?;
    let lock = lock.ok_or(PlacementError::Busy)?;
    let closed = match tenants::by_id(control, tenant).await {
        Ok(Some(row)) if row.is_closed() => {
            close_after_migration(admin, database, app).await.map_err(FleetError::from)
        }
        Ok(_) => Ok(()),
        Err(error) => Err(error.into()),
    };
    lock.release(control).await?;
    closed
}
