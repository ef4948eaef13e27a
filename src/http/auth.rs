//! `/auth`: signing in and out, and the tokens of a session.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::Body;
use super::context::{AnonymousContext, RequestContext};
use super::error::RequestError;
use super::problem::{Problem, ProblemDocument};
use crate::features::iam::signin::Credentials;
use crate::features::iam::{User, UserRef, users};
use crate::features::tokens::{Claims, Presented};
use crate::kernel::{Caller, UserId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(login)).routes(routes!(refresh)).routes(routes!(me))
}

/// Who wants in.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Login {
    #[schema(format = "email", example = "ann@acme.example")]
    email: String,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
    /// The code of the second factor, or a recovery code
    #[schema(value_type = Option<String>)]
    code: Option<SecretString>,
    /// What signs in, for the list of sessions
    #[schema(example = "web", max_length = 100)]
    client: Option<String>,
}

/// The tokens of a session (RFC 6749, section 5.1).
#[derive(Serialize, ToSchema)]
struct TokenPair {
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
/// answer is the same.
#[utoipa::path(
    post,
    path = "/auth/login",
    operation_id = "login",
    tag = "auth",
    request_body = Login,
    responses(
        (status = 200, body = TokenPair),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(())
)]
async fn login(request: AnonymousContext, Body(login): Body<Login>) -> Result<Response, Problem> {
    let email = login.email.parse().map_err(|error: crate::kernel::email::EmailError| {
        RequestError::Body { pointer: "/email".to_owned(), reason: error.to_string(), nearest: None }
    })?;
    let client = login.client.unwrap_or_else(|| "api".to_owned());
    let with = Credentials { email, password: login.password, code: login.code, client };
    let mut realm = request.realm().await?;
    let signed_in = request.api.0.app.tokens().sign_in(&Caller::System, &mut realm, &with).await?;
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
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(())
)]
async fn refresh(request: AnonymousContext, Body(body): Body<Refresh>) -> Result<Response, Problem> {
    let app = &request.api.0.app;
    let mut session = app.session().await?;
    let (caller, kind) = (Caller::System, Presented::Refresh);
    let mut realm = session.open_presented_realm(&caller, kind, &body.refresh_token).await?;
    let tokens_of = app.tokens();
    let new = tokens_of.refresh(&mut session.control, &caller, &mut realm, &body.refresh_token).await?;
    Ok(tokens(&new.claims, &new.token, &new.refresh))
}

fn tokens(claims: &Claims, access: &SecretString, refresh: &SecretString) -> Response {
    let pair = TokenPair {
        access_token: access.expose_secret().to_owned(),
        refresh_token: refresh.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: claims.exp - claims.iat,
    };
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(pair)).into_response()
}

/// Show who the token is for
#[utoipa::path(
    get,
    path = "/auth/me",
    operation_id = "me",
    tag = "auth",
    responses(
        (status = 200, body = User),
        (status = "4XX", body = ProblemDocument, content_type = "application/problem+json"),
    ),
    security(("token" = []))
)]
async fn me(request: RequestContext) -> Result<Json<User>, Problem> {
    let mut realm = request.realm().await?;
    let who = UserRef::Id(UserId::from(request.claims.sub));
    Ok(Json(users::get(&mut realm, &request.caller, &who).await?))
}
