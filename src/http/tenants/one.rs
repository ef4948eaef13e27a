//! One tenant: shown, changed.

use std::collections::BTreeMap;

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Given, Parsed, given, parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::etag::{self, IfMatch, IfNoneMatch};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::body::{LimitsBody, label};
use crate::app;
use crate::features::tenants::{self, Change, ProfileChange, TenantRef, TenantView};
use crate::features::usage::UsageView;
use crate::kernel::{DisplayName, Expected, Slug, Word};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, update)).routes(routes!(usage))
}

/// Show a tenant
#[utoipa::path(
    get,
    path = "/tenants/{id}",
    operation_id = "getTenant",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id"), IfNoneMatch),
    responses((status = 200, body = TenantView), (status = 304, description = "Not modified"), Problem),
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

/// Show what a tenant uses this month, and what it may use
#[utoipa::path(
    get,
    path = "/tenants/{id}/usage",
    operation_id = "getTenantUsage",
    tag = "tenants",
    params(("id" = String, Path, description = "The tenant's slug or id")),
    responses((status = 200, body = UsageView), Problem),
    extensions(("x-permission" = json!("tenant:read"))),
    security(("token" = []))
)]
async fn usage(
    request: RequestContext,
    InPath(Parsed(name)): InPath<Parsed<TenantRef>>,
) -> Result<Json<UsageView>, Problem> {
    let mut session = request.session().await?;
    Ok(Json(app::usage_now(&mut session.control, &request.caller, &name).await?))
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
    /// What it pays for, in a word of your own; null takes it off
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "gold")]
    tier: Given<Parsed<Word>>,
    /// Which market it is of, in a word of your own; null takes it off
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "enterprise")]
    segment: Given<Parsed<Word>>,
    /// What it does, in a word of your own; null takes it off
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "law-firm")]
    business_type: Given<Parsed<Word>>,
    /// The modules that are enabled for it, all of them, at most 50
    #[schema(value_type = Option<Vec<String>>, example = json!(["billing", "crm"]))]
    modules: Option<Vec<Parsed<Word>>>,
    /// How much it may use
    #[serde(default)]
    limits: LimitsBody,
}

/// Change a tenant's slug, or its name, labels, profile and limits
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
        if body.is_more_than_a_slug() {
            return Err(RequestError::body("/slug", "it is changed by itself").into());
        }
        let (to, how) = ((&name, slug), (&expected, false));
        let provisioning = session.provisioning.clone().attempted(request.attempt());
        provisioning.rename(&mut session.control, &request.caller, to, how).await?.id
    } else {
        let change = Change { attempt: request.attempt(), ..body.into_change(expected)? };
        tenants::update(&mut session.control, &request.caller, &name, &change, false).await?.id
    };
    let tenant = tenants::get(&mut session.control, &request.caller, &TenantRef::Id(id)).await?;
    Ok(etag::changed(&TenantView::from(tenant)))
}

impl TenantChange {
    fn is_more_than_a_slug(&self) -> bool {
        let words = [&self.tier, &self.segment, &self.business_type];
        self.name.is_some()
            || !self.labels.is_empty()
            || words.into_iter().any(Option::is_some)
            || self.modules.is_some()
            || !self.limits.is_empty()
    }

    fn into_change(self, expected: Expected) -> Result<Change, Problem> {
        let profile = ProfileChange {
            tier: parsed(self.tier),
            segment: parsed(self.segment),
            business_type: parsed(self.business_type),
            modules: self.modules.map(|all| all.into_iter().map(|it| it.0).collect()),
            ..self.limits.change()?
        };
        let mut change =
            Change { name: self.name.map(|it| it.0.into()), profile, expected, ..Change::default() };
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
