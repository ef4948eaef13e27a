//! `POST /oauth/introspect` (RFC 7662).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::context::{AnonymousContext, RequestContext};
use super::super::problem::Problem;
use super::super::rate_limit::CountedAddress;
use super::client::{Client, refuse};
use super::form::Form;
use super::refusal::{OAuthError, Refusal};
use crate::features::tokens::{Claims, Introspector};
use crate::kernel::AnyFailure;

/// Most of those who ask that are remembered.
const MOST: usize = 10_000;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(introspect))
}

/// Who may be told what tokens say, for a moment, by what they showed.
#[derive(Debug, Default)]
pub(in crate::http) struct Introspectors(Mutex<HashMap<[u8; 32], Introspector>>);

impl Introspectors {
    fn get(&self, shown: &[u8; 32]) -> Option<Introspector> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(shown).copied().filter(Introspector::is_current)
    }

    fn keep(&self, shown: [u8; 32], who: Introspector) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.retain(|_, who| who.is_current());
        }
        if known.len() < MOST {
            known.insert(shown, who);
        }
    }
}

/// What is asked about.
#[derive(Deserialize, ToSchema)]
struct IntrospectionRequest {
    /// An access token
    #[schema(value_type = String, required)]
    token: Option<SecretString>,
    /// Only access tokens are known
    #[schema(example = "access_token")]
    #[expect(dead_code, reason = "described, and not needed")]
    token_type_hint: Option<String>,
    /// The id of an API key, where the header does not say it
    client_id: Option<String>,
    /// The API key, where the header does not have it
    #[schema(value_type = Option<String>, format = "password")]
    client_secret: Option<SecretString>,
}

/// What a token says; of one that is not good, that alone.
#[derive(Serialize, ToSchema)]
struct Introspection {
    active: bool,
    /// Always Bearer
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    /// Its claims
    #[serde(flatten)]
    #[schema(value_type = Object)]
    claims: Option<Claims>,
}

/// Say whether an access token is good, and what it says
///
/// For services that must know within two seconds that a token was revoked. Of a token that is unknown, expired or
/// revoked, or of another tenant, the answer is {"active":false}, the same bytes. Operators are told of all tenants'.
/// Whoever asks shows an access token, or an API key as at /oauth/token.
#[utoipa::path(
    post,
    path = "/oauth/introspect",
    operation_id = "oauthIntrospect",
    tag = "oauth",
    request_body(content = IntrospectionRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = Introspection), (status = 400, description = "The request is wrong, or the grant is not good", body = OAuthError), (status = 401, description = "The program showed no good secret", body = OAuthError), (status = 403, description = "Who asks lacks the permission", body = OAuthError), Problem),
    extensions(("x-permission" = json!("token:introspect"))),
    security(("token" = []), ("client" = []))
)]
async fn introspect(
    from: CountedAddress,
    headers: HeaderMap,
    bearer: Result<RequestContext, Problem>,
    request: Result<AnonymousContext, Problem>,
    Form(form): Form<IntrospectionRequest>,
) -> Result<Response, Refusal> {
    let request = request?;
    let who = match shown_token(&headers) {
        Some(token) if form.client_secret.is_none() => by_token(&bearer?, token).await?,
        _ => {
            let client = Client::of(&headers, (form.client_id, form.client_secret))?;
            let client =
                client.ok_or_else(|| Refusal::invalid_client("this needs an access token or an API key"))?;
            match by_client(&request, &client).await {
                Ok(who) => who,
                Err(failure) => return Err(refuse(&request.api, &from, failure).await),
            }
        }
    };
    let token = form.token.ok_or_else(|| Refusal::invalid_request("token is missing"))?;
    let claims = request.api.0.following.verifier.introspect(&who, token.expose_secret())?;
    let active = claims.is_some();
    let answer = Introspection { active, token_type: active.then_some("Bearer"), claims };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}

/// The access token in the header, if there is one.
fn shown_token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    value.split_once(' ').filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer")).map(|(_, token)| token)
}

async fn by_token(request: &RequestContext, token: &str) -> Result<Introspector, AnyFailure> {
    let (known, shown) = (&request.api.0.introspectors, Sha256::digest(token).into());
    if let Some(who) = known.get(&shown) {
        return Ok(who);
    }
    let mut realm = request.token_realm().await?;
    let (tokens, mut session) = request.tokens().await?;
    let who = tokens.introspector(&mut session.control, &request.caller, &mut realm).await?;
    known.keep(shown, who);
    Ok(who)
}

async fn by_client(request: &AnonymousContext, client: &Client) -> Result<Introspector, AnyFailure> {
    let (id, secret) = client.credentials();
    let mut digest = Sha256::new();
    digest.update(id);
    digest.update([0]);
    digest.update(secret.expose_secret());
    let (known, shown) = (&request.api.0.introspectors, digest.finalize().into());
    if let Some(who) = known.get(&shown) {
        return Ok(who);
    }
    let (holder, mut realm, mut session) = client.holder(request).await?;
    let tokens = request.api.0.app.tokens();
    let who = tokens.introspector(&mut session.control, &holder.caller(), &mut realm).await?;
    known.keep(shown, who);
    Ok(who)
}
