//! Whether tenants' servers answer: asked in the background, with one session a server, of its administrator,
//! in no tenant's database. No request waits for it; one for a tenant on a server that is down fails at once.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, RwLock, Weak};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::{Notify, Semaphore};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::{App, Shared};
use crate::features::placement::{self, Cluster, PlacementError};
use crate::features::tenants::Tenant;
use crate::infra::db::{Budgets, DbError, PgConnection};
use crate::kernel::hint::PlaceKind;
use crate::kernel::{AnyFailure, Caller, Failure};

/// How often each is asked while all answer.
const PERIOD: Duration = Duration::from_secs(5);
/// The same while one does not.
const PERIOD_DOWN: Duration = Duration::from_secs(1);
/// How long an answer may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// How long one more session is waited for where the server has a budget.
const PLACE_TIMEOUT: Duration = Duration::from_secs(1);
/// So many times in a row a server must not answer before requests are kept from it: once may be chance.
const FAILURES: u32 = 2;

/// Logins on one server at once. Each starts a process there: of more, each takes longer, and so does what goes on
/// in sessions that are open, and no more are done in a second.
const LOGINS_AT_ONCE: usize = 16;

/// Whether a server answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServerState {
    Up,
    /// It answers, and has no session left.
    Busy,
    /// It does not answer, or lets nobody in; the code says why.
    Down(&'static str),
}

/// What is known of a server.
#[derive(Debug, Clone, Copy)]
struct Known {
    state: ServerState,
    /// How many times in a row it could not be reached.
    failures: u32,
}

/// What is known of tenants' servers, by their names; nothing where nobody watches them.
#[derive(Debug, Default)]
pub(super) struct ServerStates {
    known: RwLock<BTreeMap<String, Known>>,
    /// Somebody could not reach a server.
    doubt: Notify,
    activity: RwLock<BTreeMap<String, Arc<Activity>>>,
}

/// What is known of a server by those who work there.
#[derive(Debug)]
struct Activity {
    logins: Semaphore,
    /// When it last answered.
    last_answer: Mutex<Option<Instant>>,
}

impl Default for Activity {
    fn default() -> Self {
        Self { logins: Semaphore::new(LOGINS_AT_ONCE), last_answer: Mutex::default() }
    }
}

impl ServerStates {
    /// Requires that a server is not known to be down: whoever waits for it holds what others need.
    pub(super) fn require_up(&self, name: &str) -> Result<(), PlacementError> {
        match self.known.read().unwrap_or_else(PoisonError::into_inner).get(name) {
            Some(known) if known.failures >= FAILURES => {
                Err(PlacementError::Down { what: PlaceKind::Cluster, name: name.to_owned() })
            }
            _ => Ok(()),
        }
    }

    /// A server could not be reached: all are asked at once.
    pub(super) fn doubt(&self) {
        self.doubt.notify_one();
    }

    /// A server has answered somebody.
    pub(super) fn answered(&self, name: &str) {
        *self.activity(name).last_answer.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Instant::now());
    }

    /// Logs in on a server, in turn.
    ///
    /// # Errors
    /// [`DbError::Busy`] where it is not this one's turn until then; what `connect` says.
    pub(super) async fn login<T>(
        &self,
        name: &str,
        until: Instant,
        connect: impl Future<Output = Result<T, DbError>>,
    ) -> Result<T, DbError> {
        let activity = self.activity(name);
        let turn = tokio::time::timeout_at(until, activity.logins.acquire()).await;
        let _turn = turn.map_err(|_| DbError::Busy { sessions: LOGINS_AT_ONCE })?;
        let opened = connect.await?;
        self.answered(name);
        Ok(opened)
    }

    fn activity(&self, name: &str) -> Arc<Activity> {
        let known = self.activity.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned();
        known.unwrap_or_else(|| {
            let mut all = self.activity.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(all.entry(name.to_owned()).or_default())
        })
    }

    /// Whether a server has answered somebody since a time.
    fn has_answered_since(&self, name: &str, time: Instant) -> bool {
        let answered = *self.activity(name).last_answer.lock().unwrap_or_else(PoisonError::into_inner);
        answered.is_some_and(|at| at >= time)
    }

    /// Notes what was found by asking, which began at a time. One that answers others and is slow to answer us is
    /// not down.
    fn set(&self, found: impl Iterator<Item = (String, ServerState)>, began: Instant) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let before = std::mem::take(&mut *known);
        for (name, state) in found {
            let state = match state {
                ServerState::Down(_) if self.has_answered_since(&name, began) => ServerState::Up,
                state => state,
            };
            let was = before.get(&name);
            let failures = match state {
                ServerState::Down("database_unreachable") => was.map_or(0, |was| was.failures) + 1,
                _ => 0,
            };
            if was.map(|was| was.state) != Some(state) {
                match state {
                    ServerState::Down(code) => tracing::warn!(server = name, code, "a server is down"),
                    _ if was.is_some_and(|was| matches!(was.state, ServerState::Down(_))) => {
                        tracing::warn!(server = name, "a server answers again");
                    }
                    _ => {}
                }
            }
            known.insert(name, Known { state, failures });
        }
    }
}

/// Watches tenants' servers until it is dropped.
pub struct Servers {
    states: Arc<ServerStates>,
    _probing: AbortOnDropHandle<()>,
}

/// A server, as the control database has it.
pub(super) struct ListedServer {
    cluster: Cluster,
    /// Most sessions of the whole platform there.
    pub(super) budget: Option<i32>,
}

impl ListedServer {
    /// Whether it is where another one is.
    pub(super) fn is_at(&self, other: &Self) -> bool {
        self.cluster.admin.display() == other.cluster.admin.display()
    }

    /// Opens a session of its administrator there, in no tenant's database, within its budget.
    pub(super) async fn open(&self, budgets: &Budgets, application: &str) -> Result<PgConnection, DbError> {
        let until = Instant::now() + PLACE_TIMEOUT;
        let place = budgets.place(&self.cluster.name, self.budget, until).await?;
        Ok(self.cluster.admin.connect_reading(application).await?.counted(place))
    }
}

/// All servers, by their names. One that cannot be read, a password that does not open, say, keeps no other from being
/// known.
pub(super) async fn list(
    app: &App,
) -> Result<BTreeMap<String, Result<ListedServer, PlacementError>>, AnyFailure> {
    let mut control = app.control().await?;
    let placement = &app.shared().provisioning.placement;
    let mut listed = BTreeMap::new();
    for name in placement::cluster_names(&mut control, &Caller::System).await? {
        let server = match placement.cluster(&mut control, &name).await {
            Ok(cluster) => Ok(ListedServer { cluster, budget: placement.budget(&mut control, &name).await? }),
            Err(error) => Err(error),
        };
        listed.insert(name, server);
    }
    Ok(listed)
}

/// One server, and the session that it is asked with.
struct Probe {
    server: ListedServer,
    budgets: Budgets,
    session: Option<PgConnection>,
}

impl Servers {
    pub(super) fn watch(app: &App) -> Self {
        let states = Arc::clone(&app.shared().servers);
        let probing = tokio::spawn(probe_all(Arc::downgrade(&app.0), Arc::clone(&states)));
        Self { states, _probing: AbortOnDropHandle::new(probing) }
    }

    /// What is known; nothing of a server that has not been asked yet.
    #[must_use]
    pub fn states(&self) -> BTreeMap<String, ServerState> {
        let known = self.states.known.read().unwrap_or_else(PoisonError::into_inner);
        known.iter().map(|(name, known)| (name.clone(), known.state)).collect()
    }
}

impl App {
    /// Requires that a tenant's server is not known to be down. Asks nobody.
    ///
    /// # Errors
    /// [`PlacementError::Down`].
    pub fn require_up(&self, tenant: &Tenant) -> Result<(), AnyFailure> {
        Ok(self.shared().servers.require_up(&tenant.cluster)?)
    }
}

async fn probe_all(app: Weak<Shared>, states: Arc<ServerStates>) {
    let mut probes = BTreeMap::<String, Probe>::new();
    while let Some(shared) = app.upgrade() {
        // Without the control database, those that are known are asked on.
        if let Err(failure) = learn(&App(shared), &mut probes).await {
            tracing::debug!(%failure, "cannot read which servers there are");
        }
        let began = Instant::now();
        let found = join_all(probes.values_mut().map(Probe::ask)).await;
        let is_down = found.iter().any(|state| matches!(state, ServerState::Down(_)));
        states.set(probes.keys().cloned().zip(found), began);
        if is_down {
            tokio::time::sleep(PERIOD_DOWN).await;
        } else {
            // Whoever doubts ends the pause, which is worth nothing then.
            let _ = tokio::time::timeout(PERIOD, states.doubt.notified()).await;
        }
    }
}

/// Brings up to date which servers there are, and where.
async fn learn(app: &App, probes: &mut BTreeMap<String, Probe>) -> Result<(), AnyFailure> {
    let listed = list(app).await?;
    probes.retain(|name, _| listed.contains_key(name));
    for (name, server) in listed {
        let server = match server {
            Ok(server) => server,
            Err(error) => {
                tracing::warn!(server = name, %error, "a server's place is not known");
                continue;
            }
        };
        if let Some(probe) = probes.get_mut(&name) {
            // A session at the old place says nothing of the new one.
            if !probe.server.is_at(&server) {
                probe.session = None;
            }
            probe.server = server;
        } else {
            probes.insert(name, Probe { server, budgets: app.shared().budgets.clone(), session: None });
        }
    }
    Ok(())
}

impl Probe {
    async fn ask(&mut self) -> ServerState {
        match tokio::time::timeout(PROBE_TIMEOUT, self.ping()).await {
            Ok(Ok(())) => ServerState::Up,
            Ok(Err(error)) if error.is_busy() => ServerState::Busy,
            Ok(Err(error)) => ServerState::Down(error.code()),
            // Whatever it was doing is given up with its session.
            Err(_) => ServerState::Down("database_unreachable"),
        }
    }

    /// Put back only where it works: one that broke is made anew.
    async fn ping(&mut self) -> Result<(), DbError> {
        if let Some(mut session) = self.session.take()
            && !session.is_wanted_back()
            && session.ping().await.is_ok()
        {
            self.session = Some(session);
            return Ok(());
        }
        let mut session = self.server.open(&self.budgets, "nexus:probe").await?;
        session.ping().await?;
        // Of a budget nothing is held that a request or a creation may need.
        self.session = self.server.budget.is_none().then_some(session);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;

    #[test]
    fn requests_are_kept_from_a_server_that_twice_could_not_be_reached_until_it_answers() {
        let states = ServerStates::default();
        let found = |state| states.set([("eu1".to_owned(), state)].into_iter(), Instant::now());
        let is_open = || states.require_up("eu1").is_ok();
        assert!(is_open(), "nobody watches");
        found(ServerState::Down("database_unreachable"));
        assert!(is_open(), "once may be chance");
        found(ServerState::Down("database_unreachable"));
        assert!(!is_open() && states.require_up("eu2").is_ok());
        found(ServerState::Up);
        assert!(is_open());
        // It answers: sessions that are open work.
        for _ in 0..3 {
            found(ServerState::Busy);
            found(ServerState::Down("database_login_refused"));
        }
        assert!(is_open());
    }

    #[test]
    fn a_server_that_answers_others_while_it_is_asked_is_not_down() {
        let states = ServerStates::default();
        let down = || [("eu1".to_owned(), ServerState::Down("database_unreachable"))].into_iter();
        let ask = |began| states.set(down(), began);
        for _ in 0..3 {
            let began = Instant::now();
            states.answered("eu1");
            ask(began);
        }
        assert!(states.require_up("eu1").is_ok());
        let later = Instant::now() + Duration::from_secs(1);
        ask(later);
        ask(later);
        assert!(states.require_up("eu1").is_err());
    }

    #[tokio::test]
    async fn of_one_server_so_many_logins_go_on_at_once_and_the_next_waits() {
        let states = ServerStates::default();
        let until = Instant::now() + Duration::from_millis(50);
        let hanging = |name| states.login(name, until, std::future::pending::<Result<(), DbError>>());
        let mut logins: Vec<_> = (0..LOGINS_AT_ONCE).map(|_| Box::pin(hanging("eu1"))).collect();
        for login in &mut logins {
            assert!(login.as_mut().now_or_never().is_none());
        }
        let done = async || Ok(());
        assert!(matches!(states.login("eu1", until, done()).await, Err(DbError::Busy { .. })));
        assert!(states.login("eu2", until, done()).await.is_ok());
        drop(logins.pop());
        assert!(states.login("eu1", Instant::now() + Duration::from_secs(9), done()).await.is_ok());
    }
}
