//! `/roles`: what they allow. A role is named by its id or its name, which may change.

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::etag::{self, IfMatch, IfNoneMatch};
use super::list::{List, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::{Conditions, Filtered, FilteredQuery};
use crate::features::iam::model::{Changed, NamedFilter, Role, RoleDetail};
use crate::features::iam::roles::{self, RoleUpdate};
use crate::features::iam::{Condition, Name, NameRef, Permission};
use crate::kernel::Description;
use crate::kernel::filter::FilterField;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(allow, disallow))
}

/// What roles are filtered by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct RoleParams {}

impl Filtered for RoleParams {
    const FIELDS: &'static [FilterField] = roles::FIELDS;
}

/// List the roles, by name
#[utoipa::path(
    get,
    path = "/roles",
    operation_id = "listRoles",
    tag = "roles",
    params(PageParams, Conditions<RoleParams>),
    responses((status = 200, body = List<Role>), Problem),
    extensions(("x-permission" = json!("role:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter: RoleParams {}, conditions, .. }: FilteredQuery<RoleParams>,
) -> Result<Json<List<Role>>, Problem> {
    let (page, filter) =
        (part.page()?, NamedFilter { conditions, fields: Vec::new(), after: part.after_name()? });
    let mut realm = request.realm().await?;
    let (data, place) = roles::page(&mut realm, &request.caller, &filter, page).await?;
    Ok(Json(List::page(data, place, |last| last.name.clone())))
}

/// A role to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewRole {
    #[schema(value_type = String, example = "Accountant")]
    name: Parsed<Name>,
    #[schema(value_type = Option<String>, example = "keeps the books")]
    description: Option<Parsed<Description>>,
    /// What it allows, without conditions.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["user:read"]))]
    permissions: Vec<Parsed<Permission>>,
}

/// Create a role
#[utoipa::path(
    post,
    path = "/roles",
    operation_id = "createRole",
    tag = "roles",
    request_body = NewRole,
    responses((status = 201, body = RoleDetail), Problem),
    extensions(("x-permission" = json!("role:create"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewRole>) -> Result<Response, Problem> {
    let permissions: Vec<Permission> = body.permissions.into_iter().map(|it| it.0).collect();
    let description = body.description.map(|it| it.0).unwrap_or_default();
    let mut realm = request.realm().await?;
    let made = roles::create(&mut realm, &request.caller, &body.name.0, &description, &permissions).await?;
    Ok(etag::created(&format!("/roles/{}", made.role.id), &made, &made))
}

/// Show a role, and what its patterns stand for
#[utoipa::path(
    get,
    path = "/roles/{role}",
    operation_id = "getRole",
    tag = "roles",
    params(("role" = String, Path, description = "The role's id or name"), IfNoneMatch),
    responses((status = 200, body = RoleDetail), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("role:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(role)): InPath<Parsed<NameRef>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&roles::get(&mut realm, &request.caller, role).await?))
}

/// What is to be changed of a role; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RoleChange {
    #[schema(value_type = Option<String>, example = "Bookkeeper")]
    name: Option<Parsed<Name>>,
    #[schema(value_type = Option<String>)]
    description: Option<Parsed<Description>>,
}

/// Rename or describe a role
#[utoipa::path(
    patch,
    path = "/roles/{role}",
    operation_id = "updateRole",
    tag = "roles",
    params(("role" = String, Path, description = "The role's id or name"), IfMatch),
    request_body = RoleChange,
    responses((status = 200, body = RoleDetail), Problem),
    extensions(("x-permission" = json!("role:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(Parsed(role)): InPath<Parsed<NameRef>>,
    IfMatch(expected): IfMatch,
    Body(body): Body<RoleChange>,
) -> Result<Response, Problem> {
    let (name, description) = (body.name.map(|it| it.0), body.description.map(|it| it.0));
    let change = RoleUpdate { name, description, expected };
    let mut realm = request.realm().await?;
    Ok(etag::changed(&roles::update(&mut realm, &request.caller, role, &change).await?.0))
}

/// Delete a role; whoever holds it loses it
///
/// Built-in roles can be changed, not deleted.
#[utoipa::path(
    delete,
    path = "/roles/{role}",
    operation_id = "deleteRole",
    tag = "roles",
    params(("role" = String, Path, description = "The role's id or name"), IfMatch),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(Parsed(role)): InPath<Parsed<NameRef>>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(roles::delete(&mut realm, &request.caller, role, &expected).await?))
}

/// When a role allows something.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Allowance {
    /// The condition; without one: always.
    #[schema(value_type = Option<String>, example = "owner and state = 'draft'")]
    when: Option<Parsed<Condition>>,
}

/// Add a permission to a role
///
/// A condition replaces the one that the permission had before.
#[utoipa::path(
    put,
    path = "/roles/{role}/permissions/{permission}",
    operation_id = "allowRole",
    tag = "roles",
    params(
        ("role" = String, Path, description = "The role's id or name"),
        ("permission" = String, Path, description = "resource:action, with * for any", example = "invoice:*")
    ),
    request_body = Allowance,
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:update"))),
    security(("token" = []))
)]
async fn allow(
    request: RequestContext,
    InPath((role, permission)): InPath<(Parsed<NameRef>, Parsed<Permission>)>,
    Body(body): Body<Allowance>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let when = body.when.as_ref().map(|it| &it.0);
    Ok(Json(roles::allow(&mut realm, &request.caller, role.0, &permission.0, when).await?))
}

/// Remove a permission from a role
///
/// One that the role allows by a pattern cannot be removed by itself: remove the pattern.
#[utoipa::path(
    delete,
    path = "/roles/{role}/permissions/{permission}",
    operation_id = "disallowRole",
    tag = "roles",
    params(
        ("role" = String, Path, description = "The role's id or name"),
        ("permission" = String, Path, description = "The permission, as the role holds it")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:update"))),
    security(("token" = []))
)]
async fn disallow(
    request: RequestContext,
    InPath((role, permission)): InPath<(Parsed<NameRef>, Parsed<Permission>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(roles::deny(&mut realm, &request.caller, role.0, &permission.0).await?))
}
