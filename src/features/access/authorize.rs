//! The check of a caller.

use serde_json::{Map, Value};

use super::authorized::Authorized;
use super::error::AccessError;
use super::grants::{Decision, Grants};
use super::permission::Permission;
use super::rights::Right;
use super::store;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, TenantId, UserId};

/// What something is asked for about: conditions look at it.
#[derive(Debug, Clone, Copy)]
pub enum About<'a> {
    /// Nothing of a tenant's alone.
    Platform,
    /// A tenant, by its id.
    Tenant(TenantId),
    /// The tenant of this slug.
    Slug(&'a str),
}

/// A user's realm that something is asked for about.
pub(in crate::features) struct RealmSession<'a> {
    /// A session in its database.
    pub(in crate::features) session: &'a mut PgConnection,
    /// The tenant; [`TenantId::PLATFORM`] for the platform's own.
    pub(in crate::features) realm: TenantId,
    /// The user in whose name something is to be made: it must not hold more than the caller.
    pub(in crate::features) on_behalf: Option<UserId>,
}

/// Checks that the caller may do something to the platform or to a tenant. Who holds the platform's
/// credentials may, and nothing is read for it; an operator may what their roles in the platform's
/// realm say; a tenant's user may nothing of the platform's.
///
/// # Errors
/// [`AccessError::Forbidden`], whether what it is about exists or not.
pub(in crate::features) async fn authorize<'a>(
    control: &mut PgConnection,
    caller: &'a Caller,
    right: &'static Right,
    about: About<'_>,
) -> Result<Authorized<'a>, AccessError> {
    let (realm, id) = match caller {
        Caller::Machine(_) | Caller::System => return Ok(Authorized::new(caller, None)),
        // What an operator may do in a realm that they visit is for the access there to say, and for `iam`.
        Caller::User { token, .. } if token.visits.is_some() => return Err(right.refused(caller)),
        Caller::User { realm, id, .. } => (*realm, *id),
    };
    let grants = match realm {
        TenantId::PLATFORM => store::grants_of_user(control, id).await?.map(|it| it.limited(caller)),
        _ => None,
    };
    let (Some(grants), Some(permission)) = (grants, right.permission()) else {
        return Err(right.refused(caller));
    };
    match (grants.can(&permission, &Map::new()), about) {
        (Decision::Granted(..), _) => Ok(Authorized::new(caller, None)),
        (Decision::Unmet(..), About::Tenant(id)) => {
            by_tenant(control, caller, (right, &permission, &grants), (Some(id), None)).await
        }
        (Decision::Unmet(..), About::Slug(slug)) => {
            by_tenant(control, caller, (right, &permission, &grants), (None, Some(slug))).await
        }
        _ => Err(right.refused(caller)),
    }
}

/// Decides by what a tenant is; the answer is good for that one alone.
async fn by_tenant<'a>(
    control: &mut PgConnection,
    caller: &'a Caller,
    (right, permission, grants): (&'static Right, &Permission, &Grants),
    (id, slug): (Option<TenantId>, Option<&str>),
) -> Result<Authorized<'a>, AccessError> {
    let found: Option<(TenantId, Map<String, Value>)> = store::tenant(control, id, slug).await?;
    match found {
        Some((id, facts)) if grants.can(permission, &facts).is_granted() => {
            Ok(Authorized::new(caller, Some(id)))
        }
        _ => Err(right.refused(caller)),
    }
}

/// Checks that the caller may do something in a realm that has permissions of that name itself, e.g.
/// with its tokens: its own users by their roles there, operators by those in the platform's realm.
///
/// # Errors
/// [`AccessError::Forbidden`]; [`AccessError::Above`] where a user would act in the name of one who
/// holds more.
pub(in crate::features) async fn authorize_in_realm<'a>(
    control: &mut PgConnection,
    caller: &'a Caller,
    right: &'static Right,
    within: RealmSession<'_>,
) -> Result<Authorized<'a>, AccessError> {
    let id = match caller {
        Caller::User { realm, id, .. } if *realm == within.realm => *id,
        _ => return authorize(control, caller, right, About::Tenant(within.realm)).await,
    };
    let grants = store::grants_of_user(within.session, id).await?.map(|it| it.limited(caller));
    let (Some(grants), Some(permission)) = (grants, right.permission()) else {
        return Err(right.refused(caller));
    };
    if !grants.can(&permission, &Map::new()).is_granted() {
        return Err(right.refused(caller));
    }
    if let Some(user) = within.on_behalf
        && let Some(theirs) = store::grants_of_user(within.session, user).await?
        && let Some(grant) = theirs.all().find(|grant| !grants.covers(grant, Some(&theirs.facts)))
    {
        let (what, permission) = (format!("user {user}"), grant.permission.to_string());
        return Err(AccessError::Above { what, permission });
    }
    Ok(Authorized::new(caller, None))
}

/// Checks that the caller holds the platform's credentials: for what decides by whom the platform is
/// run, or is done where there is no realm yet to ask.
///
/// # Errors
/// [`AccessError::Forbidden`] for every user.
pub(in crate::features) fn authorize_machine<'a>(
    caller: &'a Caller,
    right: &'static Right,
) -> Result<Authorized<'a>, AccessError> {
    match caller {
        Caller::Machine(_) | Caller::System => Ok(Authorized::new(caller, None)),
        Caller::User { .. } => Err(right.refused(caller)),
    }
}
