//! What one command or one request works with.

use super::App;
use crate::features::fleet::Fleet;
use crate::features::provisioning::{Provisioning, Worker};
use crate::infra::db::{Lease, PgConnection};
use crate::kernel::AnyFailure;

/// What one command or one request works with: the app, and a session in the control database, which goes
/// back to the app's pool.
pub struct Session {
    pub app: App,
    /// Makes tenants, takes them away, opens their credentials.
    pub provisioning: Provisioning,
    pub control: Lease,
}

impl Session {
    pub(super) fn new(app: App, control: Lease) -> Self {
        let provisioning = app.shared().provisioning.clone();
        Self { app, provisioning, control }
    }

    /// What migrates tenants.
    #[must_use]
    pub fn fleet(&self) -> Fleet {
        Fleet {
            control: self.provisioning.control.clone(),
            placement: self.provisioning.placement.clone(),
            installation: self.provisioning.installation,
        }
    }

    /// Goes on to change tenants. A worker holds locks with its session: that one leaves the pool.
    pub async fn begin_work(self) -> Result<(Provisioning, Worker), AnyFailure> {
        self.work_with(None).await
    }

    /// Goes on to change what is in the control database alone: no secret of a server or store is needed.
    #[must_use]
    pub fn begin_work_on_rows(self) -> (Provisioning, Worker) {
        let worker = Provisioning::worker_of_rows(self.control.detach());
        (self.provisioning, worker)
    }

    /// As [`Session::begin_work`] with a session of the administrator of the settings' server, where one is open.
    pub(super) async fn work_with(
        self,
        admin: Option<PgConnection>,
    ) -> Result<(Provisioning, Worker), AnyFailure> {
        let worker = self.provisioning.worker(self.control.detach(), admin).await?;
        Ok((self.provisioning, worker))
    }
}
