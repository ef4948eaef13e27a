//! A file that is asked for, and what is to be sent to the store.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;
use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use utoipa::ToSchema;

use super::super::body::{Given, Parsed, given};
use crate::features::files::{
    AttachedId, AttachedKind, Attachment, ContentType, Digest, Download, File, FileChange, FileName,
    FileSize, NewFile, StoreRequest, Upload,
};
use crate::kernel::Expected;

/// What a file is to be attached to: a thing of an app.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAttachment {
    #[schema(value_type = String, example = "invoice")]
    kind: Parsed<AttachedKind>,
    #[schema(value_type = String, example = "2026-0042")]
    id: Parsed<AttachedId>,
}

impl From<NewAttachment> for Attachment {
    fn from(given: NewAttachment) -> Self {
        Self { kind: given.kind.0, id: given.id.0 }
    }
}

/// A file to be uploaded.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = NewFile)]
pub(super) struct NewFileBody {
    #[schema(value_type = String, example = "invoice.pdf")]
    name: Parsed<FileName>,
    #[schema(value_type = String, example = "application/pdf")]
    content_type: Parsed<ContentType>,
    /// In bytes: 1 to 5 GiB.
    #[schema(value_type = i64, minimum = 1, maximum = 5_368_709_120_i64, example = 48_213)]
    size: FileSize,
    /// The SHA-256 of the content, in 64 hexadecimal digits: then the store takes no other content.
    #[schema(value_type = Option<String>, pattern = "^[0-9A-Fa-f]{64}$")]
    sha256: Option<Parsed<Digest>>,
    /// What it is to be attached to.
    attached_to: Option<NewAttachment>,
}

impl NewFileBody {
    pub(super) fn into_file(self) -> NewFile {
        NewFile {
            name: self.name.0,
            content_type: self.content_type.0,
            size: self.size,
            sha256: self.sha256.map(|it| it.0),
            attached_to: self.attached_to.map(Attachment::from),
        }
    }
}

/// What is to be changed of a file; what is not given stays.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = FileChange)]
pub(super) struct FileChangeBody {
    #[schema(value_type = Option<String>, example = "invoice.pdf")]
    name: Option<Parsed<FileName>>,
    /// What it is to be attached to; null attaches it to nothing.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<NewAttachment>)]
    attached_to: Given<NewAttachment>,
}

impl FileChangeBody {
    pub(super) fn into_change(self, expected: Expected) -> FileChange {
        let attached_to = self.attached_to.map(|to| to.map(Attachment::from));
        FileChange { name: self.name.map(|it| it.0), attached_to, expected }
    }
}

/// A request to be sent to the store. Whoever has its URL can use it.
#[derive(Serialize, ToSchema)]
#[schema(as = StoreRequest)]
pub(super) struct StoreRequestView {
    #[schema(example = "PUT")]
    method: &'static str,
    #[schema(format = "password")]
    url: String,
    /// Headers that must be sent as they are; most clients send Content-Length by themselves.
    #[schema(example = json!({ "content-type": "application/pdf", "content-length": "48213", "if-none-match": "*" }))]
    headers: BTreeMap<String, String>,
    /// Until when it is good.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
}

/// A file that was asked for, and how it is uploaded.
#[derive(Serialize, ToSchema)]
pub(super) struct CreatedFile {
    #[serde(flatten)]
    file: File,
    /// How it is uploaded. It is shown once.
    upload: StoreRequestView,
}

impl CreatedFile {
    pub(super) fn new(file: File, upload: Upload) -> Self {
        Self { file, upload: StoreRequestView::new("PUT", upload.request, upload.expires_at) }
    }
}

impl From<Download> for StoreRequestView {
    fn from(download: Download) -> Self {
        Self::new("GET", download.request, download.expires_at)
    }
}

impl StoreRequestView {
    fn new(method: &'static str, request: StoreRequest, expires_at: OffsetDateTime) -> Self {
        let url = request.url.expose_secret().to_owned();
        Self { method, url, headers: request.headers.into_iter().collect(), expires_at }
    }
}
