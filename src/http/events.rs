//! `/events`: what happened in a realm, page by page or as it comes.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod socket;
mod stream;
mod ticket;

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::error::RequestError;
use super::problem::Problem;
use crate::features::events::{self, EventQuery, EventView, Patterns, StartPosition};
pub(super) use socket::routes as socket_routes;
use ticket::Reader;

/// Events on a page where nobody says how many, and at most.
const LIMIT: usize = 20;
const MOST: usize = 100;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).merge(ticket::routes())
}

/// Which events are asked for.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct EventParams {
    /// Only events of these types, separated by commas; `user.*` matches every type that begins with `user.`
    #[serde(rename = "type")]
    #[param(example = "user.*")]
    types: Option<String>,
    /// After this position; 410 when some of them are no longer kept
    #[param(minimum = 0, example = 4711)]
    after: Option<i64>,
    /// Events on a page, at most 100
    #[param(minimum = 1, maximum = 100, default = 20)]
    limit: Option<usize>,
    /// A ticket of `POST /events/ticket` in place of an access token, for streams that a browser opens
    ticket: Option<String>,
}

impl EventParams {
    fn types(&self) -> Result<Patterns, RequestError> {
        let parsed = self.types.as_deref().map(str::parse).transpose();
        Ok(parsed
            .map_err(|error: events::NotAPattern| RequestError::query("type", error.to_string()))?
            .unwrap_or_default())
    }

    fn after(&self) -> Result<Option<i64>, RequestError> {
        match self.after {
            Some(..=-1) => Err(RequestError::query("after", "it is 0 or more")),
            after => Ok(after),
        }
    }
}

/// Some events of a realm.
#[derive(Serialize, ToSchema)]
struct EventList {
    data: Vec<EventView>,
    pagination: EventPagination,
}

/// Where the next page begins.
#[derive(Serialize, ToSchema)]
struct EventPagination {
    /// The next page is `?after=` this; it may still be empty
    #[schema(example = 4711)]
    after: i64,
    /// Whether there is more already
    more: bool,
}

/// List or follow events
///
/// In their order, from the oldest that is kept; events are kept for a week. With `Accept: text/event-stream` they come
/// as server-sent events, from now on, or after `Last-Event-ID` or `after`. Each is a message whose `id` is its position.
/// `closing` is sent where the server stops, `token_expired` at the token's end: whoever comes again, with another
/// token, goes on where they were. `/events/ws` is the same as WebSocket. Nexus's own events
/// are shown only to callers who also hold the permission of the type, e.g. `user:read` for `user.*`. Without a
/// permission every user may follow their own inbox: `type=notification.received,notification.inbox_changed`.
#[utoipa::path(
    get,
    path = "/events",
    operation_id = "listEvents",
    tag = "events",
    params(EventParams, stream::LastEventId),
    responses(
        (status = 200, content(
            (EventList = "application/json"),
            (String = "text/event-stream"),
        )),
        (status = 410, description = "Events after this position are no longer kept (`cursor_expired`)"),
        Problem
    ),
    extensions(("x-permission" = json!("event:read"))),
    security(("token" = []))
)]
async fn list(
    Reader { request, params }: Reader,
    stream::LastEventId(last): stream::LastEventId,
    accept: stream::Accept,
) -> Result<Response, Problem> {
    if accept.is_stream {
        if params.limit.is_some() {
            return Err(RequestError::query("limit", "a stream has no end").into());
        }
        let after = last.map_or_else(|| params.after(), |last| Ok(Some(last)))?;
        let stream = stream::Stream::open(request, params.types()?, after).await?;
        return Ok(stream.into_sse());
    }
    let limit = params.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(RequestError::query("limit", "it is 1 to 100").into());
    }
    let from = params.after()?.map_or(StartPosition::Oldest, StartPosition::After);
    let query = EventQuery { from, types: params.types()?, limit };
    let mut realm = request.realm().await?;
    let page = events::page(&mut realm, &request.caller, &query).await?;
    let pagination = EventPagination { after: page.reached, more: page.has_more() };
    let answer = Json(EventList { data: page.events, pagination });
    Ok(([(header::VARY, "accept")], answer).into_response())
}
