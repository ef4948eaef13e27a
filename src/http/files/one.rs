//! One file: shown, completed, downloaded, changed, deleted.

use axum::Json;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

use super::super::Api;
use super::super::body::Body;
use super::super::context::RequestContext;
use super::super::etag::{self, IfMatch, IfNoneMatch};
use super::super::path::InPath;
use super::super::problem::Problem;
use super::body::{CreatedFile, FileChangeBody, StoreRequestView};
use crate::features::files::{self, File};
use crate::features::iam::model::Changed;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(show, update, delete))
        .routes(routes!(upload))
        .routes(routes!(complete))
        .routes(routes!(download))
}

/// Show a file
#[utoipa::path(
    get,
    path = "/files/{id}",
    operation_id = "getFile",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id"), IfNoneMatch),
    responses((status = 200, body = File), (status = 304, description = "Not modified"), Problem),
    extensions(("x-permission" = json!("file:read"))),
    security(("token" = []))
)]
async fn show(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    known: IfNoneMatch,
) -> Result<Response, Problem> {
    let mut realm = request.realm().await?;
    Ok(known.answer(&files::get(&mut realm, &request.caller, id).await?))
}

/// Ask again for the upload of a file
///
/// For a file that is `pending`, e.g. where the first URL has ended: the answer is that of POST /files, with another URL
/// that is good for a quarter of an hour. From then on the file waits for a day again.
#[utoipa::path(
    post,
    path = "/files/{id}/upload",
    operation_id = "renewFileUpload",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id")),
    responses((status = 200, body = CreatedFile), Problem),
    extensions(("x-permission" = json!("file:create"))),
    security(("token" = []))
)]
async fn upload(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<Response, Problem> {
    let (file, upload) = files::renew_upload(&request, &request.caller, id).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(CreatedFile::new(file, upload))).into_response())
}

/// Complete a file that was uploaded
///
/// What is in the store is compared with what was declared: size, content type, and the SHA-256 where the store keeps
/// one. What differs is deleted (409 `file_differs`). Completing a file again changes nothing.
#[utoipa::path(
    post,
    path = "/files/{id}/complete",
    operation_id = "completeFile",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id")),
    responses((status = 200, body = File), Problem),
    extensions(("x-permission" = json!("file:create"))),
    security(("token" = []))
)]
async fn complete(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<Response, Problem> {
    Ok(etag::changed(&files::complete(&request, &request.caller, id).await?))
}

/// Ask for the download of a file
///
/// The answer has a URL that is good for a quarter of an hour. Whoever has it can use it. A browser saves what comes
/// under the file's name.
#[utoipa::path(
    get,
    path = "/files/{id}/download",
    operation_id = "downloadFile",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id")),
    responses((status = 200, body = StoreRequestView), Problem),
    extensions(("x-permission" = json!("file:read"))),
    security(("token" = []))
)]
async fn download(request: RequestContext, InPath(id): InPath<Uuid>) -> Result<Response, Problem> {
    let download = files::download(&request, &request.caller, id).await?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(StoreRequestView::from(download))).into_response())
}

/// Rename a file, or attach it to something else
#[utoipa::path(
    patch,
    path = "/files/{id}",
    operation_id = "updateFile",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id"), IfMatch),
    request_body = FileChangeBody,
    responses((status = 200, body = File), Problem),
    extensions(("x-permission" = json!("file:update"))),
    security(("token" = []))
)]
async fn update(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    IfMatch(expected): IfMatch,
    Body(body): Body<FileChangeBody>,
) -> Result<Response, Problem> {
    let change = body.into_change(expected);
    let mut realm = request.realm().await?;
    Ok(etag::changed(&files::update(&mut realm, &request.caller, id, &change).await?))
}

/// Delete a file
///
/// From then on nobody sees it, and URLs for it lead to nothing. Where the store does not answer the answer is 503, and
/// the object is deleted later.
#[utoipa::path(
    delete,
    path = "/files/{id}",
    operation_id = "deleteFile",
    tag = "files",
    params(("id" = Uuid, Path, description = "The file's id"), IfMatch),
    responses((status = 200, body = Changed), Problem),
    extensions(("x-permission" = json!("file:delete"))),
    security(("token" = []))
)]
async fn delete(
    request: RequestContext,
    InPath(id): InPath<Uuid>,
    IfMatch(expected): IfMatch,
) -> Result<Json<Changed>, Problem> {
    Ok(Json(files::delete(&request, &request.caller, id, &expected).await?))
}
