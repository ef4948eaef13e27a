//! Registering, and confirming the address.

use axum::http::StatusCode;
use secrecy::SecretString;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::AnonymousContext;
use super::super::problem::Problem;
use super::in_even_time;
use crate::features::iam::self_service::{self, NewAccount};
use crate::kernel::{DisplayName, Email};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(register)).routes(routes!(verify_email)).routes(routes!(resend))
}

/// Who registers.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Registration {
    #[schema(value_type = String, format = "email", example = "bob@acme.example")]
    email: Parsed<Email>,
    #[schema(value_type = String, format = "password")]
    password: SecretString,
    #[schema(value_type = Option<String>, example = "Bob Birch")]
    name: Option<Parsed<DisplayName>>,
    /// The token of an invitation to this address: with it nothing has to be confirmed
    #[schema(value_type = Option<String>)]
    invitation: Option<SecretString>,
}

/// Register
///
/// The tenant says who may: anybody, those with an invitation, or nobody. The answer is the same for every
/// address. One that is new gets a message that confirms it, and until then nobody signs in with it; one that
/// has an account gets a message that says so.
#[utoipa::path(
    post,
    path = "/auth/register",
    operation_id = "register",
    tag = "auth",
    request_body = Registration,
    responses(
        (status = 202, description = "A message to the address says how to go on"),
        Problem,
    ),
    security(())
)]
async fn register(request: AnonymousContext, Body(body): Body<Registration>) -> Result<StatusCode, Problem> {
    let new = NewAccount {
        email: body.email.0,
        name: body.name.map(|Parsed(name)| name),
        password: body.password,
        invitation: body.invitation,
    };
    let admitted = {
        let mut realm = request.realm().await?;
        self_service::admit(&mut realm, new).await?
    };
    let hashed = admitted.hash().await?;
    let mut realm = request.realm().await?;
    self_service::register(&mut realm, hashed).await?;
    request.ring();
    Ok(StatusCode::ACCEPTED)
}

/// What confirms an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Verification {
    /// Of the message to that address
    #[schema(value_type = String)]
    token: SecretString,
    /// The one that was registered
    #[schema(value_type = String, format = "password")]
    password: SecretString,
}

/// Confirm the address that was registered, by a single-use token and the password
#[utoipa::path(
    post,
    path = "/auth/verify-email",
    operation_id = "verifyEmail",
    tag = "auth",
    request_body = Verification,
    responses(
        (status = 204, description = "They can sign in"),
        Problem,
    ),
    security(())
)]
async fn verify_email(
    request: AnonymousContext,
    Body(body): Body<Verification>,
) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    self_service::verify_email(&mut realm, &body.token, &body.password).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whom a message is asked for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ForAddress {
    #[schema(value_type = String, format = "email", example = "bob@acme.example")]
    pub(super) email: Parsed<Email>,
}

/// Ask once more for the message that confirms an address, or invites
///
/// The answer is the same for every address, and the limits are those of `/auth/forgot`.
#[utoipa::path(
    post,
    path = "/auth/resend",
    operation_id = "resendMessage",
    tag = "auth",
    request_body = ForAddress,
    responses(
        (status = 202, description = "If there is something to confirm, a message is on its way"),
        Problem,
    ),
    security(())
)]
async fn resend(request: AnonymousContext, Body(body): Body<ForAddress>) -> Result<StatusCode, Problem> {
    let asking = async {
        let mut realm = request.realm().await?;
        self_service::resend(&mut realm, &body.email.0).await?;
        request.ring();
        Ok(StatusCode::ACCEPTED)
    };
    in_even_time(asking).await
}
