//! `/auth/switch`: an operator's way into a tenant's realm.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::problem::Problem;
use crate::features::tenants::TenantRef;
use crate::features::tokens::TokenError;
use crate::kernel::Reason;

/// What the token that is given is (RFC 8693, section 3).
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(switch))
}

/// Where an operator wants to go.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Switch {
    /// The tenant, by slug or id
    #[schema(value_type = String, example = "acme")]
    tenant: Parsed<TenantRef>,
    /// Why, for both audit logs
    #[schema(value_type = Option<String>, min_length = 4, max_length = 500, example = "ticket 4711")]
    reason: Option<Parsed<Reason<4>>>,
}

/// A token of a tenant's realm (RFC 8693, section 2.2.1).
#[derive(Serialize, ToSchema)]
struct SwitchedToken {
    access_token: String,
    /// Always that of an access token
    issued_token_type: &'static str,
    /// Always Bearer
    token_type: &'static str,
    /// Seconds for which it is good: 15 minutes, and no longer than the access
    #[schema(example = 900)]
    expires_in: i64,
}

/// Get a token of a tenant's realm, as an operator with access to it
///
/// An administrator grants access, with roles and for a time. The token allows what these roles allow there, for 15
/// minutes at most, and there is no refresh token. The operator is its `sub` and `act`, and is named in the audit logs of the platform and
/// of the tenant. Such a token switches no further, and neither mints tokens nor creates API keys.
#[utoipa::path(
    post,
    path = "/auth/switch",
    operation_id = "switchTenant",
    tag = "auth",
    request_body = Switch,
    responses((status = 200, body = SwitchedToken), Problem),
    extensions(("x-permission" = json!("an operator's access to the tenant"))),
    security(("token" = []))
)]
async fn switch(request: RequestContext, Body(body): Body<Switch>) -> Result<Response, Problem> {
    let api = &request.api.0;
    let refused = || TokenError::SwitchRefused { tenant: format!("tenant {}", body.tenant.0) };
    // Nobody else is told of a tenant, nor takes a turn in its realm.
    if !request.caller.is_operator_in_person() {
        return Err(refused().into());
    }
    let found = api.app.tenant(&body.tenant.0).await?;
    let tenant = found.ok_or_else(refused)?;
    let mut realm = request.api.token_realm(Some(&tenant), || refused().into()).await?;
    api.following.verifier.require_good(&request.claims)?;
    let (tokens, mut session) = request.tokens().await?;
    let reason = body.reason.map(|reason| reason.0);
    let switched = tokens.switch(&mut session.control, &request.caller, &mut realm, reason.as_ref()).await;
    // By the name that was asked for: its other names are not told.
    let switched = switched.map_err(|error| match error {
        TokenError::SwitchRefused { .. } => refused(),
        error => error,
    })?;
    let answer = SwitchedToken {
        access_token: switched.token.expose_secret().to_owned(),
        issued_token_type: ACCESS_TOKEN,
        token_type: "Bearer",
        expires_in: switched.claims.exp - switched.claims.iat,
    };
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(answer)).into_response())
}
