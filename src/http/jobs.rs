//! `/jobs`: background jobs, for operators.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::Parsed;
use super::context::RequestContext;
use super::error::RequestError;
use super::etag::IfNoneMatch;
use super::list::{List, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::jobs::{self, JobFilter, JobState, JobView};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::JobId;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, cancel)).routes(routes!(retry))
}

/// What jobs are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct JobParams {
    /// In this state: queued, running, retrying or dead
    #[param(example = "dead")]
    state: Option<String>,
    /// Of this kind
    #[param(example = "message.send")]
    kind: Option<String>,
    /// Of this tenant, by slug or id
    tenant: Option<String>,
}

/// List the jobs that are not done, the newest first
#[utoipa::path(
    get,
    path = "/jobs",
    operation_id = "listJobs",
    tag = "jobs",
    params(PageParams, JobParams),
    responses((status = 200, body = List<JobView>), Problem),
    extensions(("x-permission" = json!("job:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<JobParams>,
) -> Result<Json<List<JobView>>, Problem> {
    let page = part.page()?;
    let tenant = filter.tenant.as_deref().map(|text| {
        text.parse::<TenantRef>().map_err(|error| RequestError::query("tenant", error.to_string()))
    });
    let (tenant, before) = (tenant.transpose()?, part.position::<Uuid>()?.map(JobId::from));
    let state = filter.state.as_deref().map(|word| {
        let known = JobState::ALL.into_iter().find(|state| state.as_str() == word);
        known.ok_or_else(|| RequestError::query("state", "it is queued, running, retrying or dead"))
    });
    let state = state.transpose()?;
    let mut session = request.session().await?;
    let tenant = match tenant {
        Some(name) => Some(tenants::get(&mut session.control, &request.caller, &name).await?.id),
        None => None,
    };
    let filter = JobFilter { state, kind: filter.kind, tenant, before };
    let (rows, place) = jobs::page(&mut session.control, &request.caller, &filter, page).await?;
    Ok(Json(List::page(rows, place, |last: &JobView| last.id.uuid())))
}

/// Show a job, and why its last attempt failed
#[utoipa::path(
    get,
    path = "/jobs/{id}",
    operation_id = "getJob",
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id"), IfNoneMatch),
    responses((status = 200, body = JobView), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("job:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<JobId>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    Ok(known.answer(&jobs::show(&mut session.control, &request.caller, id).await?))
}

/// Retry a job now
///
/// Resets the attempt count of a dead or retrying job. A message that may have arrived is sent again. A running job is
/// 409.
#[utoipa::path(
    post,
    path = "/jobs/{id}/retry",
    operation_id = "retryJob",
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses((status = 200, body = JobView), Problem),
    extensions(("x-permission" = json!("job:retry"))),
    security(("token" = []))
)]
async fn retry(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<JobId>>,
) -> Result<Json<JobView>, Problem> {
    let mut session = request.session().await?;
    let job = jobs::retry(&mut session.control, &request.caller, id).await?;
    request.api.0.app.wake_workers();
    Ok(Json(job))
}

/// Cancel a job
///
/// It will not run. A running job is 409.
#[utoipa::path(
    delete,
    path = "/jobs/{id}",
    operation_id = "cancelJob",
    tag = "jobs",
    params(("id" = Uuid, Path, description = "The job's id")),
    responses((status = 204), Problem),
    extensions(("x-permission" = json!("job:cancel"))),
    security(("token" = []))
)]
async fn cancel(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<JobId>>,
) -> Result<StatusCode, Problem> {
    let mut session = request.session().await?;
    jobs::cancel(&mut session.control, &request.caller, id).await?;
    Ok(StatusCode::NO_CONTENT)
}
