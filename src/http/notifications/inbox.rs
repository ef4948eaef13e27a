//! The caller's own inbox.

use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Body;
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::list::{List, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use crate::features::notifications::inbox::{self, InboxFilter, InboxItem, Read};
use crate::kernel::{Pagination, Total};

/// Most that are marked as read by their ids at once.
const MOST_IDS: usize = 1_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(read)).routes(routes!(delete))
}

/// What an inbox is filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct InboxParams {
    /// Only what is not read
    unread: Option<bool>,
}

/// A part of an inbox.
#[derive(Serialize, ToSchema)]
#[schema(as = Inbox)]
struct InboxList {
    data: Vec<InboxItem>,
    pagination: Pagination,
    /// How many are not read, in all.
    unread: i32,
}

/// List one's own inbox, the newest first
#[utoipa::path(
    get,
    path = "/notifications/inbox",
    operation_id = "listInbox",
    tag = "notifications",
    params(PageParams, InboxParams),
    responses((status = 200, body = InboxList), Problem),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<InboxParams>,
) -> Result<Json<InboxList>, Problem> {
    let (page, _) = part.page()?;
    let filter = InboxFilter { unread: filter.unread == Some(true), before: part.position::<i64>()? };
    let mut realm = request.realm().await?;
    let found = inbox::inbox(&mut realm, &request.caller, &filter, page).await?;
    let place = Pagination::counted(page, (Total::None, None)).with_more(found.more);
    let list = List::page(found.items, place, |last: &InboxItem| last.position);
    Ok(Json(InboxList { data: list.data, pagination: list.pagination, unread: found.unread }))
}

/// What is marked as read: some, or all up to a position.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReadBody {
    /// Up to 1,000.
    ids: Option<Vec<Uuid>>,
    /// The position of the newest that was seen.
    #[schema(example = 42)]
    up_to: Option<i64>,
}

/// What is left of an inbox.
#[derive(Serialize, ToSchema)]
struct Unread {
    /// How many are not read.
    unread: i32,
}

/// Mark some of one's own inbox as read
#[utoipa::path(
    post,
    path = "/notifications/inbox/read",
    operation_id = "readInbox",
    tag = "notifications",
    request_body(content = ReadBody, example = json!({ "up_to": 42 })),
    responses((status = 200, body = Unread), Problem),
    security(("token" = []))
)]
async fn read(request: RequestContext, Body(body): Body<ReadBody>) -> Result<Json<Unread>, Problem> {
    let which = match (body.ids, body.up_to) {
        (Some(ids), None) if ids.len() <= MOST_IDS => Read::These(ids),
        (Some(_), None) => {
            return Err(RequestError::body("/ids", format!("at most {MOST_IDS}")).into());
        }
        (None, Some(position)) => Read::UpTo(position),
        _ => return Err(RequestError::body("", "give ids or up_to").into()),
    };
    let mut realm = request.realm().await?;
    let unread = inbox::read(&mut realm, &request.caller, &which).await?;
    Ok(Json(Unread { unread }))
}

/// Delete one of one's own inbox
#[utoipa::path(
    delete,
    path = "/notifications/inbox/{id}",
    operation_id = "deleteInboxItem",
    tag = "notifications",
    params(("id" = Uuid, Path, description = "The notification's id")),
    responses((status = 204), Problem),
    security(("token" = []))
)]
async fn delete(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    inbox::delete(&mut realm, &request.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
