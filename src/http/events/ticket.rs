//! Tickets: what opens one stream in a browser, whose streams send no headers; and who reads.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::StatusCode;
use axum::http::request::Parts;
use secrecy::ExposeSecret;
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::context::{RequestContext, Verified};
use super::super::error::RequestError;
use super::super::problem::Problem;
use super::super::query::InQuery;
use super::EventParams;
use crate::kernel::SecretString;

/// What others put access tokens into.
const TOKENS: [&str; 3] = ["access_token", "token", "authorization"];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(ticket))
}

/// A ticket.
#[derive(Serialize, ToSchema)]
#[schema(as = EventTicket)]
struct TicketView {
    /// Send it as `?ticket=`, once
    ticket: String,
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// Get a ticket that opens one stream of events
///
/// For browsers: neither their `EventSource` nor their `WebSocket` sends a token, and a token does not belong in a URL,
/// which ends up in logs. It is good once, for half a minute, for whoever the token is for, and no longer than that. What
/// they may read is asked when the stream is opened.
#[utoipa::path(
    post,
    path = "/events/ticket",
    operation_id = "createEventTicket",
    tag = "events",
    responses((status = 201, body = TicketView), Problem),
    security(("token" = []))
)]
async fn ticket(request: RequestContext) -> Result<(StatusCode, Json<TicketView>), Problem> {
    let api = &request.api;
    let (ticket, expires_at) = api.0.app.issue_ticket(&request.claims).await?;
    let ticket = ticket.expose_secret().to_owned();
    Ok((StatusCode::CREATED, Json(TicketView { ticket, expires_at })))
}

/// Who reads events, by a token or by a ticket, and which.
pub(super) struct Reader {
    pub(super) request: RequestContext,
    pub(super) params: EventParams,
}

impl FromRequestParts<Api> for Reader {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        refuse_tokens(parts.uri.query().unwrap_or_default())?;
        let InQuery(params) = InQuery::<EventParams>::from_request_parts(parts, api).await?;
        if let Some(ticket) = &params.ticket {
            let verifier = &api.0.following.verifier;
            verifier.require_current()?;
            let claims = api.0.app.redeem_ticket(&SecretString::from(ticket.as_str())).await?;
            // Between then and now the token may have been revoked.
            verifier.require_good(&claims)?;
            parts.extensions.insert(Verified(claims));
        }
        let request = RequestContext::from_request_parts(parts, api).await?;
        Ok(Self { request, params })
    }
}

/// A URL ends up in logs, and in the histories of browsers.
fn refuse_tokens(query: &str) -> Result<(), RequestError> {
    let found = form_urlencoded::parse(query.as_bytes())
        .find(|(name, _)| TOKENS.iter().any(|known| name.eq_ignore_ascii_case(known)));
    match found {
        Some((name, _)) => {
            let reason = "a token does not belong in a URL; POST /events/ticket gives a ticket that does";
            Err(RequestError::query(&name, reason))
        }
        None => Ok(()),
    }
}
