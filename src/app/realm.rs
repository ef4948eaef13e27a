//! Opens realms: the platform's own, or a tenant's.

use futures_util::future::BoxFuture;

use super::App;
use super::addresses::Addresses;
use crate::features::access::Authorized;
use crate::features::iam::{Realm, RealmRef, RevocationHook, Rules};
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::features::tokens;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{AnyFailure, Caller, Failure, TenantId, UserId};
use crate::settings::Settings;

impl App {
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
        settings: &Settings,
        caller: &Caller,
        tenant: Option<&TenantRef>,
    ) -> Result<Realm, AnyFailure> {
        let rules = Rules::new(&settings.passwords, &settings.tenants);
        let tools = (rules, self.provisioning.secrets.clone(), revoke_all as RevocationHook);
        let Some(name) = tenant else {
            return Ok(Realm::open(self.control, None, RealmRef::platform(), tools).await?);
        };
        let (tenant, inside) = self.inside(caller, name).await?;
        let owner = Some(tenant.resources.owner_role.clone());
        let place = RealmRef { tenant: tenant.id, slug: Some(tenant.slug), owner };
        Ok(Realm::open(inside, Some(self.control), place, tools).await?)
    }

    /// A realm for a look at names while somebody types, if it is to be had at once; nothing is
    /// started.
    pub async fn open_realm_for_completion(settings: &Settings, tenant: Option<&TenantRef>) -> Option<Realm> {
        let addresses = Addresses::if_running(settings).await?;
        let app = Self::attach(settings, &addresses).await.ok()?;
        app.enter_realm(settings, &Caller::System, tenant).await.ok()
    }

    /// A tenant that is in use, and the administrator's session in its database.
    pub(super) async fn inside(
        &mut self,
        caller: &Caller,
        name: &TenantRef,
    ) -> Result<(Tenant, PgConnection), AnyFailure> {
        let tenant = tenants::enter(&mut self.control, caller, name).await?.active()?;
        let session = self.session_inside(&tenant).await?;
        Ok((tenant, session))
    }

    /// The administrator's session in the database of a tenant that is in use.
    pub(super) async fn session_inside(&mut self, tenant: &Tenant) -> Result<PgConnection, AnyFailure> {
        let placement = self.provisioning.placement.clone();
        let cluster = placement.cluster(&mut self.control, &tenant.cluster).await?;
        let server = cluster.admin.database(&tenant.resources.database_name);
        match server.connect("nexus:realm").await {
            // It takes no sessions: because the tenant was closed just now, or without our knowledge.
            Err(source @ DbError::Refused { .. }) if source.state() == Some("55000") => {
                let now = tenants::get(&mut self.control, &Caller::System, &TenantRef::Id(tenant.id)).await?;
                Err(DatabaseClosed { slug: now.active()?.slug, source }.into())
            }
            opened => Ok(opened?),
        }
    }
}

/// The database of an active tenant takes no sessions.
#[derive(Debug, thiserror::Error, Failure)]
#[error("tenant {slug:?} is active, but its server has closed its database: {source}")]
#[failure(Integrity, "tenant_database_closed")]
#[hint(TenantAction::Repair(Some(slug.clone())))]
#[details(source.details())]
struct DatabaseClosed {
    slug: String,
    source: DbError,
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
