//! Puts the parts together for one context: addresses, keys, services. No rule, no output.
//!
//! An [`App`] is loaded once in a process; each command or request draws a [`Session`] from it. Start
//! reading at [`App::load`].

mod addresses;
mod buckets;
mod cache;
mod databases;
mod directory;
pub mod doctor;
mod event_stream;
mod events;
mod feed;
mod files;
mod jobs;
mod keys;
mod mail;
mod mailer;
mod objects;
mod opening;
mod queue;
mod rate_limit;
mod realm;
mod realms;
mod relay;
pub mod scheduled;
mod servers;
mod services;
mod session;
mod subscribers;
mod tokens;
mod usage;
mod wakeups;
mod webhook_notices;
mod webhooks;

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Notify;

use crate::features::access::GrantsCache;
use crate::features::files::ExpectedSweeps;
use crate::features::fleet::Scope;
use crate::features::iam::Rules;
use crate::features::installation::{
    self, Installation, InstallationError, NewOperator, Setup, SetupOutcome,
};
use crate::features::local::LocalStack;
use crate::features::placement::Placement;
use crate::features::provisioning::{DrivenBy, Provisioning, Worker};
use crate::features::record;
use crate::features::secrets::Secrets;
use crate::features::services::MOST_AT_ONCE;
use crate::features::tokens::Tokens;
use crate::features::usage::Meter;
use crate::infra::circuit::Circuits;
use crate::infra::db::{Budgets, DbError, Lease, LeaseSource, PgConnection, PoolLimits, SessionPool};
use crate::infra::event_stream::EventStream;
use crate::kernel::{AnyFailure, Caller, Progress, TenantId};
use crate::settings::{Settings, Target};

pub use crate::infra::db::{PoolStats, RateCount, SharedRateLimit};
pub use crate::infra::event_stream::{StreamConsumer, StreamMessage};
pub use crate::infra::repeated::Repeated;
pub use crate::infra::{failpoint, telemetry};
use addresses::Addresses;
pub use addresses::stack;
use buckets::Buckets;
use databases::Passwords;
use directory::Directory;
pub(crate) use event_stream::realm_of_subject;
pub use event_stream::{EventCarrier, PUBLISHER};
pub use feed::Following;
pub use mail::{Post, post};
pub use mailer::{dns, mailer};
pub use objects::ObjectServer;
pub use opening::may_come;
use realms::{RealmParts, Realms};
pub use relay::Writings;
use servers::ServerStates;
pub use servers::{ServerState, Servers};
pub use session::Session;
pub use subscribers::{Delivered, EventHandler, Subscription};
pub use usage::{own_usage_now, usage_now};
pub use webhook_notices::WebhookNotices;

/// How long a person who completes a word waits for a server.
const COMPLETION_TIMEOUT: Duration = Duration::from_millis(300);

/// What a process may hold open.
#[derive(Debug, Clone, Copy)]
pub struct AppLimits {
    /// Sessions in the control database.
    pub control: PoolLimits,
    /// Sessions in tenants' databases, of all of them together.
    pub realms: PoolLimits,
    /// How long a statement in any of them may take; `None`: as long as it takes.
    pub statement: Option<Duration>,
}

impl Default for AppLimits {
    /// For one process among several on a server with PostgreSQL's usual 100 sessions.
    fn default() -> Self {
        let kept =
            |sessions| PoolLimits { sessions, wait: Duration::from_secs(2), idle: Duration::from_mins(1) };
        Self { control: kept(8), realms: kept(32), statement: None }
    }
}

/// A context that is set up, for the whole life of a process: pools, keys, settings, the one hasher of
/// passwords. Cheap to clone.
#[derive(Clone)]
pub struct App(Arc<Shared>);

struct Shared {
    provisioning: Provisioning,
    tokens: Tokens,
    control: SessionPool,
    /// How long a statement in the control database may take. Workers have sessions of their own, without an end.
    statement: Option<Duration>,
    realms: Realms,
    budgets: Budgets,
    directory: Directory,
    buckets: Buckets,
    passwords: Passwords,
    /// Requests of tenants.
    meter: Meter,
    /// Tenants whose files will have to be swept.
    expected_sweeps: ExpectedSweeps,
    grants: GrantsCache,
    peers: wakeups::PeerWakeups,
    realm_wakeups: relay::RelayWakeups,
    rate_limits: rate_limit::SharedRateLimits,
    servers: Arc<ServerStates>,
    /// Woken when a request has recorded an operation for the workers.
    queued: Notify,
    /// Woken when jobs were written.
    jobs: Notify,
    counted_jobs: jobs::Counted,
    webhooks: webhooks::Sender,
    /// Where events are published for other programs, too.
    stream: Option<EventStream>,
    circuits: Circuits,
}

/// What the pools of an app did and have.
#[derive(Debug, Clone, Copy)]
pub struct AppStats {
    pub control: PoolStats,
    pub realms: PoolStats,
}

/// What changes of tenants work with.
fn of_settings(
    settings: &Settings,
    addresses: &Addresses,
    placement: &Placement,
    (secrets, installation): (Secrets, Installation),
) -> Provisioning {
    Provisioning {
        control: addresses.control.clone(),
        placement: placement.clone(),
        secrets,
        installation,
        // With the one hasher of the process, which bounds how much memory sign-ins take.
        rules: Rules::new(&settings.passwords, &settings.tenants),
        retention_days: settings.tenants.retention_days,
        batch: None,
        driven_by: DrivenBy::Person,
        attempt: None,
    }
}

impl App {
    /// Loads the context of the settings, however old its control database is. The embedded stack is
    /// started, and set up, where it is not. With the session that was needed for it.
    ///
    /// # Errors
    /// When a server does not answer, the context is not set up, or the master key is not there.
    pub async fn load(
        settings: &Settings,
        limits: AppLimits,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<Session, AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        match Self::attach(settings, limits, &addresses).await {
            Err(failure) if matches!(settings.target, Target::Local(_)) && is_not_set_up(&failure) => {
                Self::set_up(settings, &addresses, caller, None, progress).await?;
                Self::attach(settings, limits, &addresses).await
            }
            other => other,
        }
    }

    /// Loads the context for one command that changes something or hands out credentials.
    ///
    /// # Errors
    /// As [`App::load`]; when the control database was restored from a backup and lacks what was changed
    /// or revoked since.
    pub async fn open(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<Session, AnyFailure> {
        let session = Self::open_to_read(settings, caller, progress).await?;
        session.provisioning.installation.age.require_current()?;
        Ok(session)
    }

    /// Loads the context for one command, however old its control database is.
    ///
    /// # Errors
    /// As [`App::load`].
    pub async fn open_to_read(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<Session, AnyFailure> {
        Self::load(settings, AppLimits::default(), caller, progress).await
    }

    /// Loads the context for a command that changes tenants. Both connections are made at the same time.
    ///
    /// # Errors
    /// As [`App::open`].
    pub async fn open_to_work(
        settings: &Settings,
        caller: &Caller,
        progress: &dyn Progress,
    ) -> Result<(Provisioning, Worker), AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        // On another thread: half of a login is the hashing of its password. A server that is not
        // Nexus's alone may have a budget of sessions, which must be asked first.
        let ahead = match &settings.target {
            Target::Local(_) => Some(addresses.cluster.get().await?.admin.clone()),
            Target::Servers(_) => None,
        };
        let admin = tokio::spawn(async move {
            match ahead {
                Some(server) => server.connect("nexus").await.ok(),
                None => None,
            }
        });
        let attached = Self::attach(settings, AppLimits::default(), &addresses).await;
        let admin = admin.await.ok().flatten();
        let session = match attached {
            Ok(session) => session,
            Err(_) => Self::open(settings, caller, progress).await?,
        };
        session.provisioning.installation.age.require_current()?;
        session.work_with(admin).await
    }

    /// What one more command or request works with.
    ///
    /// # Errors
    /// When the control database does not answer; [`DbError::Busy`].
    pub async fn session(&self) -> Result<Session, AnyFailure> {
        Ok(Session::new(self.clone(), self.control().await?))
    }

    /// A session in the control database.
    async fn control(&self) -> Result<Lease, DbError> {
        Ok(self.control_asked(None).await?.0)
    }

    /// The same, and the number that a statement gives there, in the message that makes it safe.
    async fn control_asked(&self, statement: Option<&str>) -> Result<(Lease, Option<i64>), DbError> {
        let shared = self.shared();
        let open = async || {
            let mut session = shared.provisioning.control.connect_for("nexus", shared.statement).await?;
            shared.provisioning.arm(&mut session).await?;
            Ok::<_, DbError>(session)
        };
        shared.control.lease_prepared(TenantId::PLATFORM.uuid(), statement, open).await
    }

    /// What draws a session in the control database when it is needed.
    fn control_source(&self) -> LeaseSource {
        let app = self.clone();
        Arc::new(move || {
            let app = app.clone();
            Box::pin(async move { app.control().await })
        })
    }

    /// What its pools did and have.
    #[must_use]
    pub fn stats(&self) -> AppStats {
        AppStats { control: self.shared().control.stats(), realms: self.shared().realms.stats() }
    }

    fn shared(&self) -> &Shared {
        &self.0
    }

    async fn attach(
        settings: &Settings,
        limits: AppLimits,
        addresses: &Addresses,
    ) -> Result<Session, AnyFailure> {
        let connected = addresses.control.connect_for("nexus", limits.statement).await;
        let mut control = connected.map_err(|error| match error.state() {
            // 3D000: there is no such database.
            Some("3D000") => {
                AnyFailure::from(InstallationError::NotInitialised { server: addresses.control.display() })
            }
            _ => error.into(),
        })?;
        // Whether the context is set up is said before that its key is not there.
        let secrets = keys::master(&settings.keys).await.map(Secrets::new);
        let key = secrets.as_ref().ok().map(Secrets::record_key);
        let installation = installation::open(&mut control, &addresses.control, key).await?;
        let secrets = secrets?;
        let installation = installation.with_keys(&secrets);
        let placement =
            Placement::new(addresses.cluster.clone(), Arc::clone(&addresses.store), secrets.clone());
        let provisioning = of_settings(settings, addresses, &placement, (secrets.clone(), installation));
        let tokens = tokens::tokens(settings, &provisioning);
        let servers = Arc::<ServerStates>::default();
        let budgets = Budgets::new(addresses.control.clone(), limits.realms.sessions);
        let realms = Realms::new(RealmParts {
            limits: limits.realms,
            statement: limits.statement,
            budgets: budgets.clone(),
            control: addresses.control.clone(),
            placement,
            servers: Arc::clone(&servers),
        });
        let app = Self(Arc::new(Shared {
            provisioning,
            tokens,
            control: SessionPool::new(limits.control, record::arm(secrets.record_key())),
            statement: limits.statement,
            realms,
            budgets,
            directory: Directory::default(),
            buckets: Buckets::default(),
            passwords: Passwords::default(),
            meter: Meter::default(),
            expected_sweeps: ExpectedSweeps::default(),
            grants: GrantsCache::default(),
            peers: wakeups::PeerWakeups::default(),
            realm_wakeups: relay::RelayWakeups::default(),
            rate_limits: rate_limit::SharedRateLimits::default(),
            servers,
            queued: Notify::new(),
            jobs: Notify::new(),
            counted_jobs: jobs::Counted::default(),
            webhooks: webhooks::Sender::of(settings),
            stream: settings.events.nats.clone().map(EventStream::new),
            circuits: Circuits::new(MOST_AT_ONCE),
        }));
        Ok(Session::new(app.clone(), app.adopted(control)))
    }

    /// The first session belongs to the pool, too.
    fn adopted(&self, session: PgConnection) -> Lease {
        self.shared().control.adopt(TenantId::PLATFORM.uuid(), session)
    }

    /// Sets the context up: control database, keys, first operator, template.
    ///
    /// # Errors
    /// When it is set up already and current, or something that is needed refuses.
    pub async fn init(
        settings: &Settings,
        caller: &Caller,
        operator: Option<NewOperator>,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, AnyFailure> {
        let addresses = Addresses::of(settings, progress).await?;
        Self::set_up(settings, &addresses, caller, operator, progress).await
    }

    async fn set_up(
        settings: &Settings,
        addresses: &Addresses,
        caller: &Caller,
        operator: Option<NewOperator>,
        progress: &dyn Progress,
    ) -> Result<SetupOutcome, AnyFailure> {
        let secrets = Secrets::new(keys::master_or_new(&settings.keys, addresses, progress).await?);
        let cluster = addresses.cluster.get().await?;
        // Its token is not needed yet; who sets up learns now that it cannot be read.
        addresses.store.ready().await?;
        let rules = &Rules::new(&settings.passwords, &settings.tenants);
        let setup = Setup { control: &addresses.control, cluster, secrets: &secrets, rules, operator };
        Ok(setup.run(caller, progress).await?)
    }

    /// A connection to the control database if one is to be had at once; nothing is started.
    pub async fn open_for_completion(settings: &Settings) -> Option<CompletionSession> {
        let addresses = Addresses::if_running(settings).await?;
        let connecting = addresses.control.connect("nexus:completion");
        tokio::time::timeout(COMPLETION_TIMEOUT, connecting).await.ok()?.ok()
    }
}

/// A connection to the control database that was to be had at once.
pub type CompletionSession = PgConnection;

/// A part of an installation, and whether it is there.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Missing {
    pub what: &'static str,
    /// `there`, `missing` or `unreachable`.
    pub state: &'static str,
}

impl App {
    /// What [`App::init`] would find and make. Makes and starts nothing.
    pub async fn missing(settings: &Settings) -> Vec<Missing> {
        let key = match keys::master(&settings.keys).await {
            Ok(_) => "there",
            Err(_) => "missing",
        };
        let database = match Addresses::if_running(settings).await {
            None => "missing",
            Some(addresses) => match Self::attach(settings, AppLimits::default(), &addresses).await {
                Ok(_) => "there",
                Err(failure) if is_not_set_up(&failure) || failure.code() == "master_key_missing" => {
                    "missing"
                }
                Err(_) => "unreachable",
            },
        };
        vec![
            Missing { what: "master key", state: key },
            Missing { what: "control database", state: database },
        ]
    }
}

/// What work inside tenants' databases stands on.
#[must_use]
pub fn reach(provisioning: &Provisioning) -> Scope<'_> {
    let Provisioning { placement, secrets, installation, .. } = provisioning;
    Scope { placement, secrets, installation }
}

/// The embedded stack of these settings.
///
/// # Errors
/// When the context is not `local`.
pub fn local_stack(settings: &Settings) -> Result<LocalStack, AnyFailure> {
    match &settings.target {
        Target::Local(local) => Ok(stack(settings, local)),
        Target::Servers(_) => Err(addresses::NotLocal(settings.context.to_string()).into()),
    }
}

fn is_not_set_up(failure: &AnyFailure) -> bool {
    matches!(failure.code(), "not_initialised" | "control_behind")
}
