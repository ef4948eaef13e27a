//! Operations that requests record and workers carry out: the way in, and the way out.

use super::{App, Session};
use crate::features::provisioning::{Provisioning, Watches, Worker};
use crate::kernel::{AnyFailure, Caller, OperationId};

impl Session {
    /// Goes on to record changes of tenants, which workers carry out.
    ///
    /// # Errors
    /// When a secret of the settings cannot be read.
    pub async fn begin_queueing(self) -> Result<(Provisioning, Worker), AnyFailure> {
        let (provisioning, worker) = self.work_with(None).await?;
        Ok((provisioning.for_workers(), worker))
    }
}

impl App {
    /// Tells the workers of this process and of others that an operation waits, after the commit.
    pub fn tell_worker(&self) {
        self.shared().queued.notify_one();
        self.shared().peers.notify_operations();
    }

    /// Until somebody says that an operation waits.
    pub async fn told_of_operation(&self) {
        self.shared().queued.notified().await;
    }

    /// What watches operations.
    #[must_use]
    pub fn watches(&self) -> Watches {
        Watches::new(self.control_source())
    }

    /// Operations that a worker may take up now.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn queued_operations(&self, limit: i64) -> Result<Vec<OperationId>, AnyFailure> {
        Ok(Provisioning::queued(&mut *self.control().await?, &Caller::System, limit).await?)
    }

    /// What carries out one operation: with connections of its own, for they hold its tenant's lock.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn operation_worker(&self) -> Result<(Provisioning, Worker), AnyFailure> {
        let provisioning = self.shared().provisioning.clone().for_workers();
        let worker = provisioning.another_worker().await?;
        Ok((provisioning, worker))
    }
}
