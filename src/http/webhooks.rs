//! `/webhooks`: what the request's tenant has sent to addresses of its own when something happens.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod deliveries;

use axum::Json;
use axum::response::Response;
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::error::RequestError;
use super::etag::{self, IfMatch, IfNoneMatch};
use super::list::{List, NoFilter, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::webhooks::{
    self, CreatedWebhook, EventPattern, EventPatterns, NewWebhook, Webhook, WebhookChange, WebhookTest,
};
use crate::kernel::{Description, WebhookId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, create))
        .routes(routes!(show, update, delete))
        .routes(routes!(rotate))
        .routes(routes!(enable))
        .routes(routes!(disable))
        .routes(routes!(test))
        .merge(deliveries::routes())
}

/// List the webhooks of the tenant, the oldest first
#[utoipa::path(
    get,
    path = "/webhooks",
    operation_id = "listWebhooks",
    tag = "webhooks",
    params(PageParams),
    responses((status = 200, body = List<Webhook>), Problem),
    extensions(("x-permission" = json!("webhook:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<Webhook>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = webhooks::list(&mut realm, &request.caller).await?;
    Ok(Json(List::part_of(rows, &part, |webhook: &Webhook| webhook.id.uuid())?))
}

/// A webhook to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewWebhook)]
struct NewWebhookBody {
    /// Where events are sent: an https URL with a public name, on port 443. Others only where the operator allows them.
    #[schema(example = "https://hooks.acme.example/nexus")]
    url: String,
    /// Which events, 1 to 50: types, `order.*` for all that begin so, `*` for all.
    #[schema(value_type = Vec<String>, example = json!(["user.*", "order.shipped"]))]
    events: Vec<Parsed<EventPattern>>,
    #[schema(value_type = Option<String>, example = "the shop's own")]
    description: Option<Parsed<Description>>,
    /// Whether it is signed by an Ed25519 key pair (`v1a`) beside the secret.
    #[serde(default)]
    key_pair: bool,
}

/// A webhook, and its secret.
#[derive(Serialize, ToSchema)]
struct WebhookWithSecret {
    #[serde(flatten)]
    view: Webhook,
    /// What verifies the signatures `v1`. It is shown once.
    #[schema(format = "password", example = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD")]
    secret: String,
}

impl From<CreatedWebhook> for WebhookWithSecret {
    fn from(made: CreatedWebhook) -> Self {
        Self { view: made.view, secret: made.secret.expose_secret().to_owned() }
    }
}

fn patterns(given: Vec<Parsed<EventPattern>>) -> Result<EventPatterns, RequestError> {
    let all = given.into_iter().map(|it| it.0).collect();
    EventPatterns::new(all).map_err(|reason| RequestError::Body {
        pointer: "/events".to_owned(),
        reason,
        nearest: None,
    })
}

/// Create a webhook; its secret is shown once
///
/// From here on, events that match are sent to it as Standard Webhooks 1.0.0 has it: verify them with any of its
/// libraries.
#[utoipa::path(
    post,
    path = "/webhooks",
    operation_id = "createWebhook",
    tag = "webhooks",
    request_body(
        content = NewWebhookBody,
        example = json!({ "url": "https://hooks.acme.example/nexus", "events": ["user.*", "order.shipped"] })
    ),
    responses((status = 201, body = WebhookWithSecret), Problem),
    extensions(("x-permission" = json!("webhook:create"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewWebhookBody>) -> Result<Response, Problem> {
    let new = NewWebhook {
        url: body.url,
        description: body.description.map(|it| it.0).unwrap_or_default(),
        events: patterns(body.events)?,
        with_key_pair: body.key_pair,
    };
    let outbound = request.api.0.app.outbound();
    let mut realm = request.realm().await?;
    let made = webhooks::create(&mut realm, &request.caller, outbound.policy(), &new).await?;
    let view = made.view.clone();
    Ok(etag::created(&format!("/webhooks/{}", view.id), &view, &WebhookWithSecret::from(made)))
}

/// Show a webhook, without its secret
#[utoipa::path(
    get,
    path = "/webhooks/{id}",
    operation_id = "getWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id"), IfNoneMatch),
    responses((status = 200, body = Webhook), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("webhook:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&webhooks::get(&mut realm, &request.caller, id).await?))
}

/// What is to be changed of a webhook; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = WebhookChange)]
struct WebhookChangeBody {
    #[schema(example = "https://hooks.acme.example/v2")]
    url: Option<String>,
    /// All patterns from here on, 1 to 50.
    #[schema(value_type = Option<Vec<String>>, example = json!(["*"]))]
    events: Option<Vec<Parsed<EventPattern>>>,
    #[schema(value_type = Option<String>)]
    description: Option<Parsed<Description>>,
    /// `true` makes a key pair where there is none; `false` deletes it.
    key_pair: Option<bool>,
}

/// Change a webhook's URL, events, description or key pair
#[utoipa::path(
    patch,
    path = "/webhooks/{id}",
    operation_id = "updateWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id"), IfMatch),
    request_body = WebhookChangeBody,
    responses((status = 200, body = Webhook), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
    IfMatch(expected): IfMatch,
    Body(body): Body<WebhookChangeBody>,
) -> Result<Response, Problem> {
    let change = WebhookChange {
        url: body.url,
        description: body.description.map(|it| it.0),
        events: body.events.map(patterns).transpose()?,
        with_key_pair: body.key_pair,
        expected,
    };
    let outbound = request.api.0.app.outbound();
    let mut realm = request.realm().await?;
    let after = webhooks::update(&mut realm, &request.caller, outbound.policy(), (id, &change)).await?;
    Ok(etag::changed(&after))
}

/// Delete a webhook; waiting deliveries are not sent
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    operation_id = "deleteWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id"), IfMatch),
    responses((status = 200, body = Webhook), Problem),
    extensions(("x-permission" = json!("webhook:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Webhook>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(webhooks::delete(&mut realm, &request.caller, id, &expected).await?))
}

/// Give a webhook another secret, which is shown once
///
/// For 24 hours more, what is sent is signed with the secret before it, too.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/rotate",
    operation_id = "rotateWebhookSecret",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, body = WebhookWithSecret), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn rotate(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
) -> Result<Json<WebhookWithSecret>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(webhooks::rotate(&mut realm, &request.caller, id).await?.into()))
}

/// Enable a webhook
///
/// What it missed while it was disabled is sent by POST /webhooks/{id}/replay.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/enable",
    operation_id = "enableWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, body = Webhook), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn enable(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(etag::changed(&webhooks::enable(&mut realm, &request.caller, id).await?))
}

/// Disable a webhook; waiting deliveries are not sent
#[utoipa::path(
    post,
    path = "/webhooks/{id}/disable",
    operation_id = "disableWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, body = Webhook), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn disable(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(etag::changed(&webhooks::disable(&mut realm, &request.caller, id).await?))
}

/// Send a test event to a webhook now, and show each step
///
/// Its type is `webhook.test`. That it failed is part of the answer, which is 200 all the same.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    operation_id = "testWebhook",
    tag = "webhooks",
    params(("id" = uuid::Uuid, Path, description = "The webhook's id")),
    responses((status = 200, body = WebhookTest), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn test(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<WebhookId>>,
) -> Result<Json<WebhookTest>, Problem> {
    let outbound = request.api.0.app.outbound();
    let realm = request.realm().await?;
    Ok(Json(webhooks::test(realm, &request.caller, &outbound, id).await?))
}
