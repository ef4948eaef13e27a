//! Passwords: set by a token, changed, forgotten.

use axum::http::StatusCode;
use axum::response::Response;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::Body;
use super::super::context::{AnonymousContext, RequestContext};
use super::super::problem::Problem;
use super::in_even_time;
use super::login::{TokenPair, client, tokens};
use super::register::ForAddress;
use crate::features::iam::{self_service, signin};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(set_password))
        .routes(routes!(change_password))
        .routes(routes!(forgot))
}

/// A password, and what lets it be set.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPassword {
    /// Of the message that invites, or resets the password
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
    drop(realm);
    request.ring();
    Ok(StatusCode::NO_CONTENT)
}

/// One's own password, and the one that is to be in its place.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PasswordChange {
    #[schema(value_type = String, format = "password")]
    current: SecretString,
    #[schema(value_type = String, format = "password")]
    new: SecretString,
    /// What is signed in, for the list of sessions
    #[schema(example = "web", max_length = 100)]
    client: Option<String>,
}

/// Change one's own password
///
/// All sessions end with all their tokens. The one in which this is asked goes on with those of the answer. A
/// wrong password is counted as one at sign-in is.
#[utoipa::path(
    post,
    path = "/auth/password/change",
    operation_id = "changePassword",
    tag = "auth",
    request_body = PasswordChange,
    responses(
        (status = 200, body = TokenPair),
        Problem,
    ),
    security(("token" = []))
)]
async fn change_password(
    request: RequestContext,
    Body(body): Body<PasswordChange>,
) -> Result<Response, Problem> {
    let client = client(body.client.as_deref())?;
    let mut realm = request.realm().await?;
    let passwords = (&body.current, &body.new);
    let service = request.api.0.app.tokens();
    let signed_in = service.change_password(&request.caller, &mut realm, passwords, &client).await?;
    drop(realm);
    request.ring();
    Ok(tokens(&signed_in.claims, &signed_in.token, &signed_in.refresh))
}

/// Ask for a message that sets a new password
///
/// The answer is the same for every address. One message a minute, five an hour and twenty a day are written to
/// one address, whoever asks.
#[utoipa::path(
    post,
    path = "/auth/forgot",
    operation_id = "forgotPassword",
    tag = "auth",
    request_body = ForAddress,
    responses(
        (status = 202, description = "If the address is that of a user, a message is on its way"),
        Problem,
    ),
    security(())
)]
async fn forgot(request: AnonymousContext, Body(body): Body<ForAddress>) -> Result<StatusCode, Problem> {
    let asking = async {
        let mut realm = request.realm().await?;
        self_service::forgot(&mut realm, &body.email.0).await?;
        request.ring();
        Ok(StatusCode::ACCEPTED)
    };
    in_even_time(asking).await
}
