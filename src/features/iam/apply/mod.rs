//! Roles, groups and grants as a file declares them: compared with what is there, and changed in one
//! transaction, or in a dry run only compared.
//!
//! What the file names is made to be as it says. What it does not name is left alone, or with
//! pruning taken away; built-in roles always stay.

mod document;

pub use document::Document;

use std::collections::BTreeSet;

use serde::Serialize;
use serde_json::Map;

use super::error::IamError;
use super::model::{Name, NameRef, UserFilter, UserRef, UserSort};
use super::realm::{Realm, RealmTx};
use super::users::store::Within;
use super::{groups, permissions, roles, users};
use crate::features::access;
use crate::features::access::Grant;
use crate::kernel::text::counted;
use crate::kernel::{Caller, Description, Email, Page};

/// One difference, done away with or only shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// `+` for what is made, `-` for what is taken away, `~` for what is changed.
    pub sign: &'static str,
    /// `permission`, `role`, `group`, `grant`, `member`.
    pub what: &'static str,
    /// Of which thing.
    pub name: String,
    pub detail: String,
}

/// Everything that a declaration may change.
const NEEDED: [&str; 8] = [
    "permission:create",
    "role:create",
    "role:update",
    "role:delete",
    "role:grant",
    "group:create",
    "group:update",
    "group:delete",
];

/// Makes a realm as a file declares it; gives what was different.
///
/// # Errors
/// Without the permissions to change roles, groups and grants; as the single changes; nothing is
/// changed then.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn apply(
    realm: &mut Realm,
    caller: &Caller,
    document: &Document,
) -> Result<Vec<Difference>, IamError> {
    let result: Result<Vec<Difference>, IamError> = async {
        let mut work = realm.write(caller).await?;
        for permission in NEEDED {
            work.actor.require(caller, permission, &Map::new())?;
        }
        let mut found = Vec::new();
        for (permission, description) in &document.permissions {
            if permissions::write(&mut work, permission, description).await? {
                found.push(difference("+", "permission", permission, description));
            }
        }
        apply_roles(&mut work, document, &mut found).await?;
        apply_groups(&mut work, document, &mut found).await?;
        apply_grants(&mut work, document, &mut found).await?;
        if document.prune {
            prune_groups(&mut work, document, &mut found).await?;
            prune_roles(&mut work, document, &mut found).await?;
        }
        work.commit().await?;
        Ok(found)
    }
    .await;
    realm.rollback_on_error(result).await
}

#[expect(clippy::needless_pass_by_value, reason = "texts and references to what has a text, alike")]
fn difference(
    sign: &'static str,
    what: &'static str,
    name: impl ToString,
    detail: impl ToString,
) -> Difference {
    Difference { sign, what, name: name.to_string(), detail: detail.to_string() }
}

async fn apply_roles(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    for (name, declared) in &document.roles {
        let description = declared.description.as_ref().map(Description::as_str);
        if roles::store::uncounted(&mut work.tx, &name.into()).await?.is_none() {
            roles::insert(work, name, description.unwrap_or_default()).await?;
            found.push(difference("+", "role", name, description.unwrap_or_default()));
        }
        let role = roles::find_to_change(work, name, "role:update").await?;
        if let Some(text) = description.filter(|text| *text != role.description) {
            roles::store::update(&mut work.tx, role.id, None, Some(text)).await?;
            work.note("role.update", None, serde_json::json!({ "role": name, "description": true }));
            found.push(difference("~", "role", name, text));
        }
        let Some(wanted) = &declared.permissions else { continue };
        let held: Vec<Grant> = access::grants_of_role(&mut work.tx, role.id).await?;
        for grant in &held {
            if !wanted.iter().any(|other| other.permission == grant.permission)
                && roles::take(work, &role, &grant.permission).await?
            {
                found.push(difference("-", "role", name, roles::text_of(grant)));
            }
        }
        for grant in wanted {
            if roles::put(work, &role, grant).await? {
                let before = held.iter().any(|other| other.permission == grant.permission);
                found.push(difference(if before { "~" } else { "+" }, "role", name, roles::text_of(grant)));
            }
        }
    }
    Ok(())
}

async fn apply_groups(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    for (name, declared) in &document.groups {
        let description = declared.description.as_ref().map(Description::as_str);
        if groups::store::uncounted(&mut work.tx, &name.into()).await?.is_none() {
            groups::insert(work, name, description.unwrap_or_default(), None).await?;
            found.push(difference("+", "group", name, description.unwrap_or_default()));
        }
        let group = groups::find_to_change(work, name, "group:update").await?;
        if let Some(text) = description.filter(|text| *text != group.description) {
            groups::store::update(&mut work.tx, group.id, None, Some(text)).await?;
            work.note("group.update", None, serde_json::json!({ "group": name, "description": true }));
            found.push(difference("~", "group", name, text));
        }
    }
    place_groups(work, document, found).await?;
    for (name, declared) in &document.groups {
        if let Some(wanted) = &declared.roles {
            carry(work, name, wanted, found).await?;
        }
        if let Some(wanted) = &declared.members {
            fill(work, name, wanted, found).await?;
        }
    }
    Ok(())
}

/// Those that move are taken out of the tree first: two that change places would be a cycle.
async fn place_groups(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    let mut moving = Vec::new();
    for (name, declared) in &document.groups {
        let group = groups::find(work, name).await?;
        if group.parent.as_deref() != declared.parent.as_ref().map(Name::as_str) {
            groups::place(work, &group, None).await?;
            moving.push((name, &declared.parent));
        }
    }
    for (name, parent) in moving {
        let parent = match parent {
            Some(parent) => Some(groups::find_to_change(work, parent, "group:update").await?),
            None => None,
        };
        let group = groups::find(work, name).await?;
        groups::place(work, &group, parent.as_ref()).await?;
        let detail = parent.map_or_else(|| "at the top".to_owned(), |parent| format!("in {}", parent.name));
        found.push(difference("~", "group", name, detail));
    }
    Ok(())
}

async fn carry(
    work: &mut RealmTx<'_>,
    name: &Name,
    wanted: &[Name],
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    let group = groups::find_to_change(work, name, "role:grant").await?;
    for text in &group.roles {
        if !wanted.iter().any(|role| role.as_str() == text) {
            let role = roles::find_to_grant(work, &own_name(text)?).await?;
            roles::take_group(work, &role, &group).await?;
            found.push(difference("-", "group", name, format!("role {text}")));
        }
    }
    for role in wanted {
        let role = roles::find_to_grant(work, role).await?;
        if roles::give_group(work, &role, &group).await? {
            found.push(difference("+", "group", name, format!("role {}", role.name)));
        }
    }
    Ok(())
}

async fn fill(
    work: &mut RealmTx<'_>,
    name: &Name,
    wanted: &[Email],
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    let group = groups::find_to_join(work, name).await?;
    let keys: BTreeSet<String> = wanted.iter().map(Email::key).collect();
    for (id, email, key) in groups::store::direct_members(&mut work.tx, group.id).await? {
        if !keys.contains(&key) {
            let user = users::find_to_change(work, &UserRef::Id(id), "group:update").await?;
            groups::leave(work, &group, &user).await?;
            found.push(difference("-", "member", name, email));
        }
    }
    for email in wanted {
        let user = users::find_to_change(work, &UserRef::Email(email.clone()), "group:update").await?;
        users::present(work, &user)?;
        if groups::join(work, &group, &user).await? {
            found.push(difference("+", "member", name, user.email));
        }
    }
    Ok(())
}

async fn apply_grants(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    let Some(grants) = &document.grants else { return Ok(()) };
    for (email, wanted) in grants.values() {
        let user = users::find_to_change(work, &UserRef::Email(email.clone()), "role:grant").await?;
        users::present(work, &user)?;
        for role in wanted {
            let role = roles::find_to_grant(work, role).await?;
            if roles::give_user(work, &role, &user).await? {
                found.push(difference("+", "grant", &user.email, &role.name));
            }
        }
        for text in user.roles.iter().filter(|text| !wanted.iter().any(|role| role.as_str() == *text)) {
            let role = roles::find_to_grant(work, &own_name(text)?).await?;
            roles::take_user(work, &role, &user).await?;
            found.push(difference("-", "grant", &user.email, text));
        }
    }
    if !document.prune {
        return Ok(());
    }
    let everyone = Page { page: 1, limit: u32::MAX };
    let sort = (UserSort::Email, false);
    let (filter, within) = (UserFilter::default(), Within::default());
    for user in users::store::page(&mut work.tx, &filter, &within, sort, everyone).await? {
        let declared = user.email.parse::<Email>().is_ok_and(|email| grants.contains_key(&email.key()));
        for text in user.roles.iter().filter(|_| !declared) {
            let user = users::find_to_change(work, &UserRef::Id(user.id), "role:grant").await?;
            let role = roles::find_to_grant(work, &own_name(text)?).await?;
            roles::take_user(work, &role, &user).await?;
            found.push(difference("-", "grant", &user.email, text));
        }
    }
    Ok(())
}

async fn prune_groups(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    let extra = |name: &str| !document.groups.keys().any(|declared| declared.as_str() == name);
    let mut left: Vec<_> = groups::store::list(&mut work.tx, None).await?;
    left.retain(|group| extra(&group.name));
    // Parts go before what they are part of.
    while let Some(at) =
        left.iter().position(|group| !left.iter().any(|part| part.parent.as_ref() == Some(&group.name)))
    {
        let group = groups::find_to_change(work, NameRef::Id(left.remove(at).id), "group:delete").await?;
        groups::remove_group(work, &group).await?;
        found.push(difference("-", "group", &group.name, counted(group.members, "member")));
    }
    Ok(())
}

async fn prune_roles(
    work: &mut RealmTx<'_>,
    document: &Document,
    found: &mut Vec<Difference>,
) -> Result<(), IamError> {
    for role in roles::store::list(&mut work.tx, None).await? {
        let declared = document.roles.keys().any(|name| name.as_str() == role.name);
        if !declared && !role.built_in {
            let role = roles::find_to_change(work, NameRef::Id(role.id), "role:delete").await?;
            roles::remove(work, &role).await?;
            found.push(difference("-", "role", &role.name, counted(role.users, "user")));
        }
    }
    Ok(())
}

/// A name that is in the realm.
fn own_name(text: &str) -> Result<Name, IamError> {
    text.parse().map_err(|_| IamError::Tampered(format!("{text:?} is not a name")))
}
