//! `/permissions`: what roles can allow.

use axum::Json;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::list::{List, NoFilter, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::iam::model::{Changed, PermissionView};
use crate::features::iam::{Permission, permissions};
use crate::kernel::Description;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(register))
}

/// List the permissions, with the roles that hold each
#[utoipa::path(
    get,
    path = "/permissions",
    operation_id = "listPermissions",
    tag = "permissions",
    params(PageParams),
    responses((status = 200, body = List<PermissionView>), Problem),
    extensions(("x-permission" = json!("permission:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<PermissionView>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = permissions::list(&mut realm, &request.caller).await?;
    Ok(Json(List::part_of(rows, &part, |permission| permission.name.clone())?))
}

/// What a permission is.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct NewPermission {
    /// What it allows.
    #[schema(value_type = String, example = "create invoices")]
    description: Parsed<Description>,
}

/// Register a permission, or change its description
///
/// A role can hold no permission that is not registered, so that a typo is an error.
#[utoipa::path(
    put,
    path = "/permissions/{permission}",
    operation_id = "registerPermission",
    tag = "permissions",
    params(("permission" = String, Path, description = "resource:action", example = "invoice:create")),
    request_body = NewPermission,
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("permission:create"))),
    security(("token" = []))
)]
async fn register(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<Permission>>,
    Body(body): Body<NewPermission>,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    let description = body.description.0;
    Ok(Json(permissions::register(&mut realm, &request.caller, &name, &description).await?))
}
