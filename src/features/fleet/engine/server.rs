//! One server: tenants are claimed and given their logins some at a time, migrated by several hands
//! at once, and what came of them is recorded some at a time, each beside the others.

use std::sync::Arc;
use std::time::{Duration, Instant};

use secrecy::SecretString;
use tokio::sync::{Mutex, mpsc};

use super::runner::Runner;
use super::session::Acting;
use super::store::{self, Claimed, TenantResult};
use super::suspended::Opened;
use super::tenant::{Attempt, attempt};
use crate::features::fleet::error::FleetError;
use crate::features::fleet::tenant_failure::of_tenant;
use crate::features::fleet::tenant_failure::{Retry, TenantFailure};
use crate::features::placement::{Cluster, ServerRecord};
use crate::features::tenants::{self, TenantState};
use crate::infra::cluster::{
    ClusterError, Database, MigratorLogin, bring_rights_along, drop_migrators, hand_over, make_migrators,
    owners, put_in_app_role,
};
use crate::infra::crypto::{random, scram};
use crate::infra::db::{PgConnection, ServerAddress};
use crate::kernel::Event;
use crate::kernel::Hint;
use crate::kernel::hint::TenantAction;

/// Most results that are recorded at once.
const BATCH: usize = 64;
/// How long a result waits for others, to be recorded with them.
const GATHERING: Duration = Duration::from_millis(25);
/// The first pause before a tenant is tried again; each is twice as long as the one before.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest.
const LONGEST_PAUSE: Duration = Duration::from_secs(15);

/// A tenant with its login.
struct Ready {
    tenant: Claimed,
    /// What its app may do is still as a version before this one granted it.
    old_rights: bool,
    login: MigratorLogin,
    password: SecretString,
}

/// What came of a claimed tenant.
enum Ended {
    /// It was tried.
    TenantResult { result: Box<TenantResult>, login: Option<(MigratorLogin, ServerAddress)> },
    /// It was not begun.
    PutBack { tenant: Claimed, login: MigratorLogin },
}

/// A server that tenants of a run are on.
pub(super) struct Server<'r, 'a> {
    pub(super) runner: &'r Runner<'a>,
    pub(super) cluster: Cluster,
    /// What the control database says of it.
    pub(super) record: ServerRecord,
    pub(super) wave: i32,
    /// Tenants at a time.
    pub(super) jobs: usize,
    /// At the maintenance database.
    pub(super) admin: Mutex<PgConnection>,
}

impl Server<'_, '_> {
    /// Migrates tenants of the wave until there is none that is free.
    pub(super) async fn work(&self) -> Result<(), FleetError> {
        let (ready, waiting) = mpsc::channel(self.jobs);
        let (ended, results) = mpsc::channel(self.jobs * 2 + 2);
        let waiting = Arc::new(Mutex::new(waiting));
        let workers = (0..self.jobs).map(|_| self.worker_loop(Arc::clone(&waiting), ended.clone()));
        let workers = futures_util::future::join_all(workers);
        // Each ends when the one before it has ended and nothing is left between them.
        let feed = self.feed(ready, ended.clone());
        let record = self.record(results);
        drop((ended, waiting));
        let (fed, _, recorded) = tokio::join!(Box::pin(feed), Box::pin(workers), Box::pin(record));
        fed.and(recorded)
    }

    /// Claims tenants and makes their logins, a little ahead of those who migrate them.
    async fn feed(&self, ready: mpsc::Sender<Ready>, ended: mpsc::Sender<Ended>) -> Result<(), FleetError> {
        let runner = self.runner;
        // The more at once, the less their logins cost; what is claimed, no other process can take.
        let most = (self.jobs * 4).clamp(2, BATCH);
        while !runner.stop.is_cancelled() {
            let place = (self.cluster.name.as_str(), self.wave);
            let claimed = {
                let mut control = runner.control.lock().await;
                store::claim(&mut control, runner.ids(), place, most).await?
            };
            if claimed.is_empty() {
                break;
            }
            let (fit, unfit): (Vec<_>, Vec<_>) = claimed.into_iter().partition(is_fit);
            for tenant in unfit {
                let result = skipped(&tenant);
                let _ = ended.send(Ended::TenantResult { result: Box::new(result), login: None }).await;
            }
            let (with_logins, refused) = self.issue_logins(fit).await?;
            for result in refused {
                let _ = ended.send(Ended::TenantResult { result: Box::new(result), login: None }).await;
            }
            for item in with_logins {
                if ready.send(item).await.is_err() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Gives each its login. Whose owner could do harm gets none.
    async fn issue_logins(
        &self,
        tenants: Vec<Claimed>,
    ) -> Result<(Vec<Ready>, Vec<TenantResult>), FleetError> {
        let databases: Vec<Database<'_>> = tenants.iter().map(Claimed::database).collect();
        let password = random::role_password()?;
        let verifier = scram::verifier_of_random(&password)?;
        let mut admin = self.admin.lock().await;
        let installation = self.runner.fleet.installation.id;
        let (state, found) = match owners(&mut admin, installation, &databases).await {
            Ok(found) => found,
            Err(error) => return Ok((Vec::new(), refused(&tenants, &TenantFailure::of_cluster(error)))),
        };
        {
            let mut control = self.runner.control.lock().await;
            self.record.admit(&mut control, &self.cluster.name, &state).await?;
        }
        let mut with_logins = Vec::with_capacity(tenants.len());
        let mut unfit = Vec::new();
        for tenant in tenants {
            match found.iter().find(|it| it.database == tenant.database_name) {
                Some(it) if it.powers.is_empty() => {
                    let login = MigratorLogin::new(&tenant.owner_role)?;
                    let old_rights = !it.app_is_ready && !tenant.adopted;
                    with_logins.push(Ready { tenant, old_rights, login, password: password.clone() });
                }
                found => {
                    let failure = unfit_owner(&tenant, found.map(|it| it.powers.join(", ")));
                    unfit.extend(refused(&[tenant], &failure));
                }
            }
        }
        let logins: Vec<MigratorLogin> = with_logins.iter().map(|item| item.login.clone()).collect();
        if let Err(error) = make_migrators(&mut admin, &logins, &verifier, &self.runner.mark()).await {
            let failure = TenantFailure::of_cluster(error);
            let tenants: Vec<Claimed> = with_logins.drain(..).map(|item| item.tenant).collect();
            unfit.extend(refused(&tenants, &failure));
        }
        Ok((with_logins, unfit))
    }

    /// Migrates one tenant after the other.
    async fn worker_loop(&self, waiting: Arc<Mutex<mpsc::Receiver<Ready>>>, ended: mpsc::Sender<Ended>) {
        loop {
            let Some(Ready { tenant, old_rights, login, password }) = waiting.lock().await.recv().await
            else {
                return;
            };
            let item = if self.runner.is_halted() {
                Ended::PutBack { tenant, login }
            } else {
                let server = self.cluster.admin.database(&tenant.database_name).login(&login.name, password);
                let result = Box::pin(self.migrate((tenant, old_rights), &login, &server)).await;
                Ended::TenantResult { result: Box::new(result), login: Some((login, server)) }
            };
            if ended.send(item).await.is_err() {
                return;
            }
        }
    }

    /// Migrates a tenant, again and again where what stands in the way may pass.
    async fn migrate(
        &self,
        (mut tenant, mut old_rights): (Claimed, bool),
        login: &MigratorLogin,
        server: &ServerAddress,
    ) -> TenantResult {
        let (runner, began) = (self.runner, Instant::now());
        let settings = runner.run.plan.0.settings;
        let application = runner.application();
        let mut whole = Attempt::default();
        let mut tries = 0;
        let mut opened = None;
        loop {
            if tenant.state == TenantState::Suspended && opened.is_none() {
                match Opened::open(self, &tenant, login).await {
                    Ok(it) => opened = Some(it),
                    Err(failure) => {
                        whole.failure = Some(failure);
                        break;
                    }
                }
            }
            let brought = if old_rights { self.bring_rights_along(&tenant).await } else { Ok(()) };
            old_rights &= brought.is_err();
            let acting = Acting { server, login, application: &application };
            let one = match brought {
                Ok(()) => Box::pin(attempt(acting, &tenant, &runner.sets, settings, runner.progress)).await,
                Err(error) => {
                    Attempt { failure: Some(TenantFailure::of_cluster(error)), ..Attempt::default() }
                }
            };
            whole.before = whole.before.or(one.before);
            whole.after = one.after.or(whole.after);
            whole.files = one.files.or(whole.files);
            whole.applied.extend(one.applied);
            whole.notices.extend(one.notices);
            whole.notices_count += one.notices_count;
            whole.failure = one.failure;
            let Some(failure) = whole.failure.as_ref().filter(|failure| failure.may_be_retried()) else {
                break;
            };
            if tries >= settings.retries || runner.stop.is_cancelled() {
                break;
            }
            if failure.retry == Retry::ConnectionLost {
                match self.state_of(&tenant).await {
                    Some(state) => tenant.state = state,
                    None => break,
                }
                if !is_fit(&tenant) {
                    break;
                }
            }
            pause(tries).await;
            tries += 1;
        }
        if let Some(opened) = opened
            && let Err(failure) = opened.close(self, &tenant).await
        {
            whole.failure.get_or_insert(failure);
        }
        let attempts = tenant.attempts + i32::try_from(tries).unwrap_or(0);
        if !is_fit(&tenant) {
            return skipped(&tenant);
        }
        result(&tenant, whole, attempts, began.elapsed())
    }

    /// A file that grants or revokes names the role for all apps: their rights must be its.
    async fn bring_rights_along(&self, tenant: &Claimed) -> Result<(), ClusterError> {
        put_in_app_role(&mut *self.admin.lock().await, &tenant.app_role).await?;
        let place = self.cluster.admin.database(&tenant.database_name);
        let mut inside = place.connect(&self.runner.application()).await?;
        let brought = bring_rights_along(&mut inside, tenant.database()).await;
        let _ = inside.close().await;
        brought
    }

    /// What has become of a tenant in the meantime.
    async fn state_of(&self, tenant: &Claimed) -> Option<TenantState> {
        let mut control = self.runner.control.lock().await;
        tenants::by_id(&mut control, tenant.id).await.ok().flatten().map(|row| row.state)
    }

    /// Takes the logins away and records what came of their tenants.
    async fn record(&self, mut results: mpsc::Receiver<Ended>) -> Result<(), FleetError> {
        let runner = self.runner;
        let mut batch = Vec::with_capacity(BATCH);
        while gather(&mut results, &mut batch).await {
            let (mut result, mut back, mut logins) = (Vec::new(), Vec::new(), Vec::new());
            for item in batch.drain(..) {
                match item {
                    Ended::TenantResult { result: one, login } => {
                        result.push(*one);
                        logins.extend(login);
                    }
                    Ended::PutBack { tenant, login } => {
                        let server = self.cluster.admin.database(&tenant.database_name);
                        back.push(tenant.id);
                        logins.push((login, server));
                    }
                }
            }
            self.drop_logins(&logins).await;
            let mut control = runner.control.lock().await;
            store::record_results(&mut control, runner.ids(), &result).await?;
            if !back.is_empty() {
                store::put_back(&mut control, runner.ids(), &back).await?;
            }
            runner.enforce_failure_limit(&mut control, self.wave, &result).await?;
            drop(control);
            for one in &result {
                let subject = one.slug.clone();
                runner.progress.event(Event::Done { subject, ok: one.state != "failed" });
            }
        }
        Ok(())
    }

    /// What cannot be dropped is found by its mark: by the next process, or by fsck.
    async fn drop_logins(&self, logins: &[(MigratorLogin, ServerAddress)]) {
        let mut admin = self.admin.lock().await;
        let names: Vec<&str> = logins.iter().map(|(login, _)| login.name.as_str()).collect();
        if drop_migrators(&mut admin, &names).await.is_ok() {
            return;
        }
        for (login, server) in logins {
            if drop_migrators(&mut admin, &[&login.name]).await.is_err() {
                let _ = hand_over(server, login, &self.runner.application()).await;
                let _ = drop_migrators(&mut admin, &[&login.name]).await;
            }
        }
    }
}

/// Results that are recorded together; `false` when none is to come. One that failed waits for
/// nothing: it may be what stops the run.
async fn gather(results: &mut mpsc::Receiver<Ended>, batch: &mut Vec<Ended>) -> bool {
    let is_done = |item: &Ended| matches!(item, Ended::TenantResult { result, .. } if result.state == "done");
    if results.recv_many(batch, BATCH).await == 0 {
        return false;
    }
    let until = tokio::time::Instant::now() + GATHERING;
    while batch.len() < BATCH && batch.iter().all(is_done) {
        match tokio::time::timeout_at(until, results.recv_many(batch, BATCH - batch.len())).await {
            Ok(1..) => {}
            Ok(0) | Err(_) => break,
        }
    }
    true
}

fn is_fit(tenant: &Claimed) -> bool {
    matches!(tenant.state, TenantState::Active | TenantState::Suspended | TenantState::Pooled)
}

pub(super) fn refused(tenants: &[Claimed], failure: &TenantFailure) -> Vec<TenantResult> {
    let failed = || Attempt { failure: Some(failure.clone()), ..Attempt::default() };
    tenants.iter().map(|tenant| result(tenant, failed(), tenant.attempts, Duration::ZERO)).collect()
}

fn unfit_owner(tenant: &Claimed, powers: Option<String>) -> TenantFailure {
    let owner = &tenant.owner_role;
    match powers {
        Some(powers) => TenantFailure::fixed(
            "owner_powerful",
            format!("role {owner}, which owns the database, may do more than that: {powers}"),
            "nothing of a tenant runs with such rights: give the database to a role of its own, \
             'alter database … owner to …'",
        ),
        None => TenantFailure::fixed(
            "owner_missing",
            format!("role {owner}, which should own the database, does not exist"),
            TenantAction::Repair(Some(tenant.slug.clone())),
        ),
    }
}

fn skipped(tenant: &Claimed) -> TenantResult {
    let failure = TenantFailure::fixed(
        "not_in_use",
        format!("it is {}", tenant.state.as_str()),
        Hint::new("see where it stands", TenantAction::Show(Some(tenant.slug.clone()))),
    );
    let mut result = result(
        tenant,
        Attempt { failure: Some(failure), ..Attempt::default() },
        tenant.attempts,
        Duration::ZERO,
    );
    result.state = "left_out";
    result
}

fn result(tenant: &Claimed, it: Attempt, attempts: i32, took: Duration) -> TenantResult {
    let failure = it.failure;
    let field = |of: fn(&TenantFailure) -> Option<String>| failure.as_ref().and_then(of);
    TenantResult {
        tenant_id: tenant.id,
        slug: tenant.slug.clone(),
        state: if failure.is_some() { "failed" } else { "done" },
        before: it.before,
        after: it.after,
        files: it.files,
        applied: it.applied,
        notices: it.notices,
        notices_count: it.notices_count,
        attempts,
        milliseconds: i64::try_from(took.as_millis()).unwrap_or(i64::MAX),
        code: failure.as_ref().map(|failure| failure.code),
        sqlstate: field(|failure| failure.sqlstate.clone()),
        message: field(|failure| Some(failure.message.clone())),
        hint: failure.as_ref().and_then(|it| it.hint.clone()).map(|hint| of_tenant(hint, &tenant.slug)),
    }
}

/// Longer each time, and never in time with others.
async fn pause(tries: u32) {
    let mut byte = [128];
    let _ = random::fill(&mut byte);
    let pause = PAUSE.saturating_mul(1 << tries.min(6)).min(LONGEST_PAUSE);
    tokio::time::sleep(pause.mul_f64(0.5 + f64::from(byte[0]) / 256.0)).await;
}
