//! Signing in, and exchanging refresh tokens.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::AnonymousContext;
use super::super::error::RequestError;
use super::super::problem::Problem;
use crate::features::iam::IamError;
use crate::features::iam::signin::Credentials;
use crate::features::tokens::{Claims, Entrance};
use crate::kernel::{Caller, Email, text};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(answer_challenge)).routes(routes!(refresh))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    #[schema(value_type = String, format = "email", example = "ann@acme.example")]
    email: Parsed<Email>,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
    /// The code of the second factor, or a recovery code
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
    /// What signs in, for the list of sessions
    #[schema(example = "web", max_length = 100)]
    client: Option<String>,
}

/// What is said to who is refused, and may have forgotten the header; whatever is wrong.
const NO_TENANT: &str = "no tenant is named, so this is the platform's own realm: X-Tenant-ID names one";

/// The tokens of a session (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct TokenPair {
    access_token: String,
    refresh_token: String,
    /// Always Bearer
    token_type: &'static str,
    /// Seconds for which the access token is good
    expires_in: i64,
}

/// What a refresh token is exchanged for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Refresh {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Sign in
///
/// The realm is the tenant's that the header or the host names, else the platform's. Whatever is wrong, the
/// answer is the same. Where there is a second factor and no code, the answer is 401 `mfa_required` with a
/// `challenge`: send that with a code to `/auth/login/challenge` within five minutes.
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "login",
    tag = "auth",
    request_body = Login,
    responses(
        (status = 200, body = TokenPair),
        Problem,
    ),
    security(())
)]
async fn login(request: AnonymousContext, Body(login): Body<Login>) -> Result<Response, Problem> {
    let client = client(login.client.as_deref())?;
    let with = Credentials { email: login.email.0, password: login.password, code: login.code, client };
    let mut realm = request.realm().await?;
    let entered = request.api.0.app.tokens().sign_in(&Caller::System, &mut realm, &with).await;
    let hint = request.names_no_tenant().then_some(NO_TENANT);
    match entered.map_err(|error| Problem::from(error).hinted("sign_in_refused", hint))? {
        Entrance::In(signed_in) => Ok(tokens(&signed_in.claims, &signed_in.token, &signed_in.refresh)),
        Entrance::Challenge(challenge) => Err(Problem::with_challenge(IamError::CodeNeeded, challenge)),
    }
}

/// What signs in, for the list of sessions.
pub(super) fn client(given: Option<&str>) -> Result<String, RequestError> {
    let client = text::one_line("client", given.unwrap_or("api"), 1..=100);
    client.map_err(|reason| RequestError::body("/client", reason))
}

/// What a second factor is shown with.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ChallengeAnswer {
    /// Of the answer to the right password. It is good once
    #[schema(value_type = String)]
    challenge: SecretString,
    /// The code of the second factor, or a recovery code
    #[schema(value_type = String, example = "123456")]
    code: SecretString,
}

/// Sign in: show the second factor
///
/// A wrong code is counted as a wrong password is, and leaves the challenge good.
#[utoipa::path(
    post,
    path = "/auth/login/challenge",
    operation_id = "answerChallenge",
    tag = "auth",
    request_body = ChallengeAnswer,
    responses(
        (status = 200, body = TokenPair),
        Problem,
    ),
    security(())
)]
async fn answer_challenge(
    request: AnonymousContext,
    Body(body): Body<ChallengeAnswer>,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    let shown = (&body.challenge, &body.code);
    let signed_in = request.api.0.app.tokens().answer_challenge(&Caller::System, &mut realm, shown).await?;
    Ok(tokens(&signed_in.claims, &signed_in.token, &signed_in.refresh))
}

/// Exchange a refresh token for the next pair
///
/// Each is good once. Using one twice ends the session; a client that got no answer may ask again within ten
/// seconds.
#[utoipa::path(
    post,
    path = "/auth/refresh-token",
    operation_id = "refreshToken",
    tag = "auth",
    request_body = Refresh,
    responses(
        (status = 200, body = TokenPair),
        Problem,
    ),
    security(())
)]
async fn refresh(request: AnonymousContext, Body(body): Body<Refresh>) -> Result<Response, Problem> {
    let mut realm = request.presented_realm(&body.refresh_token).await?;
    let app = &request.api.0.app;
    let mut session = app.session().await?;
    let (caller, control) = (Caller::System, &mut session.control);
    let new = app.tokens().refresh(control, &caller, &mut realm, &body.refresh_token).await?;
    Ok(tokens(&new.claims, &new.token, &new.refresh))
}

/// The answer to whoever is in.
pub(super) fn tokens(claims: &Claims, access: &SecretString, refresh: &SecretString) -> Response {
    let pair = TokenPair {
        access_token: access.expose_secret().to_owned(),
        refresh_token: refresh.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: claims.exp - claims.iat,
    };
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(pair)).into_response()
}
