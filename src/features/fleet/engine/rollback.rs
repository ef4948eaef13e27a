//! Taking a run back: exactly what it applied, where it applied it, in reverse.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use uuid::Uuid;

use super::runner::Runner;
use super::{Fleet, RunOutcome, Watch, Written, write};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::fleet::error::FleetError;
use crate::features::fleet::model::{Plan, Settings};
use crate::features::fleet::plan::refuse_outside;
use crate::features::fleet::runs::{self, NewTenant, RunKind, RunState, RunTenantView, RunView, TenantState};
use crate::infra::db::{PgConnection, durable_transaction};
use crate::kernel::ids::RunId;
use crate::kernel::{Caller, Event};

/// What a rollback would do.
#[derive(Debug, Clone)]
pub struct WayBack {
    /// The plan of the run that goes back.
    pub plan: Plan,
    /// The tenants that it is for, each as the other run left it.
    pub tenants: Vec<RunTenantView>,
}

impl Fleet {
    /// What would take a run back.
    ///
    /// # Errors
    /// [`FleetError::NoWayBack`] when a file has no text that goes down; [`FleetError::Over`] when it
    /// was taken back, or takes another back; [`FleetError::Busy`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn way_back(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        id: RunId,
        settings: Settings,
    ) -> Result<WayBack, FleetError> {
        access::authorize(control, caller, &rights::RUN_ROLLBACK, About::Platform).await?;
        let run = runs::store::run(control, id).await?.ok_or(FleetError::NoRun { id })?;
        if run.state == RunState::Running {
            return Err(FleetError::Busy { id, other: false });
        }
        if run.kind == RunKind::Rollback {
            return Err(FleetError::Over { id, state: "a rollback", verb: "rolled back" });
        }
        let begun = runs::store::rolled_back_by(control, id).await?;
        if begun.is_some_and(|(_, state)| state == RunState::Done) {
            return Err(FleetError::Over { id, state: "rolled back already", verb: "rolled back again" });
        }
        if let Some((back, _)) = begun {
            not_overtaken(control, id, back).await?;
        }
        let mut tenants = RunView::read_tenants(control, id).await?;
        tenants.retain(|tenant| !tenant.applied.0.is_empty());
        if let Some((back, _)) = begun {
            let there = RunView::read_tenants(control, RunId::from(back)).await?;
            let is_done = |id| there.iter().any(|it| it.id == id && it.state == TenantState::Done);
            tenants.retain(|tenant| !is_done(tenant.id));
        }
        let applied: BTreeSet<(String, i64)> = tenants
            .iter()
            .flat_map(|it| it.applied.0.iter().map(|it| (it.set.clone(), it.version)))
            .collect();
        let mut plan = run.plan.0;
        let mut kept: BTreeMap<(String, i64), Option<String>> = BTreeMap::new();
        for file in runs::store::kept_files(control, &plan).await? {
            kept.insert((file.set_name, file.version), file.down);
        }
        let down = |key: &(String, i64)| kept.get(key).and_then(Option::as_deref);
        let without: Vec<String> = applied
            .iter()
            .filter(|key| down(key).is_none())
            .map(|(set, version)| format!("{set} {version}"))
            .collect();
        if !without.is_empty() {
            return Err(FleetError::NoWayBack { id, files: without });
        }
        for key in &applied {
            refuse_outside(&key.0, &format!("{}.down", key.1), down(key).unwrap_or_default())?;
        }
        for file in &mut plan.files {
            file.pending = applied.contains(&(file.set.clone(), file.version));
        }
        plan.selection = format!("those that run {id} changed");
        plan.waves = vec!["rest".to_owned()];
        plan.settings = settings;
        Ok(WayBack { plan, tenants })
    }

    /// Goes on with a rollback that was cut short, stopped, or in which tenants failed.
    async fn roll_on(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        back: RunId,
        watch: Watch<'_>,
    ) -> Result<RunOutcome, FleetError> {
        let run = runs::store::run(control, back).await?.ok_or(FleetError::NoRun { id: back })?;
        if run.state == RunState::Running && self.reap_dead_runners(control, back).await? > 0 {
            return Err(FleetError::Busy { id: back, other: false });
        }
        watch.0.event(Event::Note(format!("continuing rollback {back} where it stopped")));
        self.resume(control, caller, back, watch).await
    }

    /// Takes a run back, as a run of its own; or goes on with the one that began to.
    ///
    /// # Errors
    /// As [`Fleet::way_back`]. Tenants that fail are in the outcome.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn roll_back(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        id: RunId,
        settings: Settings,
        watch: Watch<'_>,
    ) -> Result<RunOutcome, FleetError> {
        let caller = &access::authorize(control, caller, &rights::RUN_ROLLBACK, About::Platform).await?;
        if let Some((back, state)) = runs::store::rolled_back_by(control, id).await?
            && state != RunState::Done
        {
            not_overtaken(control, id, back).await?;
            return self.roll_on(control, caller, RunId::from(back), watch).await;
        }
        let way = self.way_back(control, caller, id, settings).await?;
        if way.tenants.is_empty() {
            return Ok(RunOutcome::NothingToDo);
        }
        if let Some(other) = runs::store::under_way(control).await? {
            if self.reap_dead_runners(control, other.id).await? > 0 {
                return Err(FleetError::Busy { id: other.id, other: false });
            }
            let message = "its process died, and a rollback came next";
            runs::store::finish(control, other.id, RunState::Stopped, Some(message)).await?;
        }
        let rows: Vec<NewTenant<'_>> = way
            .tenants
            .iter()
            .map(|it| NewTenant {
                tenant_id: it.id,
                slug: &it.slug,
                cluster: &it.cluster,
                wave: 0,
                state: "pending",
                before: it.after.as_ref().map(|after| json!(after)),
                message: None,
            })
            .collect();
        let written = Written { kind: RunKind::Rollback, rolls_back: Some(id), plan: &way.plan, rows: &rows };
        let enlisted = Runner::enlist(self).await?;
        let back = RunId::new();
        let detail = json!({ "rolls_back": id, "tenants": rows.len() });
        let mut tx = durable_transaction(control).await?;
        let wrote = write(&mut tx, caller, back, &written, enlisted.id, ("run.rollback", detail)).await;
        if let Err(error) = wrote {
            tx.rollback().await?;
            if error.violates(runs::store::ONE_AT_A_TIME) {
                let other = runs::store::under_way(control).await?;
                return Err(FleetError::Busy { id: other.map_or(id, |run| run.id), other: false });
            }
            return Err(error.into());
        }
        tx.commit().await?;
        let run = runs::store::run(control, back).await?.ok_or(FleetError::NoRun { id: back })?;
        self.run(control, run, enlisted, watch).await
    }
}

/// Refuses to go on with a rollback after a run that went forward since: what that applied is its own.
async fn not_overtaken(control: &mut PgConnection, id: RunId, back: Uuid) -> Result<(), FleetError> {
    if runs::store::went_forward_after(control, back).await? {
        let state = "partly rolled back, and a later run went forward since";
        return Err(FleetError::Over { id, state, verb: "rolled back any further" });
    }
    Ok(())
}
