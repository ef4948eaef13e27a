//! Sessions in tenants' databases, from one pool. Those in realms are the administrator's, with safe startup
//! options, and nothing hangs on the realms' tables that could run in them. Those by the apps' logins are for
//! `databases.rs`.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::cache::Cache;
use super::servers::ServerStates;
use crate::features::iam;
use crate::features::placement::Placement;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{
    AnyLease, Budgets, DbError, Lease, PgConnection, PoolKey, PoolLimits, PoolStats, ServerAddress,
    SessionPool,
};
use crate::kernel::{AnyFailure, Caller, Failure, SecretString, TenantId};

/// How long the catalogue of a realm is not looked at again, where nobody has changed its tenant in the
/// meantime. What a migration leaves there is known by its record; this is for other hands.
const LOOKED_AT: Duration = Duration::from_secs(2);

/// Sessions in realms' databases. Cheap to clone.
#[derive(Clone)]
pub(super) struct Realms {
    sessions: SessionPool,
    /// How long is waited for one.
    wait: Duration,
    /// How long a statement may take.
    statement: Option<Duration>,
    budgets: Budgets,
    /// Where the platform's own realm is.
    control: ServerAddress,
    placement: Placement,
    servers: Arc<ServerStates>,
    /// When a realm's catalogue was found to be as it should be.
    untampered: Arc<Cache<HashMap<TenantId, Instant>>>,
}

/// What sessions in realms are opened with.
pub(super) struct RealmParts {
    pub(super) limits: PoolLimits,
    /// How long a statement may take.
    pub(super) statement: Option<Duration>,
    pub(super) budgets: Budgets,
    /// Where the platform's own realm is.
    pub(super) control: ServerAddress,
    pub(super) placement: Placement,
    pub(super) servers: Arc<ServerStates>,
}

/// By which login of a tenant's database a session is opened.
#[derive(Clone, Copy)]
enum Login<'a> {
    Administrator,
    /// That of the tenant's apps, which has this password.
    Apps(&'a SecretString),
}

/// The database of an active tenant takes no sessions.
#[derive(Debug, thiserror::Error, Failure)]
#[error("tenant {slug:?} is active, but its server has closed its database: {source}")]
#[failure(Integrity, "tenant_database_closed")]
#[hint(TenantAction::Repair(Some(slug.clone())))]
#[details(source.details())]
struct DatabaseClosed {
    slug: String,
    source: DbError,
}

impl Realms {
    pub(super) fn new(parts: RealmParts) -> Self {
        let RealmParts { limits, statement, budgets, control, placement, servers } = parts;
        let (sessions, wait) = (SessionPool::new(limits, "".into()), limits.wait);
        budgets.share_with(&sessions);
        let untampered = Arc::default();
        Self { sessions, wait, statement, budgets, control, placement, servers, untampered }
    }

    /// A session in the platform's own realm.
    pub(super) async fn platform_session(&self) -> Result<(Lease, Option<i64>), AnyFailure> {
        let open = async || self.control.connect_for("nexus:realm", self.statement).await;
        let leased = self.sessions.lease_prepared(TenantId::PLATFORM.uuid(), Some(iam::RIGHTS_VERSION), open);
        let (mut session, version) = leased.await?;
        self.require_untampered(TenantId::PLATFORM, &mut session).await?;
        Ok((session, version))
    }

    /// A session in the database of a tenant that is in use, which acts with the rights of its owner role; and
    /// the version of its rights, where its schema has one.
    pub(super) async fn session(
        &self,
        control: impl Into<AnyLease<'_>>,
        tenant: &Tenant,
    ) -> Result<(Lease, Option<i64>), AnyFailure> {
        self.servers.require_up(&tenant.cluster)?;
        let control = &mut control.into();
        let statements = iam::session_statements(&tenant.resources.owner_role, tenant.schema_version);
        let (key, statements) = (tenant.id.uuid(), Some(statements.as_str()));
        let until = Instant::now() + self.wait;
        let open =
            async |control: &mut AnyLease<'_>| self.open(control, tenant, Login::Administrator, until).await;
        let leased = self.sessions.lease_prepared(key, statements, async || open(control).await).await;
        let (mut session, version) = match leased {
            // Its password was changed a moment ago, perhaps.
            Err(DbOrAny::Db(DbError::LoginRefused { .. })) => {
                self.placement.forget(&tenant.cluster).await;
                self.sessions.lease_prepared(key, statements, async || open(control).await).await
            }
            leased => leased,
        }
        .map_err(DbOrAny::into_any)?;
        self.servers.answered(&tenant.cluster);
        self.require_untampered(tenant.id, &mut session).await?;
        Ok((session, version))
    }

    /// A session in the database of a tenant that is in use, by the login that its apps use and this password.
    ///
    /// # Errors
    /// [`DbError::LoginRefused`] where the password is another by now.
    pub(super) async fn limited_session(
        &self,
        control: &mut AnyLease<'_>,
        tenant: &Tenant,
        password: &SecretString,
    ) -> Result<Lease, DbOrAny> {
        let until = Instant::now() + self.wait;
        let open = async || self.open(control, tenant, Login::Apps(password), until).await;
        self.sessions.lease(PoolKey::limited(tenant.id.uuid()), open).await
    }

    /// Requires that nothing hangs on the realm's tables, unless that was seen a moment ago.
    pub(super) async fn require_untampered(
        &self,
        realm: TenantId,
        session: &mut PgConnection,
    ) -> Result<(), AnyFailure> {
        let seen = |all: &HashMap<_, Instant>| all.get(&realm).filter(|at| at.elapsed() < LOOKED_AT).copied();
        let Err(reading) = self.untampered.get(seen) else { return Ok(()) };
        let before = Instant::now();
        iam::require_untampered(session).await?;
        self.untampered.keep(reading, |all| {
            all.retain(|_, at| at.elapsed() < LOOKED_AT);
            all.insert(realm, before);
        });
        Ok(())
    }

    /// Uses no session of a tenant again that is open now.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.untampered.change(|all| all.remove(&tenant));
        self.sessions.forget(PoolKey::administrator(tenant.uuid()));
        self.sessions.forget(PoolKey::limited(tenant.uuid()));
    }

    /// Uses no session again that is open now.
    pub(super) fn forget_all(&self) {
        self.untampered.change(HashMap::clear);
        self.sessions.forget_all();
    }

    pub(super) fn close_unused(&self) {
        self.sessions.close_unused();
    }

    pub(super) fn stats(&self) -> PoolStats {
        self.sessions.stats()
    }

    /// Opens one, for who waits until then.
    async fn open(
        &self,
        control: &mut AnyLease<'_>,
        tenant: &Tenant,
        login: Login<'_>,
        until: Instant,
    ) -> Result<PgConnection, DbOrAny> {
        let asking = control.get().await?;
        let cluster = self.placement.cluster(asking, &tenant.cluster).await.map_err(AnyFailure::from)?;
        let budget = self.placement.budget(asking, &tenant.cluster).await.map_err(AnyFailure::from)?;
        // Sessions in the control database are few, and this may wait for others.
        control.give_back();
        let server = cluster.admin.database(&tenant.resources.database_name);
        let (server, application) = match login {
            Login::Apps(password) => {
                (server.login(&tenant.resources.app_role, password.clone()), "nexus:app")
            }
            Login::Administrator => (server, "nexus:realm"),
        };
        let connect = async || {
            let place = self.budgets.place(&tenant.cluster, budget, until).await?;
            let connecting = server.connect_for(application, self.statement);
            match self.servers.login(&tenant.cluster, until, connecting).await {
                Ok(opened) => Ok(opened.counted(place)),
                // The login may have no more, or the server.
                Err(error) if matches!(login, Login::Apps(_)) && error.is_too_many_connections() => {
                    Err(DbError::Busy { sessions: usize::try_from(cluster.connection_limit).unwrap_or(0) })
                }
                Err(error) => {
                    if matches!(error, DbError::Unreachable { .. }) {
                        self.servers.doubt();
                    }
                    Err(error)
                }
            }
        };
        let opened = connect().await;
        if !opened.as_ref().is_err_and(takes_no_sessions) {
            return Ok(opened?);
        }
        // Because the tenant was closed just now, or without our knowledge; or it was opened since.
        let asking = control.get().await?;
        let now = tenants::get(asking, &Caller::System, &TenantRef::Id(tenant.id)).await;
        let now = now.map_err(AnyFailure::from)?.active().map_err(AnyFailure::from)?;
        match connect().await {
            Err(source) if takes_no_sessions(&source) => {
                Err(AnyFailure::from(DatabaseClosed { slug: now.slug, source }).into())
            }
            opened => Ok(opened?),
        }
    }
}

/// Whether a database is closed to all (55000).
fn takes_no_sessions(error: &DbError) -> bool {
    error.state() == Some("55000")
}

/// Why no session could be opened, as far as it matters which.
pub(super) enum DbOrAny {
    Db(DbError),
    Any(AnyFailure),
}

impl DbOrAny {
    pub(super) fn into_any(self) -> AnyFailure {
        match self {
            Self::Db(error) => error.into(),
            Self::Any(failure) => failure,
        }
    }
}

impl From<DbError> for DbOrAny {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl From<AnyFailure> for DbOrAny {
    fn from(failure: AnyFailure) -> Self {
        Self::Any(failure)
    }
}
