//! Sessions in tenants' databases by the login that their own apps use: what business modules work with. They are of
//! the pool of `realms.rs`, and count as those of realms do.

use std::collections::HashMap;

use super::App;
use super::cache::{Cache, CacheTicket};
use super::realms::DbOrAny;
use crate::features::business::Database;
use crate::features::tenants::Tenant;
use crate::infra::db::{AnyLease, DbError, LazyLease, Lease};
use crate::kernel::{AnyFailure, SecretString, TenantId};

/// Most passwords that are kept.
const MOST: usize = 10_000;

/// The passwords of apps' logins, opened once and kept until their tenants are changed.
#[derive(Default)]
pub(super) struct Passwords(Cache<HashMap<TenantId, SecretString>>);

impl Passwords {
    fn get(&self, tenant: TenantId) -> Result<SecretString, CacheTicket> {
        self.0.get(|all| all.get(&tenant).cloned())
    }

    fn keep(&self, reading: CacheTicket, tenant: TenantId, password: &SecretString) {
        self.0.insert(reading, MOST, (tenant, password.clone()));
    }

    /// Forgets that of a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        self.0.change(|all| all.remove(&tenant));
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        self.0.change(HashMap::clear);
    }
}

impl App {
    /// A session in the database of a tenant that [`App::tenant`] gave, by the login that its apps use. Where the
    /// login is refused its credentials are read again once.
    ///
    /// # Errors
    /// When the tenant is not in use, its server does not answer, or others use all sessions, also all that the
    /// login may have.
    pub async fn database(&self, tenant: &Tenant) -> Result<Database, AnyFailure> {
        let shared = self.shared();
        self.require_up(tenant)?;
        let mut control = LazyLease::new(self.control_source());
        let leased = match self.lease(&mut control, tenant).await {
            Err(DbOrAny::Db(DbError::LoginRefused { .. })) => {
                shared.passwords.forget(tenant.id);
                self.lease(&mut control, tenant).await
            }
            leased => leased,
        };
        Ok(Database::new(leased.map_err(DbOrAny::into_any)?))
    }

    async fn lease(&self, control: &mut LazyLease, tenant: &Tenant) -> Result<Lease, DbOrAny> {
        let shared = self.shared();
        let password = match shared.passwords.get(tenant.id) {
            Ok(password) => password,
            Err(reading) => {
                let opening = shared.provisioning.open_password(control.get().await?, tenant);
                let password = opening.await.map_err(AnyFailure::from)?;
                shared.passwords.keep(reading, tenant.id, &password);
                // Sessions in the control database are few, and what follows may wait for others.
                control.give_back();
                password
            }
        };
        shared.realms.limited_session(&mut AnyLease::from(control), tenant, &password).await
    }
}
