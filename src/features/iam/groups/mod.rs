//! Groups: they nest, carry roles, and their members inherit what they and those around them carry.

mod members;
pub(super) mod store;

pub use members::{Membership, add, add_one, members, of_user, remove, remove_one};
pub(super) use members::{join, leave};

use serde::Serialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use super::custom_fields::{self, AppliesTo, Definitions};
use super::error::IamError;
use super::model::{Changed, Group, Name, NameRef, NamedFilter, WriteOutcome};
use super::realm::{Realm, RealmTx};
use crate::features::access::grants_of_group;
use crate::kernel::filter::{FieldType, FilterField, Operator};
use crate::kernel::{Caller, Description, Expected, Page, Pagination, Total};

/// How deep groups nest at most.
pub const MAX_DEPTH: i32 = 32;

/// What groups may be filtered by.
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
        FilterField {
            name: "parent",
            kind: FieldType::Text,
            operators: &[Eq, Ne, In],
            about: "Directly within the group of this name",
        },
        FilterField {
            name: "created_at",
            kind: FieldType::Time,
            operators: &[Lt, Gt],
            about: "Created at this moment",
        },
    ]
};

/// What is to be changed of a group; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct GroupUpdate {
    pub name: Option<Name>,
    pub description: Option<Description>,
    /// Values of custom fields to set; `null` takes one away.
    pub fields: Map<String, Value>,
    pub expected: Expected,
}

/// A group in the tree of groups.
#[derive(Debug, Clone, Serialize)]
pub struct Branch {
    /// The group.
    #[serde(flatten)]
    pub group: Group,
    /// How many groups it is within.
    pub depth: usize,
}

/// The groups, by name.
///
/// # Errors
/// Without `group:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<Group>, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "group:read", &Map::new())?;
    let found = store::list(&mut work.tx, None).await?;
    work.close().await?;
    Ok(found)
}

/// One page of groups, by name, and where it stands among all.
///
/// # Errors
/// Without `group:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn page(
    realm: &mut Realm,
    caller: &Caller,
    filter: &NamedFilter,
    (page, total): (Page, Total),
) -> Result<(Vec<Group>, Pagination), IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "group:read", &Map::new())?;
    let fields = custom_fields::conditions(&mut work, AppliesTo::Groups, &filter.fields).await?;
    let mut rows = store::page(&mut work.tx, (filter, &fields), page).await?;
    let counting = store::count(&mut work.tx, (filter, &fields), total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.after.is_none(), counting).await?;
    work.close().await?;
    Ok((rows, place))
}

/// The groups, each behind the one that it is part of.
///
/// # Errors
/// Without `group:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn tree(realm: &mut Realm, caller: &Caller) -> Result<Vec<Branch>, IamError> {
    let groups = list(realm, caller).await?;
    let mut branches = Vec::with_capacity(groups.len());
    // What is still to be shown, the next one last.
    let mut open: Vec<(usize, &Group)> =
        groups.iter().rev().filter(|group| group.parent.is_none()).map(|group| (0, group)).collect();
    while let Some((depth, group)) = open.pop() {
        branches.push(Branch { group: group.clone(), depth });
        let parts = groups.iter().rev().filter(|part| part.parent.as_ref() == Some(&group.name));
        open.extend(parts.map(|part| (depth + 1, part)));
    }
    Ok(branches)
}

/// The group.
///
/// # Errors
/// Without `group:read`; [`IamError::NotFound`], with the nearest name.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller, name: impl Into<NameRef>) -> Result<Group, IamError> {
    let mut work = realm.read(caller).await?;
    let group = find_permitted(&mut work, name, "group:read").await?;
    work.close().await?;
    Ok(group)
}

/// Makes a group, perhaps as part of another.
///
/// # Errors
/// Without `group:create`; [`IamError::Exists`]; [`IamError::Fields`]; [`IamError::Access`] when the other one holds what
/// the caller does not.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn create(
    realm: &mut Realm,
    caller: &Caller,
    name: &Name,
    description: &Description,
    (parent, fields): (Option<&Name>, &Map<String, Value>),
) -> Result<Group, IamError> {
    let result: Result<Group, IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "group:create", &Map::new())?;
        let parent = match parent {
            Some(parent) => Some(find_to_change(&mut work, parent, "group:create").await?),
            None => None,
        };
        let values =
            Definitions::of(&mut work, AppliesTo::Groups).await?.merged(&Map::new(), fields, true)?;
        let id = insert(&mut work, name, description.as_str(), parent.as_ref()).await?;
        if !values.is_empty() {
            custom_fields::set(&mut work.tx, AppliesTo::Groups, id, &values).await?;
        }
        let group = find(&mut work, name).await?;
        work.commit().await?;
        Ok(group)
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Makes a group.
pub(super) async fn insert(
    work: &mut RealmTx<'_>,
    name: &Name,
    description: &str,
    parent: Option<&Group>,
) -> Result<Uuid, IamError> {
    let parent_id = parent.map(|group| group.id);
    let Some(id) = store::insert(&mut work.tx, name.as_str(), description, parent_id).await? else {
        return Err(IamError::Exists { what: "group", name: name.to_string(), at: work.place.hinted() });
    };
    check_depth(work, id).await?;
    work.note("group.create", None, json!({ "group": name, "parent": parent.map(|group| &group.name) }));
    Ok(id)
}

/// Renames or describes a group.
///
/// # Errors
/// Without `group:update`; [`IamError::Exists`]; [`IamError::Fields`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    change: &GroupUpdate,
) -> Result<(Group, WriteOutcome), IamError> {
    let result: Result<(Group, WriteOutcome), IamError> = async {
        let mut work = realm.write(caller).await?;
        let group = find_to_change(&mut work, name, "group:update").await?;
        change.expected.check(&group)?;
        let new_name = change.name.as_ref().filter(|new| new.as_str() != group.name);
        let description =
            change.description.as_ref().map(Description::as_str).filter(|text| *text != group.description);
        let values = new_values(&mut work, &group, &change.fields).await?;
        if new_name.is_none() && description.is_none() && values.is_none() {
            work.commit().await?;
            return Ok((group, WriteOutcome::Unchanged));
        }
        let written = store::update(&mut work.tx, group.id, new_name.map(Name::as_str), description).await;
        if let (Err(error), Some(new)) = (&written, new_name)
            && error.violates("groups_name_key")
        {
            return Err(IamError::Exists { what: "group", name: new.to_string(), at: work.place.hinted() });
        }
        written?;
        if let Some(values) = &values {
            custom_fields::set(&mut work.tx, AppliesTo::Groups, group.id, values).await?;
        }
        work.note("group.update", None, json!({ "group": group.name, "name": new_name }));
        let outcome = work.outcome();
        let group = find(&mut work, NameRef::Id(group.id)).await?;
        work.commit().await?;
        Ok((group, outcome))
    }
    .await;
    realm.rollback_on_error(result).await
}

/// The values of custom fields that a group has after a change, where any is another.
async fn new_values(
    work: &mut RealmTx<'_>,
    group: &Group,
    given: &Map<String, Value>,
) -> Result<Option<Map<String, Value>>, IamError> {
    if given.is_empty() {
        return Ok(None);
    }
    let values = Definitions::of(work, AppliesTo::Groups).await?.merged(&group.fields.0, given, false)?;
    Ok((values != group.fields.0).then_some(values))
}

/// Makes a group part of another; `None`: of none.
///
/// # Errors
/// Without `group:update` on both; [`IamError::Cycle`]; [`IamError::Access`] when either holds what
/// the caller does not; [`IamError::LastAdministrator`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn relocate(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    parent: Option<&Name>,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let group = find_to_change(&mut work, name, "group:update").await?;
        let parent = match parent {
            Some(parent) => Some(find_to_change(&mut work, parent, "group:update").await?),
            None => None,
        };
        let changed = place(&mut work, &group, parent.as_ref()).await?;
        let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        let object = parent.map(|parent| parent.name).unwrap_or_default();
        Ok(Changed { action: "group.move", subject: group.name, object, outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Moves a group; whether it was elsewhere.
pub(super) async fn place(
    work: &mut RealmTx<'_>,
    group: &Group,
    parent: Option<&Group>,
) -> Result<bool, IamError> {
    work.members_lose(group.id).await?;
    if group.parent.as_ref() == parent.map(|parent| &parent.name) {
        return Ok(false);
    }
    if let Some(parent) = parent
        && store::is_within(&mut work.tx, parent.id, group.id).await?
    {
        return Err(IamError::Cycle { group: group.name.clone(), parent: parent.name.clone() });
    }
    store::set_parent(&mut work.tx, group.id, parent.map(|parent| parent.id)).await?;
    check_depth(work, group.id).await?;
    let detail = json!({ "group": group.name, "parent": parent.map(|parent| &parent.name) });
    work.note("group.move", None, detail);
    Ok(true)
}

async fn check_depth(work: &mut RealmTx<'_>, group: Uuid) -> Result<(), IamError> {
    if store::depth(&mut work.tx, group, MAX_DEPTH + 1).await? > MAX_DEPTH {
        return Err(IamError::Depth(MAX_DEPTH));
    }
    Ok(())
}

/// Deletes a group; its members lose what they had by it.
///
/// # Errors
/// Without `group:delete`; [`IamError::HasGroups`]; [`IamError::LastAdministrator`]; [`IamError::Stale`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn delete(
    realm: &mut Realm,
    caller: &Caller,
    name: impl Into<NameRef>,
    expected: &Expected,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        let group = find_to_change(&mut work, name, "group:delete").await?;
        expected.check(&group)?;
        remove_group(&mut work, &group).await?;
        let outcome = work.outcome();
        work.commit().await?;
        Ok(Changed { action: "group.delete", subject: group.name, object: String::new(), outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Deletes a group.
pub(super) async fn remove_group(work: &mut RealmTx<'_>, group: &Group) -> Result<(), IamError> {
    let all = store::list(&mut work.tx, None).await?;
    if let Some(part) = all.into_iter().find(|it| it.parent.as_ref() == Some(&group.name)) {
        let (name, at) = (group.name.clone(), work.place.hinted());
        return Err(IamError::HasGroups { name, part: part.name, at });
    }
    work.members_lose(group.id).await?;
    store::delete(&mut work.tx, group.id).await?;
    let detail = json!({ "group": group.name, "members": group.members, "roles": group.roles });
    work.note("group.delete", None, detail);
    Ok(())
}

fn attributes(group: &Group) -> Map<String, Value> {
    Map::from_iter([("name".to_owned(), Value::from(group.name.as_str()))])
}

/// The group, with the nearest name where there is none.
pub(super) async fn find(work: &mut RealmTx<'_>, name: impl Into<NameRef>) -> Result<Group, IamError> {
    let name = name.into();
    let found = store::list(&mut work.tx, Some(&name)).await?.pop();
    found_or_nearest(work, found, &name).await
}

/// The id of a group, with the nearest name where there is none.
pub(super) async fn id_of(work: &mut RealmTx<'_>, name: &NameRef) -> Result<Uuid, IamError> {
    let found = store::uncounted(&mut work.tx, name).await?;
    Ok(found_or_nearest(work, found, name).await?.id)
}

async fn found_or_nearest(
    work: &mut RealmTx<'_>,
    found: Option<Group>,
    name: &NameRef,
) -> Result<Group, IamError> {
    if let Some(group) = found {
        return Ok(group);
    }
    let names = store::names(&mut work.tx).await?;
    Err(IamError::not_among("group", name, &names, work.place.hinted()))
}

/// The group, if the caller has the permission on it. Who may not know hears nothing of what there is.
async fn find_permitted(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
    permission: &'static str,
) -> Result<Group, IamError> {
    let name = name.into();
    // Only who looks at it, or deletes it, hears how many it concerns.
    let found = match permission {
        "group:read" | "group:delete" => store::list(&mut work.tx, Some(&name)).await?.pop(),
        _ => store::uncounted(&mut work.tx, &name).await?,
    };
    let attributes = found.as_ref().map_or_else(|| name.attributes(), attributes);
    work.actor.require(work.caller, permission, &attributes)?;
    found_or_nearest(work, found, &name).await
}

/// The group, if the caller has the permission on it and holds all that its members get by it.
pub(super) async fn find_to_change(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
    permission: &'static str,
) -> Result<Group, IamError> {
    let group = find_permitted(work, name, permission).await?;
    let held = grants_of_group(&mut work.tx, group.id).await?;
    work.actor.require_cover(|| format!("group {}", group.name), &held, None)?;
    Ok(group)
}

/// The group, if the caller may add to it.
pub(super) async fn find_to_join(
    work: &mut RealmTx<'_>,
    name: impl Into<NameRef>,
) -> Result<Group, IamError> {
    find_to_change(work, name, "group:update").await
}
