//! The keys that tokens are checked with.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::claims::{Claims, Expected, SKEW};
use super::error::TokenError;
use crate::infra::crypto::jwt::{self, By, JwtError};
use crate::infra::crypto::signing::PublicKey;
use crate::infra::fetch;
use crate::kernel::TenantId;

/// Most bytes of a key set.
const MAX_SET: usize = 256 * 1024;

/// A key that tokens are checked with, and for how long.
#[derive(Debug, Clone)]
pub struct RingKey {
    pub public: PublicKey,
    /// The second at which it stopped signing.
    pub retired_at: Option<i64>,
    /// The second from which on nothing it signed is accepted.
    pub good_until: Option<i64>,
    /// The realms for whose tokens it is good, the nil id for the platform; none: for all.
    pub realms: Option<Vec<TenantId>>,
}

/// The member of a development key in a key set that names its realms. Others ignore what they do not
/// know (RFC 7517, section 4).
const REALMS: &str = "nexus_realms";

impl RingKey {
    /// A key that is good for all realms, until further notice.
    #[must_use]
    pub fn new(public: PublicKey) -> Self {
        Self { public, retired_at: None, good_until: None, realms: None }
    }

    /// The JSON Web Key.
    pub(super) fn to_jwk(&self) -> Result<Value, serde_json::Error> {
        let mut jwk = serde_json::to_value(self.public.jwk())?;
        if let (Some(realms), Some(members)) = (&self.realms, jwk.as_object_mut()) {
            members.insert(REALMS.to_owned(), serde_json::to_value(realms)?);
        }
        Ok(jwk)
    }
}

impl AsRef<PublicKey> for RingKey {
    fn as_ref(&self) -> &PublicKey {
        &self.public
    }
}

/// A token that was signed by a key of the ring. Whether it is good is for [`KeyRing::accept`], each time anew.
#[derive(Debug, Clone)]
pub(super) struct Signed {
    claims: Arc<Claims>,
    /// The id of the key.
    kid: Arc<str>,
    /// How long the token is.
    pub(super) bytes: usize,
}

/// Keys by their ids.
#[derive(Debug, Clone, Default)]
pub struct KeyRing {
    keys: HashMap<String, RingKey>,
    /// The ids of keys by the header of the tokens that they sign.
    headers: HashMap<String, String>,
}

impl KeyRing {
    /// Adds a key under an id.
    pub fn insert(&mut self, kid: String, key: RingKey) {
        if key.public.id() == kid {
            self.headers.insert(jwt::header_of(&key.public), kid.clone());
        }
        self.keys.insert(kid, key);
    }

    /// How many keys there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty()
    }

    /// The key of an id.
    #[must_use]
    pub fn key(&self, kid: &str) -> Option<&RingKey> {
        self.keys.get(kid)
    }

    /// The keys of the platform, for services that check tokens themselves (RFC 7517, section 5), in the order
    /// of their ids.
    ///
    /// # Errors
    /// [`TokenError::Request`], where a key cannot be written.
    pub fn published(&self) -> Result<KeySet, TokenError> {
        let mut keys: Vec<_> = self.keys.iter().filter(|(_, key)| key.realms.is_none()).collect();
        keys.sort_by_key(|(kid, _)| *kid);
        let keys = keys.into_iter().map(|(_, key)| key.to_jwk()).collect::<Result<_, _>>();
        let unwritten = |_| TokenError::Request("a key cannot be written as JSON".to_owned());
        Ok(KeySet { issuer: None, keys: keys.map_err(unwritten)? })
    }

    /// The algorithms of the platform's keys, each once.
    #[must_use]
    pub fn algorithms(&self) -> Vec<&'static str> {
        let keys = self.keys.values().filter(|key| key.realms.is_none());
        let names: BTreeSet<&str> = keys.map(|key| key.public.algorithm().as_str()).collect();
        names.into_iter().collect()
    }

    /// The claims of a token, if everything about it is right. Nobody is asked: what decides is the
    /// token, these keys and what is expected.
    ///
    /// # Errors
    /// The first [`JwtError`].
    pub fn check(&self, token: &str, expected: Expected<'_>) -> Result<Arc<Claims>, JwtError> {
        self.accept(&self.signed(token, expected.now)?, expected)
    }

    /// Reads a token whose signature is right, by a key that is good at a second: the work of a check, and the
    /// part that stays true for as long as the ring does.
    ///
    /// # Errors
    /// The first [`JwtError`].
    pub(super) fn signed(&self, token: &str, now: i64) -> Result<Signed, JwtError> {
        let mut signed_by = None;
        let claims = jwt::verified(token, |by| {
            let kid = match by {
                By::Header(header) => self.headers.get(header)?,
                By::Id(kid) => kid,
            };
            let key = self.good_key(kid, now)?;
            signed_by = Some(kid.into());
            Some(key)
        })?;
        let kid = signed_by.ok_or(JwtError::UnknownKey)?;
        Ok(Signed { claims: Arc::new(Claims::parse(claims)?), kid, bytes: token.len() })
    }

    /// The claims of a token whose signature is right, if everything else is.
    ///
    /// # Errors
    /// The first [`JwtError`].
    pub(super) fn accept(&self, signed: &Signed, expected: Expected<'_>) -> Result<Arc<Claims>, JwtError> {
        let key = self.good_key(&signed.kid, expected.now).ok_or(JwtError::UnknownKey)?;
        let claims = &signed.claims;
        claims.check(expected)?;
        if key.retired_at.is_some_and(|retired| claims.iat > retired + SKEW) {
            return Err(JwtError::AfterKey);
        }
        if key.realms.as_ref().is_some_and(|realms| !realms.contains(&claims.realm())) {
            return Err(JwtError::Realm);
        }
        Ok(Arc::clone(claims))
    }

    fn good_key(&self, kid: &str, now: i64) -> Option<&RingKey> {
        self.keys.get(kid).filter(|key| key.good_until.is_none_or(|end| now < end))
    }
}

/// A JSON Web Key Set (RFC 7517, section 5) with the issuer whose keys they are.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct KeySet {
    /// The `iss` of the tokens; Nexus writes it, others need not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    pub keys: Vec<Value>,
}

impl KeySet {
    /// Reads a set from a file.
    ///
    /// # Errors
    /// [`TokenError::KeySet`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn from_file(path: &Path) -> Result<Self, TokenError> {
        let place = path.display().to_string();
        let bytes = tokio::fs::read(path)
            .await
            .map_err(|error| TokenError::KeySet { place: place.clone(), reason: error.to_string() })?;
        Self::read(&bytes, &place)
    }

    /// Reads a set from a server.
    ///
    /// # Errors
    /// [`TokenError::Fetch`], [`TokenError::KeySet`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn from_url(url: &str) -> Result<Self, TokenError> {
        let bytes = fetch::document(url, MAX_SET)
            .await
            .map_err(|error| TokenError::Fetch { url: url.to_owned(), reason: error.to_string() })?;
        Self::read(&bytes, url)
    }

    /// Reads a set; `place` is where it is from.
    ///
    /// # Errors
    /// [`TokenError::KeySet`].
    pub fn read(bytes: &[u8], place: &str) -> Result<Self, TokenError> {
        let wrong = |reason: &str| TokenError::KeySet { place: place.to_owned(), reason: reason.to_owned() };
        if bytes.len() > MAX_SET {
            return Err(wrong("it is longer than 256 KiB"));
        }
        let members = jwt::object(crate::kernel::text::bytes_without_mark(bytes))
            .map_err(|_| wrong("it is not a JSON object"))?;
        serde_json::from_value(Value::Object(members)).map_err(|_| wrong("it has no list of keys"))
    }

    /// The keys that can check a token of ours. Keys of other kinds are left out, as RFC 7517,
    /// section 5, wants it; a private one is an error, for it should not be there at all.
    ///
    /// # Errors
    /// [`TokenError::KeySet`] with a private or symmetric key, or an id that two keys bear.
    pub fn ring(&self, place: &str) -> Result<KeyRing, TokenError> {
        let wrong = |reason: &str| TokenError::KeySet { place: place.to_owned(), reason: reason.to_owned() };
        let mut ring = KeyRing::default();
        for key in &self.keys {
            if ["d", "k", "p", "q", "dp", "dq", "qi", "oth"].iter().any(|private| key.get(private).is_some())
            {
                return Err(wrong("it holds a private key; whoever has it can sign"));
            }
            let Some(kid) = key.get("kid").and_then(Value::as_str) else { continue };
            let Ok(public) = serde_json::from_value(key.clone())
                .map_err(drop)
                .and_then(|jwk| PublicKey::from_jwk(&jwk).map_err(drop))
            else {
                continue;
            };
            let realms = key.get(REALMS).map(|realms| serde_json::from_value(realms.clone())).transpose();
            let realms = realms.map_err(|_| wrong("the nexus_realms of a key are not a list of ids"))?;
            if ring.key(kid).is_some() {
                return Err(wrong("two of its keys have the same kid"));
            }
            ring.insert(kid.to_owned(), RingKey { realms, ..RingKey::new(public) });
        }
        Ok(ring)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use uuid::Uuid;

    use super::super::claims::MAX_TTL;
    use super::super::rotation::OVERLAP;
    use super::*;
    use crate::infra::crypto::signing::{Algorithm, SigningKey};

    const RETIRED: i64 = 1_800_000_000;

    /// A ring whose key signs until [`RETIRED`], and a token of it.
    fn signed(iat: i64) -> (KeyRing, String) {
        let key = SigningKey::generate_blocking(Algorithm::EdDsa).unwrap();
        let mut ring = KeyRing::default();
        let (retired_at, good_until) = (Some(RETIRED), Some(RETIRED + OVERLAP));
        let public = key.public().clone();
        ring.insert(public.id().to_owned(), RingKey { retired_at, good_until, ..RingKey::new(public) });
        let claims = json!({
            "iss": "urn:i", "sub": Uuid::now_v7(), "aud": "api", "client_id": "c", "iat": iat, "nbf": iat,
            "exp": iat + MAX_TTL, "jti": Uuid::now_v7(),
        });
        let token = jwt::signed(&claims, &key).unwrap();
        (ring, token)
    }

    fn expected(now: i64) -> Expected<'static> {
        Expected { issuers: &["urn:i"], audience: Some("api"), now }
    }

    fn check(iat: i64, now: i64) -> Result<(), JwtError> {
        let (ring, token) = signed(iat);
        ring.check(&token, expected(now)).map(drop)
    }

    #[test]
    fn that_a_signature_is_right_says_nothing_of_the_time_the_audience_or_the_end_of_the_key() {
        let (ring, token) = signed(RETIRED);
        let signed = ring.signed(&token, RETIRED).unwrap();
        let at = |now| ring.accept(&signed, expected(now)).map(drop);
        assert_eq!(at(RETIRED), Ok(()));
        assert_eq!(at(RETIRED + MAX_TTL + SKEW), Err(JwtError::Expired));
        assert_eq!(at(RETIRED + OVERLAP), Err(JwtError::UnknownKey));
        let other = Expected { audience: Some("other"), ..expected(RETIRED) };
        assert_eq!(ring.accept(&signed, other).map(drop), Err(JwtError::Audience));
    }

    #[test]
    fn the_last_token_of_a_key_is_good_to_its_end_and_the_key_not_longer() {
        assert_eq!(check(RETIRED, RETIRED + MAX_TTL), Ok(()));
        assert_eq!(check(RETIRED, RETIRED + MAX_TTL + SKEW - 1), Ok(()));
        assert_eq!(check(RETIRED + SKEW, RETIRED + OVERLAP - 1), Ok(()));
        assert_eq!(check(RETIRED + SKEW, RETIRED + OVERLAP), Err(JwtError::UnknownKey));
        // Who stole the key signs on: it is of no use.
        assert_eq!(check(RETIRED + SKEW + 1, RETIRED + 100), Err(JwtError::AfterKey));
    }
}
