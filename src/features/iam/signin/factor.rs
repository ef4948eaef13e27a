//! The second factor: codes of an authenticator app, and recovery codes should it be lost.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;

use super::super::error::IamError;
use super::super::messages::Message;
use super::super::model::{Changed, User, UserRef, WriteOutcome};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::store;
use crate::features::secrets::SecretsError;
use crate::infra::crypto::TotpSecret;
use crate::infra::crypto::totp;
use crate::infra::db::{DbError, transaction};
use crate::kernel::hint::UserAction;
use crate::kernel::{Caller, Hint, UserId};

/// How many recovery codes a user gets.
const RECOVERY_CODES: usize = 10;

/// What an authenticator app must be told, once.
#[derive(Debug, Serialize)]
pub struct Enrolment {
    pub user: UserId,
    pub email: String,
    /// The secret, as apps read it from a QR code.
    #[serde(serialize_with = "shown")]
    pub uri: SecretString,
}

fn shown<S: serde::Serializer>(secret: &SecretString, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose_secret())
}

fn name(user: UserId) -> String {
    format!("totp-{user}")
}

/// A user's secret, opened.
pub(super) async fn secret(realm: &mut Realm, user: UserId) -> Result<TotpSecret, IamError> {
    let (secrets, tenant) = (realm.secrets.clone(), realm.place.id);
    let text = secrets.get(realm.control().await?, tenant, &name(user)).await?;
    Ok(TotpSecret::from_text(text))
}

/// Makes a secret for a user's authenticator app. It counts once a first code confirms it; until
/// then nothing changes, and an unconfirmed one is replaced.
///
/// # Errors
/// Without `user:update` on it, unless it is the user itself; [`IamError::State`] when it has a
/// second factor.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn enrol_factor(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Enrolment, IamError> {
    let mut work = realm.write(caller).await?;
    let user = owner(&mut work, who).await?;
    if user.second_factor {
        return Err(IamError::State {
            hint: Hint::new(
                "remove it first",
                UserAction::RemoveFactor(user.email.clone(), work.place.hinted()),
            ),
            user: user.email,
            state: "using a second factor",
            why: "they already have one",
        });
    }
    let secret = TotpSecret::generate()?;
    let uri = secret.uri(&user.email);
    if !work.dry_run {
        let (secrets, tenant) = (work.secrets.clone(), work.place.id);
        let mut tx = transaction(work.control().await?).await?;
        if tenant == crate::kernel::TenantId::PLATFORM {
            secrets.put_platform(&mut tx, &name(user.id), secret.text()).await?;
        } else {
            secrets.put(&mut tx, tenant, &name(user.id), secret.text()).await?;
        }
        tx.commit().await.map_err(DbError::from)?;
        work.note("user.factor.enrol", Some(user.id), json!({}));
    }
    work.commit().await?;
    Ok(Enrolment { user: user.id, email: user.email, uri })
}

/// Confirms the secret by a first code; gives the recovery codes, once.
///
/// # Errors
/// As [`enrol_factor`]; [`IamError::Code`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn confirm_factor(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    code: &SecretString,
) -> Result<Vec<SecretString>, IamError> {
    let result: Result<Vec<SecretString>, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = owner(&mut work, who).await?;
        let (secrets, tenant) = (work.secrets.clone(), work.place.id);
        let text = match secrets.get(work.control().await?, tenant, &name(user.id)).await {
            Err(SecretsError::NotFound { .. } | SecretsError::NoDataKey(_)) => return Err(IamError::Code),
            other => other?,
        };
        let now = super::super::store::now(work.control().await?).await?.unix_timestamp();
        let now = u64::try_from(now).unwrap_or_default();
        let step = TotpSecret::from_text(text).check(code, now).ok_or(IamError::Code)?;
        let step = i64::try_from(step).unwrap_or(i64::MAX);
        if !store::use_step(&mut work.tx, user.id, step).await? {
            return Err(IamError::Code);
        }
        let codes: Vec<SecretString> =
            (0..RECOVERY_CODES).map(|_| totp::recovery_code()).collect::<Result<_, _>>()?;
        let hashes: Vec<[u8; 32]> = codes.iter().map(totp::recovery_hash).collect();
        store::begin_factor(&mut work.tx, user.id, &hashes).await?;
        work.tell(Message::FactorAdded, user.id).await?;
        work.note("user.factor.confirm", Some(user.id), json!({}));
        work.commit().await?;
        Ok(codes)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes a user's second factor away, e.g. because the telephone is lost. Its sessions end.
///
/// # Errors
/// Without `user:update` on it; [`IamError::Access`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove_factor(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = users::find_to_change(&mut work, who, "user:update").await?;
        users::present(&work, &user)?;
        let action = "user.factor.remove";
        if !user.second_factor {
            work.commit().await?;
            return Ok(Changed {
                action,
                subject: user.email,
                object: String::new(),
                outcome: WriteOutcome::Unchanged,
            });
        }
        store::end_factor(&mut work.tx, user.id).await?;
        work.end_sessions(user.id).await?;
        work.tell(Message::FactorRemoved, user.id).await?;
        work.note(action, Some(user.id), json!({}));
        let outcome = work.outcome();
        forget_factor(&mut work, user.id).await?;
        work.commit().await?;
        Ok(Changed { action, subject: user.email, object: String::new(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Erases a user's sealed secret.
pub(in super::super) async fn forget_factor(work: &mut RealmTx<'_>, user: UserId) -> Result<(), IamError> {
    if work.dry_run {
        return Ok(());
    }
    let (secrets, tenant) = (work.secrets.clone(), work.place.id);
    if work.place.is_platform() {
        secrets.forget(&mut work.tx, tenant, &name(user)).await?;
        return Ok(());
    }
    let mut tx = transaction(work.control().await?).await?;
    secrets.forget(&mut tx, tenant, &name(user)).await?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}

/// The user, if the caller is that user, or may change it.
async fn owner(work: &mut RealmTx<'_>, who: &UserRef) -> Result<User, IamError> {
    let own = match who {
        UserRef::Id(id) => work.actor.is(*id),
        UserRef::Email(_) => {
            let found = users::store::by_ref(&mut work.tx, who).await?;
            found.is_some_and(|user| work.actor.is(user.id))
        }
    };
    let user = if own {
        let found = users::store::by_ref(&mut work.tx, who).await?;
        let (name, at) = (who.to_string(), work.place.hinted());
        found.ok_or(IamError::NotFound { what: "user", name, nearest: None, at })?
    } else {
        users::find_to_change(work, who, "user:update").await?
    };
    users::present(work, &user)?;
    Ok(user)
}
