//! Beginning a run, sharing it, picking it up, ending it.
//!
//! Start reading at [`Fleet::migrate`]; a process at work is a `Runner`, on one server a `Server`,
//! at one tenant `tenant.rs`.

mod files;
mod reap;
mod rollback;
mod runner;
mod server;
mod session;
pub(super) mod store;
mod suspended;
mod tenant;

use std::time::Duration;

use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::error::FleetError;
use super::model::{Plan, Request, Selection, Versions};
use super::plan::{self, PlanFile, Planned};
use super::runs::{self, NewTenant, Run, RunKind, RunState, RunView};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::installation::Installation;
use crate::features::placement::Placement;
use crate::infra::db::{DbError, PgConnection, ServerAddress, durable_transaction};
use crate::infra::failpoint;
use crate::kernel::ids::RunId;
use crate::kernel::{Caller, Event, Progress};
use runner::{Enlisted, Runner};

pub use rollback::WayBack;

/// How often is looked whether another run is over.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// Migrates tenants.
#[derive(Clone)]
pub struct Fleet {
    pub control: ServerAddress,
    pub placement: Placement,
    /// Marks what we make.
    pub installation: Installation,
}

/// What came of it.
#[derive(Debug, Clone)]
pub enum RunOutcome {
    /// Nobody lacks anything; no run was recorded.
    NothingToDo,
    /// A run is over, done or not.
    Ran(Box<RunView>),
}

/// Who looks at long work, and may stop it.
pub(super) type Watch<'a> = (&'a dyn Progress, &'a CancellationToken);

impl Fleet {
    /// What would run where.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn plan(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        request: &Request,
    ) -> Result<Planned, FleetError> {
        let caller = &access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
        plan::make(control, caller, request).await
    }

    /// Brings tenants to the versions that are asked for: a new run, or the same one again whose
    /// processes died, or, as a shard, the one that is under way. With `approved` nothing is done
    /// unless that plan still holds.
    ///
    /// # Errors
    /// [`FleetError::Busy`], [`FleetError::PlanChanged`], [`FleetError::Interrupted`]. Tenants that
    /// fail are in the outcome.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn migrate(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        request: &Request,
        approved: Option<&PlanFile>,
        watch: Watch<'_>,
    ) -> Result<RunOutcome, FleetError> {
        let caller = &access::authorize(control, caller, &rights::RUN_CREATE, About::Platform).await?;
        let until = Instant::now() + request.lock_wait;
        loop {
            let under_way = runs::store::under_way(control).await?;
            let Some(run) = under_way else {
                let planned = plan::make(control, caller, request).await?;
                planned.report_misnamed(watch.0);
                if let Some(file) = approved {
                    file.check(&planned)?;
                }
                if planned.is_empty() {
                    self.release_what_is_due(control, &planned, watch.0).await?;
                    return Ok(RunOutcome::NothingToDo);
                }
                match self.create(control, caller, &planned).await {
                    Ok((run, enlisted)) => return self.run(control, run, enlisted, watch).await,
                    Err(FleetError::Db(error)) if error.violates(runs::store::ONE_AT_A_TIME) => continue,
                    Err(error) => return Err(error),
                }
            };
            let alive = self.reap_dead_runners(control, run.id).await?;
            if alive == 0 || request.shard.is_some() {
                let same = self.is_the_same(control, caller, request, approved, &run).await?;
                if same {
                    let how = if alive == 0 { "taking up" } else { "joining" };
                    watch.0.event(Event::Note(format!("{how} run {} where it stands", run.id)));
                    let enlisted = self.join(control, caller, &run).await?;
                    return self.run(control, run, enlisted, watch).await;
                }
                if alive == 0 {
                    let message = "its process died, and a different command came next";
                    runs::store::finish(control, run.id, RunState::Stopped, Some(message)).await?;
                    continue;
                }
                return Err(FleetError::Busy { id: run.id, other: true });
            }
            if Instant::now() >= until {
                return Err(FleetError::Busy { id: run.id, other: false });
            }
            tokio::time::sleep(POLL_INTERVAL).await;
        }
    }

    async fn is_the_same(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        request: &Request,
        approved: Option<&PlanFile>,
        run: &Run,
    ) -> Result<bool, FleetError> {
        if run.kind == RunKind::Rollback {
            return Ok(false);
        }
        if let Some(file) = approved {
            return Ok(run.plan.0 == file.plan);
        }
        let planned = plan::make(control, caller, request).await?;
        Ok(run.plan.means_the_same(&planned.plan))
    }

    /// Goes on with a run that is not done, from where it stands, with the files that it began with.
    ///
    /// # Errors
    /// [`FleetError::NoRun`], [`FleetError::Busy`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn resume(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        id: RunId,
        watch: Watch<'_>,
    ) -> Result<RunOutcome, FleetError> {
        let caller = &access::authorize(control, caller, &rights::RUN_RESUME, About::Platform).await?;
        let run = runs::store::run(control, id).await?.ok_or(FleetError::NoRun { id })?;
        match run.state {
            RunState::Done => return Ok(RunOutcome::NothingToDo),
            RunState::Running => {
                self.reap_dead_runners(control, id).await?;
            }
            RunState::Partial | RunState::Stopped | RunState::Cancelled => {
                // Its files are all there still.
                files::load(control, &run.plan.0).await?;
                let mut tx = durable_transaction(control).await?;
                match runs::store::reopen(&mut tx, id).await {
                    Err(error) if error.violates(runs::store::ONE_AT_A_TIME) => {
                        tx.rollback().await?;
                        let other = runs::store::under_way(control).await?;
                        return Err(FleetError::Busy { id: other.map_or(id, |run| run.id), other: false });
                    }
                    other => other?,
                }
                tx.commit().await?;
            }
        }
        let run = runs::store::run(control, id).await?.ok_or(FleetError::NoRun { id })?;
        let enlisted = self.join(control, caller, &run).await?;
        self.run(control, run, enlisted, watch).await
    }

    /// Begins no more tenants of a run; those that are being migrated are finished by whoever is at
    /// it. One that was stopped is given up.
    ///
    /// # Errors
    /// [`FleetError::NoRun`], [`FleetError::Over`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn cancel(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        id: RunId,
    ) -> Result<RunView, FleetError> {
        let caller = &access::authorize(control, caller, &rights::RUN_CANCEL, About::Platform).await?;
        let run = runs::store::run(control, id).await?.ok_or(FleetError::NoRun { id })?;
        if !matches!(run.state, RunState::Running | RunState::Stopped) {
            return Err(FleetError::Over { id, state: run.state.as_str(), verb: "cancelled" });
        }
        let mut tx = durable_transaction(control).await?;
        if run.state == RunState::Running {
            runs::store::stop(&mut tx, id, "cancelled").await?;
        } else {
            runs::store::give_up(&mut tx, id).await?;
        }
        audit::record(&mut tx, entry(caller, "run.cancel", json!({ "run": id }))).await?;
        tx.commit().await?;
        if run.state == RunState::Running && self.reap_dead_runners(control, id).await? == 0 {
            runs::store::finish(control, id, RunState::Cancelled, Some("a person cancelled it")).await?;
        }
        RunView::read(control, id).await
    }

    /// Writes the intent: the run, its tenants, its files as they are, and who is at work on it.
    async fn create(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        planned: &Planned,
    ) -> Result<(Run, Enlisted), FleetError> {
        let tenants = planned.tenants.iter().map(|it| NewTenant {
            tenant_id: it.id,
            slug: &it.slug,
            cluster: &it.cluster,
            wave: i32::try_from(it.wave).unwrap_or(0),
            state: "pending",
            before: Some(json!(it.before)),
            message: None,
        });
        let skipped = planned.skipped.iter().map(|it| NewTenant {
            tenant_id: it.id,
            slug: &it.slug,
            cluster: &it.cluster,
            wave: 0,
            state: "left_out",
            before: None,
            message: Some(format!("it is {}", it.state.as_str())),
        });
        let rows: Vec<NewTenant<'_>> = tenants.chain(skipped).collect();
        let versions: Versions =
            planned.plan.sets.iter().map(|set| (set.name.clone(), set.version)).collect();
        let detail = json!({
            "selection": planned.plan.selection, "versions": versions, "tenants": planned.tenants.len(),
        });
        let written = Written { kind: RunKind::Forward, rolls_back: None, plan: &planned.plan, rows: &rows };
        let enlisted = Runner::enlist(self).await?;
        let id = RunId::new();
        let mut tx = durable_transaction(control).await?;
        runs::store::keep_files(&mut tx, &planned.sets).await?;
        store::forget_runners_of_the_past(&mut tx).await?;
        write(&mut tx, caller, id, &written, enlisted.id, ("run.begin", detail)).await?;
        tx.commit().await?;
        failpoint::pass(|| "fleet.create.after".to_owned()).await;
        let run = runs::store::run(control, id).await?.ok_or(FleetError::NoRun { id })?;
        Ok((run, enlisted))
    }

    /// Takes tenants into a run over all that were made since it began; whether there were any.
    async fn admit_late(&self, control: &mut PgConnection, run: &Run) -> Result<bool, FleetError> {
        if run.kind == RunKind::Rollback || run.plan.selection != Selection::All.text() {
            return Ok(false);
        }
        let late = plan::late(control, &run.plan.0).await?;
        let wave = run.plan.last_wave();
        let rows: Vec<NewTenant<'_>> = late
            .iter()
            .map(|it| NewTenant {
                tenant_id: it.id,
                slug: &it.slug,
                cluster: &it.cluster,
                wave,
                state: "pending",
                before: Some(json!(it.before)),
                message: None,
            })
            .collect();
        Ok(!rows.is_empty() && runs::store::insert_tenants(control, run.id, &rows).await? > 0)
    }

    async fn join(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        run: &Run,
    ) -> Result<Enlisted, FleetError> {
        let enlisted = Runner::enlist(self).await?;
        let mut tx = durable_transaction(control).await?;
        store::insert_runner(&mut tx, enlisted.id, run.id).await?;
        audit::record(&mut tx, entry(caller, "run.join", json!({ "run": run.id }))).await?;
        tx.commit().await?;
        Ok(enlisted)
    }

    /// Works on a run until it is over.
    async fn run(
        &self,
        control: &mut PgConnection,
        run: Run,
        enlisted: Enlisted,
        watch: Watch<'_>,
    ) -> Result<RunOutcome, FleetError> {
        let id = run.id;
        let runner = Runner::begin(self, control, run, enlisted, watch).await?;
        Box::pin(runner.work()).await?;
        drop(runner);
        Ok(RunOutcome::Ran(Box::new(RunView::read(control, id).await?)))
    }
}

/// A run that is about to be written.
struct Written<'a> {
    kind: RunKind,
    rolls_back: Option<RunId>,
    plan: &'a Plan,
    rows: &'a [NewTenant<'a>],
}

async fn write(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
    id: RunId,
    it: &Written<'_>,
    runner: crate::kernel::ids::RunnerId,
    (action, mut detail): (&'static str, serde_json::Value),
) -> Result<(), DbError> {
    runs::store::insert(tx, id, (it.kind, it.rolls_back), caller, it.plan).await?;
    runs::store::insert_tenants(tx, id, it.rows).await?;
    store::insert_runner(tx, runner, id).await?;
    detail["run"] = json!(id);
    audit::record(tx, entry(caller, action, detail)).await
}

fn entry<'a>(
    caller: &'a Authorized<'a>,
    action: &'static str,
    detail: serde_json::Value,
) -> audit::Entry<'a> {
    audit::Entry { caller, action, tenant: None, operation: None, detail }
}
