//! All routes, and what every request passes through.

use std::any::Any;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::{Router, http};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::decompression::RequestDecompressionLayer;
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::RequestBodyTimeoutLayer;
use utoipa::OpenApi;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa_axum::router::OpenApiRouter;

use super::error::RequestError;
use super::idempotency::Keyed;
use super::problem::{Problem, ProblemDocument};
use super::{
    Api, api_keys, audit, auth, clusters, cors, custom_fields, docs, events, files, groups, health,
    idempotency, jobs, metrics, migrations, notifications, oauth, operations, page, permissions, rate_limit,
    request_span, roles, security, services, settings, stores, switch, tenants, usage, users, webhooks,
    well_known,
};

/// How long a body may pause.
const BODY_PAUSE: Duration = Duration::from_secs(10);

/// What the page says of the API as a whole.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Nexus",
        description = "The API that business apps stand on. A request is for one tenant: its token says which; \
                       without a token, X-Tenant-ID or the host does. Errors are problem documents (RFC 9457).",
        contact(name = "Nexus", url = "https://github.com/nexus-platform/nexus"),
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0")
    ),
    components(schemas(ProblemDocument)),
    tags(
        (name = "auth", description = "Signing in and out"),
        (name = "oauth", description = "The same by the words of OAuth 2.0, for programs and stock clients"),
        (name = "api-keys", description = "Keys with which programs get access tokens"),
        (name = "users", description = "The users of a realm"),
        (name = "roles", description = "What roles allow, and who holds them"),
        (name = "groups", description = "Groups: they nest and carry roles, and their members inherit"),
        (name = "permissions", description = "What roles can allow"),
        (name = "files", description = "Files in the tenant's bucket, and what they are attached to"),
        (name = "usage", description = "Usage and limits of a tenant"),
        (name = "custom-fields", description = "What a tenant adds to its users and groups"),
        (name = "settings", description = "Settings of a realm: who may register; language, currency and time zone for its apps"),
        (name = "services", description = "Functions of apps that others call by name"),
        (name = "webhooks", description = "Events of a tenant, sent to addresses of its own"),
        (name = "audit", description = "Who did what"),
        (name = "tenants", description = "Tenants: made, changed, suspended and deleted by operators"),
        (name = "operations", description = "Recorded changes of tenants, and how far they are"),
        (name = "jobs", description = "Background jobs"),
        (name = "notifications", description = "Notifications: sent to people, what they say, what people want of them, and the inbox"),
        (name = "events", description = "What happened in a realm, page by page or as it comes"),
        (name = "clusters", description = "The PostgreSQL servers for tenants' databases"),
        (name = "stores", description = "The object stores for tenants' buckets"),
        (name = "migrations", description = "How far the tenants' schemas are"),
        (name = "health", description = "Whether the process lives and can answer")
    )
)]
struct Page;

fn described() -> OpenApiRouter<Api> {
    OpenApiRouter::with_openapi(Page::openapi())
        .merge(auth::routes())
        .merge(switch::routes())
        .merge(oauth::routes())
        .merge(api_keys::routes())
        .merge(users::routes())
        .merge(well_known::routes())
        .merge(roles::routes())
        .merge(groups::routes())
        .merge(permissions::routes())
        .merge(files::routes())
        .merge(usage::routes())
        .merge(custom_fields::routes())
        .merge(settings::routes())
        .merge(webhooks::routes())
        .merge(services::routes())
        .merge(audit::routes())
        .merge(tenants::routes())
        .merge(operations::routes())
        .merge(jobs::routes())
        .merge(notifications::routes())
        .merge(events::routes())
        .merge(clusters::routes())
        .merge(stores::routes())
        .merge(migrations::routes())
        .merge(health::routes())
}

/// The page of the API (OpenAPI 3.1).
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    finished(described().into_openapi()).0
}

/// The page, with what a token is, and what is true of all changes; and which take a key.
fn finished(mut page: utoipa::openapi::OpenApi) -> (utoipa::openapi::OpenApi, Keyed) {
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build();
    let client = HttpBuilder::new().scheme(HttpAuthScheme::Basic);
    let client = client.description(Some("The id of an API key, and the key")).build();
    let components = page.components.get_or_insert_default();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    components.add_security_scheme("client", SecurityScheme::Http(client));
    let keyed = Keyed::describe(&mut page.paths);
    page::finish(&mut page);
    (page, keyed)
}

/// All routes.
pub fn router(api: Api) -> Router {
    let trusted: request_span::TrustedProxies = api.0.settings.trusted_proxies.clone().into();
    let limit = usize::try_from(api.0.settings.body_bytes).unwrap_or(usize::MAX);
    let (routes, page) = described().split_for_parts();
    let (page, keyed) = finished(page);
    let routes = routes
        .merge(docs::routes(&page))
        .merge(metrics::routes())
        .merge(events::socket_routes())
        .fallback(no_path)
        .method_not_allowed_fallback(no_method)
        .layer(middleware::from_fn_with_state((api.clone(), keyed), idempotency::once))
        .layer(middleware::from_fn_with_state(api.clone(), rate_limit::apply))
        .layer(middleware::from_fn_with_state(api.clone(), within_time))
        .layer(CatchPanicLayer::custom(caught))
        // What is counted is what comes out of the unpacking.
        .layer(axum::extract::DefaultBodyLimit::disable())
        .layer(RequestBodyLimitLayer::new(limit))
        .layer(RequestDecompressionLayer::new())
        .layer(middleware::from_fn_with_state(api.clone(), as_problem))
        .layer(RequestBodyTimeoutLayer::new(BODY_PAUSE))
        .layer(CompressionLayer::new())
        .layer(middleware::from_fn(metrics::count));
    cors::allow(routes, &api.0.settings.cors_origins)
        .layer(middleware::from_fn_with_state(api.0.is_tls, security::headers))
        .layer(middleware::from_fn_with_state(trusted, request_span::give))
        .with_state(api)
}

async fn no_path(request: Request) -> Problem {
    RequestError::NoPath(request.uri().path().to_owned()).into()
}

async fn no_method(method: http::Method) -> Problem {
    RequestError::Method(method.to_string()).into()
}

/// Gives up a request that takes too long: what it began is dropped, and rolled back.
async fn within_time(State(api): State<Api>, request: Request, next: Next) -> Response {
    let seconds = api.0.settings.timeout_seconds;
    let answer = tokio::time::timeout(Duration::from_secs(u64::from(seconds)), next.run(request));
    answer.await.unwrap_or_else(|_| Problem::from(RequestError::Timeout(seconds)).into_response())
}

/// Puts into a problem document what the layers inside refuse in words of their own.
async fn as_problem(State(api): State<Api>, request: Request, next: Next) -> Response {
    let response = next.run(request).await;
    let kind = response.headers().get(http::header::CONTENT_TYPE);
    let is_ours = kind.is_some_and(|kind| kind == "application/problem+json");
    match response.status() {
        _ if is_ours => response,
        http::StatusCode::PAYLOAD_TOO_LARGE => {
            Problem::from(RequestError::TooLarge(api.0.settings.body_bytes)).into_response()
        }
        http::StatusCode::UNSUPPORTED_MEDIA_TYPE => Problem::from(RequestError::Encoding).into_response(),
        _ => response,
    }
}

/// A panic is a bug; what it said is in the log alone.
fn caught(panic: Box<dyn Any + Send>) -> Response {
    drop(panic);
    Problem::from(RequestError::Bug).into_response()
}
