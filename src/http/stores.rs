//! `/stores`: the object stores for tenants' buckets, to be looked at. The command line registers and changes them.

use axum::Json;
use axum::response::Response;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::Parsed;
use super::context::RequestContext;
use super::etag::IfNoneMatch;
use super::list::{List, NoFilter, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::placement::StoreView;
use crate::kernel::PlaceName;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show))
}

/// List the object stores for tenants' buckets
#[utoipa::path(
    get,
    path = "/stores",
    operation_id = "listStores",
    tag = "stores",
    params(PageParams),
    responses((status = 200, body = List<StoreView>), Problem),
    extensions(("x-permission" = json!("store:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<StoreView>>, Problem> {
    let mut session = request.session().await?;
    let placement = session.provisioning.placement.clone();
    let rows = placement.stores(&mut session.control, &request.caller).await?;
    Ok(Json(List::part_of(rows, &part, |row| row.name.clone())?))
}

/// Show one of the object stores for tenants' buckets
#[utoipa::path(
    get,
    path = "/stores/{name}",
    operation_id = "getStore",
    tag = "stores",
    params(("name" = String, Path, description = "Its name"), IfNoneMatch),
    responses((status = 200, body = StoreView), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("store:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<PlaceName>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    let placement = session.provisioning.placement.clone();
    Ok(known.answer(&placement.show_store(&mut session.control, &request.caller, name.as_str()).await?))
}
