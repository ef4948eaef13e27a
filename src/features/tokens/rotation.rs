//! Another key takes over, or a key is taken out of use.
//!
//! A key is published before it signs and checked for as long after it has stopped as its last
//! token can live: a change of keys refuses no good token, and nothing of the old key stays. Every
//! change is made under one lock in one transaction, so that it is made whole or not at all.

use serde_json::json;

use super::claims::{MAX_TTL, SKEW};
use super::error::TokenError;
use super::keys::{SealedPublic, Signer, note, pair, private_name, public_name};
use super::model::{KeyState, KeyView, Purpose, Rotated};
use super::{Tokens, store};
use crate::features::access::{self, About, rights};
use crate::infra::crypto::signing::{Algorithm, SigningKey};
use crate::infra::db::{PgConnection, transaction};
use crate::infra::failpoint;
use crate::kernel::hint::TokenAction;
use crate::kernel::{Caller, Hint, TenantId};

/// For how long a key is checked after it has stopped signing, in seconds: as long as the last token
/// that it signed, by a clock that is behind.
pub const OVERLAP: i64 = MAX_TTL + 2 * SKEW;

/// For how long a key is published before it may sign, in seconds; services must not keep a key set
/// for longer. Docs and the `max-age` of a served key set say the same.
pub const NOTICE: i64 = 600;

impl Tokens {
    /// What a rotation would do.
    #[tracing::instrument(level = "debug", skip_all)]
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
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn rotate(
        &self,
        control: &mut PgConnection,
        caller: &Caller,
        algorithm: Algorithm,
        at_once: bool,
    ) -> Result<Rotated, TokenError> {
        let caller = &access::authorize(control, caller, &rights::KEY_UPDATE, About::Platform).await?;
        let fresh = SigningKey::generate(algorithm).await?;
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
    #[tracing::instrument(level = "debug", skip_all)]
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
        let fresh = SigningKey::generate(algorithm).await?;
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
    #[tracing::instrument(level = "debug", skip_all)]
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
        let another = SigningKey::generate(algorithm).await?;
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
