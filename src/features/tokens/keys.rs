//! The life of a signing key: next, active, retiring, gone.
//!
//! A key is published before it signs and checked for as long after it has stopped as its last
//! token can live: a change of keys refuses no good token, and nothing of the old key stays. Every
//! change is made under one lock in one transaction, so that it is made whole or not at all.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::claims::{MAX_TTL, SKEW};
use super::error::TokenError;
use super::model::{KeyState, KeyView, Purpose, Rotated};
use super::ring::{KeyRing, KeySet, RingKey};
use super::{Tokens, lost, store};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::crypto::signing::{Algorithm, PublicKey, SigningKey};
use crate::infra::db::{DbError, PgConnection, snapshot, transaction};
use crate::infra::failpoint;
use crate::kernel::hint::TokenAction;
use crate::kernel::{Caller, Hint, TenantId};

/// For how long a key is checked after it has stopped signing, in seconds: as long as the last token
/// that it signed, by a clock that is behind.
pub const OVERLAP: i64 = MAX_TTL + 2 * SKEW;

/// For how long a key is published before it may sign, in seconds; services must not keep a key set
/// for longer. Docs and the `max-age` of a served key set say the same.
pub const NOTICE: i64 = 600;

/// What is sealed of a key beside its private half, so that a row that was changed, or slipped in,
/// is noticed.
#[derive(Debug, Serialize, Deserialize)]
struct SealedPublic {
    algorithm: Algorithm,
    purpose: String,
    jwk: Value,
    retired_at: Option<i64>,
    good_until: Option<i64>,
    #[serde(default)]
    realms: Vec<TenantId>,
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
    /// All keys, those in use first.
    ///
    /// # Errors
    /// The control database's.
    pub async fn keys(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
    ) -> Result<Vec<KeyView>, TokenError> {
        access::authorize(control, caller, &rights::KEY_READ, About::Platform).await?;
        Ok(store::keys(control).await?)
    }

    /// The keys that tokens are checked with now.
    ///
    /// # Errors
    /// [`TokenError::KeyDamaged`] when a row is not what was sealed: then none of them can be
    /// trusted.
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

    /// The key that signs now. The first of an algorithm is made when it is asked for, with its
    /// successor.
    pub(super) async fn signer(
        &self,
        tx: &mut PgConnection,
        caller: &Authorized<'_>,
        which: Signer<'_>,
    ) -> Result<SigningKey, TokenError> {
        let algorithm = which.algorithm;
        let active = |rows: Vec<KeyView>| rows.into_iter().find(|row| which.is(row));
        let mut tried = None;
        while let Some(row) = active(store::keys(tx).await?) {
            match self.open(tx, &row.kid, algorithm).await {
                Err(TokenError::Secrets(error)) if lost::is_lost(&error) => {
                    if tried.as_ref() == Some(&row.kid) {
                        return Err(lost::of_key(&row, error));
                    }
                    // It retired between the two statements; its successor signs.
                    tried = Some(row.kid);
                }
                opened => return opened,
            }
        }
        // Making an RSA key takes a second, which nobody should wait for with the lock held.
        let (first, next) = (SigningKey::generate(algorithm)?, SigningKey::generate(algorithm)?);
        store::lock(tx).await?;
        let rows = store::keys(tx).await?;
        // The two change in one transaction, so that there is none without the other.
        if which.realms.is_none() && matches!(pair(&rows, Purpose::Platform, algorithm), (None, Some(_))) {
            return Err(TokenError::NoActiveKey(algorithm));
        }
        if let Some(row) = active(rows) {
            return self.open(tx, &row.kid, algorithm).await;
        }
        self.insert(tx, &first, which, KeyState::Active).await?;
        let mut detail = json!({ "algorithm": algorithm, "active": first.public().id() });
        if which.purpose() == Purpose::Platform {
            self.insert(tx, &next, which, KeyState::Next).await?;
            detail["next"] = json!(next.public().id());
        }
        note(tx, caller, "key.create", detail).await?;
        Ok(first)
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

    async fn insert(
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

    async fn seal(&self, tx: &mut PgConnection, kid: &str, sealed: &SealedPublic) -> Result<(), TokenError> {
        let text = serde_json::to_string(sealed).map_err(|_| TokenError::KeyDamaged(kid.to_owned()))?;
        Ok(self.secrets.put_platform(tx, &public_name(kid), &SecretString::from(text)).await?)
    }

    /// What a rotation would do.
    pub async fn plan_rotation(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        algorithm: Algorithm,
        at_once: bool,
    ) -> Result<Rotated, TokenError> {
        access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        let (active, next) = pair(&store::keys(control).await?, Purpose::Platform, algorithm);
        check_age(next.as_ref(), active.is_some() && !at_once)?;
        Ok(Rotated {
            algorithm: algorithm.as_str().to_owned(),
            active: next.map(|key| key.kid),
            retiring: active.map(|key| key.kid),
            next: None,
            gone: None,
        })
    }

    /// The next key signs from now on, the active one retires, and a new one is published.
    ///
    /// # Errors
    /// [`TokenError::TooYoung`] while services outside may not know the next key yet; `at_once` goes
    /// on nevertheless.
    pub async fn rotate(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        algorithm: Algorithm,
        at_once: bool,
    ) -> Result<Rotated, TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        let fresh = SigningKey::generate(algorithm)?;
        let mut tx = transaction(control).await?;
        store::lock(&mut tx).await?;
        self.sweep(&mut tx).await?;
        let (active, next) = pair(&store::keys(&mut tx).await?, Purpose::Platform, algorithm);
        check_age(next.as_ref(), active.is_some() && !at_once)?;
        if let Some(key) = &active {
            self.stop(&mut tx, key).await?;
        }
        failpoint::pass(|| "key.rotate.between".to_owned()).await;
        let (signs, published) = self.promote(&mut tx, next, fresh).await?;
        let rotated = Rotated {
            algorithm: algorithm.as_str().to_owned(),
            active: Some(signs),
            retiring: active.map(|key| key.kid),
            next: Some(published),
            gone: None,
        };
        note(&mut tx, caller, "key.rotate", json!(rotated)).await?;
        tx.commit().await?;
        Ok(rotated)
    }

    /// Takes a key out of use. The next one never signed, so it is gone at once; of any other key
    /// `at_once` refuses all tokens, from now on.
    ///
    /// # Errors
    /// [`TokenError::NoKey`]; [`TokenError::KeyState`] when it is gone, or still needed and not
    /// `at_once`.
    pub async fn retire(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        kid: &str,
        at_once: bool,
    ) -> Result<Rotated, TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        if let Some(rotated) = self.retire_remains(control, caller, kid, false).await? {
            return Ok(rotated);
        }
        let algorithm = find(&store::keys(control).await?, kid)?.algorithm.parse()?;
        let fresh = SigningKey::generate(algorithm)?;
        let mut tx = transaction(control).await?;
        store::lock(&mut tx).await?;
        let rows = store::keys(&mut tx).await?;
        let key = find(&rows, kid)?;
        check_retirable(&key, at_once)?;
        let (_, next) = pair(&rows, key.purpose, algorithm);
        self.destroy_key(&mut tx, kid).await?;
        let mut rotated = Rotated {
            algorithm: key.algorithm.clone(),
            active: None,
            retiring: None,
            next: None,
            gone: Some(kid.to_owned()),
        };
        match key.state {
            KeyState::Active if key.purpose == Purpose::Platform => {
                let (signs, published) = self.promote(&mut tx, next, fresh).await?;
                (rotated.active, rotated.next) = (Some(signs), Some(published));
            }
            KeyState::Next => {
                self.insert(&mut tx, &fresh, Signer::platform(algorithm), KeyState::Next).await?;
                rotated.next = Some(fresh.public().id().to_owned());
            }
            _ => {}
        }
        note(&mut tx, caller, "key.retire", json!(rotated)).await?;
        tx.commit().await?;
        Ok(rotated)
    }

    /// What [`Tokens::retire`] would look at, none where no row has it and only what is sealed of it is
    /// left; an error where it would refuse.
    pub async fn plan_retirement(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        kid: &str,
        at_once: bool,
    ) -> Result<Option<KeyView>, TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        if self.retire_remains(control, caller, kid, true).await?.is_some() {
            return Ok(None);
        }
        let key = find(&store::keys(control).await?, kid)?;
        check_retirable(&key, at_once)?;
        Ok(Some(key))
    }

    /// Lets the next key sign, or a fresh one where there is none, and publishes another.
    async fn promote(
        &self,
        tx: &mut PgConnection,
        next: Option<KeyView>,
        fresh: SigningKey,
    ) -> Result<(String, String), TokenError> {
        let algorithm = fresh.public().algorithm();
        let fresh_id = fresh.public().id().to_owned();
        if let Some(next) = self.usable(tx, next).await? {
            store::activate_key(tx, &next.kid).await?;
            self.insert(tx, &fresh, Signer::platform(algorithm), KeyState::Next).await?;
            return Ok((next.kid, fresh_id));
        }
        self.insert(tx, &fresh, Signer::platform(algorithm), KeyState::Active).await?;
        let another = SigningKey::generate(algorithm)?;
        self.insert(tx, &another, Signer::platform(algorithm), KeyState::Next).await?;
        Ok((fresh_id, another.public().id().to_owned()))
    }

    /// The key stops signing: its private half is erased, its public half is sealed with its end.
    async fn stop(&self, tx: &mut PgConnection, key: &KeyView) -> Result<(), TokenError> {
        let (retired_at, good_until) = store::retire_key(tx, &key.kid, OVERLAP).await?;
        let sealed = SealedPublic {
            algorithm: key.algorithm.parse()?,
            purpose: key.purpose.as_str().to_owned(),
            jwk: key.public_jwk.clone(),
            retired_at: Some(retired_at.unix_timestamp()),
            good_until: Some(good_until.unix_timestamp()),
            realms: key.realms.iter().copied().map(TenantId::from).collect(),
        };
        self.secrets.forget(tx, TenantId::PLATFORM, &private_name(&key.kid)).await?;
        self.seal(tx, &key.kid, &sealed).await
    }

    /// Whether something was sealed of it.
    pub(super) async fn destroy_key(&self, tx: &mut PgConnection, kid: &str) -> Result<bool, TokenError> {
        store::bury_key(tx, kid).await?;
        let private = self.secrets.forget(tx, TenantId::PLATFORM, &private_name(kid)).await?;
        let public = self.secrets.forget(tx, TenantId::PLATFORM, &public_name(kid)).await?;
        Ok(private || public)
    }

    /// Erases what is left of keys whose last token is over.
    async fn sweep(&self, tx: &mut PgConnection) -> Result<(), TokenError> {
        for kid in store::spent_keys(tx).await? {
            self.destroy_key(tx, &kid).await?;
        }
        Ok(())
    }
}

fn find(rows: &[KeyView], kid: &str) -> Result<KeyView, TokenError> {
    rows.iter().find(|row| row.kid == kid).cloned().ok_or_else(|| TokenError::NoKey(kid.to_owned()))
}

/// The active and the next key of an algorithm.
fn pair(rows: &[KeyView], purpose: Purpose, algorithm: Algorithm) -> (Option<KeyView>, Option<KeyView>) {
    let of = |state| {
        let is = |row: &&KeyView| {
            row.state == state && row.purpose == purpose && row.algorithm == algorithm.as_str()
        };
        rows.iter().find(is).cloned()
    };
    (of(KeyState::Active), of(KeyState::Next))
}

fn check_age(next: Option<&KeyView>, matters: bool) -> Result<(), TokenError> {
    let Some(next) = next.filter(|_| matters) else { return Ok(()) };
    if next.age < NOTICE {
        return Err(TokenError::TooYoung { kid: next.kid.clone(), age: next.age, notice: NOTICE });
    }
    Ok(())
}

fn check_retirable(key: &KeyView, at_once: bool) -> Result<(), TokenError> {
    let refused =
        |why, hints| TokenError::KeyState { kid: key.kid.clone(), state: key.state.as_str(), why, hints };
    let now = TokenAction::RetireSigningKey(Some(key.kid.clone()));
    let now = Hint::new("to refuse all its tokens at once", now);
    match key.state {
        KeyState::Gone => {
            let others = Hint::new("see the others", TokenAction::ListSigningKeys);
            Err(refused("nothing is left to retire", vec![others]))
        }
        KeyState::Active if !at_once && key.purpose == Purpose::Platform => {
            let algorithm = Some(key.algorithm.clone());
            let rotate = TokenAction::RotateSigningKey { algorithm, at_once: false };
            Err(refused("another must take over first", vec![rotate.into(), now]))
        }
        KeyState::Active | KeyState::Retiring if !at_once => {
            Err(refused("its tokens are still good", vec![now]))
        }
        _ => Ok(()),
    }
}

pub(super) async fn note(
    tx: &mut PgConnection,
    caller: &Authorized<'_>,
    action: &'static str,
    detail: Value,
) -> Result<(), DbError> {
    audit::record(tx, audit::Entry { caller, action, tenant: None, operation: None, detail }).await
}
