//! What provisioning stands on, and the connections that one worker uses for many tenants.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{Mutex, OnceCell};

use super::batch::Batch;
use super::error::ProvisioningError;
use super::queue::DrivenBy;
use crate::features::access::{self, About, AccessError, Authorized, Right};
use crate::features::iam::Rules;
use crate::features::iam::idempotency::Attempt;
use crate::features::installation::Installation;
use crate::features::placement::{
    Cluster, DEFAULT, Placement, ServerRecord, Store, Template, hold_sessions, template,
};
use crate::features::record;
use crate::features::secrets::Secrets;
use crate::features::tenants::Tenant;
use crate::infra::cluster;
use crate::infra::db::{DbError, PgConnection, ServerAddress, Slots};
use crate::kernel::Caller;

/// Makes tenants and takes them away.
#[derive(Clone)]
pub struct Provisioning {
    pub control: ServerAddress,
    /// Where tenants live, and where new ones go.
    pub placement: Placement,
    pub secrets: Secrets,
    /// Marks what we make.
    pub installation: Installation,
    /// How first administrators' passwords are hashed, and how long invitations last.
    pub rules: Rules,
    /// How long a deleted tenant is kept.
    pub retention_days: u32,
    /// The batch that its changes are parts of.
    pub batch: Option<Batch>,
    /// Who carries out what is asked for: by workers it is only recorded here.
    pub driven_by: DrivenBy,
    /// The attempt to carry out a request once that records what is asked for.
    pub attempt: Option<Attempt>,
}

/// One worker's connections. A lock on a tenant is held by `control`, so a worker changes one
/// tenant at a time.
#[derive(Clone)]
pub struct Worker {
    /// To the control database.
    pub(super) control: Arc<Mutex<PgConnection>>,
    /// To the servers that it has been at.
    servers: Arc<Mutex<HashMap<String, Held>>>,
    /// To the maintenance database of the settings' server, opened ahead of its first use.
    ahead: Arc<Mutex<Option<PgConnection>>>,
}

/// A server, and the slots of its budget that the worker holds there.
struct Held {
    server: Server,
    slots: Option<Slots>,
}

/// Most sessions that one worker has on a server at a time: the administrator's, one inside the
/// tenant's database, the tenant's own, and two that are just ending.
const SESSIONS: usize = 5;

/// A server for tenants' databases, with a session of its administrator.
#[derive(Clone)]
pub(super) struct Server {
    pub(super) cluster: Cluster,
    /// At the maintenance database.
    pub(super) admin: Arc<Mutex<PgConnection>>,
    template: Arc<OnceCell<Template>>,
}

impl Server {
    /// The template at the newest version there, which is made where there is none. Few verbs need it, and
    /// to read it costs a new session more than all else that it reads of a server.
    pub(super) async fn template(
        &self,
        on: &Provisioning,
        worker: &Worker,
    ) -> Result<&Template, ProvisioningError> {
        let read = async || {
            let (mut control, mut admin) = (worker.control.lock().await, self.admin.lock().await);
            Ok(template(&mut control, &mut admin, &self.cluster, on.installation.id).await?)
        };
        self.template.get_or_try_init(read).await
    }
}

impl Provisioning {
    /// Makes a worker of a connection to the control database and, where one is at hand, one to the
    /// maintenance database of the settings' server.
    pub(crate) async fn worker(
        &self,
        control: PgConnection,
        admin: Option<PgConnection>,
    ) -> Result<Worker, ProvisioningError> {
        self.placement.ready().await?;
        let worker = Self::worker_of_rows(control);
        *worker.ahead.lock().await = admin;
        Ok(worker)
    }

    /// A worker for what is in the control database alone: the secrets of servers and stores need not be at
    /// hand.
    pub(crate) fn worker_of_rows(control: PgConnection) -> Worker {
        Worker { control: Arc::new(Mutex::new(control)), servers: Arc::default(), ahead: Arc::default() }
    }

    /// Connects one more worker, with a connection of its own to the control database.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub(crate) async fn another_worker(&self) -> Result<Worker, ProvisioningError> {
        let mut control = self.control.connect("nexus").await?;
        self.arm(&mut control).await?;
        self.worker(control, None).await
    }

    /// Gives a session in the control database what it seals rows with.
    pub(crate) async fn arm(&self, control: &mut PgConnection) -> Result<(), DbError> {
        record::arm_session(control, self.secrets.record_key()).await
    }

    /// The server of a name, as this worker sees it.
    pub(super) async fn server_of(&self, worker: &Worker, name: &str) -> Result<Server, ProvisioningError> {
        self.server_as_recorded(worker, name, None).await
    }

    /// The same, where what the control database says of it was read a moment ago.
    async fn server_as_recorded(
        &self,
        worker: &Worker,
        name: &str,
        record: Option<ServerRecord>,
    ) -> Result<Server, ProvisioningError> {
        let mut servers = worker.servers.lock().await;
        if let Some(held) = servers.get(name) {
            return Ok(held.server.clone());
        }
        self.placement.ask_if_up(name).await?;
        let mut control = worker.control.lock().await;
        // Who holds sessions here and waits for others there can wait for who does the opposite.
        for (_, mut held) in servers.extract_if(|_, held| held.slots.is_some()) {
            if let Some(slots) = held.slots.take() {
                drop(held);
                slots.give_back(&mut control).await?;
            }
        }
        let cluster = self.placement.cluster(&mut control, name).await?;
        let record = match record {
            Some(record) => record,
            None => ServerRecord::read(&mut control, name).await?,
        };
        let admin = if name == DEFAULT { worker.ahead.lock().await.take() } else { None };
        let held = self.open_server(&mut control, cluster, record, admin).await?;
        let server = held.server.clone();
        servers.insert(name.to_owned(), held);
        Ok(server)
    }

    /// Opens a server before anything is written: fails where the control database does not fit it.
    /// Whether it answers is for the steps to find out.
    pub(super) async fn open_first(
        &self,
        worker: &Worker,
        cluster: &str,
        record: Option<ServerRecord>,
    ) -> Result<(), ProvisioningError> {
        match self.server_as_recorded(worker, cluster, record).await {
            Err(ProvisioningError::Placement(error)) if error.is_of_another_world() => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// The store that a tenant's bucket is in.
    pub(super) async fn store_of(
        &self,
        worker: &Worker,
        tenant: &Tenant,
    ) -> Result<Store, ProvisioningError> {
        Ok(self.placement.store(&mut *worker.control.lock().await, &tenant.store).await?)
    }

    /// Opens a server within its budget of sessions, if the control database fits it.
    async fn open_server(
        &self,
        control: &mut PgConnection,
        at: Cluster,
        record: ServerRecord,
        admin: Option<PgConnection>,
    ) -> Result<Held, ProvisioningError> {
        let budget = (at.name.as_str(), record.connections);
        let slots = hold_sessions(control, budget, (SESSIONS, SESSIONS)).await?;
        let mut admin = if let Some(admin) = admin {
            admin
        } else {
            let connected = at.admin.connect("nexus").await;
            let up = !matches!(connected, Err(DbError::Unreachable { .. }));
            self.placement.note_whether_up(&at.name, up).await;
            connected?
        };
        let state = cluster::server_state(&mut admin, self.installation.id).await?;
        record.admit(control, &at.name, &state).await?;
        let template = Arc::default();
        Ok(Held { server: Server { cluster: at, admin: Arc::new(Mutex::new(admin)), template }, slots })
    }
}

impl Worker {
    /// Checks that the caller may do something to the platform or to a tenant.
    ///
    /// # Errors
    /// [`AccessError::Forbidden`].
    pub(super) async fn authorize<'a>(
        &self,
        caller: &'a Caller,
        right: &'static Right,
        about: About<'_>,
    ) -> Result<Authorized<'a>, AccessError> {
        access::authorize(&mut *self.control.lock().await, caller, right, about).await
    }

    /// Where a server is whose sessions this worker holds already.
    pub(super) fn at_hand(&self, name: &str) -> Option<ServerAddress> {
        let servers = self.servers.try_lock().ok()?;
        Some(servers.get(name)?.server.cluster.admin.clone())
    }

    /// Forgets the sessions that broke, so that the next tenant gets new ones.
    pub(super) async fn forget(&self, name: &str, error: &ProvisioningError) {
        if matches!(error, ProvisioningError::Db(DbError::Unreachable { .. })) {
            self.servers.lock().await.remove(name);
        }
    }
}
