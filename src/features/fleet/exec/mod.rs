//! One statement over the fleet, in every tenant's database as the tenant's own login.
//!
//! It is read-only unless it may write: the transaction is read-only and has made its first query,
//! so that the statement cannot change that, and it is rolled back at the end.

use std::collections::{BTreeSet, HashMap};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::StreamExt;
use futures_util::stream;
use serde_json::json;
use tokio::sync::{Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use super::asking::{Scope, sessions, skip_reason};
use super::error::FleetError;
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::features::placement::Cluster;
use crate::features::tenants::{Tenant, TenantState, sealed};
use crate::infra::db::{PgConnection, ServerAddress, Slots, durable_transaction};
use crate::kernel::{AnyFailure, Caller, Event, Progress, SecretString, TenantId};

mod model;
mod session;
mod statement;
mod store;

pub use model::{ExecLine, ExecOutcome, ExecRequest, MaxFailures};
use session::Ended;
pub use statement::Statement;

/// How many tenants' passwords are open at a time.
const BATCH: usize = 200;
/// Lines that wait to be written: then rows are no longer read.
const LINES: usize = 256;
/// Tenants that the audit log names of a run.
const NAMED: usize = 50;

/// The tenants of a run.
#[derive(Debug)]
pub struct ExecPlan {
    /// Those in which it will be run.
    pub tenants: Vec<Tenant>,
    /// Those that are left out by their state.
    pub skipped: Vec<ExecLine>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Executed {
    /// In how many it went well.
    pub done: usize,
    /// In how many it failed.
    pub failed: usize,
    pub skipped: usize,
    /// Of those in which it failed, how many did not answer at all.
    pub silent: usize,
}

/// Who takes the lines.
pub(super) type Take<'a> = &'a mut (dyn FnMut(&ExecLine) -> Result<(), AnyFailure> + Send);

/// Finds out in which tenants a statement would be run.
///
/// # Errors
/// When a named tenant is not there, or a statement fails.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn plan_exec(
    control: &mut PgConnection,
    caller: &Caller,
    request: &ExecRequest,
) -> Result<ExecPlan, FleetError> {
    let caller = &access::authorize(control, caller, &rights::EXEC_CREATE, About::Platform).await?;
    let mut plan = ExecPlan { tenants: Vec::new(), skipped: Vec::new() };
    for tenant in request.wanted.tenants(control, caller).await? {
        match skip_reason(tenant.state) {
            None => plan.tenants.push(tenant),
            Some(_) if tenant.state == TenantState::Pooled => {}
            Some(reason) => plan
                .skipped
                .push(ExecLine { tenant: tenant.slug, outcome: ExecOutcome::Skipped(reason.to_owned()) }),
        }
    }
    Ok(plan)
}

/// Runs a statement in the tenants of a plan, and hands over what comes of it as it comes. That it
/// was asked for is in the audit log first.
///
/// # Errors
/// When the control database does not answer, or what `take` says.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn exec(
    reach: Scope<'_>,
    control: &mut PgConnection,
    caller: &Caller,
    (request, plan): (&ExecRequest, &ExecPlan),
    (progress, stop): (&dyn Progress, &CancellationToken),
    take: Take<'_>,
) -> Result<Executed, FleetError> {
    let caller = &access::authorize(control, caller, &rights::EXEC_CREATE, About::Platform).await?;
    record(control, caller, request, plan).await?;
    for line in &plan.skipped {
        take(line).map_err(FleetError::Reading)?;
    }
    progress.event(Event::Total(plan.tenants.len() as u64));
    let places = places(reach, control, &plan.tenants, request.jobs).await?;
    let limit = request.max_failures.map_or(usize::MAX, |limit| limit.of(plan.tenants.len()));
    let pool = WorkerPool {
        request,
        places: &places,
        progress,
        stop,
        limit,
        failed: AtomicUsize::new(0),
        silent: AtomicUsize::new(0),
        done: AtomicUsize::new(0),
    };
    for batch in plan.tenants.chunks(BATCH) {
        if pool.is_over() {
            break;
        }
        let ids: Vec<TenantId> = batch.iter().map(|tenant| tenant.id).collect();
        let mut opened = reach.secrets.get_all_of(control, &ids).await?;
        let logins = batch.iter().map(|tenant| {
            let secret = match opened.remove(&tenant.id) {
                Some(Ok(mut values)) => {
                    values.remove(sealed::PASSWORD).ok_or("its password is not sealed".to_owned())
                }
                Some(Err(error)) => Err(error.to_string()),
                None => Err("nothing is sealed for it".to_owned()),
            };
            (tenant, secret)
        });
        pool.work(logins.collect(), take).await?;
    }
    let (done, failed, silent) = (pool.done.into_inner(), pool.failed.into_inner(), pool.silent.into_inner());
    let skipped = plan.tenants.len() - done - failed;
    for place in places.into_values() {
        if let Some(slots) = place.slots {
            slots.give_back(control).await?;
        }
    }
    // Everybody was asked all the same, if they were all being asked already.
    if stop.is_cancelled() && skipped > 0 {
        return Err(FleetError::Stopped);
    }
    Ok(Executed { done, failed, skipped, silent })
}

impl Executed {
    /// How it ends.
    ///
    /// # Errors
    /// [`FleetError::SomeFailed`].
    pub fn verdict(self) -> Result<(), FleetError> {
        let Self { done, failed, skipped, silent } = self;
        if failed > 0 {
            let total = done + failed + skipped;
            return Err(FleetError::SomeFailed {
                failed,
                total,
                skipped,
                unreachable: silent == failed && done == 0,
            });
        }
        Ok(())
    }
}

/// The text may hold what is nobody's business: its hash tells whether it was this one.
async fn record(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    request: &ExecRequest,
    plan: &ExecPlan,
) -> Result<(), FleetError> {
    let (word, hash, length) = request.statement.outline();
    let named: Vec<&str> = plan.tenants.iter().take(NAMED).map(|tenant| tenant.slug.as_str()).collect();
    let detail = json!({
        "word": word, "sha256": hash, "length": length, "write": request.write,
        "tenants": plan.tenants.len(), "named": named,
    });
    let mut tx = durable_transaction(control).await?;
    let entry = audit::Entry { caller, action: "fleet.exec", tenant: None, operation: None, detail };
    audit::record(&mut tx, entry).await?;
    tx.commit().await?;
    Ok(())
}

/// A server, and how many of its tenants are worked in at a time.
struct TenantDatabase {
    cluster: Cluster,
    slots: Option<Slots>,
    room: Semaphore,
}

async fn places(
    reach: Scope<'_>,
    control: &mut PgConnection,
    tenants: &[Tenant],
    jobs: usize,
) -> Result<HashMap<String, TenantDatabase>, FleetError> {
    // In the order of their names: nobody waits for sessions of one while others wait for it.
    let names: BTreeSet<&str> = tenants.iter().map(|tenant| tenant.cluster.as_str()).collect();
    let mut places = HashMap::new();
    for name in names {
        let (slots, jobs) = sessions(reach, control, name, jobs).await?;
        let cluster = reach.placement.cluster(control, name).await?;
        places.insert(name.to_owned(), TenantDatabase { cluster, slots, room: Semaphore::new(jobs) });
    }
    Ok(places)
}

struct WorkerPool<'a> {
    request: &'a ExecRequest,
    places: &'a HashMap<String, TenantDatabase>,
    progress: &'a dyn Progress,
    stop: &'a CancellationToken,
    limit: usize,
    failed: AtomicUsize,
    silent: AtomicUsize,
    done: AtomicUsize,
}

/// A tenant with its password, or why there is none.
type Login<'a> = (&'a Tenant, Result<SecretString, String>);

impl WorkerPool<'_> {
    fn is_over(&self) -> bool {
        self.stop.is_cancelled() || self.failed.load(Ordering::Relaxed) >= self.limit
    }

    /// Works in some tenants, and hands over the lines meanwhile.
    async fn work(&self, logins: Vec<Login<'_>>, take: Take<'_>) -> Result<(), FleetError> {
        let (lines, mut incoming) = mpsc::channel(LINES);
        let count = logins.len().max(1);
        let working = async {
            let lines = lines;
            stream::iter(logins).for_each_concurrent(count, |login| self.one(login, &lines)).await;
        };
        let telling = async {
            while let Some(line) = incoming.recv().await {
                if let Err(error) = take(&line) {
                    // Nobody reads: the workers find out by sending.
                    incoming.close();
                    return Err(error);
                }
            }
            Ok(())
        };
        let ((), told) = tokio::join!(working, telling);
        told.map_err(FleetError::Reading)
    }

    async fn one(&self, (tenant, secret): Login<'_>, lines: &session::Lines) {
        let Some(place) = self.places.get(&tenant.cluster) else { return };
        let Ok(_room) = place.room.acquire().await else { return };
        if self.is_over() || lines.is_closed() {
            return;
        }
        let ended = match secret {
            Ok(secret) => {
                let names = &tenant.resources;
                let login: ServerAddress =
                    place.cluster.admin.database(&names.database_name).login(&names.app_role, secret);
                session::run(&login, &tenant.slug, self.request, lines).await
            }
            Err(message) => {
                let outcome = ExecOutcome::Error { sqlstate: None, message };
                let _ = lines.send(ExecLine { tenant: tenant.slug.clone(), outcome }).await;
                Ended::Failed
            }
        };
        let ok = ended == Ended::Done;
        let counter = if ok { &self.done } else { &self.failed };
        counter.fetch_add(1, Ordering::Relaxed);
        self.silent.fetch_add(usize::from(ended == Ended::Unreachable), Ordering::Relaxed);
        self.progress.event(Event::Done { subject: tenant.slug.clone(), ok });
    }
}
