//! Opens realms: the platform's own, or a tenant's.

use futures_util::future::BoxFuture;

use super::addresses::Addresses;
use super::{App, AppLimits, Session};
use crate::features::access::Authorized;
use crate::features::iam::{Realm, RealmTools, TokensOf};
use crate::features::provisioning::Provisioning;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::features::tokens;
use crate::infra::db::{LazyLease, PgConnection};
use crate::kernel::{AnyFailure, Caller, Failure, RealmRef, TenantId};
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
        let tools = tools(&self.provisioning);
        let Some(name) = tenant else {
            shared.realms.require_untampered(TenantId::PLATFORM, &mut self.control).await?;
            return Ok(Realm::new(RealmRef::PLATFORM, (self.control, None), None, tools));
        };
        let tenant = tenants::enter(&mut self.control, caller, name).await?.active()?;
        let mut control = LazyLease::drawn(self.control, self.app.control_source());
        let inside = shared.realms.session(&mut control, &tenant).await?;
        let realm = Realm::new(place(&tenant), inside, Some(control), tools);
        Ok(realm.limited_to(tenant.profile.limits.max_users))
    }
}

/// Which realm a tenant's is.
pub(super) fn place(tenant: &Tenant) -> RealmRef {
    RealmRef { id: tenant.id, slug: Some(tenant.slug.clone()) }
}

impl App {
    /// Opens a realm for a request: that of a tenant that [`App::tenant`] gave, or the platform's. A session
    /// in the control database is drawn when it is needed first.
    ///
    /// # Errors
    /// When the tenant is not in use, its server does not answer, or others use all sessions.
    pub async fn realm(&self, tenant: Option<&Tenant>) -> Result<Realm, AnyFailure> {
        let shared = self.shared();
        let tools = tools(&shared.provisioning);
        let realm = match tenant {
            None => {
                let inside = shared.realms.platform_session().await?;
                Realm::new(RealmRef::PLATFORM, inside, None, tools)
            }
            Some(tenant) => {
                let mut control = LazyLease::new(self.control_source());
                let inside = shared.realms.session(&mut control, tenant).await?;
                let realm = Realm::new(place(tenant), inside, Some(control), tools);
                realm.limited_to(tenant.profile.limits.max_users)
            }
        };
        Ok(realm.kept_in(shared.grants.clone()).with_after_commit(self.after_commit()))
    }

    /// A realm for a look at names while somebody types, if it is to be had at once; nothing is
    /// started.
    pub async fn open_realm_for_completion(settings: &Settings, tenant: Option<&TenantRef>) -> Option<Realm> {
        let addresses = Addresses::if_running(settings).await?;
        let session = Self::attach(settings, AppLimits::default(), &addresses).await.ok()?;
        session.enter_realm(&Caller::System, tenant).await.ok()
    }
}

fn tools(of: &Provisioning) -> RealmTools {
    RealmTools { rules: of.rules.clone(), secrets: of.secrets.clone(), revoke }
}

fn revoke<'c>(
    control: &'c mut PgConnection,
    caller: &'c Authorized<'c>,
    of: TokensOf,
) -> BoxFuture<'c, Result<(), Box<dyn Failure>>> {
    Box::pin(async move {
        let taken = match of {
            TokensOf::Realm(realm) => tokens::revoke_all(control, caller, (realm, None)).await,
            TokensOf::User(realm, user) => {
                tokens::revoke_all(control, caller, (realm, Some(user.uuid()))).await
            }
            TokensOf::Session(session) => tokens::revoke_session(control, caller, session).await,
        };
        taken.map_err(|error| Box::new(error) as Box<dyn Failure>)
    })
}
