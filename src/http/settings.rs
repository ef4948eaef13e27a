//! `/settings`: what a realm says of signing in, and of how its apps write things.

use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::Api;
use super::body::{Body, Given, Parsed, given, parsed};
use super::context::RequestContext;
use super::etag::{self, IfNoneMatch, RequiredIfMatch};
use super::problem::Problem;
use crate::features::iam::{self, Currency, Language, RealmSettings, Registration, SettingsUpdate, TimeZone};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(show, update))
}

/// Show the realm's settings
#[utoipa::path(
    get,
    path = "/settings",
    operation_id = "getSettings",
    tag = "settings",
    params(IfNoneMatch),
    responses((status = 200, body = RealmSettings), (status = 304, description = "They are known"), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn show(request: RequestContext, known: IfNoneMatch) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&iam::realm_settings(&mut realm, &request.caller).await?))
}

/// What is to be changed of the settings; what is not given stays, null takes a setting away.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SettingsChange {
    /// Who may register by themselves.
    #[schema(value_type = Option<Registration>)]
    registration: Option<Parsed<Registration>>,
    /// BCP 47.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "de-AT")]
    language: Given<Parsed<Language>>,
    /// ISO 4217.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "EUR")]
    currency: Given<Parsed<Currency>>,
    /// A name of the IANA time zone database.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<String>, example = "Europe/Vienna")]
    time_zone: Given<Parsed<TimeZone>>,
}

/// Change the realm's settings
///
/// `If-Match` says which settings were seen (428 without it): of two administrators who saw the same, the second
/// is answered with 412.
#[utoipa::path(
    patch,
    path = "/settings",
    operation_id = "updateSettings",
    tag = "settings",
    params(RequiredIfMatch),
    request_body = SettingsChange,
    responses((status = 200, body = RealmSettings), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    RequiredIfMatch(expected): RequiredIfMatch,
    Body(body): Body<SettingsChange>,
) -> Result<Response, Problem> {
    let change = SettingsUpdate {
        registration: body.registration.map(|it| it.0),
        language: parsed(body.language),
        currency: parsed(body.currency),
        time_zone: parsed(body.time_zone),
        expected,
    };
    let mut realm = request.realm().await?;
    Ok(etag::changed(&iam::update_settings(&mut realm, &request.caller, &change).await?.0))
}
