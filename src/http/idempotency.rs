//! `Idempotency-Key`: a change that a client may repeat is made once, and answered alike for 24 hours. Signing in
//! and its kin have no caller yet, and ways of their own to be repeated.

use std::collections::HashSet;
use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http_body_util::BodyExt as _;
use secrecy::{ExposeSecret, SecretSlice};
use serde::{Deserialize, Serialize};
use utoipa::openapi::path::{Operation, ParameterBuilder, ParameterIn, Paths};
use utoipa::openapi::schema::{ObjectBuilder, Type};
use uuid::Uuid;

use super::Api;
use super::body;
use super::context::RequestContext;
use super::error::RequestError;
use super::problem::Problem;
use super::request_span;
use super::tenants::recorded;
use crate::features::access::AccessError;
use crate::features::iam::idempotency::{
    Asked, Attempt, Begun, IdempotencyError, IdempotencyKey, KeptAnswer, NotAKey,
};
use crate::features::provisioning::{Provisioning, ProvisioningError};
use crate::kernel::UserId;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
/// Says that an answer is the one of the first request.
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");
/// For so long beyond the time limit of a request its key is held where the process died.
const MARGIN: Duration = Duration::from_secs(5);
/// What is kept of an answer's headers.
const KEPT: [HeaderName; 4] = [header::CONTENT_TYPE, header::LOCATION, header::ETAG, header::CACHE_CONTROL];
/// How often an answer is tried to be kept, where all sessions of the realm are in use.
const TRIES: usize = 3;

/// An answer as it is kept.
#[derive(Serialize, Deserialize)]
struct Kept {
    headers: Vec<(String, String)>,
    body: String,
}

/// Carries a change out once that bears a key.
pub(super) async fn once(State((api, keyed)): State<(Api, Keyed)>, request: Request, next: Next) -> Response {
    if !keyed.has(&request) {
        return next.run(request).await;
    }
    carry_out(&api, request, next).await.unwrap_or_else(IntoResponse::into_response)
}

/// The operations that take a key. Another method of their paths is refused, with a key as without.
#[derive(Clone)]
pub(super) struct Keyed(Arc<HashSet<(Method, String)>>);

impl Keyed {
    /// Those of a page, which says so of each from here on.
    pub(super) fn describe(paths: &mut Paths) -> Self {
        let mut keyed = HashSet::new();
        for (path, item) in &mut paths.paths {
            let changes = [
                (Method::POST, &mut item.post),
                (Method::PUT, &mut item.put),
                (Method::PATCH, &mut item.patch),
                (Method::DELETE, &mut item.delete),
            ];
            for (method, operation) in changes {
                if let Some(operation) = operation
                    && takes_key(&method, path)
                {
                    describe_one(operation);
                    keyed.insert((method, path.clone()));
                }
            }
        }
        Self(Arc::new(keyed))
    }

    /// Whether a request is one of them, and bears a key.
    fn has(&self, request: &Request) -> bool {
        let headers = request.headers();
        headers.contains_key(&KEY)
            && headers.contains_key(header::AUTHORIZATION)
            && request
                .extensions()
                .get::<MatchedPath>()
                .is_some_and(|path| self.0.contains(&(request.method().clone(), path.as_str().to_owned())))
    }
}

/// Whether a route takes a key. Answers that let somebody in are not kept.
fn takes_key(method: &Method, path: &str) -> bool {
    !method.is_safe() && !["/auth/", "/oauth/", "/events/ticket"].iter().any(|own| path.starts_with(own))
}

async fn carry_out(api: &Api, request: Request, next: Next) -> Result<Response, Problem> {
    let key = key(request.headers())?;
    let (mut parts, body) = request.into_parts();
    let mut context = RequestContext::from_request_parts(&mut parts, api).await?;
    let body = body::whole(body, api.0.settings.body_bytes).await?;
    let path = parts.uri.path_and_query().map_or_else(|| parts.uri.path(), |it| it.as_str());
    let who = format!("{:?}", context.caller);
    let asked = Asked::new(&who, parts.method.as_str(), path, &body);
    let limit = Duration::from_secs(u64::from(api.0.settings.timeout_seconds));
    let mut realm = context.realm().await?;
    let begun = key.begin(&mut realm, UserId::from(context.claims.sub), (&asked, limit + MARGIN)).await?;
    drop(realm);
    let attempt = match begun {
        Begun::Now(attempt) => attempt,
        Begun::Before(kept) => return replayed(&kept),
        Begun::Lost(attempt) => return found_again(&context, attempt).await,
    };
    context.carry_out(attempt.clone());
    parts.extensions.insert(context.clone());
    let request = Request::from_parts(parts, Body::from(body));
    // A client that goes away is expected to ask again: what it asked for is carried out to its end.
    let work = async move {
        let answered = tokio::spawn(request_span::kept(tokio::time::timeout(limit, next.run(request)))).await;
        let (response, panic) = match answered {
            Ok(Ok(response)) => (response, None),
            Ok(Err(_)) => {
                let seconds = u32::try_from(limit.as_secs()).unwrap_or(u32::MAX);
                (Problem::from(RequestError::Timeout(seconds)).into_response(), None)
            }
            Err(error) => (StatusCode::INTERNAL_SERVER_ERROR.into_response(), error.try_into_panic().ok()),
        };
        (keep(&context, &attempt, response).await, panic)
    };
    match tokio::spawn(request_span::kept(work)).await {
        Ok((_, Some(panic))) => resume_unwind(panic),
        Ok((response, None)) => Ok(response),
        Err(_) => Err(RequestError::Bug.into()),
    }
}

/// Where the answer was lost: an operation that was recorded is known.
async fn found_again(context: &RequestContext, attempt: Uuid) -> Result<Response, Problem> {
    if context.claims.tenant_id.is_none() {
        let mut session = context.session().await?;
        let found = Provisioning::recorded_by(&mut session.control, &context.caller, attempt).await;
        // Who may change tenants and see no operations was refused nothing, and is shown none.
        let found = match found {
            Err(ProvisioningError::Access(AccessError::Forbidden { .. } | AccessError::Above { .. })) => None,
            found => found?,
        };
        if let Some(changed) = found {
            let mut response = recorded(&context.api, changed.operation, &changed);
            response.headers_mut().insert(REPLAYED, HeaderValue::from_static("true"));
            return Ok(response);
        }
    }
    Err(IdempotencyError::AnswerLost.into())
}

fn key(headers: &HeaderMap) -> Result<IdempotencyKey, RequestError> {
    let wrong = |reason: String| RequestError::Header { header: "Idempotency-Key", reason };
    let mut values = headers.get_all(&KEY).iter();
    let text = values.next().and_then(|value| value.to_str().ok()).unwrap_or_default();
    if values.next().is_some() {
        return Err(wrong("it is there twice".to_owned()));
    }
    text.parse().map_err(|error: NotAKey| wrong(error.to_string()))
}

/// Keeps an answer, unless the same request may be answered otherwise next time.
async fn keep(context: &RequestContext, attempt: &Attempt, response: Response) -> Response {
    let (parts, body) = response.into_parts();
    let body = match body.collect().await {
        Ok(body) => body.to_bytes(),
        Err(error) => {
            tracing::error!(%error, "an answer could not be read");
            return Problem::from(RequestError::Bug).into_response();
        }
    };
    let is_final = is_final(parts.status, &parts.headers);
    let answer = is_final.then(|| kept(parts.status, &parts.headers, &body)).flatten();
    for left in (0..TRIES).rev() {
        let finished = async {
            let mut realm = context.realm_to_finish().await?;
            Ok::<_, Problem>(attempt.finish(&mut realm, answer.as_ref()).await?)
        };
        match finished.await {
            Ok(()) => break,
            Err(error) if left == 0 => {
                tracing::warn!(?error, "an answer with an Idempotency-Key was not kept");
            }
            Err(_) => {}
        }
    }
    Response::from_parts(parts, Body::from(body))
}

/// Whether a repetition must be answered alike: not where asking again may help.
fn is_final(status: StatusCode, headers: &HeaderMap) -> bool {
    let may_help = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    !status.is_server_error() && !may_help.contains(&status) && !headers.contains_key(header::RETRY_AFTER)
}

fn kept(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> Option<KeptAnswer> {
    let text = |name: &HeaderName| Some((name.to_string(), headers.get(name)?.to_str().ok()?.to_owned()));
    let headers = KEPT.iter().filter_map(text).collect();
    let kept = Kept { headers, body: String::from_utf8(body.to_vec()).ok()? };
    let bytes = SecretSlice::from(serde_json::to_vec(&kept).ok()?);
    Some(KeptAnswer { status: status.as_u16(), bytes })
}

fn replayed(kept: &KeptAnswer) -> Result<Response, Problem> {
    let (Ok(status), Ok(Kept { headers, body })) =
        (StatusCode::from_u16(kept.status), serde_json::from_slice(kept.bytes.expose_secret()))
    else {
        return Err(RequestError::Bug.into());
    };
    let mut response = (status, body).into_response();
    let to = response.headers_mut();
    to.remove(header::CONTENT_TYPE);
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
            to.insert(name, value);
        }
    }
    to.insert(REPLAYED, HeaderValue::from_static("true"));
    Ok(response)
}

fn describe_one(operation: &mut Operation) {
    let schema = ObjectBuilder::new().schema_type(Type::String).max_length(Some(255));
    let parameter = ParameterBuilder::new()
        .name("Idempotency-Key")
        .parameter_in(ParameterIn::Header)
        .description(Some("A name of the client's for this request, such as a UUID: sent again within 24 hours, it is answered alike and done once"))
        .schema(Some(schema))
        .build();
    operation.parameters.get_or_insert_default().push(parameter.into());
}
