//! What provisioning stands on, and the connections that one worker uses for many tenants.

use std::sync::Arc;

use sqlx::PgConnection;
use tokio::sync::Mutex;

use super::error::ProvisioningError;
use super::store;
use crate::features::installation::{self, Installation, Template};
use crate::features::placement::Placement;
use crate::features::secrets::Secrets;
use crate::infra::db::ServerAddress;

/// Makes tenants and takes them away.
#[derive(Clone)]
pub struct Provisioning {
    /// The control database.
    pub control: ServerAddress,
    /// Where new tenants go.
    pub placement: Placement,
    /// The keys.
    pub secrets: Secrets,
    /// Marks what we make.
    pub installation: Installation,
    /// How long an invitation is good, in hours.
    pub invitation_ttl_hours: i64,
}

/// One worker's connections. A lock on a tenant is held by `control`, so a worker changes one
/// tenant at a time.
#[derive(Clone)]
pub struct Worker {
    /// To the control database.
    pub(super) control: Arc<Mutex<PgConnection>>,
    /// To the maintenance database of the server for tenants' databases, as its administrator.
    pub(super) admin: Arc<Mutex<PgConnection>>,
    /// The template to clone.
    pub(super) template: Template,
}

impl Provisioning {
    /// Makes a worker of connections to the control database and to the maintenance database.
    ///
    /// # Errors
    /// When a statement fails.
    pub async fn worker(
        &self,
        mut control: PgConnection,
        mut admin: PgConnection,
    ) -> Result<Worker, ProvisioningError> {
        // The records between an operation's intent and its end need not survive a power cut: a
        // repair looks at the world. The intent and the end say so themselves.
        store::relaxed(&mut control).await?;
        let cluster = &self.placement.cluster;
        let template =
            installation::template(&mut control, &mut admin, cluster, self.installation.id).await?;
        Ok(Worker { control: Arc::new(Mutex::new(control)), admin: Arc::new(Mutex::new(admin)), template })
    }

    /// Connects one more worker, with a connection of its own to the control database.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn another_worker(&self) -> Result<Worker, ProvisioningError> {
        let admin = self.placement.cluster.admin.connect("nexus");
        let (control, admin) = tokio::join!(self.control.connect("nexus"), admin);
        self.worker(control?, admin?).await
    }
}
