//! `POST /oauth/revoke` (RFC 7009).

use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::context::AnonymousContext;
use super::super::problem::Problem;
use super::super::rate_limit::CountedAddress;
use super::client::{Client, refuse};
use super::form::Form;
use super::refusal::{OAuthError, Refusal};
use crate::features::tokens::{KeyHolder, Presented, SignOut};
use crate::kernel::ErrorKind;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(revoke))
}

/// What is to end.
#[derive(Deserialize, ToSchema)]
struct RevocationRequest {
    #[schema(value_type = String, required)]
    token: Option<SecretString>,
    /// Which it is shows by itself
    #[schema(example = "refresh_token")]
    #[expect(dead_code, reason = "described, and not needed")]
    token_type_hint: Option<String>,
    /// The id of an API key, where the header does not say it
    client_id: Option<String>,
    /// The API key, where the header does not have it
    #[schema(value_type = Option<String>, format = "password")]
    client_secret: Option<SecretString>,
}

/// End a token
///
/// A refresh token ends its session; an access token is refused everywhere in Nexus within two seconds. Whoever
/// holds a token may end it. Where an API key is shown, only tokens of its user. A token that is not good, or not
/// known, ends nothing, and the answer is the same.
#[utoipa::path(
    post,
    path = "/oauth/revoke",
    operation_id = "oauthRevoke",
    tag = "oauth",
    request_body(content = RevocationRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "It is good no more"), (status = 400, description = "The request is wrong, or the grant is not good", body = OAuthError), (status = 401, description = "The program showed no good secret", body = OAuthError), Problem),
    extensions(("x-permission" = json!("the token itself: none"))),
    security(("client" = []), ())
)]
async fn revoke(
    from: CountedAddress,
    headers: HeaderMap,
    request: Result<AnonymousContext, Problem>,
    Form(form): Form<RevocationRequest>,
) -> Result<Response, Refusal> {
    let request = request?;
    let holder = match Client::of(&headers, (form.client_id, form.client_secret))? {
        Some(client) => match client.holder(&request).await {
            Ok((holder, ..)) => Some(holder),
            Err(failure) => return Err(refuse(&request.api, &from, failure).await),
        },
        None => None,
    };
    let token = form.token.ok_or_else(|| Refusal::invalid_request("token is missing"))?;
    if Presented::ApiKey.realm(&token).is_ok() {
        return Err(Refusal::unsupported_token_type("an API key is revoked by DELETE /api-keys/ID"));
    }
    if Presented::Refresh.realm(&token).is_ok() {
        end_session(&request, holder.as_ref(), &token).await?;
    } else {
        end_token(&request, holder.as_ref(), &token).await?;
    }
    Ok((StatusCode::OK, [(header::CACHE_CONTROL, "no-store")]).into_response())
}

const NOT_YOURS: &str = "the token was not given to this client";

async fn end_session(
    request: &AnonymousContext,
    holder: Option<&KeyHolder>,
    token: &SecretString,
) -> Result<(), Refusal> {
    if holder.is_some() {
        return Err(Refusal::unauthorized_client(NOT_YOURS));
    }
    match request.presented_realm(token).await {
        Ok(mut realm) => {
            let app = &request.api.0.app;
            let mut session = app.session().await?;
            Ok(app.tokens().sign_out(&mut session.control, &mut realm, token, SignOut::This).await?)
        }
        Err(failure) if failure.kind() == ErrorKind::Unauthenticated => Ok(()),
        Err(failure) => Err(failure.into()),
    }
}

async fn end_token(
    request: &AnonymousContext,
    holder: Option<&KeyHolder>,
    token: &SecretString,
) -> Result<(), Refusal> {
    let Some(claims) = request.api.0.following.verifier.presented(token.expose_secret())? else {
        return Ok(());
    };
    request.require_named(claims.realm())?;
    if holder.is_some_and(|it| (it.realm, it.subject.id) != (claims.realm(), claims.sub)) {
        return Err(Refusal::unauthorized_client(NOT_YOURS));
    }
    let app = &request.api.0.app;
    let mut session = app.session().await?;
    Ok(app.tokens().revoke_presented(&mut session.control, &claims).await?)
}
