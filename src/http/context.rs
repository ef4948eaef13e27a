//! Who asks, and for which tenant: what a handler works with. It is the only way from a request to a realm;
//! `tenant_context.rs` is the one to what is a tenant's own.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use super::Api;
use super::error::RequestError;
use super::problem::Problem;
use super::request_span;
use super::share::Turn;
use crate::app::Session;
use crate::features::business::Database;
use crate::features::files::{Bucket, FilesError, Reach};
use crate::features::iam::idempotency::Attempt;
use crate::features::iam::{Realm, UserRef};
use crate::features::tenants::{Tenant, TenantRef};
use crate::features::tokens::{Claims, Presented, Realm as TokenRealm, Tokens};
use crate::kernel::{AnyFailure, Caller, SecretString, TenantId, UserId};

/// The headers that name a tenant; the second is what other systems call it.
pub(super) const TENANT_HEADERS: [&str; 2] = ["x-tenant-id", "x-project-id"];

/// A tenant that is in use, or the platform.
pub(super) type Place = Option<Arc<Tenant>>;

/// What a good token says.
#[derive(Debug, Clone)]
pub(super) struct Verified(pub(super) Arc<Claims>);

impl Verified {
    /// Of the token that a request shows, where it is good.
    pub(super) fn of(api: &Api, headers: &HeaderMap) -> Option<Self> {
        let token = bearer(headers).ok()?;
        api.0.following.verifier.verify(token, &api.0.audience).ok().map(Self)
    }
}

/// A request of somebody who has signed in.
#[derive(Clone)]
pub(super) struct RequestContext {
    pub(super) api: Api,
    /// Who asks.
    pub(super) caller: Caller,
    /// What the token says.
    pub(super) claims: Arc<Claims>,
    place: Place,
    /// Whose changes are made once.
    attempt: Option<Attempt>,
}

impl RequestContext {
    /// Who asks, as a user of the realm.
    pub(super) fn user(&self) -> UserRef {
        UserRef::Id(UserId::from(self.claims.sub))
    }

    /// Opens the realm of the request: the tenant's, or the platform's. As late as can be, for sessions are
    /// few: not while a body arrives. The token may have been revoked meanwhile.
    pub(super) async fn realm(&self) -> Result<Turn<Realm>, AnyFailure> {
        self.require_good()?;
        let mut realm = self.realm_to_finish().await?;
        if let Some(attempt) = &self.attempt {
            realm.carry_out(attempt.clone());
        }
        Ok(realm)
    }

    /// Opens the realm for what follows a change: the change may have ended the token.
    pub(super) async fn realm_to_finish(&self) -> Result<Turn<Realm>, AnyFailure> {
        self.api.realm(self.place.as_deref(), || RequestError::TokenOfNoTenant.into()).await
    }

    /// Opens the realm for work on tokens and keys.
    pub(super) async fn token_realm(&self) -> Result<Turn<TokenRealm>, AnyFailure> {
        self.require_good()?;
        let refusal = || RequestError::TokenOfNoTenant.into();
        let mut realm = self.api.token_realm(self.place.as_deref(), refusal).await?;
        if let Some(attempt) = &self.attempt {
            realm.carry_out(attempt.clone());
        }
        Ok(realm)
    }

    /// The tenant of the request; none where it is the platform's.
    pub(super) fn tenant(&self) -> Option<Arc<Tenant>> {
        self.place.clone()
    }

    /// Opens the database of the request's tenant, by the login of its apps.
    pub(super) async fn database(&self, tenant: &Tenant) -> Result<Turn<Database>, AnyFailure> {
        self.require_good()?;
        self.api.database(tenant, || RequestError::TokenOfNoTenant.into()).await
    }

    /// What issues tokens, and a session in the control database: drawn last.
    pub(super) async fn tokens(&self) -> Result<(Tokens, Session), AnyFailure> {
        let app = &self.api.0.app;
        Ok((app.tokens(), app.session().await?))
    }

    /// A session in the control database, for what is the platform's. Which operators may do what there is for
    /// the services to say; a tenant's users may do nothing.
    pub(super) async fn session(&self) -> Result<Turn<Session>, AnyFailure> {
        self.require_good()?;
        self.api.session(self.claims.realm()).await
    }

    /// From here on, what is changed is changed by an attempt to carry out what bears a key.
    pub(super) fn carry_out(&mut self, attempt: Attempt) {
        self.attempt = Some(attempt);
    }

    /// The attempt that changes belong to.
    pub(super) fn attempt(&self) -> Option<Attempt> {
        self.attempt.clone()
    }

    /// Says that messages wait in the realm: after the commit.
    pub(super) fn ring(&self) {
        self.api.0.app.wake_relay(realm_of(&self.place));
    }

    fn require_good(&self) -> Result<(), AnyFailure> {
        Ok(self.api.0.following.verifier.require_good(&self.claims)?)
    }
}

/// The files of the request's realm: by its sessions, and its bucket by the tenant's own key. A handler has no other
/// way to a bucket.
impl Reach for RequestContext {
    type Realm<'a> = Turn<Realm>;

    async fn realm(&self) -> Result<Turn<Realm>, AnyFailure> {
        Self::realm(self).await
    }

    fn most_bytes(&self) -> Option<i64> {
        self.place.as_ref().and_then(|tenant| tenant.profile.limits.max_storage_bytes)
    }

    async fn expect_sweep(&self) -> Result<(), AnyFailure> {
        match &self.place {
            Some(tenant) => self.api.0.app.expect_sweep(tenant.id).await,
            None => Ok(()),
        }
    }

    async fn bucket(&self) -> Result<Bucket, AnyFailure> {
        match &self.place {
            Some(tenant) => self.api.0.app.bucket(tenant).await,
            None => Err(FilesError::NoBucket.into()),
        }
    }
}

fn realm_of(place: &Place) -> TenantId {
    place.as_ref().map_or(TenantId::PLATFORM, |tenant| tenant.id)
}

impl FromRequestParts<Api> for RequestContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if let Some(known) = parts.extensions.remove::<Self>() {
            return Ok(known);
        }
        let claims = match parts.extensions.remove::<Verified>() {
            Some(Verified(claims)) => claims,
            None => api.0.following.verifier.verify(bearer(&parts.headers)?, &api.0.audience)?,
        };
        let named = named(api, parts)?;
        // Nobody asks the database about a tenant that the token is not for.
        let place = match claims.tenant_id {
            None if named.is_empty() => None,
            None => return Err(RequestError::TenantMismatch.into()),
            Some(id) => {
                if named.iter().any(|name| matches!(name, TenantRef::Id(other) if *other != id)) {
                    return Err(RequestError::TenantMismatch.into());
                }
                let found = api.0.app.tenant(&TenantRef::Id(id)).await?;
                let tenant = found.ok_or(RequestError::TokenOfNoTenant)?;
                let is_other =
                    |name: &TenantRef| matches!(name, TenantRef::Slug(slug) if slug.as_str() != tenant.slug);
                if named.iter().any(is_other) {
                    return Err(RequestError::TenantMismatch.into());
                }
                Some(tenant)
            }
        };
        if let Some(tenant) = &place {
            request_span::note_tenant(tenant.id);
        }
        let caller = claims.caller();
        if let Some(tenant) = &place
            && is_counted(&caller, tenant, parts)
        {
            api.0.app.count_request(tenant).await?;
        }
        Ok(Self { api: api.clone(), caller, claims, place, attempt: None })
    }
}

/// Whether a request is one of those that a tenant may make so many of a month: by its own users and keys. Who has no
/// more of them can still sign in and out, and operators can look what is wrong.
fn is_counted(caller: &Caller, tenant: &Tenant, parts: &Parts) -> bool {
    let is_own = matches!(caller, Caller::User { realm, .. } if *realm == tenant.id);
    is_own && !parts.uri.path().starts_with("/auth/")
}

/// A request of somebody who is about to say who they are.
pub(super) struct AnonymousContext {
    pub(super) api: Api,
    place: Place,
}

impl AnonymousContext {
    /// Whether it is for the platform's own realm.
    pub(super) fn names_no_tenant(&self) -> bool {
        self.place.is_none()
    }

    /// Opens the realm of the request.
    pub(super) async fn realm(&self) -> Result<Turn<Realm>, AnyFailure> {
        let name = || self.place.as_ref().map(|tenant| tenant.slug.clone()).unwrap_or_default();
        self.api.realm(self.place.as_deref(), || RequestError::NoTenant(name()).into()).await
    }

    /// Says that messages wait in the realm: after the commit.
    pub(super) fn ring(&self) {
        self.api.0.app.wake_relay(realm_of(&self.place));
    }

    /// Opens the realm that a refresh token says it belongs to, where the request names no other.
    pub(super) async fn presented_realm(
        &self,
        presented: &SecretString,
    ) -> Result<Turn<TokenRealm>, AnyFailure> {
        self.realm_of(Presented::Refresh, presented).await
    }

    /// The same for an API key, too.
    pub(super) async fn realm_of(
        &self,
        kind: Presented,
        presented: &SecretString,
    ) -> Result<Turn<TokenRealm>, AnyFailure> {
        let id = kind.realm(presented)?;
        self.require_named(id)?;
        let place: Place = if id == TenantId::PLATFORM {
            None
        } else {
            Some(self.api.0.app.tenant(&TenantRef::Id(id)).await?.ok_or_else(|| kind.refusal())?)
        };
        self.api.token_realm(place.as_deref(), || kind.refusal().into()).await
    }

    /// Requires that the request names no other realm than this.
    pub(super) fn require_named(&self, realm: TenantId) -> Result<(), RequestError> {
        match &self.place {
            Some(place) if place.id != realm => Err(RequestError::TenantMismatch),
            _ => Ok(()),
        }
    }
}

impl FromRequestParts<Api> for AnonymousContext {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        api.0.following.verifier.require_current()?;
        let mut place: Place = None;
        for name in named(api, parts)? {
            let found = api.0.app.tenant(&name).await?;
            let tenant = found.ok_or_else(|| RequestError::NoTenant(name.to_string()))?;
            if place.as_ref().is_some_and(|other| other.id != tenant.id) {
                return Err(RequestError::TenantMismatch.into());
            }
            request_span::note_tenant(tenant.id);
            place = Some(tenant);
        }
        Ok(Self { api: api.clone(), place })
    }
}

/// The token of a request (RFC 6750, section 2.1; never from the query).
fn bearer(headers: &HeaderMap) -> Result<&str, Problem> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().ok_or(RequestError::NoToken)?;
    let wrong = |reason: &str| RequestError::Header { header: "Authorization", reason: reason.to_owned() };
    if values.next().is_some() {
        return Err(wrong("it is there twice").into());
    }
    let text = value.to_str().map_err(|_| wrong("it is not text"))?;
    match text.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") => Ok(token.trim()),
        // Another scheme is no token, and the answer says which one is asked for.
        _ => Err(RequestError::NoToken.into()),
    }
}

/// All that the request calls its tenant beside its token: headers, and the host's subdomain.
fn named(api: &Api, parts: &Parts) -> Result<Vec<TenantRef>, RequestError> {
    let mut found = Vec::new();
    for header in TENANT_HEADERS {
        for value in parts.headers.get_all(header) {
            let wrong = |reason: String| RequestError::Header { header, reason };
            let text = value.to_str().map_err(|_| wrong("it is not text".to_owned()))?;
            found.push(text.trim().parse::<TenantRef>().map_err(|error| wrong(error.to_string()))?);
        }
    }
    if let Some(domain) = &api.0.settings.tenant_domain
        && let Some(label) = subdomain(&host(parts), domain)
    {
        let name = label.parse().map_err(|_| RequestError::NoTenant(label.to_owned()))?;
        found.push(name);
    }
    Ok(found)
}

/// The host that the client called, without its port, in small letters.
fn host(parts: &Parts) -> String {
    let header = || parts.headers.get(header::HOST).and_then(|value| value.to_str().ok());
    let text = parts.uri.authority().map_or_else(|| header().unwrap_or_default(), |it| it.as_str());
    let without_port = match text.rsplit_once(':') {
        Some((host, port)) if port.bytes().all(|c| c.is_ascii_digit()) => host,
        _ => text,
    };
    without_port.trim_end_matches('.').to_ascii_lowercase()
}

/// The label in front of a domain; `None` for the domain itself, and for other hosts.
fn subdomain<'a>(host: &'a str, domain: &str) -> Option<&'a str> {
    host.strip_suffix(domain)?.strip_suffix('.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subdomain_is_what_stands_before_the_domain() {
        let of = |host| subdomain(host, "app.example.com");
        assert_eq!(of("acme.app.example.com"), Some("acme"));
        assert_eq!(of("app.example.com"), None);
        assert_eq!(of("acmeapp.example.com"), None);
        assert_eq!(of("acme.other.example"), None);
        // No slug: what is in it is refused, not ignored.
        assert_eq!(of("a.b.app.example.com"), Some("a.b"));
    }
}
