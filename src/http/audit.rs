//! `/audit` and `/activity`: the realm's log, as a whole and about one user.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::Json;
use serde::Deserialize;
use time::OffsetDateTime;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::context::RequestContext;
use super::error::RequestError;
use super::list::{List, PageParams, cursor};
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::iam::log::{self, LogFilter, LogRow};
use crate::kernel::{Pagination, Total, UserId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(activity))
}

/// Which rows of the log are wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct AuditParams {
    /// Done by this user, or in their name
    by: Option<Uuid>,
    /// Done to this user
    user: Option<Uuid>,
    /// This action
    #[param(example = "role.grant")]
    action: Option<String>,
    /// Done to or with the role of this name
    role: Option<String>,
    /// Done to or with the group of this name
    group: Option<String>,
    /// From this moment on (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Before this moment (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
}

/// Whose activity is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ActivityParams {
    /// Of this user; without it, of whoever asks
    user: Option<Uuid>,
    /// This action
    #[param(example = "user.sign_in")]
    action: Option<String>,
    /// From this moment on (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    #[serde(default, with = "time::serde::rfc3339::option")]
    since: Option<OffsetDateTime>,
    /// Before this moment (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    #[serde(default, with = "time::serde::rfc3339::option")]
    until: Option<OffsetDateTime>,
}

/// List what was done in the realm, the newest first
///
/// A log can be long: its rows are not counted.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(PageParams, AuditParams),
    responses((status = 200, body = List<LogRow>), Problem),
    extensions(("x-permission" = json!("audit:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<AuditParams>,
) -> Result<Json<List<LogRow>>, Problem> {
    let AuditParams { by, user, action, role, group, since, until } = filter;
    let (by, user) = (by.map(UserId::from), user.map(UserId::from));
    let filter = LogFilter { by, user, action, role, group, since, until, about: None, before: None };
    page_of(&request, filter, &part).await
}

/// List what a user did, and what was done to them, the newest first
///
/// Sign-ins, sessions and changes. Everybody may see their own.
#[utoipa::path(
    get,
    path = "/activity",
    operation_id = "listActivity",
    tag = "audit",
    params(PageParams, ActivityParams),
    responses((status = 200, body = List<LogRow>), Problem),
    extensions(("x-permission" = json!("audit:read"))),
    security(("token" = []))
)]
async fn activity(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<ActivityParams>,
) -> Result<Json<List<LogRow>>, Problem> {
    let ActivityParams { user, action, since, until } = filter;
    let about = Some(UserId::from(user.unwrap_or(request.claims.sub)));
    page_of(&request, LogFilter { about, action, since, until, ..LogFilter::default() }, &part).await
}

async fn page_of(
    request: &RequestContext,
    mut filter: LogFilter,
    part: &PageParams,
) -> Result<Json<List<LogRow>>, Problem> {
    let (page, total) = part.page()?;
    if total == Total::Exact {
        return Err(RequestError::query("total", "the rows of the log are not counted").into());
    }
    filter.before = part.position::<i64>()?;
    let mut realm = request.realm().await?;
    let data = log::list(&mut realm, &request.caller, &filter, page).await?;
    let mut pagination = Pagination::counted(page, (Total::None, None));
    if data.len() == page.limit as usize {
        pagination.next = data.last().map(|last| cursor(&last.id));
    }
    Ok(Json(List { data, pagination }))
}
