//! `/auth`: signing in and out, and the tokens of a session.

use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::{Body, Parsed};
use super::context::{AnonymousContext, RequestContext};
use super::error::RequestError;
use super::path::InPath;
use super::problem::Problem;
use crate::features::iam::signin::{self, Credentials, Session};
use crate::features::iam::{User, users};
use crate::features::tokens::Claims;
use crate::kernel::{Caller, Email, ErrorKind, text};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(login))
        .routes(routes!(refresh))
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
        .routes(routes!(set_password))
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
        Problem,
    ),
    security(())
)]
async fn login(request: AnonymousContext, Body(login): Body<Login>) -> Result<Response, Problem> {
    let client = text::one_line("client", login.client.as_deref().unwrap_or("api"), 1..=100);
    let client = client.map_err(|reason| RequestError::body("/client", reason))?;
    let with = Credentials { email: login.email.0, password: login.password, code: login.code, client };
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

fn tokens(claims: &Claims, access: &SecretString, refresh: &SecretString) -> Response {
    let pair = TokenPair {
        access_token: access.expose_secret().to_owned(),
        refresh_token: refresh.expose_secret().to_owned(),
        token_type: "Bearer",
        expires_in: claims.exp - claims.iat,
    };
    (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], Json(pair)).into_response()
}

/// What is to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Logout {
    #[schema(value_type = String)]
    refresh_token: SecretString,
}

/// Sign out: end the session of a refresh token
///
/// Other sessions of the user go on. A token that is not good ends nothing, and the answer is the same.
#[utoipa::path(
    post,
    path = "/auth/logout",
    operation_id = "logout",
    tag = "auth",
    request_body = Logout,
    responses(
        (status = 204),
        Problem,
    ),
    security(())
)]
async fn logout(request: AnonymousContext, Body(body): Body<Logout>) -> Result<StatusCode, Problem> {
    match request.presented_realm(&body.refresh_token).await {
        Ok(mut realm) => request.api.0.app.tokens().sign_out(&mut realm, &body.refresh_token).await?,
        Err(failure) if failure.kind() == ErrorKind::Unauthenticated => {}
        Err(failure) => return Err(failure.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// The sessions of a user.
#[derive(Serialize, ToSchema)]
struct Sessions {
    data: Vec<Session>,
}

/// List one's own sessions
#[utoipa::path(
    get,
    path = "/auth/sessions",
    operation_id = "listMySessions",
    tag = "auth",
    responses(
        (status = 200, body = Sessions),
        Problem,
    ),
    security(("token" = []))
)]
async fn sessions(request: RequestContext) -> Result<Json<Sessions>, Problem> {
    let mut realm = request.realm().await?;
    let data = signin::sessions(&mut realm, &request.caller, &request.user()).await?;
    Ok(Json(Sessions { data }))
}

/// End all of one's own sessions, with every token of them
#[utoipa::path(
    delete,
    path = "/auth/sessions",
    operation_id = "endMySessions",
    tag = "auth",
    responses(
        (status = 204),
        Problem,
    ),
    security(("token" = []))
)]
async fn end_sessions(request: RequestContext) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    signin::end_sessions(&mut realm, &request.caller, &request.user()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// End one session
#[utoipa::path(
    delete,
    path = "/auth/sessions/{id}",
    operation_id = "endSession",
    tag = "auth",
    params(("id" = Uuid, Path, description = "The session")),
    responses(
        (status = 204),
        Problem,
    ),
    extensions(("x-permission" = json!("session:delete, but for one's own"))),
    security(("token" = []))
)]
async fn end_session(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    signin::end_session(&mut realm, &request.caller, None, id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A password, and what lets it be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// Of an invitation or a password reset
    #[schema(value_type = String)]
    token: SecretString,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Accept an invitation, or set a new password, by a single-use token
///
/// All sessions of the user end. A password that is refused leaves the token good.
#[utoipa::path(
    post,
    path = "/auth/password",
    operation_id = "setPassword",
    tag = "auth",
    request_body = NewPassword,
    responses(
        (status = 204),
        Problem,
    ),
    security(())
)]
async fn set_password(
    request: AnonymousContext,
    Body(body): Body<NewPassword>,
) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    signin::redeem(&mut realm, &body.token, &body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Show who the token is for
#[utoipa::path(
    get,
    path = "/auth/me",
    operation_id = "me",
    tag = "auth",
    responses(
        (status = 200, body = User),
        Problem,
    ),
    security(("token" = []))
)]
async fn me(request: RequestContext) -> Result<Json<User>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(users::get(&mut realm, &request.caller, &request.user()).await?))
}
