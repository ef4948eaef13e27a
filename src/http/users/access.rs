//! What a user may do, and where they are signed in.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Parsed;
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::list::{List, NoFilter, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::{InQuery, ListQuery};
use crate::features::iam::groups::{self, Membership};
use crate::features::iam::model::Changed;
use crate::features::iam::roles::{self, Holder};
use crate::features::iam::signin::{self, Session};
use crate::features::iam::{self, DecisionView, HeldView, NameRef, Permission, UserRef, users};
use crate::kernel::UserId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(can))
        .routes(routes!(held))
        .routes(routes!(grant, revoke))
        .routes(routes!(memberships))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
}

/// What is asked of a user.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CanParams {
    /// What they would do
    #[param(value_type = String, example = "invoice:approve")]
    permission: Parsed<Permission>,
    /// What conditions look at of the object, as a JSON object
    #[param(example = r#"{"amount":100}"#)]
    with: Option<String>,
}

/// Ask whether a user may do something, and why
#[utoipa::path(
    get,
    path = "/users/{id}/can",
    operation_id = "canUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), CanParams),
    responses((status = 200, body = DecisionView), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn can(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    InQuery(params): InQuery<CanParams>,
) -> Result<Json<DecisionView>, Problem> {
    let object: Map<String, Value> = match &params.with {
        None => Map::new(),
        Some(text) => {
            serde_json::from_str(text).map_err(|_| RequestError::query("with", "it is not a JSON object"))?
        }
    };
    let mut realm = request.realm().await?;
    let (who, asked) = (UserRef::Id(id), params.permission.0);
    Ok(Json(users::can(&mut realm, &request.caller, &who, &asked, &object).await?))
}

/// List the roles that a user holds, their own and by groups
#[utoipa::path(
    get,
    path = "/users/{id}/roles",
    operation_id = "listRolesOfUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), PageParams),
    responses((status = 200, body = List<HeldView>), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn held(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<HeldView>>, Problem> {
    let mut realm = request.realm().await?;
    let grants = iam::grants(&mut realm, &request.caller, id).await?;
    let rows = grants.held.iter().map(HeldView::new).collect();
    Ok(Json(List::part_of(rows, &part, |held| (held.role.clone(), held.groups.clone()))?))
}

/// Grant a role to a user
#[utoipa::path(
    put,
    path = "/users/{id}/roles/{role}",
    operation_id = "grantRoleToUser",
    tag = "users",
    params(
        ("id" = Uuid, Path, description = "The user's id"),
        ("role" = String, Path, description = "The role's id or name")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:grant"))),
    security(("token" = []))
)]
async fn grant(
    request: RequestContext,
    InPath((id, role)): InPath<(Parsed<UserId>, Parsed<NameRef>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let holder = Holder::User(UserRef::Id(id.0));
    Ok(Json(roles::grant(&mut realm, &request.caller, role.0, &holder).await?))
}

/// Revoke a role from a user
#[utoipa::path(
    delete,
    path = "/users/{id}/roles/{role}",
    operation_id = "revokeRoleFromUser",
    tag = "users",
    params(
        ("id" = Uuid, Path, description = "The user's id"),
        ("role" = String, Path, description = "The role's id or name")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("role:grant"))),
    security(("token" = []))
)]
async fn revoke(
    request: RequestContext,
    InPath((id, role)): InPath<(Parsed<UserId>, Parsed<NameRef>)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let holder = Holder::User(UserRef::Id(id.0));
    Ok(Json(roles::revoke(&mut realm, &request.caller, role.0, &holder).await?))
}

/// List the groups that a user is in, and those that they are part of
#[utoipa::path(
    get,
    path = "/users/{id}/groups",
    operation_id = "listGroupsOfUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), PageParams),
    responses((status = 200, body = List<Membership>), Problem),
    extensions(("x-permission" = json!("user:read"))),
    security(("token" = []))
)]
async fn memberships(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<Membership>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = groups::of_user(&mut realm, &request.caller, &UserRef::Id(id)).await?;
    Ok(Json(List::part_of(rows, &part, |group| (group.via.len(), group.group.clone(), group.via.clone()))?))
}

/// Where a list of sessions goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    id: Uuid,
}

/// List a user's sessions, the newest first
#[utoipa::path(
    get,
    path = "/users/{id}/sessions",
    operation_id = "listSessionsOfUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id"), PageParams),
    responses((status = 200, body = List<Session>), Problem),
    extensions(("x-permission" = json!("session:read"))),
    security(("token" = []))
)]
async fn sessions(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<Session>>, Problem> {
    sessions_of(&request, &UserRef::Id(id), &part).await
}

/// One page of the sessions of a user.
pub(in super::super) async fn sessions_of(
    request: &RequestContext,
    user: &UserRef,
    part: &PageParams,
) -> Result<Json<List<Session>>, Problem> {
    let (page, after) = (part.page()?, part.position::<Position>()?.map(|it| (it.at, it.id)));
    let mut realm = request.realm().await?;
    let found = signin::page_of_sessions(&mut realm, &request.caller, (user, after), page).await?;
    Ok(Json(List::page(found.0, found.1, |last| Position { at: last.created_at, id: last.id })))
}

/// End all sessions of a user
#[utoipa::path(
    delete,
    path = "/users/{id}/sessions",
    operation_id = "endSessionsOfUser",
    tag = "users",
    params(("id" = Uuid, Path, description = "The user's id")),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("session:delete"))),
    security(("token" = []))
)]
async fn end_sessions(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<UserId>>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(signin::end_sessions(&mut realm, &request.caller, &UserRef::Id(id)).await?))
}

/// End one session of a user
#[utoipa::path(
    delete,
    path = "/users/{id}/sessions/{session}",
    operation_id = "endSessionOfUser",
    tag = "users",
    params(
        ("id" = Uuid, Path, description = "The user's id"),
        ("session" = Uuid, Path, description = "The session's id")
    ),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("session:delete"))),
    security(("token" = []))
)]
async fn end_session(
    request: RequestContext,
    InPath((id, session)): InPath<(Parsed<UserId>, Uuid)>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(signin::end_session(&mut realm, &request.caller, Some(id.0), session).await?))
}
