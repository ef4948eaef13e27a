//! Registered permissions: what roles can hold.

mod store;

use serde_json::{Map, json};

use super::error::IamError;
use super::model::{Changed, PermissionView, WriteOutcome};
use super::realm::{Realm, RealmTx};
use crate::features::access::Permission;
use crate::kernel::{Caller, Description, suggest};

/// The registered permissions, by name.
///
/// # Errors
/// Without `permission:read`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(realm: &mut Realm, caller: &Caller) -> Result<Vec<PermissionView>, IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "permission:read", &Map::new())?;
    let rows = store::list(&mut work.tx).await?;
    let held = store::held(&mut work.tx).await?;
    work.close().await?;
    let held: Vec<(Permission, String)> =
        held.into_iter().filter_map(|(text, role)| Some((text.parse().ok()?, role))).collect();
    let view = |(name, description): (String, String)| {
        let asked: Option<Permission> = name.parse().ok();
        let asked = asked.as_ref();
        let covers = |held: &Permission| asked.is_some_and(|asked| held.covers(asked));
        let mut roles: Vec<String> =
            held.iter().filter(|(held, _)| covers(held)).map(|(_, role)| role.clone()).collect();
        roles.dedup();
        let administrative = asked.is_some_and(Permission::is_administrative);
        PermissionView { name, description, administrative, roles }
    };
    Ok(rows.into_iter().map(view).collect())
}

/// Those that are registered, without patterns.
pub(super) async fn registered(work: &mut RealmTx<'_>) -> Result<Vec<Permission>, IamError> {
    let names = store::names(&mut work.tx).await?;
    let mut all: Vec<Permission> = names.iter().filter_map(|name| name.parse().ok()).collect();
    all.retain(|one| !one.is_pattern());
    all.sort();
    Ok(all)
}

/// Registers a permission, or describes one that is registered anew.
///
/// # Errors
/// Without `permission:create`.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn register(
    realm: &mut Realm,
    caller: &Caller,
    name: &Permission,
    description: &Description,
) -> Result<Changed, IamError> {
    let result: Result<Changed, IamError> = async {
        let mut work = realm.write(caller).await?;
        work.actor.require(caller, "permission:create", &Map::new())?;
        let changed = write(&mut work, name, description).await?;
        let outcome = if changed { work.outcome() } else { WriteOutcome::Unchanged };
        work.commit().await?;
        let (subject, object) = (name.to_string(), description.to_string());
        Ok(Changed { action: "permission.register", subject, object, outcome })
    }
    .await;
    realm.rollback_on_error(result).await
}

/// Registers a permission; whether anything changed.
pub(super) async fn write(
    work: &mut RealmTx<'_>,
    name: &Permission,
    description: &Description,
) -> Result<bool, IamError> {
    let changed = store::register(&mut work.tx, name.as_str(), description.as_str()).await?;
    if changed {
        work.note("permission.register", None, json!({ "permission": name }));
    }
    Ok(changed)
}

/// Requires that a permission is registered, or is a pattern for some that are.
pub(super) async fn check(work: &mut RealmTx<'_>, asked: &Permission) -> Result<(), IamError> {
    let names = store::names(&mut work.tx).await?;
    let known = names.iter().filter_map(|name| name.parse::<Permission>().ok());
    if names.iter().any(|name| name == asked.as_str())
        || (asked.is_pattern() && known.into_iter().any(|one| asked.covers(&one)))
    {
        return Ok(());
    }
    let (name, at) = (asked.to_string(), work.place.hinted());
    let nearest = suggest::nearest(asked.as_str(), names.iter().map(String::as_str)).map(str::to_owned);
    if asked.is_pattern() && nearest.is_none() {
        return Err(IamError::EmptyPattern { name, at });
    }
    Err(IamError::UnknownPermission { name, nearest, at })
}

/// The same, for a permission that a role is about to hold: a pattern is registered by that.
pub(super) async fn check_to_hold(work: &mut RealmTx<'_>, asked: &Permission) -> Result<(), IamError> {
    check(work, asked).await?;
    if asked.is_pattern() {
        let description = match (asked.resource(), asked.action()) {
            ("*", action) => format!("{action} anything of the business"),
            (resource, _) => format!("everything with {resource}"),
        };
        store::register_pattern(&mut work.tx, asked.as_str(), &description).await?;
    }
    Ok(())
}
