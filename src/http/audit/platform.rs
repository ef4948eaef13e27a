//! `/audit/platform`: the log of the platform, whose rows are a chain. For operators.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Parsed;
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::list::List;
use super::super::problem::Problem;
use super::super::query::{InQuery, ListQuery};
use super::{Moment, PageParams};
use crate::features::audit::{self, AuditFilter, AuditView, Hash, VerifiedPart};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::word::require_lower_case;
use crate::kernel::{OperationId, Pagination, Total};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(verify))
}

/// Which rows of the log are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct PlatformAuditParams {
    /// Done to this tenant, by slug or id, also if it was purged
    tenant: Option<String>,
    /// Actions that begin with this, e.g. tenant.
    action: Option<String>,
    /// Done by this caller, e.g. machine:ann
    caller: Option<String>,
    /// Done by this operation
    operation: Option<Uuid>,
    /// From this moment on (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    since: Option<Moment>,
    /// Before this moment (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    until: Option<Moment>,
}

/// List what was done to the platform and its tenants, the newest first
///
/// This is the log whose rows are a chain: each has a hash over itself and the row before it. It can be long: its
/// rows are not counted.
#[utoipa::path(
    get,
    path = "/audit/platform",
    operation_id = "listPlatformAudit",
    tag = "audit",
    params(PageParams, PlatformAuditParams),
    responses((status = 200, body = List<AuditView>), Problem),
    extensions(("x-permission" = json!("audit:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<PlatformAuditParams>,
) -> Result<Json<List<AuditView>>, Problem> {
    let (page, total) = part.page()?;
    if total == Total::Exact {
        return Err(RequestError::query("total", "the rows of the log are not counted").into());
    }
    let PlatformAuditParams { tenant, action, caller, operation, since, until } = filter;
    let tenant = tenant.map(|text| {
        text.parse::<TenantRef>().map_err(|error| RequestError::query("tenant", error.to_string()))
    });
    if let Some(action) = &action {
        require_lower_case(action).map_err(|error| RequestError::filter("action", error.into()))?;
    }
    let (tenant, operation) = (tenant.transpose()?, operation.map(OperationId::from));
    let (since, until) = (since.map(|it| it.0), until.map(|it| it.0));
    let before = part.position::<i64>()?;
    let filter = AuditFilter { tenant: None, action, caller, since, until, operation, before };
    let mut session = request.session().await?;
    let (data, more) =
        tenants::log(&mut session.control, &request.caller, tenant.as_ref(), &filter, page).await?;
    let place = Pagination::counted(page, (Total::None, None)).with_more(more);
    Ok(Json(List::page(data, place, |last| last.sequence)))
}

/// From where on the log is verified.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VerifyParams {
    /// Start after this row: `position` of an earlier answer; without it, at the first row
    #[param(minimum = 1)]
    after: Option<i64>,
    /// The hash of that row: `hash` of the same answer
    #[param(value_type = Option<String>)]
    hash: Option<Parsed<Hash>>,
}

/// Verify that the platform's log was not tampered with
///
/// Computes the hashes of at most 20,000 rows. While `more` is true, ask again with `after` and `hash` as the answer
/// says `position` and `hash`. Whoever keeps those of the last answer elsewhere, and asks again with them later,
/// also learns whether the newest rows were removed. What is wrong is in `findings`; the status is 200.
#[utoipa::path(
    get,
    path = "/audit/platform/verify",
    operation_id = "verifyPlatformAudit",
    tag = "audit",
    params(VerifyParams),
    responses((status = 200, body = VerifiedPart), Problem),
    extensions(("x-permission" = json!("audit:verify"))),
    security(("token" = []))
)]
async fn verify(
    request: RequestContext,
    InQuery(VerifyParams { after, hash }): InQuery<VerifyParams>,
) -> Result<Json<VerifiedPart>, Problem> {
    let after = match (after, hash) {
        (None, None) => None,
        (Some(position), _) if position < 1 => {
            return Err(RequestError::query("after", "rows count from 1").into());
        }
        (Some(position), Some(Parsed(hash))) => Some((position, hash)),
        (Some(_), None) => return Err(RequestError::query("hash", "give it together with `after`").into()),
        (None, Some(_)) => return Err(RequestError::query("after", "give it together with `hash`").into()),
    };
    let mut session = request.session().await?;
    Ok(Json(audit::verify_part(&mut session.control, &request.caller, after).await?))
}
