//! Suspended tenants: their databases take no sessions. One is opened for its migration alone, and
//! closed again whatever comes; its app's login stays shut all the time.

use std::time::Duration;

use super::server::Server;
use super::store::{self, Claimed};
use crate::features::fleet::tenant_failure::TenantFailure;
use crate::features::tenants::{self, TenantState};
use crate::infra::cluster::{MigratorLogin, close_after_migration, open_for_migration};
use crate::infra::db::{AdvisoryLock, LockKey};
use crate::infra::failpoint;
use crate::kernel::Hint;
use crate::kernel::hint::OperationAction;

/// How long to wait for somebody who changes the tenant.
const TENANT_LOCK_TIMEOUT: Duration = Duration::from_secs(5);

/// A database that was opened, and the lock that keeps others from changing its tenant meanwhile.
pub(super) struct Opened(AdvisoryLock);

impl Opened {
    /// Opens the database of a suspended tenant, its intent recorded first.
    pub(super) async fn open(
        server: &Server<'_, '_>,
        tenant: &Claimed,
        login: &MigratorLogin,
    ) -> Result<Self, TenantFailure> {
        let runner = server.runner;
        let mut control = runner.control.lock().await;
        let key = LockKey::of("tenant", tenant.id);
        let lock =
            AdvisoryLock::wait(&mut control, key, TENANT_LOCK_TIMEOUT).await.map_err(TenantFailure::of_db)?;
        let lock = lock.ok_or_else(|| {
            let hint = Hint::new("see by whom", OperationAction::ListOf(tenant.slug.clone()));
            TenantFailure::fixed("tenant_busy", "the tenant is suspended, and is being changed", hint)
        })?;
        let state = tenants::by_id(&mut control, tenant.id).await.map_err(TenantFailure::of_db)?;
        if state.is_none_or(|row| row.state != TenantState::Suspended) {
            let _ = lock.release(&mut control).await;
            let hint = "repeat: it is migrated as what it is now";
            return Err(TenantFailure::fixed("tenant_busy", "the tenant is no longer suspended", hint));
        }
        let noted = store::note_opened(&mut control, runner.run.id, tenant.id, true).await;
        noted.map_err(TenantFailure::of_db)?;
        drop(control);
        failpoint::pass(|| "fleet.open.before".to_owned()).await;
        let opened = {
            let mut admin = server.admin.lock().await;
            open_for_migration(&mut admin, &tenant.database_name, &login.name).await
        };
        failpoint::pass(|| "fleet.open.after".to_owned()).await;
        let refused = match opened {
            Ok(others) if others.is_empty() => return Ok(Self(lock)),
            Ok(others) => TenantFailure::fixed(
                "others_can_connect",
                format!("it is suspended, and while it is open others could connect: {}", others.join(", ")),
                "revoke their right to connect first, or resume the tenant",
            ),
            Err(error) => TenantFailure::of_cluster(error),
        };
        let mut control = runner.control.lock().await;
        let _ = lock.release(&mut control).await;
        Err(refused)
    }

    /// Closes it again.
    pub(super) async fn close(self, server: &Server<'_, '_>, tenant: &Claimed) -> Result<(), TenantFailure> {
        let closed = {
            let mut admin = server.admin.lock().await;
            close_after_migration(&mut admin, &tenant.database_name, &tenant.app_role).await
        };
        let mut control = server.runner.control.lock().await;
        let released = self.0.release(&mut control).await;
        closed.map_err(TenantFailure::of_cluster)?;
        released.map_err(TenantFailure::of_db).map(|_| ())
    }
}
