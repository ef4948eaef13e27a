//! `/notifications`: what apps have sent to people, what people want of it, and their inbox.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod inbox;
mod preferences;
mod provider;
mod send;
mod suppressions;
mod templates;
mod unsubscribe;

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::context::RequestContext;
use super::error::RequestError;
use super::etag::IfNoneMatch;
use super::list::{List, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::messages;
use crate::features::notifications::{NotificationFilter, NotificationState, NotificationView};
use crate::features::templates::Kind;
use crate::kernel::{Pagination, Total};

pub(super) fn routes() -> OpenApiRouter<Api> {
    let own = OpenApiRouter::new().routes(routes!(history)).routes(routes!(show));
    let own = own.routes(routes!(retry)).routes(routes!(cancel));
    own.merge(send::routes())
        .merge(templates::routes())
        .merge(preferences::routes())
        .merge(inbox::routes())
        .merge(suppressions::routes())
        .merge(unsubscribe::routes())
        .merge(provider::routes())
}

/// What notifications are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct HistoryParams {
    /// In this state: queued, deferred, sending, sent, unknown, failed or cancelled; of the newest ten thousand
    #[param(example = "failed")]
    state: Option<String>,
    /// Of this kind
    #[param(example = "app.order.shipped")]
    kind: Option<String>,
    /// To this user, by id
    user: Option<Uuid>,
}

impl HistoryParams {
    fn filter(self, before: Option<Uuid>) -> Result<NotificationFilter, RequestError> {
        let state = self.state.as_deref().map(|word| {
            let known = NotificationState::ALL.into_iter().find(|state| state.as_str() == word);
            let reason = "it is queued, deferred, sending, sent, unknown, failed or cancelled";
            known.ok_or_else(|| RequestError::query("state", reason))
        });
        let kind = self
            .kind
            .as_deref()
            .map(|text| text.parse::<Kind>().map_err(|error| RequestError::query("kind", error.to_string())));
        Ok(NotificationFilter { state: state.transpose()?, kind: kind.transpose()?, user: self.user, before })
    }
}

/// List notifications, the newest first
#[utoipa::path(
    get,
    path = "/notifications/history",
    operation_id = "listNotifications",
    tag = "notifications",
    params(PageParams, HistoryParams),
    responses((status = 200, body = List<NotificationView>), Problem),
    extensions(("x-permission" = json!("notification:read"))),
    security(("token" = []))
)]
async fn history(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<HistoryParams>,
) -> Result<Json<List<NotificationView>>, Problem> {
    let (page, _) = part.page()?;
    let filter = filter.filter(part.position::<Uuid>()?)?;
    let mut realm = request.realm().await?;
    let (rows, more) = messages::page(&mut realm, &request.caller, &filter, page).await?;
    // Nobody counts them: their states are in another database.
    let place = Pagination::counted(page, (Total::None, None)).with_more(more);
    Ok(Json(List::page(rows, place, |last: &NotificationView| last.id)))
}

/// Show a notification, and what became of it
#[utoipa::path(
    get,
    path = "/notifications/history/{id}",
    operation_id = "getNotification",
    tag = "notifications",
    params(("id" = Uuid, Path, description = "The notification's id"), IfNoneMatch),
    responses((status = 200, body = NotificationView), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("notification:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&messages::show(&mut realm, &request.caller, id).await?))
}

/// Send a notification again that failed or may not have arrived
///
/// One that is unknown may have arrived: its recipient may get it twice. What waits to be tried again is tried now.
#[utoipa::path(
    post,
    path = "/notifications/history/{id}/retry",
    operation_id = "retryNotification",
    tag = "notifications",
    params(("id" = Uuid, Path, description = "The notification's id")),
    responses((status = 200, body = NotificationView), Problem),
    extensions(("x-permission" = json!("notification:send"))),
    security(("token" = []))
)]
async fn retry(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<Json<NotificationView>, Problem> {
    let mut realm = request.realm().await?;
    let row = messages::retry(&mut realm, &request.caller, id).await?;
    request.api.0.app.wake_workers();
    Ok(Json(row))
}

/// Cancel a notification that waits
#[utoipa::path(
    post,
    path = "/notifications/history/{id}/cancel",
    operation_id = "cancelNotification",
    tag = "notifications",
    params(("id" = Uuid, Path, description = "The notification's id")),
    responses((status = 200, body = NotificationView), Problem),
    extensions(("x-permission" = json!("notification:send"))),
    security(("token" = []))
)]
async fn cancel(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
) -> Result<Json<NotificationView>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(messages::cancel(&mut realm, &request.caller, id).await?))
}
