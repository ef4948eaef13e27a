//! The public keys: what tokens are checked with.

use secrecy::ExposeSecret;

use super::error::TokenError;
use super::keys::{SealedPublic, public_name};
use super::model::{KeyState, KeyView, Purpose};
use super::ring::{KeyRing, KeySet, RingKey};
use super::{Tokens, lost, store};
use crate::features::access::{self, About, rights};
use crate::infra::crypto::signing::PublicKey;
use crate::infra::db::{PgConnection, snapshot};
use crate::kernel::{Caller, TenantId};

impl Tokens {
    /// The keys that tokens are checked with now.
    ///
    /// # Errors
    /// [`TokenError::KeyDamaged`] when a row is not what was sealed: then none of them can be
    /// trusted.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn ring(&self, control: &mut PgConnection, caller: &Caller) -> Result<KeyRing, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        self.read_ring(control).await
    }

    /// The same, as a part of something else.
    pub(super) async fn read_ring(&self, control: &mut PgConnection) -> Result<KeyRing, TokenError> {
        let mut ring = KeyRing::default();
        for (kid, key, _) in self.accepted(control).await? {
            ring.insert(kid, key);
        }
        Ok(ring)
    }

    /// The public keys, for services that check tokens themselves (RFC 7517, section 5).
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn key_set(&self, control: &mut PgConnection, caller: &Caller) -> Result<KeySet, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        let accepted = self.accepted(control).await?;
        let jwk = |(_, key, _): &(String, RingKey, KeyState)| key.to_jwk();
        let keys = accepted.iter().map(jwk).collect::<Result<_, _>>();
        Ok(KeySet {
            issuer: Some(self.issuer.clone()),
            keys: keys.map_err(|_| TokenError::Request("a key cannot be written as JSON".to_owned()))?,
        })
    }

    /// The public keys as PEM, each under a line with its id.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn pem(&self, control: &mut PgConnection, caller: &Caller) -> Result<String, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        let mut text = String::new();
        for (kid, key, state) in self.accepted(control).await? {
            let algorithm = key.public.algorithm().as_str();
            text += &["# ", &kid, " ", algorithm, " ", state.as_str(), "\n", &key.public.pem()?].concat();
        }
        Ok(text)
    }

    async fn accepted(
        &self,
        control: &mut PgConnection,
    ) -> Result<Vec<(String, RingKey, KeyState)>, TokenError> {
        // Rows and what was sealed of them must be of one moment.
        let mut control = snapshot(control).await?;
        let rows = store::keys(&mut control).await?;
        let wanted = |key: &KeyView| {
            key.state != KeyState::Gone && (self.development || key.purpose == Purpose::Platform)
        };
        let rows: Vec<KeyView> = rows.into_iter().filter(wanted).collect();
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let names: Vec<String> = rows.iter().map(|row| public_name(&row.kid)).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let sealed = self.secrets.get_many(&mut control, TenantId::PLATFORM, &names).await;
        let sealed = sealed.map_err(|error| lost::of_one(&rows, error))?;
        let mut keys = Vec::new();
        for row in rows {
            let damaged = || TokenError::KeyDamaged(row.kid.clone());
            let text = sealed.get(&public_name(&row.kid)).ok_or_else(damaged)?;
            let sealed: SealedPublic = serde_json::from_str(text.expose_secret()).map_err(|_| damaged())?;
            let jwk = serde_json::from_value(sealed.jwk.clone()).map_err(|_| damaged())?;
            let public = PublicKey::from_jwk(&jwk)?;
            let same = sealed.jwk == row.public_jwk
                && sealed.purpose == row.purpose.as_str()
                && sealed.algorithm.as_str() == row.algorithm
                && sealed.good_until.is_some() == (row.state == KeyState::Retiring)
                && sealed.realms.iter().map(|realm| realm.uuid()).eq(row.realms.iter().copied())
                && public.id() == row.kid
                && public.algorithm() == sealed.algorithm;
            if !same {
                return Err(damaged());
            }
            let realms = (row.purpose == Purpose::Development).then_some(sealed.realms);
            let SealedPublic { retired_at, good_until, .. } = sealed;
            let key = RingKey { public, retired_at, good_until, realms };
            keys.push((row.kid, key, row.state));
        }
        Ok(keys)
    }
}
