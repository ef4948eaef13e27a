//! An operator's way into a tenant's realm: a token of that realm, for as long as access is granted there.

use std::time::Duration;

use serde_json::json;

use super::Tokens;
use super::claims::{Actor, MAX_IMPERSONATION};
use super::error::TokenError;
use super::keys::Signer;
use super::mint::{By, For, Impersonation, Minted, NewToken};
use super::realm::{Realm, record};
use crate::features::access::Authorized;
use crate::features::iam::{self, Subject, operators};
use crate::features::tenants::{self, Tenant, TenantRef};
use crate::infra::crypto::signing::Algorithm;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, ErrorKind, Failure as _, Reason, TokenLimits, UserId};

impl Tokens {
    /// Gives an operator a token of a tenant's realm, of a quarter of an hour at most and without a session,
    /// where access to it is granted in that realm. Its log says so before there is a token.
    ///
    /// The token allows what the granted roles allow, and no more than the token that it is given for.
    ///
    /// # Errors
    /// [`TokenError::SwitchRefused`] for everybody else, and for whoever shows a token that acts for another or
    /// was given here.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn switch(
        &self,
        control: &mut PgConnection,
        operator: &Caller,
        realm: &mut Realm,
        reason: Option<&Reason<4>>,
    ) -> Result<Minted, TokenError> {
        let name = realm.name.clone();
        let refused = || TokenError::SwitchRefused { tenant: name.to_string() };
        let (id, limits) = in_person(operator).ok_or_else(refused)?;
        let subject = iam::subject_by_id(control, id.uuid()).await?.filter(Subject::is_active);
        let subject = subject.ok_or_else(refused)?;
        // After the time that the token bears: who is let in to a tenant that is suspended meanwhile has a token that
        // the suspension takes back.
        let tenant = tenants::enter(control, &Caller::System, &TenantRef::Id(name.id)).await;
        tenant.and_then(Tenant::active).map_err(|error| match error.kind() {
            ErrorKind::NotFound | ErrorKind::Conflict => refused(),
            _ => error.into(),
        })?;
        let as_of = realm.as_of;
        let mut tx = realm.begin().await?;
        let access = operators::open_access(&mut tx, id, name.id).await?.ok_or_else(refused)?;
        // Who may enter is decided by that access.
        let authorized = Authorized::by_its_realm(operator);
        let left = u64::try_from((access.until - as_of.time()).whole_seconds()).unwrap_or_default();
        let longest = u64::try_from(MAX_IMPERSONATION).unwrap_or_default();
        let new = NewToken {
            ttl: Some(Duration::from_secs(left.clamp(1, longest))),
            act_as: reason.cloned().map(|reason| Impersonation { reason }),
            ..NewToken::default()
        };
        let subject = Subject { roles: access.roles, permissions: Vec::new(), ..subject };
        let whose = For { realm: &name, subject: &subject, as_of };
        let mut claims = new.compose(whose, self.issuer(), &authorized)?;
        claims.act = Some(Actor { sub: operator.to_string() });
        let mut lists = limits.lists.iter().map(|list| list.to_vec());
        claims.permissions = lists.next();
        claims.scope = lists.next().map(|list| list.join(" "));
        let key = self.signer(control, &authorized, Signer::platform(Algorithm::EdDsa)).await?;
        let detail = json!({ "jti": claims.jti, "roles": claims.roles, "reason": reason });
        record(&mut tx, &authorized, ("token.switch", None), detail).await?;
        tx.commit().await?;
        let token = self.issue(control, &authorized, whose, (&new, &claims), By::new(key)).await?;
        Ok(Minted { token, claims, refresh: None })
    }
}

/// The operator that a caller is, where it is one in person.
fn in_person(caller: &Caller) -> Option<(UserId, &TokenLimits)> {
    match caller {
        Caller::User { id, token, .. } if caller.is_operator_in_person() => Some((*id, token)),
        _ => None,
    }
}
