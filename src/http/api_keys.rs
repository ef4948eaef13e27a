//! `/api-keys`: keys of the request's realm, with which programs get access tokens.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use axum::response::Response;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::error::RequestError;
use super::etag::{self, IfNoneMatch};
use super::list::{List, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::iam::{Permission, UserRef};
use crate::features::tokens::{ApiKeyFilter, ApiKeyPosition, ApiKeyView, KeyLifetime, KeyName, NewApiKey};
use crate::kernel::Pagination;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, revoke))
}

/// What API keys are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ApiKeyParams {
    /// Of this user, by id or e-mail address
    user: Option<String>,
    /// Also those that are revoked or expired
    #[serde(default)]
    #[param(default = false)]
    all_states: bool,
}

/// List API keys, the newest first
#[utoipa::path(
    get,
    path = "/api-keys",
    operation_id = "listApiKeys",
    tag = "api-keys",
    params(ApiKeyParams, PageParams),
    responses((status = 200, body = List<ApiKeyView>), Problem),
    extensions(("x-permission" = json!("api-key:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<ApiKeyParams>,
) -> Result<Json<List<ApiKeyView>>, Problem> {
    let (page, total) = part.page()?;
    let after: Option<ApiKeyPosition> = part.position()?;
    let user = filter.user.as_deref().map(str::parse::<UserRef>).transpose();
    let user = user.map_err(|error| RequestError::query("user", error.to_string()))?;
    let filter = ApiKeyFilter { user, all: filter.all_states };
    let mut realm = request.token_realm().await?;
    let (tokens, mut session) = request.tokens().await?;
    let (control, caller) = (&mut session.control, &request.caller);
    let which = (&filter, after);
    let (mut data, rows) = tokens.page_of_api_keys(control, caller, &mut realm, which, (page, total)).await?;
    let more = page.cut(&mut data);
    let place = Pagination::counted(page, (total, rows)).with_more(more);
    Ok(Json(List::page(data, place, |last| (last.created_at, last.id))))
}

/// What an API key is to be.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewApiKeyBody {
    /// The user that it acts as, by id or e-mail address; without it, whoever asks
    #[schema(value_type = Option<String>, example = "bot@acme.example")]
    user: Option<Parsed<UserRef>>,
    /// One of a kind among the user's keys
    #[schema(value_type = String, example = "till")]
    name: Parsed<KeyName>,
    /// What it allows at most; without any, everything that the user may do
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["invoice:read"]))]
    scopes: Vec<Parsed<Permission>>,
    /// How long it is good; without it, until it is revoked
    #[schema(value_type = Option<String>, example = "90d")]
    expires_in: Option<Parsed<KeyLifetime>>,
}

/// An API key that was created.
#[derive(Serialize, ToSchema)]
struct CreatedApiKey {
    #[serde(flatten)]
    view: ApiKeyView,
    /// The key itself: the client_secret at /oauth/token, with `id` as the client_id. It is shown once.
    #[schema(format = "password")]
    key: String,
}

/// Create an API key for a user; it is shown once
///
/// Whoever holds the key acts as the user, within its scopes: they exchange it at POST /oauth/token. Nobody makes one
/// for a user who holds more than they do.
#[utoipa::path(
    post,
    path = "/api-keys",
    operation_id = "createApiKey",
    tag = "api-keys",
    request_body = NewApiKeyBody,
    responses((status = 201, body = CreatedApiKey), Problem),
    extensions(("x-permission" = json!("api-key:create"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewApiKeyBody>) -> Result<Response, Problem> {
    let new = NewApiKey {
        user: body.user.map_or_else(|| request.user(), |user| user.0),
        name: body.name.0,
        scopes: body.scopes.into_iter().map(|scope| scope.0).collect(),
        ttl: body.expires_in.map(|ttl| ttl.0),
    };
    let mut realm = request.token_realm().await?;
    let (tokens, mut session) = request.tokens().await?;
    let (control, caller) = (&mut session.control, &request.caller);
    let (view, key) = tokens.create_api_key(control, caller, &mut realm, &new).await?;
    let said = CreatedApiKey { view: view.clone(), key: key.expose_secret().to_owned() };
    Ok(etag::created(&format!("/api-keys/{}", view.id), &view, &said))
}

/// Show an API key, without the key itself
#[utoipa::path(
    get,
    path = "/api-keys/{id}",
    operation_id = "getApiKey",
    tag = "api-keys",
    params(("id" = Uuid, Path, description = "The key's id"), IfNoneMatch),
    responses((status = 200, body = ApiKeyView), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("api-key:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.token_realm().await?;
    let (tokens, mut session) = request.tokens().await?;
    let (control, caller) = (&mut session.control, &request.caller);
    Ok(known.answer(&tokens.api_key(control, caller, &mut realm, id).await?))
}

/// Revoke an API key, with the access tokens of its user
///
/// Sessions of the user go on: their next access token is good.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    operation_id = "revokeApiKey",
    tag = "api-keys",
    params(("id" = Uuid, Path, description = "The key's id")),
    responses((status = 200, body = ApiKeyView), Problem),
    extensions(("x-permission" = json!("api-key:revoke"))),
    security(("token" = []))
)]
async fn revoke(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<Json<ApiKeyView>, Problem> {
    let mut realm = request.token_realm().await?;
    let (tokens, mut session) = request.tokens().await?;
    let (control, caller) = (&mut session.control, &request.caller);
    Ok(Json(tokens.revoke_api_key(control, caller, &mut realm, id).await?))
}
