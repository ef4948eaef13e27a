//! Tokens of a context, and the realms whose users they are for.

use super::{App, Session};
use crate::features::provisioning::Provisioning;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::features::tokens::{IssueTime, Presented, Realm, Tokens};
use crate::infra::db::LazyLease;
use crate::kernel::{AnyFailure, Caller, RealmRef, SecretString, TenantId};
use crate::settings::Settings;

/// What issues and checks the tokens of these settings.
pub(super) fn tokens(settings: &Settings, provisioning: &Provisioning) -> Tokens {
    let tokens = &settings.tokens;
    let own = || format!("urn:uuid:{}", provisioning.installation.id);
    Tokens {
        secrets: provisioning.secrets.clone(),
        issuer: tokens.issuer.clone().unwrap_or_else(own),
        audience: tokens.audience.clone(),
        ttl: tokens.ttl,
        development: tokens.development,
    }
}

impl App {
    /// What issues and checks tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.shared().tokens.clone()
    }
}

impl App {
    /// Makes what a server needs before it can check the first token: a key that signs.
    ///
    /// # Errors
    /// The control database's.
    pub async fn prepare(&self) -> Result<(), AnyFailure> {
        let mut control = self.control().await?;
        Ok(self.shared().tokens.prepare(&mut control, &Caller::System).await?)
    }

    /// Opens the realm that a refresh token or an API key says it belongs to, for a request: a session in the
    /// control database is held no longer than it takes to read its clock. Whoever holds sessions of both
    /// draws that of the realm first.
    ///
    /// # Errors
    /// One answer where there is no such realm, or it is not in use; when a server does not answer.
    pub async fn presented_realm(
        &self,
        kind: Presented,
        presented: &SecretString,
    ) -> Result<Realm, AnyFailure> {
        let id = kind.realm(presented)?;
        let as_of = IssueTime::read(&mut *self.control().await?).await?;
        let realms = &self.shared().realms;
        if id == TenantId::PLATFORM {
            let (session, _) = realms.platform_session().await?;
            return Ok(Realm { name: RealmRef::PLATFORM, session, as_of });
        }
        let tenant = self.tenant(&TenantRef::Id(id)).await?.ok_or_else(|| kind.refusal())?;
        let mut control = LazyLease::new(self.control_source());
        let (session, _) = realms.session(&mut control, &tenant).await?;
        let name = RealmRef { id, slug: Some(tenant.slug.clone()) };
        Ok(Realm { name, session, as_of })
    }
}

impl Session {
    /// What issues and checks tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.app.tokens()
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
        let as_of = IssueTime::read(&mut self.control).await?;
        let Some(tenant) = tenant else { return self.platform_realm(as_of).await };
        let tenant = tenants::enter(&mut self.control, caller, tenant).await?.active()?;
        self.tenant_realm(tenant, as_of).await
    }

    /// Opens the realm that a refresh token or an API key says it belongs to.
    ///
    /// # Errors
    /// One answer where there is no such realm, or it is not in use; when a server does not answer.
    pub async fn open_presented_realm(
        &mut self,
        caller: &Caller,
        kind: Presented,
        presented: &SecretString,
    ) -> Result<Realm, AnyFailure> {
        let id = kind.realm(presented)?;
        let as_of = IssueTime::read(&mut self.control).await?;
        if id == TenantId::PLATFORM {
            return self.platform_realm(as_of).await;
        }
        let tenant = kind.tenant(&mut self.control, caller, id).await?;
        self.tenant_realm(tenant, as_of).await
    }

    async fn platform_realm(&mut self, as_of: IssueTime) -> Result<Realm, AnyFailure> {
        let (session, _) = self.app.shared().realms.platform_session().await?;
        Ok(Realm { name: RealmRef::PLATFORM, session, as_of })
    }

    async fn tenant_realm(&mut self, tenant: Tenant, as_of: IssueTime) -> Result<Realm, AnyFailure> {
        let (session, _) = self.app.shared().realms.session(&mut self.control, &tenant).await?;
        let name = RealmRef { id: tenant.id, slug: Some(tenant.slug) };
        Ok(Realm { name, session, as_of })
    }

    /// The name of a realm, also of a tenant that is not in use.
    ///
    /// # Errors
    /// When there is no such tenant.
    pub async fn realm_name(
        &mut self,
        caller: &Caller,
        tenant: Option<&TenantRef>,
    ) -> Result<RealmRef, AnyFailure> {
        let Some(tenant) = tenant else { return Ok(RealmRef::PLATFORM) };
        let tenant = tenants::enter(&mut self.control, caller, tenant).await?;
        Ok(RealmRef { id: tenant.id, slug: Some(tenant.slug) })
    }
}
