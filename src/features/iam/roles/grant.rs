//! Granting roles to users and groups, and taking them away.

use serde_json::json;

use super::super::error::IamError;
use super::super::groups;
use super::super::model::{Changed, Group, NameRef, Role, User, UserRef, WriteOutcome};
use super::super::realm::{Realm, RealmTx};
use super::super::users;
use super::{find_to_grant, store};
use crate::kernel::Caller;

/// Who is to hold a role.
#[derive(Debug, Clone)]
pub enum Holder {
    /// A user.
    User(UserRef),
    /// A group, for all in it.
    Group(NameRef),
}

/// Grants a role.
///
/// # Errors
/// Without `role:grant`; [`IamError::Access`] when the role or the holder holds what the caller does
/// not.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn grant(
    realm: &mut Realm,
    caller: &Caller,
    role: impl Into<NameRef>,
    holder: &Holder,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_grant(&mut work, role).await?;
        let (changed, object) = match holder {
            Holder::User(who) => {
                let user = users::find_to_change(&mut work, who, "role:grant").await?;
                users::present(&work, &user)?;
                (give_user(&mut work, &role, &user).await?, user.email)
            }
            Holder::Group(name) => {
                let group = groups::find_to_change(&mut work, name, "role:grant").await?;
                (give_group(&mut work, &role, &group).await?, format!("group {}", group.name))
            }
        };
        end(work, "role.grant", role, object, changed).await
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Takes a role away.
///
/// # Errors
/// As [`grant`]; [`IamError::LastAdministrator`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn revoke(
    realm: &mut Realm,
    caller: &Caller,
    role: impl Into<NameRef>,
    holder: &Holder,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_grant(&mut work, role).await?;
        let (changed, object) = match holder {
            Holder::User(who) => {
                let user = users::find_to_change(&mut work, who, "role:grant").await?;
                (take_user(&mut work, &role, &user).await?, user.email)
            }
            Holder::Group(name) => {
                let group = groups::find_to_change(&mut work, name, "role:grant").await?;
                (take_group(&mut work, &role, &group).await?, format!("group {}", group.name))
            }
        };
        end(work, "role.revoke", role, object, changed).await
    }
    .await;
    realm.rollback_on_error(result).await
}

pub(in super::super) async fn give_user(
    work: &mut RealmTx<'_>,
    role: &Role,
    user: &User,
) -> Result<bool, IamError> {
    let given = users::store::insert_roles(&mut work.tx, &[user.id.uuid()], &[role.id]).await? > 0;
    if given {
        work.note("role.grant", Some(user.id), json!({ "role": role.name }));
    }
    Ok(given)
}

pub(in super::super) async fn take_user(
    work: &mut RealmTx<'_>,
    role: &Role,
    user: &User,
) -> Result<bool, IamError> {
    let taken = store::revoke_user(&mut work.tx, role.id, user.id).await?;
    work.loses(user.id);
    if taken {
        work.note("role.revoke", Some(user.id), json!({ "role": role.name }));
    }
    Ok(taken)
}

pub(in super::super) async fn give_group(
    work: &mut RealmTx<'_>,
    role: &Role,
    group: &Group,
) -> Result<bool, IamError> {
    let given = store::grant_group(&mut work.tx, role.id, group.id).await?;
    if given {
        work.note("role.grant", None, json!({ "role": role.name, "group": group.name }));
    }
    Ok(given)
}

pub(in super::super) async fn take_group(
    work: &mut RealmTx<'_>,
    role: &Role,
    group: &Group,
) -> Result<bool, IamError> {
    let taken = store::revoke_group(&mut work.tx, role.id, group.id).await?;
    work.members_lose(group.id).await?;
    if taken {
        work.note("role.revoke", None, json!({ "role": role.name, "group": group.name }));
    }
    Ok(taken)
}

async fn end(
    work: RealmTx<'_>,
    action: &'static str,
    role: Role,
    object: String,
    changed: bool,
) -> Result<Changed, IamError> {
    let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
    work.commit().await?;
    Ok(Changed { action, subject: role.name, object, outcome })
}
