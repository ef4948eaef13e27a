//! Realms whose outboxes have events: which they are, and how they are relayed.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;
use uuid::Uuid;

use super::App;
use super::servers::{self, ListedServer};
use crate::features::iam::AfterCommit;
use crate::features::relay::{self, Relayed};
use crate::features::subscribers::Announcement;
use crate::infra::cluster;
use crate::infra::db::PgConnection;
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How often the register of servers is read.
const LEARN_PERIOD: Duration = Duration::from_secs(5);
/// When a server that did not answer is asked again; and the same of one with a budget of sessions, where none is held.
const PAUSE: Duration = Duration::from_secs(2);
/// How long an answer may take.
const LOOK_TIMEOUT: Duration = Duration::from_secs(2);

/// Wake-ups about realms within this process.
#[derive(Debug, Default)]
pub(super) struct RelayWakeups {
    /// Events were written there.
    pub(super) written: Arc<RealmWakeups>,
    /// They were relayed.
    pub(super) relayed: Arc<RealmWakeups>,
}

/// Realms that something happened in, for whoever waits for it.
#[derive(Debug, Default)]
pub(super) struct RealmWakeups {
    woken: Mutex<BTreeSet<TenantId>>,
    wake: Notify,
}

impl RealmWakeups {
    pub(super) fn wake(&self, realm: TenantId) {
        self.woken.lock().unwrap_or_else(PoisonError::into_inner).insert(realm);
        self.wake.notify_one();
    }

    /// The realms that were woken since this was asked last, once there are some.
    pub(super) async fn woken(&self) -> BTreeSet<TenantId> {
        self.wake.notified().await;
        std::mem::take(&mut *self.woken.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl App {
    /// Wakes the relay for the events of a realm, after the commit.
    pub fn wake_relay(&self, realm: TenantId) {
        self.shared().realm_wakeups.written.wake(realm);
        self.shared().peers.notify_realm(realm);
    }

    /// The same as a hook of realms.
    pub(super) fn after_commit(&self) -> AfterCommit {
        let app = self.clone();
        Arc::new(move |realm| app.wake_relay(realm))
    }

    /// The realms that the relay was woken for since this was asked last, once there are some.
    pub async fn woken_realms(&self) -> BTreeSet<TenantId> {
        self.shared().realm_wakeups.written.woken().await
    }

    /// Relays the events of a realm; none are relayed of a tenant that is not in use: they wait.
    ///
    /// # Errors
    /// When a server does not answer; where the tenant's queue is full.
    pub async fn relay(
        &self,
        realm: TenantId,
        owner: Uuid,
        to: Announcement<'_>,
    ) -> Result<Relayed, AnyFailure> {
        let Some(mut realm) = self.realm_of(realm).await? else { return Ok(Relayed::Events(0)) };
        Ok(relay::relay(&mut realm, &Caller::System, (owner, to)).await?)
    }
}

/// Watches which tenants' databases are written to, with one session a server and one statement for all of its
/// databases.
pub struct Writings {
    app: App,
    servers: BTreeMap<String, Server>,
    learned: Option<Instant>,
}

/// A server, and what was seen there.
struct Server {
    place: ListedServer,
    session: Option<PgConnection>,
    /// Rows inserted into each database; nothing where it was not asked since it last broke off.
    seen: HashMap<String, i64>,
    /// It is not asked before.
    next: Instant,
}

impl Writings {
    /// Of all servers.
    #[must_use]
    pub fn of(app: &App) -> Self {
        Self { app: app.clone(), servers: BTreeMap::new(), learned: None }
    }

    /// The tenants whose databases were written to since this was asked last. The first time, and after a server did
    /// not answer, all of its tenants.
    pub async fn look(&mut self) -> Vec<TenantId> {
        if self.learned.is_none_or(|at| at.elapsed() >= LEARN_PERIOD) {
            match self.learn().await {
                Ok(()) => self.learned = Some(Instant::now()),
                Err(failure) => tracing::debug!(%failure, "cannot read which servers there are"),
            }
        }
        let mut tenants = Vec::new();
        for (name, server) in &mut self.servers {
            if server.next > Instant::now() {
                continue;
            }
            let looked = tokio::time::timeout(LOOK_TIMEOUT, server.look(&self.app, name)).await;
            match looked {
                Ok(Ok(found)) => tenants.extend(found),
                Ok(Err(failure)) => {
                    tracing::debug!(server = name, %failure, "cannot read where something was written");
                    server.lost();
                }
                Err(_) => server.lost(),
            }
        }
        tenants
    }

    /// Brings up to date which servers there are, and where.
    async fn learn(&mut self) -> Result<(), AnyFailure> {
        let listed = servers::list(&self.app).await?;
        self.servers.retain(|name, _| listed.contains_key(name));
        for (name, place) in listed {
            let Ok(place) = place else { continue };
            match self.servers.get_mut(&name) {
                Some(server) if server.place.is_at(&place) => server.place = place,
                _ => {
                    let (session, seen) = (None, HashMap::new());
                    self.servers.insert(name, Server { place, session, seen, next: Instant::now() });
                }
            }
        }
        Ok(())
    }
}

impl Server {
    /// What was written to before the session broke is not known: all of it counts as changed.
    fn lost(&mut self) {
        (self.session, self.seen) = (None, HashMap::new());
        self.next = Instant::now() + PAUSE;
    }

    async fn look(&mut self, app: &App, name: &str) -> Result<Vec<TenantId>, AnyFailure> {
        let mut session = if let Some(session) = self.session.take() {
            session
        } else {
            self.place.open(&app.shared().budgets, "nexus:relay").await?
        };
        let now = cluster::rows_inserted(&mut session).await?;
        // Of a budget nothing is held that a request or a creation may need.
        if self.place.budget.is_none() {
            self.session = Some(session);
        } else {
            self.next = Instant::now() + PAUSE;
        }
        let changed: Vec<String> = now
            .iter()
            .filter(|(name, rows)| self.seen.get(*name) != Some(*rows))
            .map(|(name, _)| name.clone())
            .collect();
        if changed.is_empty() {
            return Ok(Vec::new());
        }
        let tenants =
            relay::tenants_of(&mut *app.control().await?, &Caller::System, (name, &changed)).await?;
        // Not before its tenants are known.
        self.seen = now;
        Ok(tenants)
    }
}
