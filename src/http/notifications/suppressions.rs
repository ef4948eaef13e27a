//! Addresses that get no mail.

use axum::Json;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::list::{List, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use crate::features::notifications::suppressions::{
    self, NewSuppression, Suppression, SuppressionFilter, SuppressionReason, SuppressionRef, SuppressionScope,
};
use crate::kernel::{Email, Pagination, Reason, Total};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, add)).routes(routes!(remove))
}

/// What suppressions are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SuppressionParams {
    /// Of this address
    #[param(example = "bob@customer.example")]
    address: Option<String>,
}

/// List the addresses that get no mail, the latest first
#[utoipa::path(
    get,
    path = "/notifications/suppressions",
    operation_id = "listSuppressions",
    tag = "notifications",
    params(PageParams, SuppressionParams),
    responses((status = 200, body = List<Suppression>), Problem),
    extensions(("x-permission" = json!("notification:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<SuppressionParams>,
) -> Result<Json<List<Suppression>>, Problem> {
    let (page, _) = part.page()?;
    let address = filter.address.as_deref().map(str::parse::<Email>).transpose();
    let address = address.map_err(|error| RequestError::query("address", error.to_string()))?;
    let filter = SuppressionFilter { address, before: part.position::<Uuid>()? };
    let mut realm = request.realm().await?;
    let (rows, more) = suppressions::list(&mut realm, &request.caller, &filter, page).await?;
    let place = Pagination::counted(page, (Total::None, None)).with_more(more);
    Ok(Json(List::page(rows, place, |last: &Suppression| last.id)))
}

/// An address that is to get no mail.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewSuppression)]
struct SuppressionBody {
    #[schema(value_type = String, example = "bob@customer.example")]
    address: Parsed<Email>,
    /// Without it: all for `hard_bounce` and `manual`, bulk for `complaint` and `unsubscribe`.
    scope: Option<SuppressionScope>,
    #[serde(default)]
    reason: SuppressionReason,
    /// At most 500 characters.
    #[schema(value_type = Option<String>, example = "asked by phone")]
    note: Option<Parsed<Reason>>,
}

/// Have an address get no mail from now on
///
/// `bulk` stops notifications of apps, `all` also messages about the account, such as invitations. What is stopped
/// fails with a reason that begins with `suppressed`. One that is there already stays as it is.
#[utoipa::path(
    post,
    path = "/notifications/suppressions",
    operation_id = "createSuppression",
    tag = "notifications",
    request_body(
        content = SuppressionBody,
        example = json!({ "address": "bob@customer.example", "reason": "complaint" })
    ),
    responses((status = 201, body = Suppression), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn add(request: RequestContext, Body(body): Body<SuppressionBody>) -> Result<Response, Problem> {
    let SuppressionBody { address, scope, reason, note } = body;
    let new = NewSuppression { address: address.0, scope, reason, note: note.map(|it| it.0) };
    let mut realm = request.realm().await?;
    let made = suppressions::add(&mut realm, &request.caller, &new).await?;
    Ok((StatusCode::CREATED, Json(made)).into_response())
}

/// Remove a suppression: mail to its address is sent again
#[utoipa::path(
    delete,
    path = "/notifications/suppressions/{id}",
    operation_id = "deleteSuppression",
    tag = "notifications",
    params(("id" = Uuid, Path, description = "The suppression's id")),
    responses((status = 204), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn remove(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<StatusCode, Problem> {
    let mut realm = request.realm().await?;
    suppressions::remove(&mut realm, &request.caller, &SuppressionRef::Id(id)).await?;
    Ok(StatusCode::NO_CONTENT)
}
