//! `/webhooks/{id}/deliveries`: what became of each event, and sending again.

use axum::Json;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::list::{List, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use crate::features::webhooks::{self, DeliveryFilter, DeliveryState, Replayed, WebhookDelivery};
use crate::kernel::WebhookId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list))
        .routes(routes!(show))
        .routes(routes!(redeliver))
        .routes(routes!(replay))
}

/// What deliveries are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DeliveryParams {
    /// In this state: waiting, delivered or failed
    #[param(example = "failed")]
    state: Option<String>,
}

/// List what became of events at a webhook, the newest first
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    operation_id = "listWebhookDeliveries",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook's id"), PageParams, DeliveryParams),
    responses((status = 200, body = List<WebhookDelivery>), Problem),
    extensions(("x-permission" = json!("webhook:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    InPath(Parsed(webhook)): InPath<Parsed<WebhookId>>,
    ListQuery { part, filter }: ListQuery<DeliveryParams>,
) -> Result<Json<List<WebhookDelivery>>, Problem> {
    let page = part.page()?;
    let before = part.position::<Uuid>()?;
    let state = filter.state.as_deref().map(|word| {
        let known = DeliveryState::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| RequestError::query("state", "it is waiting, delivered or failed"))
    });
    let filter = DeliveryFilter { webhook, state: state.transpose()?, before };
    let mut realm = request.realm().await?;
    let (rows, place) = webhooks::page_of_deliveries(&mut realm, &request.caller, &filter, page).await?;
    Ok(Json(List::page(rows, place, |last: &WebhookDelivery| last.id)))
}

/// Show what became of an event at a webhook
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries/{delivery}",
    operation_id = "getWebhookDelivery",
    tag = "webhooks",
    params(
        ("id" = Uuid, Path, description = "The webhook's id"),
        ("delivery" = Uuid, Path, description = "The delivery's id")
    ),
    responses((status = 200, body = WebhookDelivery), Problem),
    extensions(("x-permission" = json!("webhook:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath((webhook, id)): InPath<(Parsed<WebhookId>, Uuid)>,
) -> Result<Json<WebhookDelivery>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(webhooks::delivery(&mut realm, &request.caller, (webhook.0, id)).await?))
}

/// Send a delivery again, in any state
///
/// It has the same `webhook-id`, so that the receiver can recognise a duplicate; the attempts are counted from 0. A
/// disabled webhook is 409, and so is an event that is not kept any more.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/deliveries/{delivery}/redeliver",
    operation_id = "redeliverWebhook",
    tag = "webhooks",
    params(
        ("id" = Uuid, Path, description = "The webhook's id"),
        ("delivery" = Uuid, Path, description = "The delivery's id")
    ),
    responses((status = 200, body = WebhookDelivery), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn redeliver(
    request: RequestContext,
    InPath((webhook, id)): InPath<(Parsed<WebhookId>, Uuid)>,
) -> Result<Json<WebhookDelivery>, Problem> {
    let mut realm = request.realm().await?;
    let after = webhooks::redeliver(&mut realm, &request.caller, (webhook.0, id)).await?;
    request.api.0.app.wake_workers();
    Ok(Json(after))
}

/// Since when events are sent again.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReplayBody {
    /// At most 7 days ago; without it, since the webhook began to miss events.
    #[serde(default, with = "time::serde::rfc3339::option")]
    #[schema(example = "2026-11-30T08:00:00Z")]
    since: Option<OffsetDateTime>,
}

/// Send again the events that a webhook has not accepted
///
/// Those that match and happened since then, at most 10,000 a call: where `more` is true, the same call sends the next.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    operation_id = "replayWebhook",
    tag = "webhooks",
    params(("id" = Uuid, Path, description = "The webhook's id")),
    request_body(content = ReplayBody, example = json!({ "since": "2026-11-30T08:00:00Z" })),
    responses((status = 200, body = Replayed), Problem),
    extensions(("x-permission" = json!("webhook:update"))),
    security(("token" = []))
)]
async fn replay(
    request: RequestContext,
    InPath(Parsed(webhook)): InPath<Parsed<WebhookId>>,
    Body(body): Body<ReplayBody>,
) -> Result<Json<Replayed>, Problem> {
    let mut realm = request.realm().await?;
    let done = webhooks::replay(&mut realm, &request.caller, (webhook, body.since)).await?;
    request.api.0.app.wake_workers();
    Ok(Json(done))
}
