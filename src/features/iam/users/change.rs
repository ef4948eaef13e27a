//! Changing users: what is known of them, and whether they may sign in.

use serde_json::{Map, Value, json};

use super::super::custom_fields::{self, AppliesTo, Definitions};
use super::super::error::IamError;
use super::super::messages::Message;
use super::super::model::{Changed, User, UserRef, UserState, WriteOutcome};
use super::super::realm::{Realm, RealmTx};
use super::{facts, find_to_change, store};
use crate::kernel::hint::UserAction;
use crate::kernel::{Caller, DisplayName, Email, Expected, Hint, text};

/// What is to be changed; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct UserUpdate {
    pub email: Option<Email>,
    pub name: Option<DisplayName>,
    /// Fields of the profile to set; `null` takes one away.
    pub profile: Map<String, Value>,
    /// Values of custom fields to set; `null` takes one away.
    pub fields: Map<String, Value>,
    pub expected: Expected,
}

/// Changes what is known of a user.
///
/// # Errors
/// Without `user:update` on it; [`IamError::Exists`] when the address is somebody else's;
/// [`IamError::Access`] when a condition looks at what is changed, and the caller does not hold without
/// it what it guards; [`IamError::Fields`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    change: &UserUpdate,
) -> Result<(User, WriteOutcome), IamError> {
    let result: Result<(User, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:update").await?;
        change.expected.check(&user)?;
        present(&work, &user)?;
        let profile = new_profile(&user, &change.profile)?;
        let email = change.email.as_ref().filter(|email| email.as_str() != user.email);
        let name = change.name.as_ref().map(DisplayName::as_str).filter(|name| *name != user.name);
        let before = &user.profile.0;
        let names = profile.keys().chain(before.keys());
        let changed = names.filter(|name| profile.get(*name) != before.get(*name));
        let changed = changed.map(String::as_str).chain(email.map(|_| "email")).collect();
        facts::check(&mut work, &user, &changed).await?;
        let profile = (profile != user.profile.0).then_some(profile);
        let values = new_values(&mut work, &user, &change.fields).await?;
        let fields: Vec<&str> = [
            email.map(|_| "email"),
            name.map(|_| "name"),
            profile.as_ref().map(|_| "profile"),
            values.as_ref().map(|_| "fields"),
        ]
        .into_iter()
        .flatten()
        .collect();
        if fields.is_empty() {
            work.commit().await?;
            return Ok((user, WriteOutcome::Unchanged));
        }
        let written = store::update(&mut work.tx, user.id, email, name, profile.as_ref()).await;
        if let (Err(error), Some(email)) = (&written, email)
            && error.violates("users_email_key")
        {
            return Err(IamError::Exists { what: "user", name: email.to_string(), at: work.place.hinted() });
        }
        written?;
        if let Some(values) = &values {
            custom_fields::set(&mut work.tx, AppliesTo::Users, user.id.uuid(), values).await?;
        }
        if email.is_some() {
            // A token went to the old address.
            store::drop_token(&mut work.tx, user.id).await?;
        }
        work.note("user.update", Some(user.id), json!({ "fields": fields }));
        let outcome = work.outcome();
        let user = store::by_ref(&mut work.tx, &UserRef::Id(user.id)).await?.unwrap_or(user);
        work.commit().await?;
        Ok((user, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}

/// The profile that a user has after a change.
fn new_profile(user: &User, given: &Map<String, Value>) -> Result<Map<String, Value>, IamError> {
    let mut profile = user.profile.0.clone();
    let (taken, set): (Vec<_>, Vec<_>) = given.clone().into_iter().partition(|(_, value)| value.is_null());
    for (name, _) in taken {
        profile.remove(&name);
        // As it is kept; a name from before names were looked at goes by the line above.
        text::name(&name).ok().and_then(|name| profile.remove(&name));
    }
    profile.extend(super::kept_fields(&set.into_iter().collect())?);
    super::check_profile(&profile)?;
    Ok(profile)
}

/// The values of custom fields that a user has after a change, where any is another.
async fn new_values(
    work: &mut RealmTx<'_>,
    user: &User,
    given: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, IamError> {
    if given.is_empty() {
        return Ok(None);
    }
    let values = Definitions::of(work, AppliesTo::Users).await?.merged(&user.fields.0, given, false)?;
    Ok((values != user.fields.0).then_some(values))
}

/// Shuts a user out: it cannot sign in, and its sessions end.
///
/// # Errors
/// Without `user:update` on it; [`IamError::LastAdministrator`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn disable(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:update").await?;
        present(&work, &user)?;
        if user.state == UserState::Disabled {
            work.loses(user.id);
            return unchanged(work, "user.disable", user).await;
        }
        store::set_state(&mut work.tx, user.id, UserState::Disabled).await?;
        store::drop_token(&mut work.tx, user.id).await?;
        let sessions = work.end_sessions(user.id).await?;
        work.tell(Message::Disabled, user.id).await?;
        finish(work, "user.disable", user, json!({ "sessions": sessions })).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Lets a disabled user in again.
///
/// # Errors
/// Without `user:update` on it.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn enable(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:update").await?;
        present(&work, &user)?;
        if user.state != UserState::Disabled {
            return unchanged(work, "user.enable", user).await;
        }
        let state = if user.has_password { UserState::Active } else { UserState::Invited };
        store::set_state(&mut work.tx, user.id, state).await?;
        finish(work, "user.enable", user, json!({ "state": state })).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes away what wrong passwords did to a user.
///
/// # Errors
/// Without `user:update` on it.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn unlock(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:update").await?;
        present(&work, &user)?;
        if user.state != UserState::Locked {
            return unchanged(work, "user.unlock", user).await;
        }
        let (_, has_password) = store::stored_state(&mut work.tx, user.id).await?;
        let state = if has_password { UserState::Active } else { UserState::Invited };
        store::set_state(&mut work.tx, user.id, state).await?;
        finish(work, "user.unlock", user, json!({})).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Deletes a user: it cannot sign in, and can be had back until it is erased.
///
/// # Errors
/// Without `user:delete` on it; [`IamError::LastAdministrator`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    expected: &Expected,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:delete").await?;
        expected.check(&user)?;
        if user.deleted_at.is_some() {
            work.loses(user.id);
            return unchanged(work, "user.delete", user).await;
        }
        store::set_deleted(&mut work.tx, user.id, true).await?;
        store::drop_token(&mut work.tx, user.id).await?;
        let sessions = work.end_sessions(user.id).await?;
        finish(work, "user.delete", user, json!({ "sessions": sessions })).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Has a deleted user back, with the roles and groups that it had.
///
/// # Errors
/// Without `user:delete` on it; [`IamError::Access`] when it holds what the caller does not;
/// [`IamError::UserLimit`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn undelete(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let user = find_to_change(&mut work, who, "user:delete").await?;
        if user.deleted_at.is_none() {
            return unchanged(work, "user.undelete", user).await;
        }
        if user.email.ends_with("@erased.invalid") {
            return Err(IamError::State {
                user: user.id.to_string(),
                state: "erased",
                why: "nothing is left to undelete",
                hint: Hint::new("create them again", UserAction::CreateInvited(work.place.hinted())),
            });
        }
        if work.room_for_users().await? == Some(0) {
            return Err(IamError::UserLimit);
        }
        store::set_deleted(&mut work.tx, user.id, false).await?;
        finish(work, "user.undelete", user, json!({})).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// A deleted user is changed in one way only: it is had back.
pub(in super::super) fn present(work: &RealmTx<'_>, user: &User) -> Result<(), IamError> {
    if user.deleted_at.is_none() {
        return Ok(());
    }
    Err(IamError::State {
        user: user.email.clone(),
        state: "deleted",
        why: "they must be undeleted first",
        hint: Hint::new("undelete them", UserAction::Undelete(user.email.clone(), work.place.hinted())),
    })
}

async fn unchanged(work: RealmTx<'_>, action: &'static str, user: User) -> Result<Changed, IamError> {
    work.commit().await?;
    Ok(Changed { action, subject: user.email, object: String::new(), outcome: WriteOutcome::Unchanged })
}

async fn finish(
    mut work: RealmTx<'_>,
    action: &'static str,
    user: User,
    detail: Value,
) -> Result<Changed, IamError> {
    work.note(action, Some(user.id), detail);
    let outcome = work.outcome();
    work.commit().await?;
    Ok(Changed { action, subject: user.email, object: String::new(), outcome })
}
