//! `/migrations`: how far the tenants' schemas are.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::context::RequestContext;
use super::error::RequestError;
use super::problem::Problem;
use super::query::InQuery;
use crate::features::fleet::{self, StatusReport, Wanted};
use crate::features::migrations::Sources;
use crate::features::tenants::Selector;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(status))
}

/// Of which tenants it is asked.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct StatusParams {
    /// Of those that meet all these conditions, as the command line writes them
    #[param(example = "cluster=eu1")]
    r#where: Option<String>,
}

/// Show which tenants are at which version of which set of migrations
#[utoipa::path(
    get,
    path = "/migrations/status",
    operation_id = "getMigrationStatus",
    tag = "migrations",
    params(StatusParams),
    responses((status = 200, body = StatusReport), Problem),
    extensions(("x-permission" = json!("migration:read"))),
    security(("token" = []))
)]
async fn status(
    request: RequestContext,
    InQuery(params): InQuery<StatusParams>,
) -> Result<Json<StatusReport>, Problem> {
    let selector = params.r#where.as_deref().map_or(Ok(Selector::default()), |text| {
        text.parse::<Selector>().map_err(|error| RequestError::query("where", error.to_string()))
    })?;
    let sources = Sources::new(Vec::new(), request.api.0.migrations.clone());
    let mut session = request.session().await?;
    let asked = (&Wanted::Matching(selector), &sources);
    Ok(Json(fleet::status(&mut session.control, &request.caller, asked).await?))
}
