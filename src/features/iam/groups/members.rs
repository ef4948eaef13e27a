//! Who is in a group.

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use utoipa::ToSchema;

use super::super::error::IamError;
use super::super::model::{
    Changed, Group, NameRef, User, UserFilter, UserPosition, UserRef, UserSort, WriteOutcome,
};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::{find_to_join, store};
use crate::kernel::{AnyFailure, Caller, Page, Pagination, Total};

/// One page of the users in a group and in the groups within it; `after` is the last of the page before.
///
/// # Errors
/// Without `user:read`; when there is no such group.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn members(
    realm: &mut Realm,
    caller: &Caller,
    group: impl Into<NameRef>,
    page: Page,
    after: Option<&User>,
) -> Result<(Vec<User>, Pagination), IamError> {
    let after = after.map(|user| UserPosition::of(user, UserSort::Email));
    let filter = UserFilter { group: Some(group.into()), after, ..UserFilter::default() };
    users::list(realm, caller, &filter, (UserSort::Email, false), (page, Total::Exact)).await
}

/// A group that a user is in.
#[derive(Debug, Clone, Serialize, FromRow, ToSchema)]
pub struct Membership {
    pub group: String,
    /// The groups on the way to it, the user's own first; none: the user was added to it.
    pub via: Vec<String>,
}

/// The groups that a user is in, and those that they are part of.
///
/// # Errors
/// Without `user:read` on it; when there is no such user.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn of_user(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<Vec<Membership>, IamError> {
    let mut work = realm.read(caller).await?;
    let user = users::find(&mut work, who, "user:read").await?;
    let found = store::of_user(&mut work.tx, user.id).await?;
    work.close().await?;
    Ok(found)
}

/// Requires that several users are there, before the first is added to a group or taken out of it.
async fn check_users(
    realm: &mut Realm,
    caller: &Caller,
    group: &NameRef,
    users: &[UserRef],
) -> Result<(), IamError> {
    let mut work = realm.read(caller).await?;
    find_to_join(&mut work, group).await?;
    users::check_all(&mut work, users, "group:update").await?;
    work.close().await
}

/// Adds users to a group, one after the other; `report` gets what came of each.
///
/// # Errors
/// Without `group:update`; when there is no such group; [`IamError::NotFound`] and
/// [`IamError::NoUsers`], with all who do not exist, before anybody is added; [`IamError::Access`] when the
/// group or a user holds what the caller does not.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn add(
    realm: &mut Realm,
    caller: &Caller,
    group: impl Into<NameRef>,
    users: &[UserRef],
    report: &mut impl FnMut(Changed) -> Result<(), AnyFailure>,
) -> Result<(), IamError> {
    let group = &group.into();
    check_users(realm, caller, group, users).await?;
    for who in users {
        report(add_one(realm, caller, group, who).await?).map_err(IamError::Report)?;
    }
    Ok(())
}

/// Adds one user to a group.
///
/// # Errors
/// As [`add`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn add_one(
    realm: &mut Realm,
    caller: &Caller,
    group: &NameRef,
    who: &UserRef,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let group = find_to_join(&mut work, group).await?;
        let user = users::find_to_change(&mut work, who, "group:update").await?;
        users::present(&work, &user)?;
        let changed = join(&mut work, &group, &user).await?;
        end(work, "group.add", group, user, changed).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes users out of a group, as [`add`] adds them.
///
/// # Errors
/// As [`add`]; [`IamError::LastAdministrator`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove(
    realm: &mut Realm,
    caller: &Caller,
    group: impl Into<NameRef>,
    users: &[UserRef],
    report: &mut impl FnMut(Changed) -> Result<(), AnyFailure>,
) -> Result<(), IamError> {
    let group = &group.into();
    check_users(realm, caller, group, users).await?;
    for who in users {
        report(remove_one(realm, caller, group, who).await?).map_err(IamError::Report)?;
    }
    Ok(())
}

/// Takes one user out of a group.
///
/// # Errors
/// As [`remove`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove_one(
    realm: &mut Realm,
    caller: &Caller,
    group: &NameRef,
    who: &UserRef,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let group = find_to_join(&mut work, group).await?;
        let user = users::find_to_change(&mut work, who, "group:update").await?;
        let changed = leave(&mut work, &group, &user).await?;
        end(work, "group.remove", group, user, changed).await
    }
    .await;
    realm.rollback_on_error(result).await
}

pub(in super::super) async fn join(
    work: &mut RealmTx<'_>,
    group: &Group,
    user: &User,
) -> Result<bool, IamError> {
    let added = users::store::insert_members(&mut work.tx, &[user.id.uuid()], &[group.id]).await? > 0;
    if added {
        work.note("group.add", Some(user.id), json!({ "group": group.name }));
    }
    Ok(added)
}

pub(in super::super) async fn leave(
    work: &mut RealmTx<'_>,
    group: &Group,
    user: &User,
) -> Result<bool, IamError> {
    let removed = store::remove_member(&mut work.tx, group.id, user.id).await?;
    work.loses(user.id);
    if removed {
        work.note("group.remove", Some(user.id), json!({ "group": group.name }));
    }
    Ok(removed)
}

async fn end(
    work: RealmTx<'_>,
    action: &'static str,
    group: Group,
    user: User,
    changed: bool,
) -> Result<Changed, IamError> {
    let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
    work.commit().await?;
    Ok(Changed { action, subject: group.name, object: user.email, outcome })
}
