//! `/services`: functions of apps that others call by name.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::error::RequestError;
use super::etag::{self, IfNoneMatch};
use super::list::{List, NoFilter, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::{InQuery, ListQuery};
use crate::features::access::Permission;
use crate::features::services::{
    self, CallTimeout, Instance, NewService, RemovedService, Service, ServiceCall, ServiceName,
    ServiceVersion,
};
use crate::kernel::Description;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, register))
        .routes(routes!(show, remove))
        .routes(routes!(heartbeat))
        .routes(routes!(call))
}

/// List the services that are seen in the realm, by name and version
///
/// Those of the platform, and in the realm of a tenant those of its own. Where they answer is shown to those who may
/// register services, of the realm's own.
#[utoipa::path(
    get,
    path = "/services",
    operation_id = "listServices",
    tag = "services",
    params(PageParams),
    responses((status = 200, body = List<Service>), Problem),
    extensions(("x-permission" = json!("service:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<Service>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = services::list(&mut realm, &request.caller).await?;
    Ok(Json(List::part_of(rows, &part, |service: &Service| (service.name.clone(), service.version))?))
}

/// A service to be registered at an address.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewService)]
struct NewServiceBody {
    /// Words of a-z, 0-9, `-` and `_` with dots between them, two at least.
    #[schema(value_type = String, example = "mail.preview")]
    name: Parsed<ServiceName>,
    /// 1 where it is not given.
    #[schema(minimum = 1, maximum = 9999, example = 1)]
    version: Option<i64>,
    /// Where it answers: an https URL with a public name, on port 443. Others only where the operator allows them.
    #[schema(example = "https://preview.acme.example/render")]
    url: String,
    /// What a caller must hold; `service:call` where it is not given.
    #[schema(value_type = Option<String>, example = "mail:preview")]
    permission: Option<Parsed<Permission>>,
    #[schema(value_type = Option<String>, example = "shows a mail as its readers will see it")]
    description: Option<Parsed<Description>>,
    /// How long it may take, in milliseconds; 5000 where it is not given.
    #[schema(minimum = 100, maximum = 30000, example = 5000)]
    timeout_ms: Option<i64>,
}

fn version_in(number: Option<i64>) -> Result<Option<ServiceVersion>, RequestError> {
    let read = number.map(ServiceVersion::try_from).transpose();
    read.map_err(|error| RequestError::body("/version", error.to_string()))
}

fn version_of(number: Option<i64>) -> Result<Option<ServiceVersion>, RequestError> {
    let read = number.map(ServiceVersion::try_from).transpose();
    read.map_err(|error| RequestError::query("version", error.to_string()))
}

/// Register a service at an address
///
/// In the realm of a tenant it is that tenant's, in the platform's all tenants see it. The same again changes nothing.
/// Another address of the same name and version is one more to send calls to.
#[utoipa::path(
    post,
    path = "/services",
    operation_id = "registerService",
    tag = "services",
    request_body(
        content = NewServiceBody,
        example = json!({ "name": "mail.preview", "url": "https://preview.acme.example/render" })
    ),
    responses((status = 201, body = Service), Problem),
    extensions(("x-permission" = json!("service:create"))),
    security(("token" = []))
)]
async fn register(request: RequestContext, Body(body): Body<NewServiceBody>) -> Result<Response, Problem> {
    let timeout = body.timeout_ms.map(CallTimeout::try_from).transpose();
    let new = NewService {
        name: body.name.0,
        version: version_in(body.version)?.unwrap_or(ServiceVersion::FIRST),
        url: body.url,
        permission: body.permission.map(|it| it.0),
        description: body.description.map(|it| it.0).unwrap_or_default(),
        timeout: timeout
            .map_err(|error| RequestError::body("/timeout_ms", error.to_string()))?
            .unwrap_or_default(),
    };
    let outbound = request.api.0.app.outbound();
    let mut realm = request.realm().await?;
    let made = services::register(&mut realm, &request.caller, outbound.policy(), &new).await?;
    let place = format!("/services/{}?version={}", made.name, made.version);
    Ok(etag::created(&place, &made, &made))
}

/// Which version.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VersionParams {
    /// This version; the highest where it is not given
    #[param(minimum = 1, maximum = 9999, example = 1)]
    version: Option<i64>,
}

/// Show a version of a service
#[utoipa::path(
    get,
    path = "/services/{service}",
    operation_id = "getService",
    tag = "services",
    params(("service" = String, Path, description = "The service's name"), VersionParams, IfNoneMatch),
    responses((status = 200, body = Service), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("service:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<ServiceName>>,
    InQuery(params): InQuery<VersionParams>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let version = version_of(params.version)?;
    let mut realm = request.realm().await?;
    Ok(known.answer(&services::get(&mut realm, &request.caller, (&name, version)).await?))
}

/// What is removed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct RemoveParams {
    /// This version; all where it is not given
    #[param(minimum = 1, maximum = 9999)]
    version: Option<i64>,
    /// This address; all where it is not given
    url: Option<String>,
}

/// Remove a service of the realm, a version or an address of it
#[utoipa::path(
    delete,
    path = "/services/{service}",
    operation_id = "removeService",
    tag = "services",
    params(("service" = String, Path, description = "The service's name"), RemoveParams),
    responses((status = 200, body = RemovedService), Problem),
    extensions(("x-permission" = json!("service:delete"))),
    security(("token" = []))
)]
async fn remove(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<ServiceName>>,
    InQuery(params): InQuery<RemoveParams>,
) -> Result<Json<RemovedService>, Problem> {
    let which = Instance { name, version: version_of(params.version)?, url: params.url };
    let mut realm = request.realm().await?;
    Ok(Json(services::remove(&mut realm, &request.caller, &which).await?))
}

/// An address that is there.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ServiceHeartbeat)]
struct HeartbeatBody {
    /// The address, as it was registered.
    #[schema(example = "https://preview.acme.example/render")]
    url: String,
    /// The highest where it is not given.
    #[schema(minimum = 1, maximum = 9999, example = 1)]
    version: Option<i64>,
}

/// Say that a service is there
///
/// To be sent every 30 seconds by the service itself, with an API key. Once it was sent, an address that has not said so
/// for 90 seconds is not called. Who never sends it is judged by its answers alone.
#[utoipa::path(
    post,
    path = "/services/{service}/heartbeat",
    operation_id = "sendServiceHeartbeat",
    tag = "services",
    params(("service" = String, Path, description = "The service's name")),
    request_body(content = HeartbeatBody, example = json!({ "url": "https://preview.acme.example/render" })),
    responses((status = 200, body = Service), Problem),
    extensions(("x-permission" = json!("service:create"))),
    security(("token" = []))
)]
async fn heartbeat(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<ServiceName>>,
    Body(body): Body<HeartbeatBody>,
) -> Result<Json<Service>, Problem> {
    let version = version_in(body.version)?;
    let mut realm = request.realm().await?;
    Ok(Json(services::heartbeat(&mut realm, &request.caller, (&name, version), &body.url).await?))
}

/// Which version is called, and for how long.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct CallParams {
    /// This version; the highest where it is not given
    #[param(minimum = 1, maximum = 9999, example = 1)]
    version: Option<i64>,
    /// How long to wait, in milliseconds; no longer than the service may take
    #[param(minimum = 100, maximum = 30000)]
    timeout_ms: Option<i64>,
}

/// Call a service
///
/// The body is what the service is asked: any JSON, 64 KiB at most. The answer is what it answers, 256 KiB at most.
/// The service is told who calls by a token of its own. What is needed is the permission that the service asks for,
/// `service:call` where it asks for no other.
#[utoipa::path(
    post,
    path = "/services/{service}/call",
    operation_id = "callService",
    tag = "services",
    params(("service" = String, Path, description = "The service's name"), CallParams),
    request_body(content = Value, example = json!({ "template": "welcome" })),
    responses((status = 200, body = Value), Problem),
    extensions(("x-permission" = json!("service:call"))),
    security(("token" = []))
)]
async fn call(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<ServiceName>>,
    InQuery(params): InQuery<CallParams>,
    Body(payload): Body<Value>,
) -> Result<Json<Value>, Problem> {
    let timeout = params.timeout_ms.map(CallTimeout::try_from).transpose();
    let timeout = timeout.map_err(|error| RequestError::query("timeout_ms", error.to_string()))?;
    let call = ServiceCall { name, version: version_of(params.version)?, payload, timeout };
    let realm = request.realm().await?;
    Ok(Json(request.api.0.app.call_service(realm, &request.caller, &call).await?))
}
