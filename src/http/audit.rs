//! `/audit` and `/activity`: the realm's log, as a whole and about one user.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod platform;

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
use super::list::{List, PageParams};
use super::problem::Problem;
use super::query::{Conditions, Filtered, FilteredQuery};
use crate::features::iam::log::{self, LogFilter, LogRow};
use crate::kernel::filter::FilterField;
use crate::kernel::{Pagination, Total, UserId};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(activity)).merge(platform::routes())
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
    /// Done to or with the role of this name
    role: Option<String>,
    /// Done to or with the group of this name
    group: Option<String>,
    /// From this moment on (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    since: Option<Moment>,
    /// Before this moment (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    until: Option<Moment>,
}

/// Whose activity is wanted.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct ActivityParams {
    /// Of this user; without it, of whoever asks
    user: Option<Uuid>,
    /// From this moment on (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    since: Option<Moment>,
    /// Before this moment (RFC 3339)
    #[param(value_type = Option<String>, format = "date-time")]
    until: Option<Moment>,
}

/// A moment, as RFC 3339 writes it.
#[derive(Debug, Clone, Copy, Deserialize)]
struct Moment(#[serde(with = "time::serde::rfc3339")] OffsetDateTime);

impl Filtered for AuditParams {
    const FIELDS: &'static [FilterField] = log::FIELDS;
}

impl Filtered for ActivityParams {
    const FIELDS: &'static [FilterField] = log::FIELDS;
}

/// List what was done in the realm, the newest first
///
/// A log can be long: its rows are not counted. What was done to tenants is in the platform's log,
/// `/audit/platform`.
#[utoipa::path(
    get,
    path = "/audit",
    operation_id = "listAudit",
    tag = "audit",
    params(PageParams, AuditParams, Conditions<AuditParams>),
    responses((status = 200, body = List<LogRow>), Problem),
    extensions(("x-permission" = json!("audit:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    FilteredQuery { part, filter, conditions, .. }: FilteredQuery<AuditParams>,
) -> Result<Json<List<LogRow>>, Problem> {
    let AuditParams { by, user, role, group, since, until } = filter;
    let (by, user) = (by.map(UserId::from), user.map(UserId::from));
    let (since, until) = (since.map(|it| it.0), until.map(|it| it.0));
    let filter = LogFilter { by, user, role, group, since, until, conditions, about: None, before: None };
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
    params(PageParams, ActivityParams, Conditions<ActivityParams>),
    responses((status = 200, body = List<LogRow>), Problem),
    extensions(("x-permission" = json!("audit:read"))),
    security(("token" = []))
)]
async fn activity(
    request: RequestContext,
    FilteredQuery { part, filter, conditions, .. }: FilteredQuery<ActivityParams>,
) -> Result<Json<List<LogRow>>, Problem> {
    let ActivityParams { user, since, until } = filter;
    let about = Some(UserId::from(user.unwrap_or(request.claims.sub)));
    let (since, until) = (since.map(|it| it.0), until.map(|it| it.0));
    page_of(&request, LogFilter { about, conditions, since, until, ..LogFilter::default() }, &part).await
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
    let (data, more) = log::list(&mut realm, &request.caller, &filter, page).await?;
    let place = Pagination::counted(page, (Total::None, None)).with_more(more);
    Ok(Json(List::page(data, place, |last| last.id)))
}
