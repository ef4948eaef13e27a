//! Looking at users, and at what they may do.

use serde_json::{Map, Value};

use super::super::custom_fields::{self, AppliesTo};
use super::super::error::IamError;
use super::super::model::{User, UserFilter, UserRef, UserSort};
use super::super::realm::Realm;
use super::super::{groups, permissions, roles};
use super::store::{self, Within};
use crate::features::access::Permission;
use crate::features::access::{Decision, DecisionView};
use crate::features::access::{grants_of_user, roles_with};
use crate::kernel::{Caller, Page, Pagination, Total};

/// One page of users, and where it stands among all.
///
/// # Errors
/// Without `user:read`; when a role or group of the filter is not there.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list(
    realm: &mut Realm,
    caller: &Caller,
    filter: &UserFilter,
    sort: (UserSort, bool),
    (page, total): (Page, Total),
) -> Result<(Vec<User>, Pagination), IamError> {
    let mut work = realm.read(caller).await?;
    work.actor.require(caller, "user:read", &Map::new())?;
    let mut within = Within::default();
    if let Some(role) = &filter.role {
        let role = roles::id_of(&mut work, role).await?;
        within.role = Some((role, store::groups_with(&mut work.tx, role).await?));
    }
    if let Some(group) = &filter.group {
        let group = groups::id_of(&mut work, group).await?;
        within.group = Some(store::groups_in(&mut work.tx, group).await?);
    }
    within.fields = custom_fields::conditions(&mut work, AppliesTo::Users, &filter.fields).await?;
    let mut rows = store::page(&mut work.tx, filter, &within, sort, page).await?;
    let counting = store::count(&mut work.tx, filter, &within, total.limit());
    let place = Pagination::of((page, total), &mut rows, filter.after.is_none(), counting).await?;
    work.close().await?;
    Ok((rows, place))
}

/// The user. Everybody may see themselves.
///
/// # Errors
/// Without `user:read` on it; [`IamError::NotFound`], with the nearest address.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn get(realm: &mut Realm, caller: &Caller, who: &UserRef) -> Result<User, IamError> {
    let mut work = realm.read(caller).await?;
    let own = match who {
        UserRef::Id(id) if work.actor.is_token_of(*id) => store::by_ref(&mut work.tx, who).await?,
        _ => None,
    };
    let user = match own {
        Some(user) => user,
        None => super::find(&mut work, who, "user:read").await?,
    };
    work.close().await?;
    Ok(user)
}

/// Whether a user may do something to a thing with these attributes, and why, or why not. An
/// `owner` among them may be a user's address.
///
/// # Errors
/// Without `user:read` on the user; [`IamError::UnknownPermission`], with the nearest name.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn can(
    realm: &mut Realm,
    caller: &Caller,
    who: &UserRef,
    asked: &Permission,
    resource: &Map<String, Value>,
) -> Result<DecisionView, IamError> {
    let mut work = realm.read(caller).await?;
    let user = super::find(&mut work, who, "user:read").await?;
    permissions::check(&mut work, asked).await?;
    let grants = grants_of_user(&mut work.tx, user.id).await?;
    let Some(grants) = grants else {
        return Err(IamError::NotFound {
            what: "user",
            name: user.email,
            nearest: None,
            at: work.place.hinted(),
        });
    };
    let decision = grants.can(asked, resource);
    let (nearest, roles) = match &decision {
        Decision::Missing => (grants.nearest(asked), roles_with(&mut work.tx, asked).await?),
        _ => (None, Vec::new()),
    };
    let view = DecisionView::new(&user.email, asked, &decision, nearest, roles);
    work.close().await?;
    Ok(view)
}
