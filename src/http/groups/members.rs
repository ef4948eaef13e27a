//! Who is in a group, and which roles it carries.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::Parsed;
use super::super::context::RequestContext;
use super::super::list::{List, NoFilter, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use super::super::users;
use crate::features::iam::model::{Changed, UserFilter};
use crate::features::iam::roles::{self, Holder};
use crate::features::iam::{NameRef, User, UserRef, groups};
use crate::kernel::UserId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(add, remove)).routes(routes!(grant, revoke))
}

/// List the members of a group, and of the groups inside it
#[utoipa::path(
    get,
    path = "/groups/{group}/members",
    operation_id = "listMembers",
    tag = "groups",
    params(("group" = String, Path, description = "The group's id or name"), PageParams),
    responses((status = 200, body = List<User>), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    InPath(Parsed(group)): InPath<Parsed<NameRef>>,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<User>>, Problem> {
    let filter = UserFilter { group: Some(group), ..UserFilter::default() };
    users::page_of(&request, filter, "", &part).await
}

/// Add a user to a group
#[utoipa::path(
    put,
    path = "/groups/{group}/members/{user}",
    operation_id = "addMember",
    tag = "groups",
    params(
        ("group" = String, Path, description = "The group's id or name"),
        ("user" = Uuid, Path, description = "The user's id")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("group:update"))),
    security(("token" = []))
)]
async fn add(
    request: RequestContext,
    InPath((group, user)): InPath<(Parsed<NameRef>, Parsed<UserId>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(groups::add_one(&mut realm, &request.caller, &group.0, &UserRef::Id(user.0)).await?))
}

/// Remove a user from a group
#[utoipa::path(
    delete,
    path = "/groups/{group}/members/{user}",
    operation_id = "removeMember",
    tag = "groups",
    params(
        ("group" = String, Path, description = "The group's id or name"),
        ("user" = Uuid, Path, description = "The user's id")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("group:update"))),
    security(("token" = []))
)]
async fn remove(
    request: RequestContext,
    InPath((group, user)): InPath<(Parsed<NameRef>, Parsed<UserId>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(groups::remove_one(&mut realm, &request.caller, &group.0, &UserRef::Id(user.0)).await?))
}

/// Grant a role to a group, for all in it
#[utoipa::path(
    put,
    path = "/groups/{group}/roles/{role}",
    operation_id = "grantRoleToGroup",
    tag = "groups",
    params(
        ("group" = String, Path, description = "The group's id or name"),
        ("role" = String, Path, description = "The role's id or name")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:grant"))),
    security(("token" = []))
)]
async fn grant(
    request: RequestContext,
    InPath((group, role)): InPath<(Parsed<NameRef>, Parsed<NameRef>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(roles::grant(&mut realm, &request.caller, role.0, &Holder::Group(group.0)).await?))
}

/// Revoke a role from a group
#[utoipa::path(
    delete,
    path = "/groups/{group}/roles/{role}",
    operation_id = "revokeRoleFromGroup",
    tag = "groups",
    params(
        ("group" = String, Path, description = "The group's id or name"),
        ("role" = String, Path, description = "The role's id or name")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:grant"))),
    security(("token" = []))
)]
async fn revoke(
    request: RequestContext,
    InPath((group, role)): InPath<(Parsed<NameRef>, Parsed<NameRef>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(roles::revoke(&mut realm, &request.caller, role.0, &Holder::Group(group.0)).await?))
}
