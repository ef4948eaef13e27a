//! One tenant: shown, changed.

use std::collections::BTreeMap;

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::etag::{self, IfMatch, IfNoneMatch};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::body::label;
use crate::features::tenants::{self, Change, TenantRef, TenantView};
use crate::kernel::{DisplayName, Expected, Slug};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, update))
}

/// Show a tenant
#[utoipa::path(
    get,
    path = "/tenants/{id}",
    operation_id = "getTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id"), IfNoneMatch),
    responses((status = 200, body = TenantView), (status = 304, description = "It is known"), Problem),
    extensions(("x-permission" = json!("tenant:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    let tenant = tenants::get(&mut session.control, &request.caller, &name).await?;
    Ok(known.answer(&TenantView::from(tenant)))
}

/// What is to be changed of a tenant; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TenantChange {
    /// Its new slug, for which nothing else may be given. For 30 days the old one leads to it
    #[schema(value_type = Option<String>, example = "apex")]
    slug: Option<Parsed<Slug>>,
    #[schema(value_type = Option<String>, example = "Acme Ltd")]
    name: Option<Parsed<DisplayName>>,
    /// Labels to put on it; null takes one off
    #[serde(default)]
    #[schema(example = json!({ "plan": "gold", "trial": null }))]
    labels: BTreeMap<String, Option<String>>,
}

/// Change a tenant's slug, or its name and labels
#[utoipa::path(
    patch,
    path = "/tenants/{id}",
    operation_id = "updateTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id"), IfMatch),
    request_body = TenantChange,
    responses((status = 200, body = TenantView), Problem),
    extensions(("x-permission" = json!("tenant:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
    IfMatch(expected): IfMatch,
    Body(body): Body<TenantChange>,
) -> Result<Response, Problem> {
    let mut session = request.session().await?;
    let session = &mut *session;
    let id = if let Some(Parsed(slug)) = &body.slug {
        if body.name.is_some() || !body.labels.is_empty() {
            return Err(RequestError::body("/slug", "it is changed by itself").into());
        }
        let (to, how) = ((&name, slug), (&expected, false));
        session.provisioning.rename(&mut session.control, &request.caller, to, how).await?.id
    } else {
        let change = body.into_change(expected)?;
        tenants::update(&mut session.control, &request.caller, &name, &change, false).await?.id
    };
    let tenant = tenants::get(&mut session.control, &request.caller, &TenantRef::Id(id)).await?;
    Ok(etag::changed(&TenantView::from(tenant)))
}

impl TenantChange {
    fn into_change(self, expected: Expected) -> Result<Change, Problem> {
        let mut change = Change { name: self.name.map(|it| it.0.into()), expected, ..Change::default() };
        for (key, value) in self.labels {
            let given = label("/labels", &key, value.as_deref().unwrap_or_default())?;
            match value {
                Some(_) => change.set.push(given),
                None => change.unset.push(given.key),
            }
        }
        Ok(change)
    }
}
