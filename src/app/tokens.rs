//! Tokens of a context, and the realms whose users they are for.

use super::App;
use crate::features::tenants::{self, TenantRef};
use crate::features::tokens::{Realm, RealmName, Tokens};
use crate::infra::db::ServerAddress;
use crate::kernel::{AnyFailure, Caller};
use crate::settings::Settings;

impl App {
    /// What issues and checks the tokens of this context.
    #[must_use]
    pub fn tokens(&self, settings: &Settings) -> Tokens {
        let tokens = &settings.tokens;
        let own = || format!("urn:uuid:{}", self.provisioning.installation.id);
        Tokens {
            secrets: self.provisioning.secrets.clone(),
            issuer: tokens.issuer.clone().unwrap_or_else(own),
            audience: tokens.audience.clone(),
            ttl: tokens.ttl,
            development: tokens.development,
        }
    }

    /// Where the control database is: for who keeps a connection of its own.
    #[must_use]
    pub fn control_address(&self) -> &ServerAddress {
        &self.provisioning.control
    }

    /// Opens the realm of a tenant that is in use, or the platform's.
    ///
    /// # Errors
    /// When there is no such tenant, it is not in use, or its server does not answer.
    pub async fn open_token_realm(
        &mut self,
        caller: &Caller,
        tenant: Option<&TenantRef>,
    ) -> Result<Realm, AnyFailure> {
        let Some(tenant) = tenant else {
            let session = self.provisioning.control.connect("nexus:realm").await?;
            return Ok(Realm { name: RealmName::PLATFORM, session, owner: None });
        };
        let (tenant, session) = self.inside(caller, tenant).await?;
        let name = RealmName { id: tenant.id, slug: Some(tenant.slug) };
        Ok(Realm { name, session, owner: Some(tenant.resources.owner_role) })
    }

    /// The name of a realm, also of a tenant that is not in use.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub async fn realm_name(
        &mut self,
        caller: &Caller,
        tenant: Option<&TenantRef>,
    ) -> Result<RealmName, AnyFailure> {
        let Some(tenant) = tenant else { return Ok(RealmName::PLATFORM) };
        let tenant = tenants::get(&mut self.control, caller, tenant).await?;
        Ok(RealmName { id: tenant.id, slug: Some(tenant.slug) })
    }
}
