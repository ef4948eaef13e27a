//! Opens realms: the platform's own, or a tenant's.

use futures_util::future::BoxFuture;

use super::addresses::Addresses;
use super::{App, AppLimits, Session};
use crate::features::access::Authorized;
use crate::features::iam::{Realm, RevocationHook};
use crate::features::tenants::{self, TenantRef};
use crate::features::tokens;
use crate::infra::db::PgConnection;
use crate::kernel::{AnyFailure, Caller, Failure, RealmRef, TenantId, UserId};
use crate::settings::Settings;

impl Session {
    /// Opens a realm: that of a tenant, or without one the platform's.
    ///
    /// A tenant's is entered by the administrator's login of its server, whose startup options beat
    /// whatever the tenant set on its database, and then with the rights of the tenant's own owner
    /// role.
    ///
    /// # Errors
    /// When there is no such tenant, it is not active, or its server does not answer.
    pub async fn enter_realm(
        mut self,
        caller: &Caller,
        tenant: Option<&TenantRef>,
    ) -> Result<Realm, AnyFailure> {
        let shared = self.app.shared();
        let tools = (
            self.provisioning.rules.clone(),
            self.provisioning.secrets.clone(),
            revoke_all as RevocationHook,
        );
        let Some(name) = tenant else {
            shared.realms.require_untampered(TenantId::PLATFORM, &mut self.control).await?;
            return Ok(Realm::new(RealmRef::PLATFORM, (self.control, None), None, tools));
        };
        let tenant = tenants::enter(&mut self.control, caller, name).await?.active()?;
        let inside = shared.realms.session(&mut self.control, &tenant).await?;
        let owner = Some(tenant.resources.owner_role);
        let place = RealmRef { id: tenant.id, slug: Some(tenant.slug) };
        Ok(Realm::new(place, (inside, owner), Some(self.control), tools))
    }
}

impl App {
    /// A realm for a look at names while somebody types, if it is to be had at once; nothing is
    /// started.
    pub async fn open_realm_for_completion(settings: &Settings, tenant: Option<&TenantRef>) -> Option<Realm> {
        let addresses = Addresses::if_running(settings).await?;
        let session = Self::attach(settings, AppLimits::default(), &addresses).await.ok()?;
        session.enter_realm(&Caller::System, tenant).await.ok()
    }
}

fn revoke_all<'c>(
    control: &'c mut PgConnection,
    caller: &'c Authorized<'c>,
    (realm, user): (TenantId, Option<UserId>),
) -> BoxFuture<'c, Result<(), Box<dyn Failure>>> {
    Box::pin(async move {
        let taken = tokens::revoke_all(control, caller, (realm, user.map(UserId::uuid))).await;
        taken.map_err(|error| Box::new(error) as Box<dyn Failure>)
    })
}
