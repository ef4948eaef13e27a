//! Setting passwords: by somebody who may, or by a single-use token.

use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde_json::json;
use time::OffsetDateTime;

use super::super::error::IamError;
use super::super::messages::Message;
use super::super::model::{Changed, User, UserRef, UserState};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::store::{self, Owner};
use crate::features::access::AccessError;
use crate::infra::crypto::{InvitationToken, password};
use crate::kernel::hint::{InRealm, UserAction};
use crate::kernel::{Caller, DisplayName, Email, Hint, UserId};

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
        store::set_password(&mut work.tx, user.id, &hash, None).await?;
        users::store::drop_token(&mut work.tx, user.id).await?;
        let sessions = work.end_sessions(user.id).await?;
        if user.has_password {
            work.tell(Message::PasswordChanged, user.id).await?;
        }
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
fn fits(user: &User, wanted: Purpose, realm: InRealm) -> Result<(), IamError> {
    let email = user.email.clone();
    match wanted {
        Purpose::Invite if user.has_password => Err(IamError::State {
            user: user.email.clone(),
            state: user.state.as_str(),
            why: "they already have a password",
            hint: Hint::new("let them set a new password", UserAction::ResetPassword(email, realm)),
        }),
        Purpose::Reset if !user.has_password => Err(IamError::State {
            user: user.email.clone(),
            state: user.state.as_str(),
            why: "they have no password yet",
            hint: Hint::new("invite them again", UserAction::Invite(email, realm)),
        }),
        _ => Ok(()),
    }
}

/// Makes a single-use token that sets a password: an invitation for who never had one, a reset for the
/// others. An older token of the user is good no more.
///
/// # Errors
/// [`IamError::State`] when the user needs one for the other purpose.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn issue_token(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    wanted: Purpose,
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

/// Sends the same to the user by mail: an invitation to who never had a password, a reset to the others. The token is
/// made when the message is written; an older one of theirs is good no more from then on.
///
/// # Errors
/// As [`issue_token`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn send_token(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    wanted: Purpose,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = users::find_to_change(&mut work, who, "user:update").await?;
        users::present(&work, &user)?;
        not_disabled(&work, &user)?;
        fits(&user, wanted, work.place.hinted())?;
        let (action, message, ttl) = if user.has_password {
            ("user.password.reset", Message::PasswordReset, work.rules.reset_ttl)
        } else {
            // What they registered themselves counts no more. An older invitation is good until the new one is made.
            users::store::drop_registration(&mut work.tx, user.id).await?;
            ("user.invite", Message::Invitation, work.rules.invitation_ttl)
        };
        work.hand_over(&[message.to(user.id)]).await?;
        work.note(action, Some(user.id), json!({ "hours": ttl.as_secs() / 3600 }));
        let outcome = work.outcome();
        work.commit().await?;
        Ok(Changed { action, subject: user.email, object: String::new(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// A password that is about to be somebody's: what takes long is done.
#[derive(Debug)]
pub(in super::super) struct NewPassword {
    pub(in super::super) hash: SecretString,
}

/// The owner of a token for one of some purposes.
pub(in super::super) async fn owner_of(
    realm: &mut Realm,
    hash: &[u8; 32],
    purposes: &[&str],
) -> Result<Owner, IamError> {
    let mut tx = realm.anonymous_tx().await?;
    let owner = store::token_owner(&mut tx, hash, purposes).await?.ok_or(IamError::Token)?;
    tx.rollback().await?;
    if owner.expired { Err(IamError::TokenExpired) } else { Ok(owner) }
}

/// The purposes of tokens that set a password.
const SETS_PASSWORD: [&str; 2] = ["invite", "reset"];

/// Sets the password of whoever the token was made for, and takes the token. Its sessions end, and
/// an invited or locked user becomes active. A password that is refused leaves the token good.
///
/// # Errors
/// [`IamError::Token`] when it is wrong or used, or its user is shut out; [`IamError::TokenExpired`];
/// [`IamError::Password`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn redeem(
    realm: &mut Realm,
    token: &SecretString,
    password: &SecretString,
) -> Result<UserId, IamError> {
    let result: Result<UserId, IamError> = async {
        let token = InvitationToken::parse(token).map_err(|_| IamError::Token)?;
        let owner = owner_of(realm, token.hash().as_bytes(), &SETS_PASSWORD).await?;
        password::check_beside(password, Some(&owner.email), owner.second_factor)?;
        let hash = realm.rules.hash(password, realm.is_dry_run()).await?;
        take(realm, (&owner, &token), &NewPassword { hash }, None).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// The same for somebody who registers with the token of an invitation to their address.
///
/// # Errors
/// [`IamError::Token`], also where the token is another address's; [`IamError::TokenExpired`].
pub(in super::super) async fn accept(
    realm: &mut Realm,
    token: &InvitationToken,
    (email, name): (&Email, Option<&DisplayName>),
    password: &NewPassword,
) -> Result<UserId, IamError> {
    let result: Result<UserId, IamError> = async {
        let owner = owner_of(realm, token.hash().as_bytes(), &["invite"]).await?;
        if !email.is(&owner.email) {
            return Err(IamError::Token);
        }
        take(realm, (&owner, token), password, name).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes a token, and sets the password of its owner.
async fn take(
    realm: &mut Realm,
    (Owner { id: owner, has_password, .. }, token): (&Owner, &InvitationToken),
    password: &NewPassword,
    name: Option<&DisplayName>,
) -> Result<UserId, IamError> {
    let owner = *owner;
    let caller = Caller::user(realm.place.id, owner);
    let mut work = realm.write(&caller).await?;
    users::store::lock(&mut work.tx, &[owner.uuid()]).await?;
    if !store::take_token(&mut work.tx, owner, token.hash().as_bytes()).await? {
        return Err(IamError::Token);
    }
    store::set_password(&mut work.tx, owner, &password.hash, name.map(DisplayName::as_str)).await?;
    let sessions = work.end_sessions(owner).await?;
    if *has_password {
        work.tell(Message::PasswordChanged, owner).await?;
    }
    work.note("user.password.redeem", Some(owner), json!({ "sessions": sessions }));
    work.commit().await?;
    Ok(owner)
}

/// Changes one's own password. A wrong one in its place is counted as one at sign-in is. All sessions end.
///
/// # Errors
/// [`IamError::PasswordWrong`], also when the account is locked; [`IamError::Password`]; where the caller is not
/// the user, or by a token that allows less than its user holds.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn change_password(
    realm: &mut Realm,
    caller: &Caller,
    (current, new): (&SecretString, &SecretString),
) -> Result<User, IamError> {
    let result: Result<User, IamError> = async {
        let user = themself(realm, caller).await?;
        password::check_beside(new, Some(&user.email), user.second_factor)?;
        let key = user.email.parse::<Email>().map_or_else(|_| user.email.to_lowercase(), |it| it.key());
        let hasher = realm.rules.hasher.clone();
        let counted = super::count(realm, &key).await?.ok_or(IamError::PasswordWrong)?;
        if !hasher.verify(current, &counted.password_hash).await? {
            return Err(IamError::PasswordWrong);
        }
        let hash = realm.rules.hash(new, realm.is_dry_run()).await?;
        let mut work = realm.write(caller).await?;
        // Meanwhile it may have been changed, or the account shut.
        if !store::succeed(&mut work.tx, user.id, &counted.password_hash, None).await? {
            return Err(IamError::PasswordWrong);
        }
        store::set_password(&mut work.tx, user.id, &hash, None).await?;
        users::store::drop_token(&mut work.tx, user.id).await?;
        let sessions = work.end_sessions(user.id).await?;
        work.tell(Message::PasswordChanged, user.id).await?;
        work.note("user.password.change", Some(user.id), json!({ "sessions": sessions }));
        work.commit().await?;
        Ok(user)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// The caller, as a user of the realm who may do all that they may.
async fn themself(realm: &mut Realm, caller: &Caller) -> Result<User, IamError> {
    let work = &mut realm.read(caller).await?;
    if let Caller::User { id, .. } = caller
        && work.actor.is(*id)
        && let Some(user) = users::store::by_ref(&mut work.tx, &UserRef::Id(*id)).await?
    {
        return Ok(user);
    }
    Err(AccessError::missing(caller, "user:update").into())
}
