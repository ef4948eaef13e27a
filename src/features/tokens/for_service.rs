//! Tokens for services of apps: they say who calls, and nothing that a caller may do elsewhere.

use secrecy::SecretString;
use serde::Serialize;
use uuid::Uuid;

use super::Tokens;
use super::claims::{Actor, CLIENT};
use super::error::TokenError;
use super::issued::IssueTime;
use super::keys::Signer;
use super::mint::sign_claims;
use super::store;
use crate::features::access::Authorized;
use crate::infra::crypto::jwt;
use crate::infra::crypto::signing::Algorithm;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, RealmRef, TenantId};

/// How long such a token is good, in seconds: nothing revokes it.
const LIFE: i64 = 60;

/// What is said of a call.
#[derive(Debug)]
pub(in crate::features) struct ServiceToken {
    pub(in crate::features) audience: String,
    /// The permission that was checked.
    pub(in crate::features) permission: String,
    pub(in crate::features) version: i32,
}

/// The claims.
#[derive(Serialize)]
struct ServiceClaims<'a> {
    iss: &'a str,
    /// The user's or operator's id; `machine:NAME` for whoever holds the platform's credentials.
    sub: String,
    aud: &'a str,
    client_id: &'static str,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: Uuid,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant_id: Option<TenantId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<&'a str>,
    permission: &'a str,
    service_version: i32,
    #[serde(skip_serializing_if = "Option::is_none")]
    act: Option<Actor>,
}

impl Tokens {
    /// Signs a token that says to a service who calls it, from which realm. It is not recorded: it is good for a minute, and
    /// for that service alone. It says neither roles nor permissions but the one that was checked, so that it is of no use
    /// elsewhere.
    pub(in crate::features) async fn sign_for_service(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        (at, said): (&RealmRef, ServiceToken),
    ) -> Result<SecretString, TokenError> {
        let now = IssueTime::read(control).await?;
        let which = Signer::platform(Algorithm::EdDsa);
        // One that retired since this process opened it signs no more.
        let active = which.among(store::keys(control).await?).map(|row| row.kid);
        let mut key = self.signer(control, caller, which).await?;
        if active.is_some_and(|kid| kid != key.public().id()) {
            self.signers.forget(Algorithm::EdDsa);
            key = self.signer(control, caller, which).await?;
        }
        let (sub, act) = subject(caller.caller(), at);
        let claims = ServiceClaims {
            iss: &self.issuer,
            sub,
            aud: &said.audience,
            client_id: CLIENT,
            iat: now.second(),
            nbf: now.second(),
            exp: now.second() + LIFE,
            jti: now.token_id()?,
            tenant_id: (!at.is_platform()).then_some(at.id),
            tenant: at.slug.as_deref(),
            permission: &said.permission,
            service_version: said.version,
            act,
        };
        sign_claims(jwt::SERVICE_TYPE, &claims, &key)
    }
}

/// Who calls, and who acts where that is another: as access tokens have it, an operator in a tenant's realm acts there.
fn subject(caller: &Caller, at: &RealmRef) -> (String, Option<Actor>) {
    match caller {
        Caller::User { realm, id, token } => {
            let is_visitor = *realm != at.id;
            let actor = token.actor.clone().or_else(|| is_visitor.then(|| caller.to_string()));
            (id.to_string(), actor.map(|sub| Actor { sub }))
        }
        Caller::Machine(_) | Caller::System => (caller.to_string(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::{TokenLimits, UserId};

    #[test]
    fn a_service_is_told_who_acts_where_that_is_not_the_subject() {
        let (tenant, id) = (TenantId::new(), UserId::from(Uuid::now_v7()));
        let at = RealmRef { id: tenant, slug: Some("acme".to_owned()) };
        assert_eq!(subject(&Caller::user(tenant, id), &at), (id.to_string(), None));
        let operator = Caller::user(TenantId::PLATFORM, id);
        let (sub, act) = subject(&operator, &at);
        assert_eq!((sub, act.unwrap().sub), (id.to_string(), format!("operator:{id}")));
        let token = TokenLimits { actor: Some("machine:root".to_owned()), ..TokenLimits::default() };
        let (_, act) = subject(&Caller::User { realm: tenant, id, token }, &at);
        assert_eq!(act.unwrap().sub, "machine:root");
        assert_eq!(subject(&Caller::Machine("root".to_owned()), &at), ("machine:root".to_owned(), None));
    }
}
