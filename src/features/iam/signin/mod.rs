//! Signing in: passwords, second factors, sessions, and what stops guessing.
//!
//! Start reading at [`sign_in`].

mod challenge;
mod factor;
mod passwords;
mod sessions;
mod store;

pub use challenge::answer_challenge;
pub use factor::{Enrolment, confirm_factor, enrol_factor, remove_factor};
pub use passwords::{Issued, Purpose, change_password, issue_token, redeem, send_token, set_password};
pub use sessions::{
    NewSession, Session, SessionPosition, end_session, end_sessions, page_of_sessions, sessions,
};
pub(in crate::features) use sessions::{begin_session, close_session, close_sessions};

pub(super) use factor::forget_factor;
pub(super) use passwords::{NewPassword, accept, owner_of};

use secrecy::SecretString;
use serde_json::json;
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::IamError;
use super::messages::{Message, has_outbox};
use super::model::LogEntry;
use super::realm::Realm;
use crate::features::outbox;
use crate::infra::crypto::totp;
use crate::infra::db::{DbError, PgConnection, Transaction};
use crate::kernel::{Caller, Email, TenantId, UserId};

/// All wrong passwords in a row after which an account stays shut until somebody unlocks it, or its
/// owner sets a new password by a token: the most that SP 800-63B-4, section 3.2.2, allows.
pub const MOST_GUESSES: i32 = 100;

/// What somebody says who wants in.
#[derive(Debug)]
pub struct Credentials {
    pub email: Email,
    pub password: SecretString,
    /// The code of the second factor, or a recovery code.
    pub code: Option<SecretString>,
    /// What the person uses, for the list of sessions.
    pub client: String,
}

/// Somebody who is in.
#[derive(Debug, Clone)]
pub struct SignedIn {
    /// Who, as a caller of everything else.
    pub caller: Caller,
    pub user: UserId,
    pub session: Uuid,
    /// Whether a second factor was shown.
    pub second_factor: bool,
}

/// What comes of a right password.
#[derive(Debug)]
pub enum Entrance {
    In(SignedIn),
    /// The second factor is asked for: what it is shown with.
    Challenge(SecretString),
}

/// Lets somebody in who knows the password, and has the second factor where there is one: with its code at
/// once, or by a challenge.
///
/// An unknown address, a wrong password, a wrong code, a disabled, invited, deleted or locked
/// account get the same answer and cost the same: one counting statement and one hash. A guess is
/// counted before its hash is computed, in one statement, so that guesses at the same time cannot
/// get ahead of the count; a success takes the count back. A right password without the code of a second
/// factor takes back its own guess alone: the wrong codes before it stay counted.
///
/// # Errors
/// [`IamError::SignIn`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn sign_in(realm: &mut Realm, with: &Credentials) -> Result<Entrance, IamError> {
    let hasher = realm.rules.hasher.clone();
    let counted = count(realm, &with.email.key()).await?;
    let Some(account) = counted else {
        hasher.verify_nothing(&with.password).await?;
        return Err(IamError::SignIn);
    };
    if !hasher.verify(&with.password, &account.password_hash).await? {
        return Err(IamError::SignIn);
    }
    // Before the account is looked at again: a session that is revoked from then on is over.
    let at = super::store::now(realm.control().await?).await?;
    let code = match (account.second_factor, &with.code) {
        (false, _) => None,
        (true, None) => {
            return Ok(Entrance::Challenge(challenge::begin(realm, &account, &with.client).await?));
        }
        (true, Some(code)) => Some(check_code(realm, account.id, code, at).await?),
    };
    let fresh = if hasher.is_outdated(&account.password_hash)? {
        Some(SecretString::from(hasher.hash(&with.password).await?))
    } else {
        None
    };
    let mut tx = realm.anonymous_tx().await?;
    let shown = match &code {
        None => true,
        Some(code) => show_code(&mut tx, account.id, code).await?,
    };
    // Between the count and here the account may have been shut, or its password changed.
    if !shown || !store::succeed(&mut tx, account.id, &account.password_hash, fresh.as_ref()).await? {
        tx.rollback().await?;
        return Err(IamError::SignIn);
    }
    let entering = Entering { client: &with.client, second_factor: account.second_factor, at };
    Ok(Entrance::In(enter(tx, &account, entering).await?))
}

/// How somebody comes in whose password and code were right.
struct Entering<'a> {
    client: &'a str,
    /// Whether a second factor was shown.
    second_factor: bool,
    at: OffsetDateTime,
}

/// Begins the session of a sign-in, and ends its transaction. Whoever comes with a client that none of their sessions
/// had is told by mail: it may be somebody else.
async fn enter(
    mut tx: Transaction<'_>,
    account: &Account,
    Entering { client, second_factor, at }: Entering<'_>,
) -> Result<SignedIn, IamError> {
    let (user, place) = (account.id, account.realm);
    let new = NewSession { user: user.uuid(), client, second_factor, at, access: None };
    let Some(session) = begin_session(&mut tx, new).await? else {
        tx.rollback().await?;
        return Err(IamError::SignIn);
    };
    let caller = Caller::user(place, user);
    let detail = json!({ "session": session, "second_factor": second_factor });
    let note = LogEntry { action: "user.sign_in", user: Some(user), detail };
    super::notes::write(&mut tx, &caller.to_string(), &[note]).await?;
    if store::is_new_client(&mut tx, user, session).await? && has_outbox(&mut tx).await? {
        outbox::append(&mut tx, &caller.to_string(), &[Message::sign_in(user, session)])
            .await
            .map_err(IamError::of_rows)?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(SignedIn { caller, user, session, second_factor })
}

/// What a code may be.
enum Code {
    /// That of a time step.
    Step(i64),
    /// A recovery code, by its hash.
    Recovery([u8; 32]),
}

/// Finds out what a code of somebody's second factor may be.
async fn check_code(
    realm: &mut Realm,
    user: UserId,
    code: &SecretString,
    at: OffsetDateTime,
) -> Result<Code, IamError> {
    let secret = factor::secret(realm, user).await?;
    let now = u64::try_from(at.unix_timestamp()).unwrap_or_default();
    Ok(match secret.check(code, now) {
        Some(step) => Code::Step(i64::try_from(step).unwrap_or(i64::MAX)),
        None => Code::Recovery(totp::recovery_hash(code)),
    })
}

/// Uses a code up; whether it was good.
async fn show_code(tx: &mut PgConnection, user: UserId, code: &Code) -> Result<bool, DbError> {
    match code {
        Code::Step(step) => store::use_step(tx, user, *step).await,
        Code::Recovery(hash) => store::use_recovery_code(tx, user, hash).await,
    }
}

/// An account that may be tried.
struct Account {
    realm: TenantId,
    id: UserId,
    password_hash: String,
    second_factor: bool,
}

/// How many wrong guesses in a row shut an account for a while, and until somebody unlocks it.
fn limits(realm: &Realm) -> (i32, i32) {
    (i32::try_from(realm.rules.guesses).unwrap_or(i32::MAX), MOST_GUESSES)
}

/// Counts a guess; `None` when the account is not there, or may not be tried now.
async fn count(realm: &mut Realm, email_key: &str) -> Result<Option<Account>, IamError> {
    let tenant = realm.place.id;
    let limits = limits(realm);
    let wait = realm.rules.wait.as_secs_f64();
    let mut tx = realm.anonymous_tx().await?;
    // Whether a row was changed must not show in the time that its way to the disk takes.
    store::do_not_wait_for_the_disk(&mut tx).await?;
    let found = store::count_guess(&mut tx, email_key, limits, wait).await?;
    if let Some(row) = found.as_ref().filter(|row| row.now_locked) {
        let note = LogEntry {
            action: "user.lock",
            user: Some(row.id),
            detail: json!({ "guesses": row.failed_total }),
        };
        super::notes::write(&mut tx, &Caller::System.to_string(), &[note]).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(found.map(|row| Account {
        realm: tenant,
        id: row.id,
        password_hash: row.password_hash,
        second_factor: row.second_factor,
    }))
}
