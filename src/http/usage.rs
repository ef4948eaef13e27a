//! `/usage`: what a tenant uses, for its own people.

use axum::Json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::problem::Problem;
use super::tenant_context::TenantContext;
use crate::app;
use crate::features::business::OwnUsageView;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show))
}

/// Show the tenant's usage and limits
///
/// The database's size and the apps' migration versions are those that the login of its apps can see.
/// Operators see the requests of every tenant by GET /tenants/{id}/usage.
#[utoipa::path(
    get,
    path = "/usage",
    operation_id = "getUsage",
    tag = "usage",
    responses((status = 200, body = OwnUsageView), Problem),
    extensions(("x-permission" = json!("usage:read"))),
    security(("token" = []))
)]
async fn show(tenant: TenantContext) -> Result<Json<OwnUsageView>, Problem> {
    Ok(Json(app::own_usage_now(&tenant, tenant.caller()).await?))
}
