//! `/operations`: recorded changes of tenants, and how far they are.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod events;
mod seen;

use axum::Json;
use axum::http::StatusCode;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
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
use super::query::{Conditions, Filtered, FilteredQuery};
use crate::features::provisioning::{OPERATION_FIELDS, OperationFilter, OperationView};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::filter::FilterField;
use crate::kernel::{BatchId, OperationId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    let own = OpenApiRouter::new().routes(routes!(list)).routes(routes!(show)).routes(routes!(resume));
    own.merge(events::routes())
}

/// What operations are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct OperationParams {
    /// Of this tenant, by slug or id
    tenant: Option<String>,
    /// Of this batch
    batch: Option<Uuid>,
    /// Only those that are not finished
    #[serde(default)]
    #[param(default = false)]
    open: bool,
}

impl Filtered for OperationParams {
    const FIELDS: &'static [FilterField] = OPERATION_FIELDS;
}

/// Where a list of operations goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    #[serde(with = "time::serde::rfc3339")]
    at: OffsetDateTime,
    id: Uuid,
}

/// List the operations, the newest first
#[utoipa::path(
    get,
    path = "/operations",
    operation_id = "listOperations",
    tag = "operations",
    params(PageParams, OperationParams, Conditions<OperationParams>),
    responses((status = 200, body = List<OperationView>), Problem),
    extensions(("x-permission" = json!("operation:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter, conditions, .. }: FilteredQuery<OperationParams>,
) -> Result<Json<List<OperationView>>, Problem> {
    let page = part.page()?;
    let tenant = filter.tenant.as_deref().map(|text| {
        text.parse::<TenantRef>().map_err(|error| RequestError::query("tenant", error.to_string()))
    });
    let (tenant, after) = (tenant.transpose()?, part.position::<Position>()?);
    let mut filter = OperationFilter {
        conditions,
        batch: filter.batch.map(BatchId::from),
        open: filter.open,
        before: after.map(|at| (at.at, OperationId::from(at.id))),
        ..OperationFilter::default()
    };
    let mut session = request.session().await?;
    if let Some(name) = tenant {
        filter.tenant = Some(tenants::get(&mut session.control, &request.caller, &name).await?.id);
    }
    let found = OperationView::page(&mut session.control, &request.caller, &filter, page).await?;
    let position = |last: &OperationView| Position { at: last.created_at, id: last.id.uuid() };
    Ok(Json(List::page(found.0, found.1, position)))
}

/// Show an operation with its steps
#[utoipa::path(
    get,
    path = "/operations/{id}",
    operation_id = "getOperation",
    tag = "operations",
    params(("id" = Uuid, Path, description = "The operation's id"), IfNoneMatch),
    responses((status = 200, body = OperationView), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("operation:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<OperationId>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    Ok(known.answer(&OperationView::show(&mut session.control, &request.caller, id).await?))
}

/// Finish an operation that stopped
///
/// It is handed over to the workers, who check the actual state first. The answer is 202; one that a process is
/// at work on is 409.
#[utoipa::path(
    post,
    path = "/operations/{id}/resume",
    operation_id = "resumeOperation",
    tag = "operations",
    params(("id" = Uuid, Path, description = "The operation's id")),
    responses((status = 202, description = "The workers go on with it"), Problem),
    extensions(("x-permission" = json!("operation:resume"))),
    security(("token" = []))
)]
async fn resume(
    request: RequestContext,
    InPath(Parsed(id)): InPath<Parsed<OperationId>>,
) -> Result<StatusCode, Problem> {
    let mut session = request.session().await?;
    // Before connections of its own are opened for it.
    OperationView::show(&mut session.control, &request.caller, id).await?;
    let work = session.begin_queueing().await?;
    let (provisioning, worker) = &*work;
    provisioning.hand_over(worker, &request.caller, id).await?;
    request.api.0.app.tell_worker();
    Ok(StatusCode::ACCEPTED)
}
