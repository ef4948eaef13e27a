//! `/files`: files in the tenant's bucket. Their content goes between the client and the store, never through here.

#![expect(unused_qualifications, reason = "the descriptions of parameters are written so by their macro")]

mod body;
mod one;

use axum::Json;
use axum::response::Response;
use serde::Deserialize;
use utoipa::IntoParams;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::Api;
use super::body::Body;
use super::context::RequestContext;
use super::error::RequestError;
use super::etag;
use super::list::{List, PageParams};
use super::problem::Problem;
use super::query::ListQuery;
use crate::features::files::{self, Attachment, File, FileFilter, FileState, FileUsage};
use crate::kernel::{suggest, text};
use body::{CreatedFile, NewFileBody};

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list, create)).routes(routes!(usage)).merge(one::routes())
}

/// What files are filtered by.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct FileParams {
    /// Attached to a thing of this kind; with `attached_id`
    #[param(example = "invoice")]
    attached_kind: Option<String>,
    /// Attached to the thing of this id; with `attached_kind`
    #[param(example = "2026-0042")]
    attached_id: Option<String>,
    /// In this state: pending or ready
    state: Option<String>,
    /// Whose name begins with this text, whatever its case
    name: Option<String>,
}

impl FileParams {
    fn filter(self) -> Result<FileFilter, RequestError> {
        let attached_to = match (self.attached_kind, self.attached_id) {
            (None, None) => None,
            (Some(kind), Some(id)) => Some(Attachment {
                kind: kind.parse().map_err(wrong("attached_kind"))?,
                id: id.parse().map_err(wrong("attached_id"))?,
            }),
            (None, Some(_)) => return Err(RequestError::query("attached_id", "it needs attached_kind")),
            (Some(_), None) => return Err(RequestError::query("attached_kind", "it needs attached_id")),
        };
        let name = self.name.map(|name| text::one_line("a name", &name, 1..=255)).transpose();
        let name = name.map_err(|reason| RequestError::query("name", reason))?;
        let state = self.state.as_deref().map(state).transpose()?;
        Ok(FileFilter { attached_to, state, name, after: None })
    }
}

fn wrong<E: std::fmt::Display>(name: &'static str) -> impl Fn(E) -> RequestError {
    move |error| RequestError::query(name, error.to_string())
}

fn state(given: &str) -> Result<FileState, RequestError> {
    let found = FileState::SHOWN.into_iter().find(|state| state.as_str() == given);
    found.ok_or_else(|| {
        let known = FileState::SHOWN.into_iter().map(FileState::as_str);
        let nearest = suggest::nearest(given, known).map(str::to_owned);
        RequestError::Query { name: "state".to_owned(), reason: "there is no such state".to_owned(), nearest }
    })
}

/// List files, the newest first
///
/// Needs the permission without a condition; who holds it with one asks for single files.
#[utoipa::path(
    get,
    path = "/files",
    operation_id = "listFiles",
    tag = "files",
    params(FileParams, PageParams),
    responses((status = 200, body = List<File>), Problem),
    extensions(("x-permission" = json!("file:read"))),
    security(("token" = []))
)]
async fn list(
    request: RequestContext,
    ListQuery { part, filter }: ListQuery<FileParams>,
) -> Result<Json<List<File>>, Problem> {
    let page = part.page()?;
    let after: Option<Uuid> = part.position()?;
    let filter = FileFilter { after, ..filter.filter()? };
    let mut realm = request.realm().await?;
    let (data, pagination) = files::list(&mut realm, &request.caller, &filter, page).await?;
    Ok(Json(List::page(data, pagination, |last| last.id)))
}

/// Ask for the upload of a file
///
/// The answer says how: send the content to `upload.url` by `upload.method`, with the headers that it names, and then
/// POST /files/{id}/complete. The store takes that size and type and no other, for a quarter of an hour; then
/// POST /files/{id}/upload gives another URL. A store that knows `If-None-Match` (Nexus's own does) takes it once;
/// elsewhere the URL can replace the content until it ends. What is not completed within a day is deleted. Whoever has
/// the URL can use it. What waits counts among the tenant's files (403 `storage_limit_reached`), and no more than 1,000
/// wait at once (409 `too_many_uploads`).
#[utoipa::path(
    post,
    path = "/files",
    operation_id = "createFile",
    tag = "files",
    request_body = NewFileBody,
    responses((status = 201, body = CreatedFile), Problem),
    extensions(("x-permission" = json!("file:create"))),
    security(("token" = []))
)]
async fn create(request: RequestContext, Body(body): Body<NewFileBody>) -> Result<Response, Problem> {
    let (file, upload) = files::create(&request, &request.caller, &body.into_file()).await?;
    let place = format!("/files/{}", file.id);
    Ok(etag::created(&place, &file, &CreatedFile::new(file.clone(), upload)))
}

/// Show how many files are ready and how many wait, and their bytes
#[utoipa::path(
    get,
    path = "/files/usage",
    operation_id = "getFileUsage",
    tag = "files",
    responses((status = 200, body = FileUsage), Problem),
    extensions(("x-permission" = json!("file:read"))),
    security(("token" = []))
)]
async fn usage(request: RequestContext) -> Result<Json<FileUsage>, Problem> {
    let mut realm = request.realm().await?;
    Ok(Json(files::usage(&mut realm, &request.caller).await?))
}
