//! A tenant that nobody else changes, as its row is since then. Plans are made of these alone: what
//! was read before the lock may be over.

use sqlx::{FromRow, Row};

use super::error::ProvisioningError;
use super::store::{self, Held, OperationRow};
use super::worker::{Provisioning, Worker};
use crate::features::placement::ServerRecord;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::db::{AdvisoryLock, DbError, PgConnection};

/// A tenant whose lock this process holds.
#[derive(Debug)]
#[must_use = "the lock must be released"]
pub(super) struct LockedTenant {
    tenant: Tenant,
    unfinished: Option<OperationRow>,
    /// What the control database says of its server.
    server: Option<Box<ServerRecord>>,
    lock: AdvisoryLock,
}

impl Provisioning {
    /// Takes a tenant's lock, and reads its row and its unfinished operation under it.
    pub(super) async fn hold(
        &self,
        worker: &Worker,
        name: &TenantRef,
    ) -> Result<LockedTenant, ProvisioningError> {
        let mut control = worker.control.lock().await;
        match store::hold(&mut control, name).await? {
            Held::Taken(lock, tenant, unfinished, server) => {
                Ok(LockedTenant { tenant: *tenant, unfinished, server, lock })
            }
            Held::Busy(tenant, row) => Err(owned_by_other(tenant.slug, row, true)),
            Held::Nothing => {
                let error = tenants::missing(&mut control, name).await?;
                Err(error.into())
            }
        }
    }
}

impl LockedTenant {
    /// A tenant whose row was written in the transaction that took its lock.
    pub(super) fn written(tenant: Tenant, lock: AdvisoryLock) -> Self {
        Self { tenant, unfinished: None, server: None, lock }
    }

    /// As it is.
    pub(super) fn tenant(&self) -> &Tenant {
        &self.tenant
    }

    /// Its operation that is not over.
    pub(super) fn unfinished(&self) -> Option<&OperationRow> {
        self.unfinished.as_ref()
    }

    /// As it is after a change of its row that this process made.
    pub(super) fn changed(&mut self, tenant: Option<Tenant>) {
        if let Some(tenant) = tenant {
            self.tenant = tenant;
        }
        self.unfinished = None;
    }

    /// Opens its server before anything is written; where the control database does not fit that, it is
    /// released and nothing is changed.
    pub(super) async fn on_its_server(
        mut self,
        on: &Provisioning,
        worker: &Worker,
    ) -> Result<Self, ProvisioningError> {
        let server = self.server.take().map(|server| *server);
        match on.open_first(worker, &self.tenant.cluster, server).await {
            Ok(()) => Ok(self),
            Err(error) => Err(self.refuse(worker, error).await),
        }
    }

    /// Why it cannot be made, made whole or looked after in its state; it is released then.
    pub(super) async fn in_use(self, worker: &Worker) -> Result<Self, ProvisioningError> {
        match self.tenant.clone().in_use() {
            Ok(_) => Ok(self),
            Err(error) => Err(self.refuse(worker, error.into()).await),
        }
    }

    /// Lets go because of an error.
    pub(super) async fn refuse(self, worker: &Worker, error: ProvisioningError) -> ProvisioningError {
        // A session that is broken holds no lock.
        let _ = self.lock.release(&mut *worker.control.lock().await).await;
        error
    }

    /// Records the end of an operation, if there is one, lets go, and reads the row once more.
    pub(super) async fn end(
        &self,
        control: &mut PgConnection,
        last: Option<&str>,
    ) -> Result<Tenant, ProvisioningError> {
        let row = tenants::row(&tenants::row_of(&TenantRef::Id(self.tenant.id)));
        let rows = self.lock.finish_and_read(control, (last.unwrap_or("select"), &row)).await?;
        let row = rows.iter().find(|row| !row.is_empty());
        let tenant = row.map(Tenant::from_row).transpose().map_err(DbError::from)?;
        Ok(tenant.unwrap_or_else(|| self.tenant.clone()))
    }
}

/// That another operation changes the tenant, or is in the way.
pub(super) fn owned_by_other(slug: String, row: Option<OperationRow>, running: bool) -> ProvisioningError {
    let (operation, kind) = row.map(|row| (row.id, row.kind)).unzip();
    ProvisioningError::InProgress { slug, operation, kind: kind.unwrap_or_default(), running }
}
