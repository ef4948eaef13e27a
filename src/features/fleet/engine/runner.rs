//! A process at work on a run: what tells others that it lives, and how it goes through the waves.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::sync::Mutex;
use tokio_util::sync::CancellationToken;

use super::Fleet;
use super::files::{self, RunSet};
use super::server::Server;
use super::store::{self, TenantResult};
use crate::features::fleet::error::FleetError;
use crate::features::fleet::runs::{self, Run, RunKind, RunState};
use crate::features::placement::{ServerRecord, Sessions, try_hold_sessions};
use crate::infra::db::{AdvisoryLock, DbError, LockKey, PgConnection};
use crate::infra::failpoint;
use crate::kernel::ids::{RunId, RunnerId};
use crate::kernel::{Event, Progress};

/// How often a sign of life is given.
const SIGN_OF_LIFE: Duration = Duration::from_secs(1);
/// How often is looked whether others have got further.
const POLL_INTERVAL: Duration = Duration::from_millis(200);

/// The lock that a runner holds for as long as it lives.
pub(super) fn lock_of(runner: RunnerId) -> LockKey {
    LockKey::of("runner", runner)
}

/// The name of a runner's sessions in tenants' databases.
pub(super) fn application_of(runner: RunnerId) -> String {
    format!("nexus:run:{runner}")
}

/// A process at work on a run.
pub(super) struct Runner<'a> {
    pub(super) fleet: &'a Fleet,
    pub(super) run: Run,
    pub(super) id: RunnerId,
    pub(super) sets: Vec<RunSet>,
    /// For short statements.
    pub(super) control: Mutex<&'a mut PgConnection>,
    /// Holds the runner's lock and its share of servers' sessions.
    guard: Mutex<PgConnection>,
    /// Administrators' sessions of servers whose tenants are done, for the templates there.
    admins: Mutex<Sessions>,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a CancellationToken,
    /// No more tenants are to be begun, as was last heard.
    halted: AtomicBool,
}

/// A runner that holds its lock, with the session that holds it.
pub(super) struct Enlisted {
    pub(super) id: RunnerId,
    guard: PgConnection,
}

impl<'a> Runner<'a> {
    /// Makes a runner that is written down nowhere yet.
    pub(super) async fn enlist(fleet: &Fleet) -> Result<Enlisted, FleetError> {
        let id = RunnerId::new();
        let mut guard = fleet.control.connect("nexus:runner").await?;
        // Nobody else knows the id: the lock is free.
        let lock = AdvisoryLock::try_take(&mut guard, lock_of(id)).await?;
        // It goes with its session.
        let _lock = lock.ok_or_else(|| DbError::Unexpected(sqlx::Error::RowNotFound))?;
        Ok(Enlisted { id, guard })
    }

    /// Goes to work on a run in which it is written down.
    pub(super) async fn begin(
        fleet: &'a Fleet,
        control: &'a mut PgConnection,
        run: Run,
        Enlisted { id, guard }: Enlisted,
        (progress, stop): (&'a dyn Progress, &'a CancellationToken),
    ) -> Result<Self, FleetError> {
        let sets = files::load(control, &run.plan.0).await?;
        let (control, guard) = (Mutex::new(control), Mutex::new(guard));
        let (admins, halted) = (Mutex::new(Sessions::new()), AtomicBool::new(false));
        Ok(Self { fleet, run, id, sets, control, guard, admins, progress, stop, halted })
    }

    pub(super) fn ids(&self) -> (RunId, RunnerId) {
        (self.run.id, self.id)
    }

    pub(super) fn application(&self) -> String {
        application_of(self.id)
    }

    /// Whether tenants that are not begun are to stay so.
    pub(super) fn is_halted(&self) -> bool {
        self.stop.is_cancelled() || self.halted.load(Ordering::Relaxed)
    }

    /// Marks this runner's logins.
    pub(super) fn mark(&self) -> String {
        self.fleet.mark_of(self.id)
    }

    /// Works until the run is over, or this process is to stop. Says whether the run is over.
    pub(super) async fn work(&self) -> Result<(), FleetError> {
        let standing = store::standing(*self.control.lock().await, self.run.id, 0).await?;
        let left = standing.all_pending + standing.all_running;
        self.progress.event(Event::Total(u64::try_from(left).unwrap_or(0)));
        let worked = tokio::select! {
            worked = Box::pin(self.waves()) => worked,
            error = self.live() => Err(error),
        };
        // What is held is held no more; the lock goes with its session.
        let left = store::delete_runner(*self.control.lock().await, self.id).await;
        if let Err(FleetError::Placement(error)) = &worked
            && error.is_of_another_world()
        {
            let (control, why) = (&mut *self.control.lock().await, error.to_string());
            runs::store::finish(control, self.run.id, RunState::Stopped, Some(&why)).await?;
        }
        worked.and(left.map_err(FleetError::from))?;
        if self.stop.is_cancelled() {
            self.interrupted().await?;
        }
        Ok(())
    }

    /// Gives signs of life; ends when others took this process for dead.
    async fn live(&self) -> FleetError {
        loop {
            tokio::time::sleep(SIGN_OF_LIFE).await;
            match store::renew(&mut *self.guard.lock().await, self.id).await {
                Ok(Some(halted)) => self.halted.store(halted, Ordering::Relaxed),
                Ok(None) => return FleetError::TakenOver { id: self.run.id },
                Err(error) => return error.into(),
            }
        }
    }

    /// The user stopped it: where nobody else is at work, the run stops.
    async fn interrupted(&self) -> Result<(), FleetError> {
        let mut control = self.control.lock().await;
        let run = runs::store::run(&mut control, self.run.id).await?;
        if run.is_none_or(|run| run.state != RunState::Running) {
            return Ok(());
        }
        if runs::store::runners(&mut control, self.run.id).await?.is_empty() {
            let message = "a person or a signal stopped it";
            let state = store::standing(&mut control, self.run.id, 0).await?;
            if state.all_pending > 0 {
                runs::store::finish(&mut control, self.run.id, RunState::Stopped, Some(message)).await?;
            }
        }
        Err(FleetError::Interrupted { id: self.run.id })
    }

    /// Wave after wave.
    async fn waves(&self) -> Result<(), FleetError> {
        while !self.stop.is_cancelled() {
            let run = runs::store::run(*self.control.lock().await, self.run.id).await?;
            let Some(run) = run.filter(|run| run.state == RunState::Running) else { return Ok(()) };
            if run.stopping.is_none() && run.soak_left > 0 {
                let left = Duration::from_millis(u64::try_from(run.soak_left).unwrap_or(0));
                tokio::time::sleep(left.min(POLL_INTERVAL)).await;
                continue;
            }
            if run.stopping.is_none() {
                self.wave(run.wave).await?;
                if self.stop.is_cancelled() {
                    return Ok(());
                }
            }
            if self.ended(&run).await? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Migrates what is free of a wave.
    async fn wave(&self, wave: i32) -> Result<(), FleetError> {
        let servers = store::servers(*self.control.lock().await, self.run.id, wave).await?;
        let work = servers.iter().map(|name| Box::pin(self.server(name, wave)));
        futures_util::future::join_all(work).await.into_iter().collect()
    }

    async fn server(&self, name: &str, wave: i32) -> Result<(), FleetError> {
        let settings = self.run.plan.0.settings;
        let (cluster, record) = {
            let mut control = self.control.lock().await;
            let cluster = self.fleet.placement.cluster(&mut control, name).await?;
            (cluster, ServerRecord::read(&mut control, name).await?)
        };
        let alone = self.run.plan.0.has_alone();
        let lock = if alone {
            let key = LockKey::of("fleet-alone", name);
            let Some(lock) = AdvisoryLock::try_take(&mut *self.guard.lock().await, key).await? else {
                return Ok(());
            };
            Some(lock)
        } else {
            None
        };
        let jobs = if alone { 1 } else { usize::from(settings.jobs) };
        let held = {
            let mut guard = self.guard.lock().await;
            try_hold_sessions(&mut guard, (name, record.connections), (2, jobs + 1), POLL_INTERVAL).await?
        };
        if let Some(slots) = held {
            let jobs = slots.as_ref().map_or(jobs, |slots| slots.count() - 1);
            let worked = match cluster.admin.connect(&self.application()).await {
                Ok(admin) => {
                    let admin = Mutex::new(admin);
                    let server = Server { runner: self, cluster, record, wave, jobs, admin };
                    let worked = Box::pin(server.work()).await;
                    if slots.is_none() {
                        let admin = server.admin.into_inner();
                        self.admins.lock().await.insert(name.to_owned(), admin);
                    }
                    worked
                }
                Err(error) => self.unreachable(name, wave, error).await,
            };
            if let Some(slots) = slots {
                slots.give_back(&mut *self.guard.lock().await).await?;
            }
            worked?;
        }
        if let Some(lock) = lock {
            lock.release(&mut *self.guard.lock().await).await?;
        }
        Ok(())
    }

    /// A server that does not answer: its tenants failed, the others go on.
    async fn unreachable(&self, name: &str, wave: i32, error: DbError) -> Result<(), FleetError> {
        let failure = crate::features::fleet::tenant_failure::TenantFailure::of_db(error);
        loop {
            let mut control = self.control.lock().await;
            let claimed = store::claim(&mut control, self.ids(), (name, wave), 1000).await?;
            if claimed.is_empty() {
                return Ok(());
            }
            let result = super::server::refused(&claimed, &failure);
            store::record_results(&mut control, self.ids(), &result).await?;
            self.enforce_failure_limit(&mut control, wave, &result).await?;
        }
    }

    /// Begins no more tenants where too many failed.
    pub(super) async fn enforce_failure_limit(
        &self,
        control: &mut PgConnection,
        wave: i32,
        result: &[TenantResult],
    ) -> Result<(), FleetError> {
        let Some(limit) = self.run.plan.0.settings.max_failures else { return Ok(()) };
        if result.iter().all(|one| one.state != "failed") {
            return Ok(());
        }
        let standing = store::standing(control, self.run.id, wave).await?;
        let all = usize::try_from(standing.all).unwrap_or(0);
        if standing.failed > i64::from(limit.of(all)) {
            runs::store::stop(control, self.run.id, "failures").await?;
            self.halted.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    /// Looks how the run stands when nothing of its wave is free. `true` where it is over.
    async fn ended(&self, run: &Run) -> Result<bool, FleetError> {
        let mut control = self.control.lock().await;
        let standing = store::standing(&mut control, run.id, run.wave).await?;
        if standing.all_running > 0 || (run.stopping.is_none() && standing.pending > 0) {
            // Others are at work on them, or died at it.
            self.fleet.reap_dead_runners(&mut control, run.id).await?;
            drop(control);
            tokio::time::sleep(POLL_INTERVAL).await;
            return Ok(false);
        }
        if let Some(why) = &run.stopping {
            let (state, message) = match why.as_str() {
                "cancelled" => (RunState::Cancelled, "a person cancelled it"),
                _ => (RunState::Stopped, "too many tenants failed"),
            };
            runs::store::finish(&mut control, run.id, state, Some(message)).await?;
            return Ok(true);
        }
        let plan = &run.plan.0;
        if run.wave < plan.last_wave() {
            if plan.settings.max_failures.is_none() && standing.wave_failed > 0 {
                runs::store::stop(&mut control, run.id, "failures").await?;
            } else {
                failpoint::pass(|| "fleet.wave.before".to_owned()).await;
                // A wave that nobody was in needs no soaking.
                let soak =
                    if standing.wave_failed + standing.wave_done > 0 { plan.settings.soak_ms } else { 0 };
                store::next_wave(&mut control, run.id, run.wave, soak).await?;
            }
            return Ok(false);
        }
        drop(control);
        failpoint::pass(|| "fleet.finish.before".to_owned()).await;
        self.last(run, standing.failed).await
    }

    /// Everybody was tried: whoever was made meanwhile comes, too, and then the run is over.
    async fn last(&self, run: &Run, failed: i64) -> Result<bool, FleetError> {
        let mut control = self.control.lock().await;
        if self.fleet.admit_late(&mut control, run).await? {
            return Ok(false);
        }
        let admins = std::mem::take(&mut *self.admins.lock().await);
        let how = (admins, self.progress);
        let released = match run.kind {
            RunKind::Forward => self.fleet.release(&mut control, &run.plan.0, how).await,
            RunKind::Rollback if failed == 0 => {
                self.fleet.withdraw_release(&mut control, &run.plan.0, how).await
            }
            RunKind::Rollback => Ok(()),
        };
        if let Err(error @ FleetError::Template { .. }) = &released {
            let state = if failed == 0 { RunState::Done } else { RunState::Partial };
            runs::store::finish(&mut control, run.id, state, Some(&error.to_string())).await?;
        }
        released?;
        // Whoever was begun before the templates were built anew.
        if self.fleet.admit_late(&mut control, run).await? {
            return Ok(false);
        }
        // Who died before it had begun a tenant is not missed until now.
        self.fleet.reap_dead_runners(&mut control, run.id).await?;
        let state = if failed == 0 { RunState::Done } else { RunState::Partial };
        runs::store::finish(&mut control, run.id, state, None).await?;
        Ok(true)
    }
}
