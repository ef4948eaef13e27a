//! `POST /oauth/token` (RFC 6749, section 3.2).

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
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
use crate::features::iam::Permission;
use crate::features::tokens::{Claims, Minted};
use crate::kernel::{AnyFailure, Caller};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(token))
}

/// What is asked for.
#[derive(Deserialize, ToSchema)]
struct TokenRequest {
    /// client_credentials or refresh_token
    #[schema(required, example = "client_credentials")]
    grant_type: Option<String>,
    /// Permissions with a space between them: the token allows these at most
    #[schema(example = "invoice:read")]
    scope: Option<String>,
    /// The id of an API key, where the header does not say it; with refresh_token any name
    client_id: Option<String>,
    /// The API key, where the header does not have it
    #[schema(value_type = Option<String>, format = "password")]
    client_secret: Option<SecretString>,
    #[schema(value_type = Option<String>)]
    refresh_token: Option<SecretString>,
}

/// What is given (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
struct TokenAnswer {
    access_token: String,
    /// Always Bearer
    #[schema(example = "Bearer")]
    token_type: &'static str,
    /// Seconds for which the access token is good
    #[schema(example = 900)]
    expires_in: i64,
    /// The next one; only of a session
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<String>,
    /// If present, the token allows these at most
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
}

/// Get an access token: for an API key, or for a refresh token
///
/// With client_credentials a program sends the id of its API key as client_id and the key as client_secret, in the
/// header (Basic) or in the form. With refresh_token it is the same as POST /auth/refresh-token, and no secret is
/// sent. A scope narrows what the token allows. There is no password grant: people sign in by POST /auth/login.
#[utoipa::path(
    post,
    path = "/oauth/token",
    operation_id = "oauthToken",
    tag = "oauth",
    request_body(content = TokenRequest, content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, body = TokenAnswer), (status = 400, description = "The request is wrong, or the grant is not good", body = OAuthError), (status = 401, description = "The program showed no good secret", body = OAuthError), Problem),
    extensions(("x-permission" = json!("an API key, or a refresh token: none"))),
    security(("client" = []), ())
)]
async fn token(
    from: CountedAddress,
    headers: HeaderMap,
    request: Result<AnonymousContext, Problem>,
    Form(form): Form<TokenRequest>,
) -> Result<Response, Refusal> {
    let request = request?;
    let client = Client::of(&headers, (form.client_id, form.client_secret))?;
    let scopes = scopes(form.scope.as_deref())?;
    match form.grant_type.as_deref() {
        Some("client_credentials") => {
            let client =
                client.ok_or_else(|| Refusal::invalid_client("this needs an API key: its id and itself"))?;
            match by_key(&request, &client, &scopes).await {
                Ok(minted) => Ok(answer(&minted.token, &minted.claims, None)),
                Err(failure) => Err(refuse(&request.api, &from, failure).await),
            }
        }
        Some("refresh_token") => {
            if client.is_some() {
                let why = "a refresh token is a session's and not an API key's: send it without a secret";
                return Err(Refusal::unauthorized_client(why));
            }
            let presented = form.refresh_token;
            let presented = presented.ok_or_else(|| Refusal::invalid_request("refresh_token is missing"))?;
            let mut realm = request.presented_realm(&presented).await?;
            let app = &request.api.0.app;
            let mut session = app.session().await?;
            let (caller, control) = (Caller::System, &mut session.control);
            let new = app.tokens().refresh_within(control, &caller, &mut realm, &presented, &scopes).await?;
            Ok(answer(&new.token, &new.claims, Some(&new.refresh)))
        }
        Some(_) => Err(Refusal::unsupported_grant_type()),
        None => Err(Refusal::invalid_request("grant_type is missing")),
    }
}

async fn by_key(
    request: &AnonymousContext,
    client: &Client,
    scopes: &[Permission],
) -> Result<Minted, AnyFailure> {
    let key = client.key()?;
    let mut realm = client.realm(request).await?;
    let app = &request.api.0.app;
    let mut session = app.session().await?;
    let (caller, control) = (Caller::System, &mut session.control);
    Ok(app.tokens().exchange_api_key(control, &caller, &mut realm, key, scopes).await?)
}

/// The scopes that are asked for (RFC 6749, section 3.3).
fn scopes(text: Option<&str>) -> Result<Vec<Permission>, Refusal> {
    let words = text.unwrap_or_default().split(' ').filter(|word| !word.is_empty());
    let scopes = words.map(str::parse).collect::<Result<Vec<Permission>, _>>();
    scopes.map_err(|error| Refusal::invalid_scope(&error.to_string()))
}

fn answer(token: &SecretString, claims: &Claims, refresh: Option<&SecretString>) -> Response {
    let answer = TokenAnswer {
        access_token: token.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: claims.exp - claims.iat,
        refresh_token: refresh.map(|token| token.expose_secret().to_owned()),
        scope: claims.scope.clone(),
    };
    ([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response()
}
