//! A tenant suspended and resumed, deleted and undeleted: each is recorded, and carried out by a worker.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

use axum::response::Response;
use serde::Deserialize;
use tokio_util::sync::CancellationToken;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::InQuery;
use super::recorded;
use crate::features::provisioning::{Change, ChangeOutcome, Changed};
use crate::features::tenants::{self, TenantRef};
use crate::kernel::progress::Silent;
use crate::kernel::{Reason, Slug};

pub(super) fn routes() -> OpenApiRouter<Api> {
    let routes = OpenApiRouter::new().routes(routes!(suspend)).routes(routes!(resume));
    routes.routes(routes!(delete)).routes(routes!(undelete))
}

/// Why a tenant is suspended.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Suspend {
    #[schema(value_type = String, example = "invoice 17 is not paid", max_length = 500)]
    reason: Parsed<Reason>,
}

/// Block all access to a tenant
///
/// Its tokens are refused within two seconds, its login and its key once the operation is done; its data is not
/// changed.
#[utoipa::path(
    post,
    path = "/tenants/{id}/suspend",
    operation_id = "suspendTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id")),
    request_body = Suspend,
    responses(
        (status = 202, body = Changed, headers(("Location" = String, description = "The operation"))),
        (status = 200, body = Changed, description = "It is suspended already"),
        Problem
    ),
    extensions(("x-permission" = json!("tenant:suspend"))),
    security(("token" = []))
)]
async fn suspend(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
    Body(body): Body<Suspend>,
) -> Result<Response, Problem> {
    record(&request, &name, None, &Change::Suspend { reason: body.reason.0 }).await
}

/// Lift a suspension
#[utoipa::path(
    post,
    path = "/tenants/{id}/resume",
    operation_id = "resumeTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id")),
    responses(
        (status = 202, body = Changed, headers(("Location" = String, description = "The operation"))),
        (status = 200, body = Changed, description = "It is active already"),
        Problem
    ),
    extensions(("x-permission" = json!("tenant:suspend"))),
    security(("token" = []))
)]
async fn resume(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
) -> Result<Response, Problem> {
    record(&request, &name, None, &Change::Resume).await
}

/// What confirms that a tenant is to be deleted.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Confirm {
    /// The tenant's slug, once more
    #[param(value_type = Option<String>, example = "acme")]
    confirm: Option<Parsed<Slug>>,
}

/// Delete a tenant; it can be undeleted until it is purged
///
/// All access is blocked, and its slug stays taken.
#[utoipa::path(
    delete,
    path = "/tenants/{id}",
    operation_id = "deleteTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id"), Confirm),
    responses(
        (status = 202, body = Changed, headers(("Location" = String, description = "The operation"))),
        (status = 200, body = Changed, description = "It is deleted already"),
        Problem
    ),
    extensions(("x-permission" = json!("tenant:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
    InQuery(Confirm { confirm }): InQuery<Confirm>,
) -> Result<Response, Problem> {
    let given = confirm.map_or_else(String::new, |it| it.0.to_string());
    record(&request, &name, Some(&given), &Change::Delete).await
}

/// Undelete a tenant, exactly as it was
#[utoipa::path(
    post,
    path = "/tenants/{id}/undelete",
    operation_id = "undeleteTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id")),
    responses(
        (status = 202, body = Changed, headers(("Location" = String, description = "The operation"))),
        (status = 200, body = Changed, description = "It is not deleted"),
        Problem
    ),
    extensions(("x-permission" = json!("tenant:delete"))),
    security(("token" = []))
)]
async fn undelete(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
) -> Result<Response, Problem> {
    record(&request, &name, None, &Change::Undelete).await
}

/// Records a change, once it is confirmed by the tenant's slug where that is asked for.
async fn record(
    request: &RequestContext,
    name: &TenantRef,
    confirmation: Option<&str>,
    change: &Change,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    // Before connections of its own are opened for it.
    let tenant = tenants::get(&mut session.control, &request.caller, name).await?;
    match confirmation {
        Some("") => return Err(RequestError::Unconfirmed(tenant.slug).into()),
        Some(given) if given != tenant.slug => {
            return Err(RequestError::OtherConfirmed { given: given.to_owned(), slug: tenant.slug }.into());
        }
        _ => {}
    }
    let work = session.begin_queueing().await?;
    let ((provisioning, worker), name, stop) = (&*work, TenantRef::Id(tenant.id), CancellationToken::new());
    let provisioning = provisioning.clone().attempted(request.attempt());
    let changed = provisioning.change(worker, &request.caller, &name, change, &Silent, &stop);
    let changed = Box::pin(changed).await?;
    let operation = changed.operation.filter(|_| changed.outcome == ChangeOutcome::Planned);
    Ok(recorded(&request.api, operation, &changed))
}
