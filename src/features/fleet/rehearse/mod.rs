//! Running what is to come on copies of the tenants that are most unlike the rest: what fails, how
//! long it takes, what it locks, and what to expect of the fleet.

use std::collections::HashMap;
use std::time::Instant;

use serde_json::json;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use super::asking::{Reach, Wanted, left_out};
use super::error::FleetError;
use super::scratch::Workshop;
use crate::features::audit;
use crate::features::migrations::{self, BUILT_IN, File, Set};
use crate::features::tenants::{Selector, Tenant};
use crate::infra::cluster::copy_database;
use crate::infra::crypto::random;
use crate::infra::db::durable_transaction;
use crate::infra::failpoint;
use crate::kernel::{Caller, Event, Progress, TenantId};

mod forecast;
mod model;
mod pick;
mod store;
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
pub async fn rehearse(
    reach: Reach<'_>,
    control: &mut PgConnection,
    caller: &Caller,
    request: &RehearseRequest,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Rehearsal, FleetError> {
    let mut sets = migrations::sets(control).await?;
    if let Some(name) = request.sets.iter().find(|name| sets.iter().all(|set| set.name != **name)) {
        // Says which there are.
        migrations::set(control, name).await?;
    }
    sets.retain(|set| request.sets.is_empty() || request.sets.contains(&set.name));
    let mut tenants = Wanted::Matching(Selector::default()).tenants(control, caller).await?;
    tenants.retain(|tenant| left_out(tenant.state).is_none());
    let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
    let versions = store::versions(control, &ids).await?;
    tenants.retain(|tenant| sets.iter().any(|set| !pending(set, tenant, &versions).is_empty()));
    let sizes = sizes(reach, control, &tenants).await?;
    let picked = pick(reach, control, &tenants, &sizes, request.tenants).await?;
    if request.dry_run {
        let clones = picked.iter().map(Picked::outline).collect();
        return Ok(Rehearsal { clones, forecast: Forecast::default() });
    }
    progress.event(Event::Total(picked.len() as u64));
    let mut clones = Vec::new();
    for it in &picked {
        record(control, caller, it).await?;
        if stop.is_cancelled() {
            return Err(FleetError::Stopped);
        }
        let work: Vec<(&Set, Vec<&File>)> =
            sets.iter().map(|set| (set, pending(set, it.tenant, &versions))).collect();
        let clone = one(reach, control, it, &work, progress).await?;
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
            files: sets
                .iter()
                .flat_map(|set| {
                    pending(set, tenant, &versions).into_iter().map(|it| (set.name.clone(), it.version))
                })
                .collect(),
        })
        .collect();
    let forecast = forecast(&clones, &fleet, request.jobs);
    Ok(Rehearsal { clones, forecast })
}

/// That a customer's data was copied is written down before it is.
async fn record(control: &mut PgConnection, caller: &Caller, it: &Picked<'_>) -> Result<(), FleetError> {
    let detail = json!({ "slug": it.tenant.slug, "why": it.why, "bytes": it.bytes });
    let tenant = Some(it.tenant.id);
    let entry = audit::Entry { caller, action: "tenant.rehearse", tenant, operation: None, detail };
    let mut tx = durable_transaction(control).await?;
    audit::record(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

/// A set's files that a tenant does not have yet, by the registry.
fn pending<'a>(set: &'a Set, tenant: &Tenant, versions: &HashMap<(TenantId, String), i64>) -> Vec<&'a File> {
    let at = if set.name == BUILT_IN {
        tenant.schema_version
    } else {
        versions.get(&(tenant.id, set.name.clone())).copied()
    };
    set.files.iter().filter(|file| at.is_none_or(|at| file.version > at)).collect()
}

/// Clones a tenant, runs the files there, and drops the clone whatever came of it.
async fn one(
    reach: Reach<'_>,
    control: &mut PgConnection,
    picked: &Picked<'_>,
    work: &[(&Set, Vec<&File>)],
    progress: &dyn Progress,
) -> Result<Rehearsed, FleetError> {
    let cluster = &picked.cluster;
    let mut admin = cluster.admin.connect("nexus:rehearsal").await?;
    let workshop = Workshop::open(reach, control, &mut admin, (cluster, "rehearsal")).await?;
    let name = workshop.make(control, &mut admin, None).await?;
    let ended = on_clone(&workshop, &mut admin, picked, (&name, work), progress).await;
    workshop.drop(control, &mut admin, &name).await?;
    workshop.close(control).await?;
    let _ = sqlx::Connection::close(admin).await;
    ended
}

async fn on_clone(
    workshop: &Workshop,
    admin: &mut PgConnection,
    picked: &Picked<'_>,
    (name, work): (&str, &[(&Set, Vec<&File>)]),
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
    let mut steps: Vec<Step> = Vec::new();
    for (set, files) in work {
        if steps.iter().all(|step| step.error.is_none()) {
            steps.extend(work::run(&login, server, (set, files)).await?);
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
