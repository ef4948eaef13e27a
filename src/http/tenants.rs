//! `/tenants`: for operators. A change that has steps is recorded and answered with 202; a worker carries it out
//! (`/operations`).

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod body;
mod life;
mod one;

use axum::Json;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::Body;
use super::context::RequestContext;
use super::error::RequestError;
use super::list::{List, NO_CURSOR, PageParams, cursor};
use super::problem::Problem;
use super::query::{Conditions, Filtered, FilteredQuery, InQuery};
use crate::features::provisioning::{CreateOutcome, Created, PlannedStep, plan_create};
use crate::features::tenants::{self, Selector, TenantFilter, TenantPosition, TenantSort, TenantView};
use crate::kernel::filter::{Condition, FilterField};
use crate::kernel::progress::Silent;
use crate::kernel::{OperationId, TenantId, Word, text};
use body::NewTenantBody;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).merge(one::routes()).merge(life::routes())
}

/// What tenants are filtered and sorted by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct TenantParams {
    /// With this module
    #[param(example = "crm")]
    module: Option<String>,
    /// With this text in slug or name, whatever its case
    search: Option<String>,
    /// That meet all these conditions, as the command line writes them
    #[param(example = "label.plan=gold,created>7d")]
    r#where: Option<String>,
    /// By slug, name, state or created_at; with - in front, backwards
    #[param(example = "-created_at", default = "slug")]
    sort: Option<String>,
}

/// Where a list of tenants goes on.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Position {
    sort: String,
    value: String,
    id: Uuid,
}

impl Filtered for TenantParams {
    const FIELDS: &'static [FilterField] = tenants::FIELDS;
}

impl TenantParams {
    fn filter(&self, conditions: &[Condition]) -> Result<TenantFilter, RequestError> {
        let selected = self.r#where.as_deref().map(|text| {
            text.parse::<Selector>().map_err(|error| RequestError::Query {
                name: "where".to_owned(),
                reason: error.to_string(),
                nearest: error.nearest(),
            })
        });
        let search = self.search.as_deref().map(|given| {
            let text = text::one_line("search", given, 1..=200);
            text.map_err(|reason| RequestError::query("search", reason))
        });
        let module = self
            .module
            .as_deref()
            .map(|text| text.parse::<Word>().map_err(|error| RequestError::filter("module", error.into())));
        let named = [module.transpose()?.map(Selector::module), selected.transpose()?];
        let all = conditions.iter().map(Selector::field).chain(named.into_iter().flatten());
        Ok(TenantFilter { selector: Selector::all_of(all), search: search.transpose()? })
    }
}

/// List the tenants
#[utoipa::path(
    get,
    path = "/tenants",
    operation_id = "listTenants",
    tag = "tenants",
    params(PageParams, TenantParams, Conditions<TenantParams>),
    responses((status = 200, body = List<TenantView>), Problem),
    extensions(("x-permission" = json!("tenant:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter: given, conditions, .. }: FilteredQuery<TenantParams>,
) -> Result<Json<List<TenantView>>, Problem> {
    let (page, filter) = (part.page()?, given.filter(&conditions)?);
    let order = given.sort.as_deref().unwrap_or("slug");
    let (name, descending) = order.strip_prefix('-').map_or((order, false), |name| (name, true));
    let sort = RequestError::one_of("sort", Some(name), &TenantSort::WORDS)?.unwrap_or_default();
    let after = part.position::<Position>()?;
    if after.as_ref().is_some_and(|after| after.sort != order) {
        return Err(RequestError::query("cursor", "it is of a list in another order").into());
    }
    let after = after.map(|at| TenantPosition { value: at.value, id: TenantId::from(at.id) });
    if sort == TenantSort::CreatedAt && after.as_ref().is_some_and(|after| after.time().is_none()) {
        return Err(RequestError::query("cursor", NO_CURSOR).into());
    }
    let (mut session, by) = (request.session().await?, (sort, descending));
    let found =
        tenants::page(&mut session.control, &request.caller, &filter, by, page, after.as_ref()).await?;
    let (rows, mut pagination) = found;
    if pagination.more
        && let Some(last) = rows.last()
    {
        let TenantPosition { value, id } = TenantPosition::of(last, sort);
        pagination.next = Some(cursor(&Position { sort: order.to_owned(), value, id: id.uuid() }));
    }
    Ok(Json(List { data: rows.into_iter().map(TenantView::from).collect(), pagination }))
}

/// Whether something is only looked at.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct DryRun {
    /// Answer with the steps that would be done, and do nothing
    #[serde(default)]
    #[param(default = false)]
    dry_run: bool,
}

/// What would be done.
#[derive(Serialize, ToSchema)]
struct PlannedSteps {
    data: Vec<PlannedStep>,
}

/// What exists, or what would be done.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "says what one of two answers is like")]
enum CreatedOrPlanned {
    Created(Box<Created>),
    Planned(PlannedSteps),
}

/// Create a tenant: its database, bucket, credentials and first admin
///
/// The answer is 202 once the work is recorded; workers do it, also after a crash. `Location` leads to the
/// operation. For a tenant that exists already, made by the same request, the answer is 200; a slug that is
/// taken by another is 409.
#[utoipa::path(
    post,
    path = "/tenants",
    operation_id = "createTenant",
    tag = "tenants",
    params(DryRun),
    request_body = NewTenantBody,
    responses(
        (status = 202, body = Created, headers(("Location" = String, description = "The operation"))),
        (status = 200, body = CreatedOrPlanned, description = "It exists; with `dry_run`, the steps"),
        Problem
    ),
    extensions(("x-permission" = json!("tenant:create"))),
    security(("token" = []))
)]
async fn create(
    request: RequestContext,
    InQuery(DryRun { dry_run }): InQuery<DryRun>,
    Body(body): Body<NewTenantBody>,
) -> Result<Response, Problem> {
    let asked = body.into_request()?;
    let mut session = request.session().await?;
    // Before connections of its own are opened for it.
    let wanted = (&asked.tenant, asked.admin_password.as_ref());
    let data = plan_create(Some(&mut session.control), &request.caller, wanted, &asked.wish).await?;
    if dry_run {
        return Ok(Json(PlannedSteps { data }).into_response());
    }
    let work = session.begin_queueing().await?;
    let (provisioning, worker) = &*work;
    let provisioning = provisioning.clone().attempted(request.attempt());
    let stop = CancellationToken::new();
    let created = provisioning.create(worker, &request.caller, &asked, &Silent, &stop);
    let created = Box::pin(created).await?;
    let operation = (created.outcome == CreateOutcome::Planned).then_some(created.operation);
    Ok(recorded(&request.api, operation, &created))
}

/// 202 where an operation was recorded, and the worker is told of it; 200 where there was nothing to do.
pub(super) fn recorded(api: &Api, operation: Option<OperationId>, thing: &impl Serialize) -> Response {
    let Some(id) = operation else { return Json(thing).into_response() };
    api.0.app.tell_worker();
    let mut response = (StatusCode::ACCEPTED, Json(thing)).into_response();
    if let Ok(place) = HeaderValue::from_str(&format!("/operations/{id}")) {
        response.headers_mut().insert(header::LOCATION, place);
    }
    response
}
