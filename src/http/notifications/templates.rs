//! What notifications say.

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::super::Api;
use super::super::body::{Body, Parsed};
use super::super::context::RequestContext;
use super::super::error::RequestError;
use super::super::etag::IfNoneMatch;
use super::super::list::{List, NoFilter, PageParams};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::super::query::ListQuery;
use crate::features::iam::Language;
use crate::features::iam::model::Changed;
use crate::features::templates::{
    self, Channel, Kind, Preview, Source, TemplateKey, TemplateText, TemplateView, Trial,
};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list)).routes(routes!(show, set, reset)).routes(routes!(preview))
}

/// Which template.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
struct Which {
    /// What its messages are about, e.g. account.invitation or app.order.shipped
    #[param(value_type = String, example = "account.invitation")]
    kind: Parsed<Kind>,
    /// The channel of its messages: email or inbox
    #[param(value_type = String, example = "email")]
    channel: Parsed<Channel>,
    /// Its language (BCP 47)
    #[param(value_type = String, example = "de")]
    language: Parsed<Language>,
}

impl Which {
    fn key(self) -> TemplateKey {
        TemplateKey { kind: self.kind.0, channel: self.channel.0, language: self.language.0 }
    }
}

/// List the built-in templates, and the tenant's own
#[utoipa::path(
    get,
    path = "/notifications/templates",
    operation_id = "listNotificationTemplates",
    tag = "notifications",
    params(PageParams),
    responses((status = 200, body = List<TemplateView>), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<TemplateView>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = templates::list(&mut realm, &request.caller).await?;
    Ok(Json(List::part_of(rows, &part, templates::key)?))
}

/// Show a template as it is written
///
/// The tenant's own, else the built-in one.
#[utoipa::path(
    get,
    path = "/notifications/templates/{kind}/{channel}/{language}",
    operation_id = "getNotificationTemplate",
    tag = "notifications",
    params(Which, IfNoneMatch),
    responses((status = 200, body = TemplateText), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(which): InPath<Which>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&templates::show(&mut realm, &request.caller, &which.key(), None).await?))
}

/// A template as it is written.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewNotificationTemplate)]
struct TemplateBody {
    /// One line.
    #[schema(example = "Order {{ data.order }} was shipped")]
    subject: String,
    #[schema(example = "Hello {{ name }},\n\nyour order {{ data.order }} is on its way.\n")]
    text: String,
    /// Without it a message is text alone.
    html: Option<String>,
    /// An app's own values, one of each, such as its messages have: the template may name these as `data`.
    #[serde(default)]
    #[schema(value_type = Option<Object>, example = json!({ "order": 4711 }))]
    sample: Map<String, Value>,
}

/// Set what messages of a kind say
///
/// In a channel and a language. The template is checked against the values that its messages have, and refused where
/// it names another one. The versions before are kept.
#[utoipa::path(
    put,
    path = "/notifications/templates/{kind}/{channel}/{language}",
    operation_id = "setNotificationTemplate",
    tag = "notifications",
    params(Which),
    request_body(
        content = TemplateBody,
        example = json!({ "subject": "Einladung zu {{ tenant }}",
                          "text": "Setzen Sie Ihr Passwort innerhalb von {{ within }}:\n\n{{ link }}\n" })
    ),
    responses((status = 200, body = TemplateText), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn set(
    request: RequestContext,
    InPath(which): InPath<Which>,
    Body(body): Body<TemplateBody>,
) -> Result<Json<TemplateText>, Problem> {
    let source = Source { subject: body.subject, text: body.text, html: body.html };
    let mut realm = request.realm().await?;
    let set = templates::set(&mut realm, &request.caller, &which.key(), (&source, &body.sample)).await?;
    Ok(Json(set))
}

/// Remove a tenant's template; the built-in one, if any, is used again
#[utoipa::path(
    delete,
    path = "/notifications/templates/{kind}/{channel}/{language}",
    operation_id = "resetNotificationTemplate",
    tag = "notifications",
    params(Which),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn reset(request: RequestContext, InPath(which): InPath<Which>) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(templates::reset(&mut realm, &request.caller, &which.key()).await?))
}

/// What is tried. Without `subject` and `text` it is the template that holds.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NotificationTemplateTrial)]
struct TrialBody {
    subject: Option<String>,
    text: Option<String>,
    html: Option<String>,
    /// An app's own values, in place of the sample.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// Show what a message would say
#[utoipa::path(
    post,
    path = "/notifications/templates/{kind}/{channel}/{language}/preview",
    operation_id = "previewNotificationTemplate",
    tag = "notifications",
    params(Which),
    request_body(content = TrialBody, example = json!({})),
    responses((status = 200, body = Preview), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn preview(
    request: RequestContext,
    InPath(which): InPath<Which>,
    Body(body): Body<TrialBody>,
) -> Result<Json<Preview>, Problem> {
    let source = match (body.subject, body.text, body.html) {
        (Some(subject), Some(text), html) => Some(Source { subject, text, html }),
        (None, None, None) => None,
        _ => return Err(RequestError::body("/subject", "give subject and text together, or neither").into()),
    };
    let trial = Trial { key: which.key(), source, data: body.data };
    let mut realm = request.realm().await?;
    Ok(Json(templates::preview(&mut realm, &request.caller, &trial).await?))
}
