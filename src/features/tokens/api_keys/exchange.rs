//! An API key for an access token (RFC 6749, section 4.4): how a machine signs in.

use std::time::Duration;

use secrecy::SecretString;
use uuid::Uuid;

use super::super::error::TokenError;
use super::super::keys::Signer;
use super::super::mint::{By, For, Minted, NewToken};
use super::super::realm::Realm;
use super::super::{Tokens, claims};
use super::KeyHolder;
use crate::features::access::{self, Authorized, Permission, rights};
use crate::infra::crypto::signing::Algorithm;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, RealmRef};

impl Tokens {
    /// Exchanges an API key for an access token of its user, which ends with the key at the latest. The key is
    /// what lets in: a door that knows no more of who asks says that it is the system. It allows what the key
    /// allows, and of that the scopes that are asked for, if any are.
    ///
    /// # Errors
    /// [`TokenError::KeyInvalid`], also where the key has another id; [`TokenError::Scope`] where more is asked
    /// for than the key and its user may; [`TokenError::NotHeld`] where its user has lost all that it allows.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn exchange_api_key(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        realm: &mut Realm,
        (id, presented): (Uuid, &SecretString),
        scopes: &[Permission],
    ) -> Result<Minted, TokenError> {
        access::authorize_machine(caller, &rights::TOKEN_CREATE)?;
        let holder = self.verify_api_key(control, realm, presented).await?;
        if holder.id != id {
            return Err(TokenError::KeyInvalid);
        }
        let (name, as_of) = (realm.name.clone(), realm.as_of);
        let left = holder.expires_at.map(|end| (end - as_of.time()).whole_seconds().max(1));
        let ttl = left.map(|left| Duration::from_secs(left.unsigned_abs()).min(self.ttl));
        let new = NewToken { ttl, scopes: granted(&holder, scopes, &name)?, ..NewToken::default() };
        let user = Caller::user(name.id, holder.subject.id.into());
        let user = Authorized::by_its_realm(&user);
        let whose = For { realm: &name, subject: &holder.subject, as_of };
        let claims =
            claims::Claims { client_id: holder.id.to_string(), ..new.compose(whose, self.issuer(), &user)? };
        let key = self.signer(control, &user, Signer::platform(Algorithm::EdDsa)).await?;
        let token = self.issue(control, &user, whose, (&new, &claims), By::new(key)).await?;
        Ok(Minted { token, claims, refresh: None })
    }
}

/// What a token of a key allows at most.
fn granted(
    holder: &KeyHolder,
    wanted: &[Permission],
    realm: &RealmRef,
) -> Result<Vec<Permission>, TokenError> {
    if let Some(more) = wanted.iter().find(|scope| !holder.may(scope.as_str())) {
        return Err(TokenError::Scope { scope: more.to_string() });
    }
    if !wanted.is_empty() {
        return Ok(wanted.to_vec());
    }
    let held = holder.scopes.iter().filter(|scope| holder.subject.may(scope));
    let held: Vec<Permission> = held.filter_map(|scope| scope.parse().ok()).collect();
    match holder.scopes.first() {
        // An empty list would mean: everything.
        Some(first) if held.is_empty() => Err(TokenError::not_held(&holder.subject, realm, first)),
        _ => Ok(held),
    }
}
