//! Roles: what they allow, and who holds them.

mod grant;
pub(super) mod store;

pub use grant::{Holder, grant, revoke};
pub(super) use grant::{give_group, give_user, take_group, take_user};

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::error::IamError;
use super::model::{Changed, Name, NameRef, NamedFilter, Role, RoleDetail, WriteOutcome};
use super::permissions;
use super::realm::{Realm, RealmTx};
use crate::features::access::Condition;
use crate::features::access::Grant;
use crate::features::access::Permission;
use crate::features::access::grants_of_role;
use crate::kernel::filter::{FieldType, FilterField, Operator};
use crate::kernel::{Caller, Description, Expected, Page, Pagination, Total};

/// What roles may be filtered by.
pub const FIELDS: &[FilterField] = {
    use Operator::{Contains, Eq, Gt, In, Lt, Ne};
    &[
        FilterField {
            name: "name",
            kind: FieldType::Text,
            operators: &[Eq, Ne, In, Contains],
            about: "With this name",
        },
        FilterField {
            name: "description",
            kind: FieldType::Text,
            operators: &[Contains],
            about: "With this description",
        },
        FilterField { name: "built_in", kind: FieldType::Flag, operators: &[Eq], about: "Built in" },
        FilterField {
            name: "created_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Created at this moment",
        },
    ]
};

/// What is to be changed of a role; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct RoleUpdate {
    pub name: Option<Name>,
    pub description: Option<Description>,
    pub expected: Expected,
}

/// The roles, by name.
///
/// # Errors
/// Without `role:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<Role>, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "role:read", &Map::new())?;
    let found = store::list(&mut work.tx, None).await?;
    work.close().await?;
    Ok(found)
}

/// One page of roles, by name, and where it stands among all.
///
/// # Errors
/// Without `role:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NamedFilter,
    (page, total): (Page, Total),
) -> Result<(Vec<Role>, Pagination), IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "role:read", &Map::new())?;
    let mut rows = store::page(&mut work.tx, filter, page).await?;
    let counting = store::count(&mut work.tx, filter, total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.after.is_none(), counting).await?;
    work.close().await?;
    Ok((rows, place))
}

/// The role, and what its patterns stand for.
///
/// # Errors
/// Without `role:read`; [`IamError::NotFound`], with the nearest name.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
) -> Result<RoleDetail, IamError> {
    let mut work = realm.read(caller).await?;
    let role = find_permitted(&mut work, name, "role:read").await?;
    let detail = detail(&mut work, role).await?;
    work.close().await?;
    Ok(detail)
}

async fn detail(work: &mut RealmTx<'_>, role: Role) -> Result<RoleDetail, IamError> {
    let held = grants_of_role(&mut work.tx, role.id).await?;
    let mut covers = BTreeMap::new();
    if held.iter().any(|grant| grant.permission.is_pattern()) {
        let all = permissions::registered(work).await?;
        for pattern in held.iter().map(|grant| &grant.permission).filter(|it| it.is_pattern()) {
            let names = all.iter().filter(|one| pattern.covers(one)).map(ToString::to_string);
            covers.insert(pattern.to_string(), names.collect());
        }
    }
    Ok(RoleDetail { role, covers })
}

/// Makes a role.
///
/// # Errors
/// Without `role:create`; [`IamError::Exists`]; as [`allow`] for its permissions.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(
    realm: &mut Realm,
    caller: &Caller,
    name: &Name,
    description: &Description,
    permissions: &[Permission],
) -> Result<RoleDetail, IamError> {
    let result: Result<RoleDetail, IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "role:create", &Map::new())?;
        insert(&mut work, name, description.as_str()).await?;
        let role = find(&mut work, name).await?;
        for permission in permissions {
            let given = Grant { permission: permission.clone(), condition: None };
            put(&mut work, &role, &given).await?;
        }
        let role = find(&mut work, name).await?;
        let made = detail(&mut work, role).await?;
        work.commit().await?;
        Ok(made)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Makes a role.
pub(super) async fn insert(work: &mut RealmTx<'_>, name: &Name, description: &str) -> Result<Uuid, IamError> {
    match store::insert(&mut work.tx, name.as_str(), description).await? {
        Some(id) => {
            work.note("role.create", None, json!({ "role": name }));
            Ok(id)
        }
        None => Err(IamError::Exists { what: "role", name: name.to_string(), at: work.place.hinted() }),
    }
}

/// Renames or describes a role.
///
/// # Errors
/// Without `role:update`; [`IamError::BuiltIn`] when a built-in one would get another name;
/// [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    change: &RoleUpdate,
) -> Result<(RoleDetail, WriteOutcome), IamError> {
    let result: Result<(RoleDetail, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_change(&mut work, name, "role:update").await?;
        let before = detail(&mut work, role.clone()).await?;
        change.expected.check(&before)?;
        let new_name = change.name.as_ref().filter(|new| new.as_str() != role.name);
        let description = change.description.as_ref().map(Description::as_str);
        let description = description.filter(|text| *text != role.description);
        if new_name.is_none() && description.is_none() {
            work.commit().await?;
            return Ok((before, WriteOutcome::Unchanged));
        }
        if role.built_in && new_name.is_some() {
            return Err(IamError::BuiltIn(role.name));
        }
        let written = store::update(&mut work.tx, role.id, new_name.map(Name::as_str), description).await;
        if let (Err(error), Some(new)) = (&written, new_name)
            && error.violates("roles_name_key")
        {
            return Err(IamError::Exists { what: "role", name: new.to_string(), at: work.place.hinted() });
        }
        written?;
        work.note(
            "role.update",
            None,
            json!({ "role": role.name, "name": new_name, "description": description.is_some() }),
        );
        let outcome = work.outcome();
        let role = find(&mut work, NameRef::Id(role.id)).await?;
        let after = detail(&mut work, role).await?;
        work.commit().await?;
        Ok((after, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Deletes a role; whoever held it loses it.
///
/// # Errors
/// Without `role:delete`; [`IamError::BuiltIn`]; [`IamError::LastAdministrator`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    expected: &Expected,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_change(&mut work, name, "role:delete").await?;
        expected.check(&detail(&mut work, role.clone()).await?)?;
        remove(&mut work, &role).await?;
        let outcome = work.outcome();
        work.commit().await?;
        Ok(Changed { action: "role.delete", subject: role.name, object: String::new(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Deletes a role.
pub(super) async fn remove(work: &mut RealmTx<'_>, role: &Role) -> Result<(), IamError> {
    if role.built_in {
        return Err(IamError::BuiltIn(role.name.clone()));
    }
    work.holders_lose(role.id).await?;
    store::delete(&mut work.tx, role.id).await?;
    let detail = json!({ "role": role.name, "users": role.users, "groups": role.groups });
    work.note("role.delete", None, detail);
    Ok(())
}

/// Lets a role's holders do something, perhaps under a condition; a condition that it had before
/// is replaced.
///
/// # Errors
/// Without `role:update`; [`IamError::UnknownPermission`], with the nearest name;
/// [`IamError::Access`] when the caller does not hold it itself.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn allow(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    permission: &Permission,
    condition: Option<&Condition>,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_change(&mut work, name, "role:update").await?;
        let given = Grant { permission: permission.clone(), condition: condition.cloned() };
        let changed = put(&mut work, &role, &given).await?;
        let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        Ok(Changed { action: "role.allow", subject: role.name, object: text_of(&given), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Gives a role a permission that the caller holds; whether anything changed.
pub(super) async fn put(work: &mut RealmTx<'_>, role: &Role, given: &Grant) -> Result<bool, IamError> {
    permissions::check_to_hold(work, &given.permission).await?;
    work.actor.require_cover(|| format!("role {} would get what", role.name), [given], None)?;
    let condition = given.condition.as_ref().map(Condition::as_str);
    let changed = store::allow(&mut work.tx, role.id, given.permission.as_str(), condition).await?;
    if given.condition.is_some() {
        // It may have been allowed without one.
        work.holders_lose(role.id).await?;
    }
    if changed {
        let detail = json!({ "role": role.name, "permission": given.permission, "when": condition });
        work.note("role.allow", None, detail);
    }
    Ok(changed)
}

/// Takes a permission from a role.
///
/// # Errors
/// Without `role:update`; [`IamError::Covered`] when the role does not hold it, and allows it by a
/// pattern; [`IamError::LastAdministrator`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn deny(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    permission: &Permission,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let role = find_to_change(&mut work, name, "role:update").await?;
        let changed = take(&mut work, &role, permission).await?;
        if !changed {
            // A slip is told from a permission that the role does not hold.
            permissions::check(&mut work, permission).await?;
            not_covered(&mut work, &role, permission).await?;
        }
        let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        Ok(Changed { action: "role.disallow", subject: role.name, object: permission.to_string(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Requires that no pattern of the role allows what it does not hold by itself.
async fn not_covered(work: &mut RealmTx<'_>, role: &Role, asked: &Permission) -> Result<(), IamError> {
    let held = grants_of_role(&mut work.tx, role.id).await?;
    let by: Vec<_> = held.iter().filter(|grant| grant.permission.covers(asked)).map(text_of).collect();
    if by.is_empty() {
        return Ok(());
    }
    let (role, permission, at) = (role.name.clone(), asked.to_string(), work.place.hinted());
    Err(IamError::Covered { role, permission, by, at })
}

/// Takes a permission from a role; whether it held it.
pub(super) async fn take(
    work: &mut RealmTx<'_>,
    role: &Role,
    permission: &Permission,
) -> Result<bool, IamError> {
    let changed = store::deny(&mut work.tx, role.id, permission.as_str()).await?;
    work.holders_lose(role.id).await?;
    if changed {
        work.note("role.disallow", None, json!({ "role": role.name, "permission": permission }));
    }
    Ok(changed)
}

/// A permission as lists show it, with its condition behind `when`.
pub(super) fn text_of(grant: &Grant) -> String {
    match &grant.condition {
        Some(condition) => format!("{} when {condition}", grant.permission),
        None => grant.permission.to_string(),
    }
}

fn attributes(role: &Role) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), Value::from(role.name.as_str()))])
}

/// The role, with the nearest name where there is none.
pub(super) async fn find(work: &mut RealmTx<'_>, name: impl Into<NameRef>) -> Result<Role, IamError> {
    let name = name.into();
    let found = store::list(&mut work.tx, Some(&name)).await?.pop();
    found_or_nearest(work, found, &name).await
}

/// The id of a role, with the nearest name where there is none.
pub(super) async fn id_of(work: &mut RealmTx<'_>, name: &NameRef) -> Result<Uuid, IamError> {
    let found = store::uncounted(&mut work.tx, name).await?;
    Ok(found_or_nearest(work, found, name).await?.id)
}

async fn found_or_nearest(
    work: &mut RealmTx<'_>,
    found: Option<Role>,
    name: &NameRef,
) -> Result<Role, IamError> {
    if let Some(role) = found {
        return Ok(role);
    }
    let names = store::names(&mut work.tx).await?;
    Err(IamError::not_among("role", name, &names, work.place.hinted()))
}

/// The role, if the caller has the permission on it. Who may not know hears nothing of what there is.
async fn find_permitted(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
    permission: &'static str,
) -> Result<Role, IamError> {
    let name = name.into();
    // Only who looks at it, or deletes it, hears how many it concerns.
    let found = match permission {
        "role:read" | "role:delete" => store::list(&mut work.tx, Some(&name)).await?.pop(),
        _ => store::uncounted(&mut work.tx, &name).await?,
    };
    let attributes = found.as_ref().map_or_else(|| name.attributes(), attributes);
    work.actor.require(work.caller, permission, &attributes)?;
    found_or_nearest(work, found, &name).await
}

/// The role, if the caller has the permission on it and holds all that it holds.
pub(super) async fn find_to_change(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
    permission: &'static str,
) -> Result<Role, IamError> {
    let role = find_permitted(work, name, permission).await?;
    let held = grants_of_role(&mut work.tx, role.id).await?;
    work.actor.require_cover(|| format!("role {}", role.name), &held, None)?;
    Ok(role)
}

/// The role, if the caller may grant it and holds all that it holds.
pub(super) async fn find_to_grant(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
) -> Result<Role, IamError> {
    find_to_change(work, name, "role:grant").await
}
