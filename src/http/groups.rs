//! `/groups`: they nest and carry roles. A group is named by its id or its name, which may change.

mod members;

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
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
use crate::features::iam::groups::{self, GroupUpdate};
use crate::features::iam::model::{Changed, Group, NamedFilter};
use crate::features::iam::{Name, NameRef};
use crate::kernel::Description;
use crate::kernel::filter::FilterField;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(relocate))
        .merge(members::routes())
}

/// What groups are filtered by.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupParams {}

impl Filtered for GroupParams {
    const FIELDS: &'static [FilterField] = groups::FIELDS;
    const CUSTOM: bool = true;
}

/// List the groups, by name
#[utoipa::path(
    get,
    path = "/groups",
    operation_id = "listGroups",
    tag = "groups",
    params(PageParams, Conditions<GroupParams>),
    responses((status = 200, body = List<Group>), Problem),
    extensions(("x-permission" = json!("group:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter: GroupParams {}, conditions, fields }: FilteredQuery<GroupParams>,
) -> Result<Json<List<Group>>, Problem> {
    let (page, filter) = (part.page()?, NamedFilter { conditions, fields, after: part.after_name()? });
    let mut realm = request.realm().await?;
    let (data, place) = groups::page(&mut realm, &request.caller, &filter, page).await?;
    Ok(Json(List::page(data, place, |last| last.name.clone())))
}

/// A group to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewGroup {
    #[schema(value_type = String, example = "Sales EU")]
    name: Parsed<Name>,
    #[schema(value_type = Option<String>, example = "sells in Europe")]
    description: Option<Parsed<Description>>,
    /// The name of the group that it is part of.
    #[schema(value_type = Option<String>, example = "Sales")]
    parent: Option<Parsed<Name>>,
    /// Values of custom fields.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>)]
    fields: Map<String, Value>,
}

/// Create a group, perhaps inside another
#[utoipa::path(
    post,
    path = "/groups",
    operation_id = "createGroup",
    tag = "groups",
    request_body = NewGroup,
    responses((status = 201, body = Group), Problem),
    extensions(("x-permission" = json!("group:create"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewGroup>) -> Result<Response, Problem> {
    let (name, parent) = (body.name.0, body.parent.map(|it| it.0));
    let description = body.description.map(|it| it.0).unwrap_or_default();
    let mut realm = request.realm().await?;
    let rest = (parent.as_ref(), &body.fields);
    let made = groups::create(&mut realm, &request.caller, &name, &description, rest).await?;
    Ok(etag::created(&format!("/groups/{}", made.id), &made, &made))
}

/// Show a group
#[utoipa::path(
    get,
    path = "/groups/{group}",
    operation_id = "getGroup",
    tag = "groups",
    params(("group" = String, Path, description = "The group's id or name"), IfNoneMatch),
    responses((status = 200, body = Group), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("group:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(group)): InPath<Parsed<NameRef>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&groups::get(&mut realm, &request.caller, group).await?))
}

/// What is to be changed of a group; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GroupChange {
    #[schema(value_type = Option<String>, example = "Selling")]
    name: Option<Parsed<Name>>,
    #[schema(value_type = Option<String>)]
    description: Option<Parsed<Description>>,
    /// Values of custom fields to set; null removes one.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>)]
    fields: Map<String, Value>,
}

/// Rename or describe a group, or set its fields
#[utoipa::path(
    patch,
    path = "/groups/{group}",
    operation_id = "updateGroup",
    tag = "groups",
    params(("group" = String, Path, description = "The group's id or name"), IfMatch),
    request_body = GroupChange,
    responses((status = 200, body = Group), Problem),
    extensions(("x-permission" = json!("group:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(Parsed(group)): InPath<Parsed<NameRef>>,
    IfMatch(expected): IfMatch,
    Body(body): Body<GroupChange>,
) -> Result<Response, Problem> {
    let (name, description) = (body.name.map(|it| it.0), body.description.map(|it| it.0));
    let change = GroupUpdate { name, description, fields: body.fields, expected };
    let mut realm = request.realm().await?;
    Ok(etag::changed(&groups::update(&mut realm, &request.caller, group, &change).await?.0))
}

/// Delete a group that contains no other; its members lose its roles
#[utoipa::path(
    delete,
    path = "/groups/{group}",
    operation_id = "deleteGroup",
    tag = "groups",
    params(("group" = String, Path, description = "The group's id or name"), IfMatch),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("group:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(Parsed(group)): InPath<Parsed<NameRef>>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(groups::delete(&mut realm, &request.caller, group, &expected).await?))
}

/// Where a group is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Move {
    /// The name of the group that it becomes part of; null: of none.
    #[schema(value_type = Option<String>, example = "Europe", required = true)]
    #[serde(deserialize_with = "Option::deserialize")]
    to: Option<Parsed<Name>>,
}

/// Move a group into another, or to the top
#[utoipa::path(
    post,
    path = "/groups/{group}/move",
    operation_id = "moveGroup",
    tag = "groups",
    params(("group" = String, Path, description = "The group's id or name")),
    request_body = Move,
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("group:update"))),
    security(("token" = []))
)]
async fn relocate(
    request: RequestContext,
    InPath(Parsed(group)): InPath<Parsed<NameRef>>,
    Body(body): Body<Move>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let parent = body.to.map(|it| it.0);
    Ok(Json(groups::relocate(&mut realm, &request.caller, group, parent.as_ref()).await?))
}
