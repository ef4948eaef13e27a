//! What the steps of one operation share.

use secrecy::SecretString;
use tokio::sync::Mutex;
use tokio_util::task::AbortOnDropHandle;

use super::error::ProvisioningError;
use super::worker::{Provisioning, Server, Worker};
use crate::features::iam::FirstSignIn;
use crate::features::placement::{Store, Template};
pub(super) use crate::features::tenants::sealed;
use crate::features::tenants::{Adoption, Tenant, TenantState};
use crate::infra::cluster::adopted::Adopted;
use crate::infra::cluster::{Database, Mark, Roles};
use crate::infra::db::{DbError, PgConnection, ServerAddress};
use crate::infra::objects::{Owner, ScopedKey};
use crate::kernel::OperationId;

/// The name of a proof's session in `pg_stat_activity`.
pub(super) const PROOF: &str = "nexus:proof";

/// The two states between which a tenant is closed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AccessTransition {
    /// Before it is closed, and after it is opened. It may be `suspended`: then a stay in the trash
    /// changes nothing about who is let in.
    pub(super) open: TenantState,
    /// While it is closed.
    pub(super) closed: TenantState,
}

impl AccessTransition {
    /// Of an operation of a kind.
    pub(super) fn of(kind: &str, tenant: &Tenant) -> Self {
        match kind {
            "delete" | "undelete" => Self { open: tenant.undeleted_state(), closed: TenantState::Trashed },
            _ => Self { open: TenantState::Active, closed: TenantState::Suspended },
        }
    }

    /// Whether anybody is let in where it is open.
    pub(super) fn lets_in(self) -> bool {
        self.open == TenantState::Active
    }
}

/// A session that is being opened meanwhile.
pub(super) type Opening = AbortOnDropHandle<Result<PgConnection, DbError>>;

/// Begins to open a session, beside what else is done.
pub(super) fn open_ahead(
    session: impl Future<Output = Result<PgConnection, DbError>> + Send + 'static,
) -> Opening {
    AbortOnDropHandle::new(tokio::spawn(session))
}

/// What the steps of one operation share.
pub(super) struct Plan {
    pub(super) on: Provisioning,
    pub(super) worker: Worker,
    /// The server that the tenant's database is on.
    pub(super) server: Server,
    /// The store that its bucket is in.
    pub(super) store: Store,
    pub(super) operation: OperationId,
    /// Its kind, e.g. `create`.
    pub(super) kind: &'static str,
    /// Its intent was written a moment ago, by this process: nothing of it is there yet.
    pub(super) fresh: bool,
    pub(super) tenant: Tenant,
    pub(super) owner: Owner,
    /// Marks what is the tenant's on the server.
    pub(super) server_mark: String,
    /// `None` where the tenant's secrets are erased already.
    pub(super) password: Option<SecretString>,
    /// The key to the bucket, once it is made or opened.
    pub(super) key: Mutex<Option<ScopedKey>>,
    pub(super) first_sign_in: Option<FirstSignIn>,
    /// A bucket that must be out of reach.
    pub(super) neighbour: Option<String>,
    /// The administrator's session inside the tenant's database.
    pub(super) inside: Mutex<Option<PgConnection>>,
    /// The same, while it is being opened ahead of its use.
    pub(super) entering: Mutex<Option<Opening>>,
    /// The tenant's own session, while it is being opened ahead of its proof.
    pub(super) own: Mutex<Option<Opening>>,
    /// Where an operation that closes or opens the tenant leads from and to.
    pub(super) access: AccessTransition,
    /// Whether what is gone may be made again: not in an active tenant, whose data was in it.
    pub(super) may_remake: bool,
}

impl Plan {
    /// Marks what is this tenant's.
    pub(super) fn mark(on: &Provisioning, tenant: &Tenant) -> String {
        on.installation.mark(tenant.id)
    }

    /// What its database is cloned from.
    pub(super) async fn template(&self) -> Result<&Template, ProvisioningError> {
        self.server.template(&self.on, &self.worker).await
    }

    /// The name that this operation's sessions bear on the server.
    pub(super) fn application(&self) -> String {
        format!("nexus:{}", self.operation)
    }

    pub(super) fn roles(&self) -> Roles<'_> {
        let names = &self.tenant.resources;
        Roles { owner: &names.owner_role, app: &names.app_role, mark: self.on_server() }
    }

    pub(super) fn database(&self) -> Database<'_> {
        let names = &self.tenant.resources;
        Database {
            name: &names.database_name,
            owner: &names.owner_role,
            app: &names.app_role,
            mark: self.on_server(),
        }
    }

    fn on_server(&self) -> Mark<'_> {
        Mark { text: &self.server_mark, former: &self.owner.mark }
    }

    /// The names of a database that was there before Nexus.
    pub(super) fn adopted(&self) -> Adopted<'_> {
        let names = &self.tenant.resources;
        Adopted { database: &names.database_name, app: &names.app_role }
    }

    /// How it was found. One that Nexus made has nothing to be put back.
    pub(super) fn adoption(&self) -> Adoption {
        let nothing = Adoption { isolated: false, login_by_public: false, realm_was_there: false };
        self.tenant.adoption.as_ref().map_or(nothing, |it| it.0)
    }

    pub(super) fn bucket(&self) -> &str {
        &self.tenant.resources.bucket
    }

    /// The tenant's own login at a database of its server.
    pub(super) fn login(&self, database: &str) -> Result<ServerAddress, ProvisioningError> {
        let password = self.password.clone().ok_or_else(|| self.lost("its sealed password"))?;
        let server = &self.server.cluster.admin;
        Ok(server.database(database).login(&self.tenant.resources.app_role, password))
    }

    /// Begins to log in as the tenant at its database. A first session costs the server much work
    /// of its own, which can go on beside ours.
    pub(super) async fn begin_own_session(&self) -> Result<(), ProvisioningError> {
        let login = self.login(&self.tenant.resources.database_name)?;
        *self.own.lock().await = Some(open_ahead(async move { login.connect_plain(PROOF).await }));
        Ok(())
    }

    /// The tenant's own session at its database.
    pub(super) async fn own_session(&self) -> Result<PgConnection, ProvisioningError> {
        let begun = self.own.lock().await.take();
        match begun {
            Some(opening) => self.opened(opening).await,
            None => Ok(self.login(&self.tenant.resources.database_name)?.connect_plain(PROOF).await?),
        }
    }

    async fn opened(&self, opening: Opening) -> Result<PgConnection, ProvisioningError> {
        Ok(opening.await.map_err(|_| self.lost("the session"))??)
    }

    /// This operation cannot be taken back.
    pub(super) fn only_forward(&self) -> ProvisioningError {
        let (kind, slug) = (self.kind.to_owned(), self.tenant.slug.clone());
        ProvisioningError::OnlyForward { id: self.operation, kind, slug }
    }

    /// Something of the tenant is gone.
    pub(super) fn lost(&self, what: impl Into<String>) -> ProvisioningError {
        ProvisioningError::Lost { slug: self.tenant.slug.clone(), what: what.into() }
    }

    /// Runs something in the administrator's session inside the tenant's database.
    pub(super) async fn inside<T>(
        &self,
        work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, ProvisioningError>,
    ) -> Result<T, ProvisioningError> {
        let mut session = self.inside.lock().await;
        if session.is_none()
            && let Some(opening) = self.entering.lock().await.take()
        {
            *session = Some(self.opened(opening).await?);
        }
        if session.is_none() {
            let server = self.server.cluster.admin.database(&self.tenant.resources.database_name);
            *session = Some(server.connect(&self.application()).await?);
        }
        match &mut *session {
            Some(session) => work(session).await,
            None => Err(self.lost("the session")),
        }
    }
}
