//! Running what is to come on copies of the tenants that are most unlike the rest: what fails, how
//! long it takes, what it locks, and what to expect of the fleet.

use std::collections::{BTreeSet, HashMap};
use std::time::{Duration, Instant};

use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::asking::{Scope, Wanted, skip_reason};
use super::error::FleetError;
use super::model::{Request, Selection, Settings};
use super::plan::{self, Planned, PlannedTenant};
use super::scratch::Workshop;
use super::wave::Waves;
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::migrations::Set;
use crate::features::tenants::{Selector, Tenant};
use crate::infra::cluster::copy_database;
use crate::infra::crypto::random;
use crate::infra::db::{PgConnection, durable_transaction};
use crate::infra::failpoint;
use crate::kernel::{Caller, Event, Progress, TenantId};

mod forecast;
mod model;
mod pick;
mod store;
mod tasks;
mod work;

use forecast::{Coming, forecast};
pub use model::{Forecast, Lock, Rehearsal, RehearseRequest, Rehearsed, Step, StepError};
use pick::{Picked, pick, sizes};

/// Rehearses what is to come. Every clone is dropped at the end; what a crash leaves, the next
/// rehearsal drops.
///
/// # Errors
/// When there is no such set, a tenant cannot be copied, or it was stopped. A file that fails is in
/// what comes of it.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn rehearse(
    reach: Scope<'_>,
    control: &mut PgConnection,
    caller: &Caller,
    request: &RehearseRequest,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Rehearsal, FleetError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_REHEARSE, About::Platform).await?;
    let planned = Box::pin(plan::make(control, caller, &meant(request))).await?;
    planned.report_misnamed(progress);
    let Planned { tenants: behind, sets, .. } = planned;
    let behind: HashMap<TenantId, PlannedTenant> = behind.into_iter().map(|it| (it.id, it)).collect();
    let mut tenants = Wanted::Matching(Selector::default()).tenants(control, caller).await?;
    tenants.retain(|tenant| behind.contains_key(&tenant.id));
    let sizes = sizes(reach, control, &tenants).await?;
    // The database of one that is suspended cannot be copied.
    let open: Vec<Tenant> =
        tenants.iter().filter(|tenant| skip_reason(tenant.state).is_none()).cloned().collect();
    let picked = pick(reach, control, &open, &sizes, request.tenants).await?;
    if request.dry_run {
        let clones = picked.iter().map(Picked::outline).collect();
        return Ok(Rehearsal { clones, forecast: Forecast::default() });
    }
    progress.event(Event::Total(picked.len() as u64));
    let (mut clones, mut late) = (Vec::new(), BTreeSet::new());
    for it in &picked {
        if stop.is_cancelled() {
            return Err(FleetError::Stopped);
        }
        record(control, caller, it).await?;
        let clone = one(reach, control, it, (&sets, &mut late), progress).await;
        // Ctrl-C reaches the programs that copy, too.
        let clone = clone.map_err(|error| match error {
            FleetError::Copying(_) if stop.is_cancelled() => FleetError::Stopped,
            other => other,
        })?;
        let ok = clone.steps.iter().all(|step| step.error.is_none());
        progress.event(Event::Done { subject: it.tenant.slug.clone(), ok });
        clones.push(clone);
    }
    let fleet: Vec<Coming> = tenants
        .iter()
        .map(|tenant| Coming {
            slug: tenant.slug.clone(),
            cluster: tenant.cluster.clone(),
            bytes: sizes.get(&tenant.id).copied().unwrap_or_default(),
            files: coming(&sets, &behind[&tenant.id], &late),
        })
        .collect();
    let forecast = forecast(&clones, &fleet, request.jobs);
    Ok(Rehearsal { clones, forecast })
}

/// The run that is rehearsed.
fn meant(request: &RehearseRequest) -> Request {
    Request {
        selection: Selection::All,
        sets: request.sets.clone(),
        sources: request.sources.clone(),
        to: None,
        only: None,
        waves: Waves::default(),
        settings: Settings::default(),
        lock_wait: Duration::ZERO,
        shard: None,
    }
}

/// Sets, with versions of their files.
type Versions = BTreeSet<(String, i64)>;

/// What is to come in a tenant by the registry, which knows of late files how many they are: they are
/// taken to be those that were late in a clone.
fn coming(sets: &[Set], tenant: &PlannedTenant, late: &Versions) -> Vec<(String, i64)> {
    let mut files = Vec::new();
    for set in sets {
        let at = tenant.before.get(&set.name).copied().unwrap_or_default();
        let lacks = tenant.lacks.get(&set.name).copied().unwrap_or_default();
        let keys = set.files.iter().map(|file| (set.name.clone(), file.version));
        let (newer, older): (Vec<_>, Vec<_>) = keys.partition(|(_, version)| *version > at);
        if i64::try_from(newer.len()).is_ok_and(|newer| lacks > newer) {
            files.extend(older.into_iter().filter(|key| late.contains(key)));
        }
        files.extend(newer);
    }
    files
}

/// That a customer's data was copied is written down before it is.
async fn record(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    it: &Picked<'_>,
) -> Result<(), FleetError> {
    let detail = json!({ "slug": it.tenant.slug, "why": it.why, "bytes": it.bytes });
    let tenant = Some(it.tenant.id);
    let entry = audit::Entry { caller, action: "tenant.rehearse", tenant, operation: None, detail };
    let mut tx = durable_transaction(control).await?;
    audit::record(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

/// Clones a tenant, runs the files there, and drops the clone whatever came of it.
async fn one(
    reach: Scope<'_>,
    control: &mut PgConnection,
    picked: &Picked<'_>,
    (sets, late): (&[Set], &mut Versions),
    progress: &dyn Progress,
) -> Result<Rehearsed, FleetError> {
    let cluster = &picked.cluster;
    let mut admin = cluster.admin.connect("nexus:rehearsal").await?;
    let workshop = Workshop::open(reach, control, &mut admin, (cluster, "rehearsal")).await?;
    let name = workshop.make(control, &mut admin, None).await?;
    let ended = on_clone(&workshop, &mut admin, picked, (&name, sets, late), progress).await;
    workshop.drop(control, &mut admin, &name).await?;
    workshop.close(control).await?;
    let _ = admin.close().await;
    ended
}

async fn on_clone(
    workshop: &Workshop,
    admin: &mut PgConnection,
    picked: &Picked<'_>,
    (name, sets, late): (&str, &[Set], &mut Versions),
    progress: &dyn Progress,
) -> Result<Rehearsed, FleetError> {
    let step = |step| progress.event(Event::Step { subject: picked.tenant.slug.clone(), step });
    step("copy");
    let began = Instant::now();
    let password = random::role_password()?;
    let login = workshop.give(admin, name, &password).await?;
    let server = &picked.cluster.admin;
    let login = server.database(name).login(&login, password);
    let source = server.database(&picked.tenant.resources.database_name);
    let not_copied = copy_database(&source, &login).await?;
    failpoint::pass(|| "rehearsal.copied".to_owned()).await;
    let copy_milliseconds = work::whole(began.elapsed());
    step("migrate");
    let (work, mut steps) = tasks::read(&login, sets).await?;
    for tasks in &work {
        late.extend(tasks.late.iter().map(|version| (tasks.set.name.clone(), *version)));
        if steps.iter().all(|step| step.error.is_none()) {
            steps.extend(work::run(&login, server, tasks).await?);
        }
    }
    Ok(Rehearsed { copy_milliseconds, not_copied, steps, ..picked.outline() })
}

impl Rehearsal {
    /// How it ends.
    ///
    /// # Errors
    /// [`FleetError::Rehearsed`].
    pub fn verdict(&self) -> Result<(), FleetError> {
        let steps = self.clones.iter().flat_map(|clone| &clone.steps);
        match steps.filter(|step| step.error.is_some()).count() {
            0 => Ok(()),
            failed => Err(FleetError::Rehearsed { failed }),
        }
    }
}
