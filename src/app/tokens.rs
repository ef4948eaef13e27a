//! Tokens of a context, and the realms whose users they are for.

use std::sync::Arc;

use time::OffsetDateTime;

use super::realm::place;
use super::{App, Session};
use crate::features::provisioning::Provisioning;
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::features::tokens::{self, Claims, ISSUE_TIME, IssueTime, Presented, Realm, Signers, Tokens};
use crate::infra::db::{AnyLease, LazyLease};
use crate::kernel::{AnyFailure, Caller, RealmRef, SecretString, TenantId};
use crate::settings::Settings;

/// What issues and checks the tokens of these settings.
pub(super) fn tokens(settings: &Settings, provisioning: &Provisioning) -> Tokens {
    let tokens = &settings.tokens;
    Tokens {
        secrets: provisioning.secrets.clone(),
        signers: Signers::default(),
        issuer: tokens.issuer.clone(),
        former_issuer: format!("urn:uuid:{}", provisioning.installation.id),
        audience: tokens.audience.clone(),
        ttl: tokens.ttl,
        development: tokens.development,
        lost_answer: tokens.lost_answer,
    }
}

impl App {
    /// What issues and checks tokens.
    #[must_use]
    pub fn tokens(&self) -> Tokens {
        self.shared().tokens.clone()
    }

    /// Makes what a server needs before it can check the first token: a key that signs.
    ///
    /// # Errors
    /// The control database's.
    pub async fn prepare(&self) -> Result<(), AnyFailure> {
        let mut control = self.control().await?;
        Ok(self.shared().tokens.prepare(&mut control, &Caller::System).await?)
    }

    /// Makes a ticket that opens one stream of events for whoever has a good token of these claims; and until when it
    /// is good.
    ///
    /// # Errors
    /// The control database's.
    pub async fn issue_ticket(&self, claims: &Claims) -> Result<(SecretString, OffsetDateTime), AnyFailure> {
        Ok(tokens::issue_ticket(&mut *self.control().await?, claims).await?)
    }

    /// The claims of the token that a ticket was made for, which may be good no more; the ticket is.
    ///
    /// # Errors
    /// [`tokens::TokenError::TicketInvalid`]; the control database's.
    pub async fn redeem_ticket(&self, ticket: &SecretString) -> Result<Arc<Claims>, AnyFailure> {
        Ok(tokens::redeem_ticket(&mut *self.control().await?, ticket).await?)
    }

    /// Opens the realm of a tenant that is in use, or the platform's, for a request about tokens: a session in
    /// the control database is held no longer than it takes to read its clock. Whoever holds sessions of both
    /// draws that of the realm first.
    ///
    /// # Errors
    /// When a server does not answer.
    pub async fn realm_of_tokens(&self, tenant: Option<&Tenant>) -> Result<Realm, AnyFailure> {
        let (control, micros) = self.control_asked(Some(ISSUE_TIME)).await?;
        drop(control);
        let as_of = IssueTime::of_micros(micros.unwrap_or_default());
        let mut control = LazyLease::new(self.control_source());
        self.token_realm(&mut control, tenant, as_of).await
    }

    /// A realm with a session in its database.
    async fn token_realm(
        &self,
        control: impl Into<AnyLease<'_>>,
        tenant: Option<&Tenant>,
        as_of: IssueTime,
    ) -> Result<Realm, AnyFailure> {
        let realms = &self.shared().realms;
        let ((session, _), name) = match tenant {
            None => (realms.platform_session().await?, RealmRef::PLATFORM),
            Some(tenant) => (realms.session(control, tenant).await?, place(tenant)),
        };
        Ok(Realm::new(name, session, as_of))
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
        let tenant = match tenant {
            None => None,
            Some(tenant) => Some(tenants::enter(&mut self.control, caller, tenant).await?.active()?),
        };
        self.app.token_realm(&mut self.control, tenant.as_ref(), as_of).await
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
            return self.app.token_realm(&mut self.control, None, as_of).await;
        }
        let tenant = kind.tenant(&mut self.control, caller, id).await?;
        self.app.token_realm(&mut self.control, Some(&tenant), as_of).await
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
        Ok(place(&tenant))
    }
}
