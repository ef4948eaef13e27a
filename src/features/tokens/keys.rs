//! Signing keys: how they are made, sealed and opened.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::error::TokenError;
use super::model::{KeyState, KeyView, Purpose};
use super::{Tokens, lost, store};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::crypto::signing::{Algorithm, SigningKey};
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::kernel::{Caller, TenantId};

/// What is sealed of a key beside its private half, so that a row that was changed, or slipped in,
/// is noticed.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct SealedPublic {
    pub(super) algorithm: Algorithm,
    pub(super) purpose: String,
    pub(super) jwk: Value,
    pub(super) retired_at: Option<i64>,
    pub(super) good_until: Option<i64>,
    #[serde(default)]
    pub(super) realms: Vec<TenantId>,
}

/// Which key signs: of which kind, and for whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signer<'a> {
    pub(super) algorithm: Algorithm,
    /// For a development key the realms that it signs for, sorted; none: a key of the platform, which
    /// signs for all.
    pub(super) realms: Option<&'a [TenantId]>,
}

impl Signer<'_> {
    pub(super) fn platform(algorithm: Algorithm) -> Self {
        Self { algorithm, realms: None }
    }

    fn purpose(self) -> Purpose {
        if self.realms.is_some() { Purpose::Development } else { Purpose::Platform }
    }

    pub(super) fn among(self, rows: Vec<KeyView>) -> Option<KeyView> {
        rows.into_iter().find(|row| self.is(row))
    }

    fn is(self, row: &KeyView) -> bool {
        let realms = self.realms.unwrap_or_default().iter().map(|realm| realm.uuid());
        row.state == KeyState::Active
            && row.purpose == self.purpose()
            && row.algorithm == self.algorithm.as_str()
            && realms.eq(row.realms.iter().copied())
    }
}

pub(super) fn private_name(kid: &str) -> String {
    format!("signing-key.{kid}")
}

pub(super) fn public_name(kid: &str) -> String {
    format!("verification-key.{kid}")
}

impl Tokens {
    /// The keys, those in use first; those that are gone only where `all` are asked for.
    ///
    /// # Errors
    /// The control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn keys(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        all: bool,
    ) -> Result<Vec<KeyView>, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        let keys = store::keys(control).await?.into_iter();
        Ok(keys.filter(|key| all || key.state != KeyState::Gone).collect())
    }

    /// Makes the first key that signs, with its successor, where there is none: before anybody checks tokens,
    /// so that the first token is known everywhere.
    ///
    /// # Errors
    /// Without `key:update`; the control database's.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn prepare(&self, control: &mut PgConnection, caller: &Caller) -> Result<(), TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        self.signer(control, caller, Signer::platform(Algorithm::EdDsa)).await.map(drop)
    }

    /// The key that signs now. The first of an algorithm is made when it is asked for, with its
    /// successor, in a transaction of its own where none is under way.
    pub(super) async fn signer(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
        which: Signer<'_>,
    ) -> Result<Arc<SigningKey>, TokenError> {
        let algorithm = which.algorithm;
        if let Some(key) = self.ready_signer(control, which).await? {
            return Ok(key);
        }
        // Making an RSA key takes a second, which nobody should wait for with the lock held.
        let (first, next) =
            tokio::try_join!(SigningKey::generate(algorithm), SigningKey::generate(algorithm))?;
        let mut tx = transaction(control).await?;
        store::lock(&mut tx).await?;
        let rows = store::keys(&mut tx).await?;
        // The two change in one transaction, so that there is none without the other.
        if which.realms.is_none() && matches!(pair(&rows, Purpose::Platform, algorithm), (None, Some(_))) {
            return Err(TokenError::NoActiveKey(algorithm));
        }
        if let Some(row) = which.among(rows) {
            return Ok(Arc::new(self.open(&mut tx, &row.kid, algorithm).await?));
        }
        self.insert(&mut tx, &first, which, KeyState::Active).await?;
        let mut detail = json!({ "algorithm": algorithm, "active": first.public().id() });
        if which.purpose() == Purpose::Platform {
            self.insert(&mut tx, &next, which, KeyState::Next).await?;
            detail["next"] = json!(next.public().id());
        }
        note(&mut tx, caller, "key.create", detail).await?;
        tx.commit().await?;
        Ok(Arc::new(first))
    }

    /// The key that signs now, if there is one. Writes nothing.
    pub(super) async fn ready_signer(
        &self,
        control: &mut PgConnection,
        which: Signer<'_>,
    ) -> Result<Option<Arc<SigningKey>>, TokenError> {
        let known = which.realms.is_none().then(|| self.signers.get(which.algorithm)).flatten();
        if known.is_some() {
            return Ok(known);
        }
        let mut tried = None;
        while let Some(row) = which.among(store::keys(control).await?) {
            match self.open(control, &row.kid, which.algorithm).await {
                Err(TokenError::Secrets(error)) if lost::is_lost(&error) => {
                    if tried.as_ref() == Some(&row.kid) {
                        return Err(lost::of_key(&row, error));
                    }
                    // It retired between the two statements; its successor signs.
                    tried = Some(row.kid);
                }
                opened => {
                    let key = Arc::new(opened?);
                    if which.realms.is_none() {
                        self.signers.keep(&key);
                    }
                    return Ok(Some(key));
                }
            }
        }
        Ok(None)
    }

    pub(super) async fn open(
        &self,
        tx: &mut PgConnection,
        kid: &str,
        algorithm: Algorithm,
    ) -> Result<SigningKey, TokenError> {
        let text = self.secrets.get(tx, TenantId::PLATFORM, &private_name(kid)).await?;
        let damaged = || TokenError::KeyDamaged(kid.to_owned());
        let document = Zeroizing::new(URL_SAFE_NO_PAD.decode(text.expose_secret()).map_err(|_| damaged())?);
        let key = SigningKey::from_pkcs8(algorithm, &document)?;
        if key.public().id() == kid { Ok(key) } else { Err(damaged()) }
    }

    pub(super) async fn insert(
        &self,
        tx: &mut PgConnection,
        key: &SigningKey,
        which: Signer<'_>,
        state: KeyState,
    ) -> Result<(), TokenError> {
        let (purpose, realms) = (which.purpose(), which.realms.unwrap_or_default());
        let public = key.public();
        let algorithm = public.algorithm();
        let jwk =
            serde_json::to_value(public.jwk()).map_err(|_| TokenError::KeyDamaged(public.id().to_owned()))?;
        let document = key.to_pkcs8()?;
        let private = Zeroizing::new(URL_SAFE_NO_PAD.encode(document.expose_secret()));
        let private = SecretString::from(private.as_str());
        self.secrets.put_platform(tx, &private_name(public.id()), &private).await?;
        let sealed = SealedPublic {
            algorithm,
            purpose: purpose.as_str().to_owned(),
            jwk: jwk.clone(),
            retired_at: None,
            good_until: None,
            realms: realms.to_vec(),
        };
        self.seal(tx, public.id(), &sealed).await?;
        Ok(store::insert_key(tx, public.id(), (algorithm.as_str(), purpose, state), (&jwk, realms)).await?)
    }

    pub(super) async fn seal(
        &self,
        tx: &mut PgConnection,
        kid: &str,
        sealed: &SealedPublic,
    ) -> Result<(), TokenError> {
        let text = serde_json::to_string(sealed).map_err(|_| TokenError::KeyDamaged(kid.to_owned()))?;
        Ok(self.secrets.put_platform(tx, &public_name(kid), &SecretString::from(text)).await?)
    }
}

/// The active and the next key of an algorithm.
pub(super) fn pair(
    rows: &[KeyView],
    purpose: Purpose,
    algorithm: Algorithm,
) -> (Option<KeyView>, Option<KeyView>) {
    let of = |state| {
        let is = |row: &&KeyView| {
            row.state == state && row.purpose == purpose && row.algorithm == algorithm.as_str()
        };
        rows.iter().find(is).cloned()
    };
    (of(KeyState::Active), of(KeyState::Next))
}

pub(super) async fn note(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
    action: &'static str,
    detail: Value,
) -> Result<(), DbError> {
    audit::record(tx, audit::Entry { caller, action, tenant: None, operation: None, detail }).await
}
