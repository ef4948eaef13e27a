//! What a file is, as it is asked for and as doors show it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::infra::db::stored_as_text;
use crate::infra::objects::Presigned;
use crate::kernel::line::lines;
use crate::kernel::{Expected, text};

/// The most bytes of a file: S3 takes no more in one request ("Uploading objects", Amazon S3 User Guide).
const MAX_SIZE: i64 = 5 << 30;

lines! {
    /// What a file is called: 1 to 255 characters, no slash.
    FileName: |given| {
        let name = text::one_line("a file's name", given, 1..=255)?;
        if name.contains(['/', '\\']) { Err("a file's name has no slash".to_owned()) } else { Ok(name) }
    };
    /// A media type (RFC 9110, section 8.3.1), perhaps with parameters.
    ContentType: |given| {
        let wrong = || "a content type is written type/subtype, in at most 255 ASCII characters".to_owned();
        let essence = given.split(';').next().unwrap_or_default().trim();
        let part = |part: &str| {
            !part.is_empty() && part.bytes().all(|c| c.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&c))
        };
        let fits = given.len() <= 255 && given.bytes().all(|c| c == b' ' || c.is_ascii_graphic()) && given.trim() == given;
        let is_type = essence.split_once('/').is_some_and(|(kind, of)| part(kind) && part(of));
        if fits && is_type { Ok(given.to_owned()) } else { Err(wrong()) }
    };
    /// What sort of thing of an app a file is attached to, e.g. `invoice`.
    AttachedKind: |given| {
        let good = (1..=63).contains(&given.len())
            && given.starts_with(|c: char| c.is_ascii_lowercase())
            && given.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-_".contains(&c));
        let wrong = || "a kind has 1 to 63 of a-z, 0-9, '-' and '_', and begins with a letter".to_owned();
        good.then(|| given.to_owned()).ok_or_else(wrong)
    };
    /// Which of these things it is: 1 to 200 characters.
    AttachedId: |given| text::one_line("an id", given, 1..=200);
}

/// How many bytes a file has: 1 to 5 GiB.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "i64")]
pub struct FileSize(i64);

impl FileSize {
    /// The number.
    #[must_use]
    pub fn bytes(self) -> i64 {
        self.0
    }
}

impl TryFrom<i64> for FileSize {
    type Error = String;

    fn try_from(bytes: i64) -> Result<Self, String> {
        if (1..=MAX_SIZE).contains(&bytes) {
            return Ok(Self(bytes));
        }
        Err(format!("a file has 1 to {MAX_SIZE} bytes"))
    }
}

/// The SHA-256 of a content, in 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Digest([u8; 32]);

impl Digest {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl std::str::FromStr for Digest {
    type Err = String;

    fn from_str(given: &str) -> Result<Self, String> {
        let mut bytes = [0; 32];
        let read = hex::decode_to_slice(given, &mut bytes);
        read.map(|()| Self(bytes)).map_err(|_| "a SHA-256 has 64 hexadecimal digits".to_owned())
    }
}

/// What a file is attached to: a thing of an app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct Attachment {
    #[schema(value_type = String, example = "invoice")]
    pub kind: AttachedKind,
    #[schema(value_type = String, example = "2026-0042")]
    pub id: AttachedId,
}

/// A file that is asked for.
#[derive(Debug, Clone)]
pub struct NewFile {
    pub name: FileName,
    pub content_type: ContentType,
    pub size: FileSize,
    pub sha256: Option<Digest>,
    pub attached_to: Option<Attachment>,
}

/// Where in its life a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::Encode, sqlx::Decode)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum FileState {
    /// Waits for its upload, for a day.
    Pending,
    /// It is uploaded, and can be downloaded.
    Ready,
    /// About to be deleted; nobody sees it.
    #[serde(skip)]
    Deleting,
}
stored_as_text!(FileState);

impl FileState {
    /// Those that can be asked for.
    pub const SHOWN: [Self; 2] = [Self::Pending, Self::Ready];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Ready => "ready",
            Self::Deleting => "deleting",
        }
    }
}

/// A file.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct File {
    pub id: Uuid,
    #[schema(example = "invoice.pdf")]
    pub name: String,
    #[schema(example = "application/pdf")]
    pub content_type: String,
    /// In bytes: as declared, and found when it was completed.
    #[schema(example = 48_213)]
    pub size: i64,
    /// The SHA-256 that was declared, in hexadecimal digits.
    pub sha256: Option<String>,
    /// What it is attached to.
    pub attached_to: Option<Attachment>,
    pub state: FileState,
    /// The user or operator who asked for it.
    pub created_by: Option<Uuid>,
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When name or attachment last changed, or it was completed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
    /// When its upload was found to be as declared.
    #[serde(with = "time::serde::rfc3339::option")]
    pub completed_at: Option<OffsetDateTime>,
}

impl File {
    /// What conditions on permissions over files may look at.
    pub(super) fn attributes(&self) -> Map<String, Value> {
        let mut all = attributes(self.attached_to.as_ref(), &self.content_type, self.size);
        all.insert("id".to_owned(), self.id.to_string().into());
        all.insert("name".to_owned(), self.name.clone().into());
        all.insert("state".to_owned(), self.state.as_str().into());
        all.extend(self.created_by.map(|user| ("owner".to_owned(), user.to_string().into())));
        all
    }
}

impl NewFile {
    /// The same of one that is asked for, by somebody who will be its owner.
    pub(super) fn attributes(&self, owner: Option<Uuid>) -> Map<String, Value> {
        let mut all = attributes(self.attached_to.as_ref(), self.content_type.as_str(), self.size.bytes());
        all.insert("name".to_owned(), self.name.as_str().into());
        all.insert("state".to_owned(), FileState::Pending.as_str().into());
        all.extend(owner.map(|user| ("owner".to_owned(), user.to_string().into())));
        all
    }
}

fn attributes(attached_to: Option<&Attachment>, content_type: &str, size: i64) -> Map<String, Value> {
    let mut all = Map::new();
    all.insert("content_type".to_owned(), content_type.into());
    all.insert("size".to_owned(), size.into());
    if let Some(Attachment { kind, id }) = attached_to {
        all.insert("kind".to_owned(), kind.as_str().into());
        all.insert("attached_id".to_owned(), id.as_str().into());
    }
    all
}

/// What is to be changed of a file; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct FileChange {
    pub name: Option<FileName>,
    /// `Some(None)`: to nothing.
    pub attached_to: Option<Option<Attachment>>,
    pub expected: Expected,
}

/// Which files a list holds.
#[derive(Debug, Clone, Default)]
pub struct FileFilter {
    /// Attached to this.
    pub attached_to: Option<Attachment>,
    /// In this state.
    pub state: Option<FileState>,
    /// Whose name begins with this, whatever its case.
    pub name: Option<String>,
    /// Older than the file of this id.
    pub after: Option<Uuid>,
}

/// How a file that is asked for is uploaded: once, before a moment.
#[derive(Debug, Clone)]
pub struct Upload {
    pub request: Presigned,
    pub expires_at: OffsetDateTime,
}

/// How a file is downloaded, before a moment.
#[derive(Debug, Clone)]
pub struct Download {
    pub request: Presigned,
    pub expires_at: OffsetDateTime,
}

/// What the files of a realm take.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema, sqlx::FromRow)]
pub struct FileUsage {
    /// Those that are ready.
    pub files: i64,
    pub bytes: i64,
    /// Those that wait for their upload, with the bytes that were declared.
    pub pending_files: i64,
    pub pending_bytes: i64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_file_is_called_and_is_cannot_be_wrong() {
        assert_eq!("Gro\u{308}ße.pdf".parse::<FileName>().unwrap().as_str(), "Größe.pdf");
        for wrong in ["", "a/b", "..\\b", "a\nb", &"x".repeat(256)] {
            assert!(wrong.parse::<FileName>().is_err(), "{wrong:?}");
        }
        for good in ["application/pdf", "text/plain; charset=utf-8", "image/svg+xml"] {
            assert_eq!(good.parse::<ContentType>().unwrap().as_str(), good);
        }
        for wrong in ["", "pdf", "a/", "/b", "a b/c", "a/b\r\nx: y", "a/b ", "té/x"] {
            assert!(wrong.parse::<ContentType>().is_err(), "{wrong:?}");
        }
        assert!("sales-order".parse::<AttachedKind>().is_ok() && "Sales".parse::<AttachedKind>().is_err());
    }

    #[test]
    fn a_file_has_a_byte_at_least_and_no_more_than_one_request_takes() {
        assert!(FileSize::try_from(1).is_ok() && FileSize::try_from(MAX_SIZE).is_ok());
        for wrong in [0, -1, MAX_SIZE + 1] {
            assert!(FileSize::try_from(wrong).is_err(), "{wrong}");
        }
    }
}
