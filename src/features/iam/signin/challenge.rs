//! A second factor that is shown after the password: a challenge that is good once, for five minutes.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::super::error::IamError;
use super::super::realm::Realm;
use super::{Account, Entering, SignedIn, check_code, count, enter, show_code, store};
use crate::infra::crypto::random;
use crate::infra::db::DbError;

/// How every challenge begins, so that a leaked one is recognised.
const PREFIX: &str = "nxc_";
/// How many seconds one is good.
const CHALLENGE_SECONDS: i32 = 300;

/// What is kept of a challenge.
fn hash(text: &SecretString) -> [u8; 32] {
    Sha256::digest(text.expose_secret()).into()
}

/// Makes a challenge for somebody whose password was right, which is no wrong guess: only their codes are counted
/// from here on. The client is the one that the session will be of.
///
/// # Errors
/// [`IamError::SignIn`] where the account was shut meanwhile, or its password changed.
pub(super) async fn begin(
    realm: &mut Realm,
    account: &Account,
    client: &str,
) -> Result<SecretString, IamError> {
    let body = random::token()?;
    let text = Zeroizing::new(format!("{PREFIX}{}", body.expose_secret()));
    let challenge = SecretString::from(text.as_str());
    let limits = super::limits(realm);
    let mut tx = realm.anonymous_tx().await?;
    if !store::take_guess_back(&mut tx, account.id, &account.password_hash, limits).await? {
        tx.rollback().await?;
        return Err(IamError::SignIn);
    }
    let of = (account.id, client);
    let kept = store::put_challenge(&mut tx, &hash(&challenge), of, CHALLENGE_SECONDS).await;
    kept.map_err(IamError::of_older_realm)?;
    tx.commit().await.map_err(DbError::from)?;
    Ok(challenge)
}

/// Lets somebody in who has a challenge, and shows the second factor. A wrong code is counted as a wrong
/// password is, and leaves the challenge good.
///
/// # Errors
/// [`IamError::Challenge`] where it is not good, or was used; [`IamError::SignIn`] for a wrong code and a locked
/// account.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn answer_challenge(
    realm: &mut Realm,
    challenge: &SecretString,
    code: &SecretString,
) -> Result<SignedIn, IamError> {
    if !challenge.expose_secret().starts_with(PREFIX) {
        return Err(IamError::Challenge);
    }
    let hash = hash(challenge);
    let mut tx = realm.anonymous_tx().await?;
    let found = store::challenge(&mut tx, &hash).await.map_err(IamError::of_older_realm)?;
    tx.rollback().await?;
    let found = found.ok_or(IamError::Challenge)?;
    let Some(account) = count(realm, &found.email_key).await? else { return Err(IamError::SignIn) };
    if !account.second_factor {
        return Err(IamError::Challenge);
    }
    // Before the account is looked at again: a session that is revoked from then on is over.
    let at = super::super::store::now(realm.control().await?).await?;
    let code = check_code(realm, account.id, code, at).await?;
    let mut tx = realm.anonymous_tx().await?;
    // Whoever answers the same one waits here.
    if !store::take_challenge(&mut tx, &hash).await? {
        tx.rollback().await?;
        return Err(IamError::Challenge);
    }
    let shown = show_code(&mut tx, account.id, &code).await?;
    if !shown || !store::succeed(&mut tx, account.id, &account.password_hash, None).await? {
        tx.rollback().await?;
        return Err(IamError::SignIn);
    }
    enter(tx, &account, Entering { client: &found.client, second_factor: true, at }).await
}
