//! One's own sessions, and whose they are.

use axum::Json;
use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Body;
use super::super::context::{AnonymousContext, RequestContext};
use super::super::list::{List, NoFilter, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use super::super::users::sessions_of;
use crate::features::iam::signin::{self, Session};
use crate::features::iam::{User, users};
use crate::features::tokens::SignOut;
use crate::kernel::ErrorKind;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(logout))
        .routes(routes!(me))
        .routes(routes!(sessions, end_sessions))
        .routes(routes!(end_session))
}

/// What is to end.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Logout {
    #[schema(value_type = String)]
    refresh_token: SecretString,
    /// Which of the user's sessions end
    #[serde(default)]
    scope: SignOut,
}

/// Sign out: end the session of a refresh token, or others of its user
///
/// Without `scope` other sessions of the user go on. A token that is not good ends nothing, and the answer is
/// the same.
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
        Ok(mut realm) => {
            let app = &request.api.0.app;
            let mut session = app.session().await?;
            app.tokens().sign_out(&mut session.control, &mut realm, &body.refresh_token, body.scope).await?;
        }
        Err(failure) if failure.kind() == ErrorKind::Unauthenticated => {}
        Err(failure) => return Err(failure.into()),
    }
    Ok(StatusCode::NO_CONTENT)
}

/// List one's own sessions, the newest first
#[utoipa::path(
    get,
    path = "/auth/sessions",
    operation_id = "listMySessions",
    tag = "auth",
    params(PageParams),
    responses(
        (status = 200, body = List<Session>),
        Problem,
    ),
    security(("token" = []))
)]
async fn sessions(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<Session>>, Problem> {
    sessions_of(&request, &request.user(), &part).await
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

/// End one session, with every token of it
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
