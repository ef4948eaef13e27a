//! `/custom-fields`: what a tenant adds to its users and groups.

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::{Body, Parsed};
use super::context::RequestContext;
use super::etag::{self, IfMatch, IfNoneMatch};
use super::list::{List, NoFilter, PageParams};
use super::path::InPath;
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::iam::custom_fields::{
    self, AppliesTo, CustomField, CustomFieldType, CustomFieldUpdate, FieldName, FieldRef, NewCustomField,
};
use crate::features::iam::model::Changed;
use crate::kernel::Description;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(show, update, delete))
}

/// List the custom fields of users and groups
#[utoipa::path(
    get,
    path = "/custom-fields",
    operation_id = "listCustomFields",
    tag = "custom-fields",
    params(PageParams),
    responses((status = 200, body = List<CustomField>), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter: NoFilter {} }: ListQuery<NoFilter>,
) -> Result<Json<List<CustomField>>, Problem> {
    let mut realm = request.realm().await?;
    let rows = custom_fields::list(&mut realm, &request.caller).await?;
    let key = |field: &CustomField| (field.applies_to.as_str().to_owned(), field.name.clone());
    Ok(Json(List::part_of(rows, &part, key)?))
}

/// A custom field to be created.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewCustomField)]
struct NewFieldBody {
    applies_to: AppliesTo,
    /// A small letter, then up to 62 small letters, digits and underscores. It never changes.
    #[schema(value_type = String, example = "department")]
    name: Parsed<FieldName>,
    /// It never changes.
    #[serde(rename = "type")]
    kind: CustomFieldType,
    /// The allowed values of type choice, 1 to 100; none for other types.
    #[serde(default)]
    #[schema(example = json!(["sales", "finance"]))]
    choices: Vec<String>,
    /// Whether whoever is created from here on, or gets other fields, needs a value.
    #[serde(default)]
    required: bool,
    #[schema(value_type = Option<String>, example = "where they work")]
    description: Option<Parsed<Description>>,
}

/// Create a custom field
///
/// Users and groups then have values for it in `fields`, and their lists can be filtered by it.
#[utoipa::path(
    post,
    path = "/custom-fields",
    operation_id = "createCustomField",
    tag = "custom-fields",
    request_body(
        content = NewFieldBody,
        example = json!({ "applies_to": "users", "name": "department", "type": "choice",
                          "choices": ["sales", "finance"] })
    ),
    responses((status = 201, body = CustomField), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewFieldBody>) -> Result<Response, Problem> {
    let new = NewCustomField {
        applies_to: body.applies_to,
        name: body.name.0,
        kind: body.kind,
        choices: body.choices,
        required: body.required,
        description: body.description.map(|it| it.0).unwrap_or_default(),
    };
    let mut realm = request.realm().await?;
    let made = custom_fields::create(&mut realm, &request.caller, &new).await?;
    Ok(etag::created(&format!("/custom-fields/{}", made.id), &made, &made))
}

/// Show a custom field
#[utoipa::path(
    get,
    path = "/custom-fields/{id}",
    operation_id = "getCustomField",
    tag = "custom-fields",
    params(("id" = Uuid, Path, description = "The field's id"), IfNoneMatch),
    responses((status = 200, body = CustomField), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("settings:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&custom_fields::get(&mut realm, &request.caller, &FieldRef::Id(id)).await?))
}

/// What is to be changed of a custom field; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CustomFieldChange {
    /// All choices from here on. One that somebody has cannot be left out.
    choices: Option<Vec<String>>,
    required: Option<bool>,
    #[schema(value_type = Option<String>)]
    description: Option<Parsed<Description>>,
}

/// Change a custom field's choices, description or whether it is required
#[utoipa::path(
    patch,
    path = "/custom-fields/{id}",
    operation_id = "updateCustomField",
    tag = "custom-fields",
    params(("id" = Uuid, Path, description = "The field's id"), IfMatch),
    request_body = CustomFieldChange,
    responses((status = 200, body = CustomField), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    IfMatch(expected): IfMatch,
    Body(body): Body<CustomFieldChange>,
) -> Result<Response, Problem> {
    let CustomFieldChange { choices, required, description } = body;
    let change = CustomFieldUpdate { choices, required, description: description.map(|it| it.0), expected };
    let mut realm = request.realm().await?;
    Ok(etag::changed(
        &custom_fields::update(&mut realm, &request.caller, &FieldRef::Id(id), &change).await?.0,
    ))
}

/// Delete a custom field with all its values
#[utoipa::path(
    delete,
    path = "/custom-fields/{id}",
    operation_id = "deleteCustomField",
    tag = "custom-fields",
    params(("id" = Uuid, Path, description = "The field's id"), IfMatch),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("settings:update"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Changed>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(custom_fields::delete(&mut realm, &request.caller, &FieldRef::Id(id), &expected).await?))
}
