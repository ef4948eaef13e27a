//! `/.well-known`: what services and stock clients look for: the keys that tokens are checked with, and what the
//! issuer says of itself.

use axum::Json;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;

/// How long a service may keep the keys: a new one is published ten minutes before it signs.
const KEPT: &str = "max-age=600";

/// How a program shows its secret (RFC 6749, section 2.3.1); none: a refresh token is shown without.
const WITH_SECRET: [&str; 2] = ["client_secret_basic", "client_secret_post"];
const WITH_OR_WITHOUT: [&str; 3] = ["client_secret_basic", "client_secret_post", "none"];

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(key_set)).routes(routes!(oauth)).routes(routes!(openid))
}

/// The public keys (RFC 7517)
#[utoipa::path(
    get,
    path = "/.well-known/jwks.json",
    operation_id = "keySet",
    tag = "auth",
    responses((status = 200, body = Value)),
    security(())
)]
async fn key_set(State(api): State<Api>) -> Result<impl IntoResponse, Problem> {
    let keys = api.0.following.verifier.ring().published()?;
    Ok(([(header::CACHE_CONTROL, KEPT)], Json(keys)))
}

/// What the issuer says of itself (RFC 8414, section 2).
#[derive(Serialize, ToSchema)]
struct IssuerMetadata {
    /// The `iss` of every token
    #[schema(example = "https://api.example.com")]
    issuer: String,
    jwks_uri: String,
    token_endpoint: String,
    revocation_endpoint: String,
    introspection_endpoint: String,
    service_documentation: String,
    grant_types_supported: [&'static str; 2],
    /// None: nobody is sent to a page to sign in. The RFC requires it to be there.
    response_types_supported: [&'static str; 0],
    token_endpoint_auth_methods_supported: [&'static str; 3],
    revocation_endpoint_auth_methods_supported: [&'static str; 3],
    introspection_endpoint_auth_methods_supported: [&'static str; 3],
    /// A user has one id for everybody
    subject_types_supported: [&'static str; 1],
    /// The algorithms of the keys at `jwks_uri`. There are no id tokens; clients of OpenID Connect want it said.
    id_token_signing_alg_values_supported: Vec<&'static str>,
}

impl Api {
    /// What clients write before a path.
    fn base(&self) -> &str {
        let public = self.0.settings.public_url.as_deref();
        public.unwrap_or_else(|| self.0.issuer.trim_end_matches('/'))
    }

    fn metadata(&self) -> impl IntoResponse + use<> {
        let at = |path: &str| format!("{}{path}", self.base());
        let [basic, post] = WITH_SECRET;
        let metadata = IssuerMetadata {
            issuer: self.0.issuer.clone(),
            jwks_uri: at("/.well-known/jwks.json"),
            token_endpoint: at("/oauth/token"),
            revocation_endpoint: at("/oauth/revoke"),
            introspection_endpoint: at("/oauth/introspect"),
            service_documentation: at("/docs"),
            grant_types_supported: ["client_credentials", "refresh_token"],
            response_types_supported: [],
            token_endpoint_auth_methods_supported: WITH_OR_WITHOUT,
            revocation_endpoint_auth_methods_supported: WITH_OR_WITHOUT,
            // RFC 8414, section 2: the name of a kind of token says that one is taken.
            introspection_endpoint_auth_methods_supported: [basic, post, "Bearer"],
            subject_types_supported: ["public"],
            id_token_signing_alg_values_supported: self.0.following.verifier.ring().algorithms(),
        };
        ([(header::CACHE_CONTROL, KEPT)], Json(metadata))
    }
}

/// What the issuer says of itself (RFC 8414)
#[utoipa::path(
    get,
    path = "/.well-known/oauth-authorization-server",
    operation_id = "oauthMetadata",
    tag = "oauth",
    responses((status = 200, body = IssuerMetadata)),
    security(())
)]
async fn oauth(State(api): State<Api>) -> impl IntoResponse {
    api.metadata()
}

/// The same, where clients of OpenID Connect look for it
///
/// Nexus issues no id tokens: what there is for such a client is the keys, and the same grants.
#[utoipa::path(
    get,
    path = "/.well-known/openid-configuration",
    operation_id = "openidMetadata",
    tag = "oauth",
    responses((status = 200, body = IssuerMetadata)),
    security(())
)]
async fn openid(State(api): State<Api>) -> impl IntoResponse {
    api.metadata()
}
