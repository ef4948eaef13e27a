//! Sessions in tenants' databases by the login that their own apps use: what business modules work with. They are of
//! the pool of `realms.rs`, and count as those of realms do.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::App;
use super::realms::DbOrAny;
use crate::features::business::Database;
use crate::features::tenants::Tenant;
use crate::infra::db::{AnyLease, DbError, LazyLease, Lease};
use crate::kernel::{AnyFailure, SecretString, TenantId};

/// Most passwords that are kept.
const MOST: usize = 10_000;

/// The passwords of apps' logins, opened once and kept until their tenants are changed.
#[derive(Default)]
pub(super) struct Passwords(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    of: HashMap<TenantId, SecretString>,
    /// Grows with each change that is told: what was read before one is not kept.
    generation: u64,
}

impl Passwords {
    /// The password of a tenant's login, or the generation at which it is to be read.
    fn get(&self, tenant: TenantId) -> Result<SecretString, u64> {
        let kept = self.kept();
        kept.of.get(&tenant).cloned().ok_or(kept.generation)
    }

    fn keep(&self, tenant: TenantId, password: &SecretString, generation: u64) {
        let mut kept = self.kept();
        if kept.generation != generation {
            return;
        }
        if kept.of.len() >= MOST {
            kept.of.clear();
        }
        kept.of.insert(tenant, password.clone());
    }

    /// Forgets that of a tenant that was changed.
    pub(super) fn forget(&self, tenant: TenantId) {
        let mut kept = self.kept();
        kept.generation += 1;
        kept.of.remove(&tenant);
    }

    /// Forgets all.
    pub(super) fn forget_all(&self) {
        let mut kept = self.kept();
        kept.generation += 1;
        kept.of.clear();
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
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
            Err(generation) => {
                let reading = shared.provisioning.open_password(control.get().await?, tenant);
                let password = reading.await.map_err(AnyFailure::from)?;
                shared.passwords.keep(tenant.id, &password, generation);
                // Sessions in the control database are few, and what follows may wait for others.
                control.give_back();
                password
            }
        };
        shared.realms.limited_session(&mut AnyLease::from(control), tenant, &password).await
    }
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn a_password_that_was_read_before_a_change_is_not_kept_after_it() {
        let (passwords, tenant) = (Passwords::default(), TenantId::new());
        let kept = || passwords.get(tenant).ok().map(|it| it.expose_secret().to_owned());
        let before = passwords.get(tenant).unwrap_err();
        passwords.forget(tenant);
        let after = passwords.get(tenant).unwrap_err();
        passwords.keep(tenant, &"new".into(), after);
        passwords.keep(tenant, &"old".into(), before);
        assert_eq!(kept().as_deref(), Some("new"));
        passwords.forget_all();
        assert_eq!(kept(), None);
    }
}
