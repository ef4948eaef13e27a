//! One user: created, shown, changed, deleted.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::etag::{self, IfMatch, IfNoneMatch};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::InQuery;
use super::body::NewUserBody;
use crate::features::iam::model::Changed;
use crate::features::iam::users::{self, Created, UserUpdate};
use crate::features::iam::{FirstPassword, User, UserRef};
use crate::kernel::{DisplayName, Email, UserId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, update, delete))
}

/// How a user is created.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct CreateParams {
    /// Without a password, send them an invitation: a message with which they set one
    #[serde(default)]
    #[param(default = false)]
    invite: bool,
}

/// Create a user
///
/// With a password they can sign in at once. Without one, and without an invitation, they can once they
/// are invited.
#[utoipa::path(
    post,
    path = "/users",
    operation_id = "createUser",
    tag = "users",
    params(CreateParams),
    request_body = NewUserBody,
    responses((status = 201, body = User), Problem),
    extensions(("x-permission" = json!("user:create"))),
    security(("token" = []))
)]
pub(super) async fn create(
    request: RequestContext,
    InQuery(params): InQuery<CreateParams>,
    Body(body): Body<NewUserBody>,
) -> Result<Response, Problem> {
    let (new, password) = body.into_parts();
    let first = match password {
        Some(password) => FirstPassword::Given(password),
        None if params.invite => FirstPassword::Message,
        None => FirstPassword::None,
    };
    let mut realm = request.realm().await?;
    let Created { user, .. } = users::create(&mut realm, &request.caller, new, &first).await?;
    drop(realm);
    request.ring();
    Ok(etag::created(&format!("/users/{}", user.id), &user, &user))
}

/// Show a user
///
/// Everybody may see themselves.
#[utoipa::path(
    get,
    path = "/users/{id}",
    operation_id = "getUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), IfNoneMatch),
    responses((status = 200, body = User), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&users::get(&mut realm, &request.caller, &UserRef::Id(id)).await?))
}

/// What is to be changed of a user; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserChange {
    #[schema(value_type = Option<String>, format = "email")]
    email: Option<Parsed<Email>>,
    #[schema(value_type = Option<String>, example = "Bob Birch")]
    name: Option<Parsed<DisplayName>>,
    /// Fields of the profile to set; null removes one.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>, example = json!({ "team": "eu", "old": null }))]
    profile: Map<String, Value>,
    /// Values of custom fields to set; null removes one.
    #[serde(default)]
    #[schema(value_type = HashMap<String, Value>)]
    fields: Map<String, Value>,
}

/// Change a user's address, name, profile or fields
#[utoipa::path(
    patch,
    path = "/users/{id}",
    operation_id = "updateUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), IfMatch),
    request_body = UserChange,
    responses((status = 200, body = User), Problem),
    extensions(("x-permission" = json!("user:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    IfMatch(expected): IfMatch,
    Body(body): Body<UserChange>,
) -> Result<Response, Problem> {
    let (email, name) = (body.email.map(|it| it.0), body.name.map(|it| it.0));
    let change = UserUpdate { email, name, profile: body.profile, fields: body.fields, expected };
    let mut realm = request.realm().await?;
    let (user, _) = users::update(&mut realm, &request.caller, &UserRef::Id(id), &change).await?;
    Ok(etag::changed(&user))
}

/// Delete a user
///
/// They cannot sign in, and can be undeleted until their data is erased.
#[utoipa::path(
    delete,
    path = "/users/{id}",
    operation_id = "deleteUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), IfMatch),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("user:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(users::delete(&mut realm, &request.caller, &UserRef::Id(id), &expected).await?))
}
