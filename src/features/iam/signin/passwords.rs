//! Setting passwords: by somebody who may, or by a single-use token.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use super::super::error::IamError;
use super::super::model::{Changed, User, UserRef, UserState};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::store;
use crate::infra::crypto::{InvitationToken, password};
use crate::kernel::hint::{InRealm, UserAction};
use crate::kernel::{Caller, Hint, UserId};

/// A single-use token that sets a password.
#[derive(Debug, Serialize)]
pub struct Issued {
    pub user: UserId,
    pub email: String,
    /// `invite` or `reset`.
    pub purpose: &'static str,
    /// Until when it is good (RFC 3339).
    #[serde(with = "time::serde::rfc3339")]
    pub expires_at: OffsetDateTime,
    /// The token, where it is to be shown.
    #[serde(serialize_with = "shown")]
    pub token: Option<SecretString>,
}

#[expect(clippy::ref_option, reason = "serde calls it with a reference to the field")]
fn shown<S: serde::Serializer>(token: &Option<SecretString>, serializer: S) -> Result<S::Ok, S::Error> {
    token.as_ref().map(ExposeSecret::expose_secret).serialize(serializer)
}

/// What a single-use token is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The first password.
    Invite,
    /// A new password in the place of one.
    Reset,
}

/// Sets a user's password and ends its sessions. An invited or locked user becomes active.
///
/// # Errors
/// Without `user:update` on it; [`IamError::Access`] when it holds what the caller does not;
/// [`IamError::Password`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set_password(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    password: &SecretString,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let user = to_set(realm, caller, who).await?;
        password::check_beside(password, Some(&user.email), user.second_factor)?;
        let hash = realm.rules.hash(password, realm.is_dry_run()).await?;
        let mut work = realm.write(caller).await?;
        // Looked at again: the hash took its time.
        let user = users::find_to_change(&mut work, who, "user:update").await?;
        users::present(&work, &user)?;
        not_disabled(&work, &user)?;
        store::set_password(&mut work.tx, user.id, &hash).await?;
        users::store::drop_token(&mut work.tx, user.id).await?;
        let sessions = work.end_sessions(user.id).await?;
        work.note("user.password.set", Some(user.id), json!({ "sessions": sessions }));
        let outcome = work.outcome();
        work.commit().await?;
        Ok(Changed { action: "user.password.set", subject: user.email, object: String::new(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

async fn to_set(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<User, IamError> {
    let mut work = realm.read(caller).await?;
    let user = users::find_to_change(&mut work, who, "user:update").await?;
    users::present(&work, &user)?;
    not_disabled(&work, &user)?;
    work.close().await?;
    Ok(user)
}

fn not_disabled(work: &RealmTx<'_>, user: &User) -> Result<(), IamError> {
    if user.state == UserState::Disabled {
        return Err(IamError::State {
            user: user.email.clone(),
            state: "disabled",
            why: "they could not sign in with a password",
            hint: Hint::new("enable them first", UserAction::Enable(user.email.clone(), work.place.hinted())),
        });
    }
    Ok(())
}

/// Requires that a token for this purpose is what the user needs.
fn fits(user: &User, wanted: Option<Purpose>, realm: InRealm) -> Result<(), IamError> {
    let email = user.email.clone();
    match wanted {
        Some(Purpose::Invite) if user.has_password => Err(IamError::State {
            user: user.email.clone(),
            state: user.state.as_str(),
            why: "they already have a password",
            hint: Hint::new("let them set a new password", UserAction::ResetPassword(email, realm)),
        }),
        Some(Purpose::Reset) if !user.has_password => Err(IamError::State {
            user: user.email.clone(),
            state: user.state.as_str(),
            why: "they have no password yet",
            hint: Hint::new("invite them again", UserAction::Invite(email, realm)),
        }),
        _ => Ok(()),
    }
}

/// Makes a single-use token that sets a password: an invitation for who never had one, else a
/// reset. An older token of the user is good no more.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn issue_token(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Issued, IamError> {
    issue_token_for(realm, caller, who, None).await
}

/// As [`issue_token`], for one purpose only.
///
/// # Errors
/// As [`issue_token`]; [`IamError::State`] when the user needs one for the other purpose.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn issue_token_for(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    wanted: Option<Purpose>,
) -> Result<Issued, IamError> {
    let result: Result<Issued, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = users::find_to_change(&mut work, who, "user:update").await?;
        users::present(&work, &user)?;
        not_disabled(&work, &user)?;
        fits(&user, wanted, work.place.hinted())?;
        let (purpose, ttl) = if user.has_password {
            ("reset", work.rules.reset_ttl)
        } else {
            ("invite", work.rules.invitation_ttl)
        };
        let token = InvitationToken::generate()?;
        let hash = token.hash();
        let row = ([user.id.uuid()], [hash.as_bytes().as_slice()]);
        let seconds = ttl.as_secs_f64();
        let ends = users::store::put_tokens(&mut work.tx, &row.0, &row.1, purpose, seconds).await?;
        let action = if user.has_password { "user.password.reset" } else { "user.invite" };
        work.note(action, Some(user.id), json!({ "hours": ttl.as_secs() / 3600 }));
        let token = (!work.dry_run).then(|| token.text().clone());
        work.commit().await?;
        let expires_at = ends.ok_or(IamError::Token)?;
        Ok(Issued { user: user.id, email: user.email, purpose, expires_at, token })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Sets the password of whoever the token was made for, and takes the token. Its sessions end, and
/// an invited or locked user becomes active. A password that is refused leaves the token good.
///
/// # Errors
/// [`IamError::Token`] when it is wrong, used or too old, or its user is shut out;
/// [`IamError::Password`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn redeem(
    realm: &mut Realm,
    token: &SecretString,
    password: &SecretString,
) -> Result<UserId, IamError> {
    let result: Result<UserId, IamError> = async {
        let hash = InvitationToken::parse(token).map_err(|_| IamError::Token)?.hash();
        let mut tx = realm.anonymous_tx().await?;
        let owner = store::token_owner(&mut tx, hash.as_bytes()).await?.ok_or(IamError::Token)?;
        tx.rollback().await?;
        password::check_beside(password, Some(&owner.email), owner.second_factor)?;
        let hashed = realm.rules.hash(password, realm.is_dry_run()).await?;
        let caller = Caller::user(realm.place.id, owner.id);
        let mut work = realm.write(&caller).await?;
        if !store::take_token(&mut work.tx, owner.id, hash.as_bytes()).await? {
            return Err(IamError::Token);
        }
        store::set_password(&mut work.tx, owner.id, &hashed).await?;
        let sessions = work.end_sessions(owner.id).await?;
        work.note("user.password.redeem", Some(owner.id), json!({ "sessions": sessions }));
        work.commit().await?;
        Ok(owner.id)
    }
    .await;
    realm.rollback_on_error(result).await
}
