//! Multipart uploads: parts as framed files beside the objects until they are completed.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::bucket::{Bucket, entries};
use super::condition::WriteCondition;
use super::object::{Algorithm, Checksums, Described, ObjectHeader};
use super::receive::{Digests, Filling, Received};
use super::root::{read_json, sync_dir, sync_parent};
use super::{StoreError, failed, frame};
use crate::infra::object_server::blocking::lock;
use crate::infra::object_server::names::is_upload_id;

/// Smallest part that is not the last: 5 MiB ("Amazon S3 multipart upload limits").
pub(crate) const MIN_PART: u64 = 5 << 20;
/// Highest part number (same page).
pub(crate) const MAX_PARTS: u32 = 10_000;

/// The content of `upload.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub key: String,
    /// Seconds since 1970.
    pub initiated: i64,
    pub described: Described,
    /// What the completed object's checksum is to be.
    pub algorithm: Option<Algorithm>,
    /// Of the whole content, not of the parts' checksums.
    pub full_object: bool,
}

/// The header of a part's file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PartHeader {
    pub number: u32,
    pub size: u64,
    /// MD5 in hex.
    pub etag: String,
    pub modified: i64,
    pub checksums: Checksums,
}

impl Bucket {
    fn upload_folder(&self, id: &str) -> Result<PathBuf, StoreError> {
        if is_upload_id(id) {
            Ok(self.folder.join("uploads").join(id))
        } else {
            Err(StoreError::NoSuchUpload)
        }
    }

    /// Begins an upload and gives its id.
    pub(crate) fn begin_upload(&self, upload: &Upload) -> Result<String, StoreError> {
        let _inside = self.enter()?;
        let id = uuid::Uuid::new_v4().simple().to_string();
        let draft = self.root.temporary_path();
        super::root::make_dir(&draft)?;
        self.root.write_json(&draft.join("upload.json"), upload)?;
        let folder = self.upload_folder(&id)?;
        fs::rename(&draft, &folder).map_err(failed("create", &folder))?;
        sync_parent(&folder)?;
        Ok(id)
    }

    /// The upload of this id, if it is for this key.
    pub(crate) fn upload(&self, id: &str, key: &str) -> Result<Upload, StoreError> {
        let _inside = self.enter()?;
        let upload: Option<Upload> = read_json(&self.upload_folder(id)?.join("upload.json"))?;
        upload.filter(|upload| upload.key == key).ok_or(StoreError::NoSuchUpload)
    }

    /// All unfinished uploads, by key and id.
    pub(crate) fn uploads(&self) -> Result<Vec<(String, Upload)>, StoreError> {
        let _inside = self.enter()?;
        let mut uploads = Vec::new();
        for folder in entries(&self.folder.join("uploads"))? {
            let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            match read_json::<Upload>(&folder.join("upload.json")) {
                Ok(Some(upload)) => uploads.push((id, upload)),
                // Completed or aborted since the folder was listed.
                Ok(None) => {}
                Err(error) => tracing::error!(bucket = %self.name, %error, "an upload cannot be read"),
            }
        }
        uploads.sort_by(|a, b| (&a.1.key, &a.0).cmp(&(&b.1.key, &b.0)));
        Ok(uploads)
    }

    pub(super) fn has_uploads(&self) -> Result<bool, StoreError> {
        Ok(!entries(&self.folder.join("uploads"))?.is_empty())
    }

    /// Keeps a received part, in place of an older one with its number.
    pub(crate) fn put_part(
        &self,
        id: &str,
        key: &str,
        mut received: Received,
        header: &PartHeader,
    ) -> Result<(), StoreError> {
        let folder = self.upload_folder(id)?;
        let path = folder.join(part_name(header.number));
        frame::write_header(&received.temporary.file, &path, header, received.body_offset)?;
        received.temporary.sync()?;
        self.upload(id, key)?;
        let _inside = self.enter()?;
        let _alone = lock(self.key_lock(key));
        if !folder.exists() {
            return Err(StoreError::NoSuchUpload);
        }
        received.temporary.rename(&path)?;
        sync_dir(&folder)
    }

    /// All parts that are there, by number.
    pub(crate) fn parts(&self, id: &str) -> Result<Vec<PartHeader>, StoreError> {
        let _inside = self.enter()?;
        let mut parts = Vec::new();
        for path in entries(&self.upload_folder(id)?)? {
            if path.extension().is_some_and(|e| e == "part") {
                parts.push(open_part(&path)?.1);
            }
        }
        parts.sort_by_key(|part| part.number);
        Ok(parts)
    }

    /// What is known of one part.
    pub(crate) fn part(&self, id: &str, number: u32) -> Result<PartHeader, StoreError> {
        let _inside = self.enter()?;
        Ok(open_part(&self.upload_folder(id)?.join(part_name(number)))?.1)
    }

    /// Puts parts together in a temporary file. One that was written anew meanwhile is not the
    /// part that the client meant.
    pub(crate) fn join_parts(
        &self,
        id: &str,
        parts: &[PartHeader],
        body_offset: u64,
        algorithms: &[Algorithm],
    ) -> Result<Received, StoreError> {
        let _inside = self.enter()?;
        let folder = self.upload_folder(id)?;
        let mut filling = Filling::begin(&self.root, body_offset, Digests::new(algorithms))?;
        let mut buffer = vec![0u8; 256 << 10];
        for part in parts {
            let path = folder.join(part_name(part.number));
            let (mut file, header, body_offset) = open_part(&path)?;
            if header.etag != part.etag || header.size != part.size {
                return Err(StoreError::InvalidPart);
            }
            file.seek(SeekFrom::Start(body_offset)).map_err(failed("seek", &path))?;
            copy_into(&mut filling, &mut file, header.size, &mut buffer, &path)?;
        }
        Ok(filling.end())
    }

    /// Makes the joined parts the object, and ends the upload. A crash in between leaves both, and
    /// completing again gives the same object.
    pub(crate) fn complete_upload(
        &self,
        id: &str,
        received: Received,
        header: &ObjectHeader,
        condition: &WriteCondition,
    ) -> Result<(), StoreError> {
        self.upload(id, &header.key)?;
        self.publish(received, header, condition)?;
        self.end_upload(id, &header.key).or_else(|error| match error {
            StoreError::NoSuchUpload => Ok(()),
            other => Err(other),
        })
    }

    /// Ends an upload and drops its parts.
    pub(crate) fn end_upload(&self, id: &str, key: &str) -> Result<(), StoreError> {
        self.upload(id, key)?;
        let folder = self.upload_folder(id)?;
        let hidden = {
            let _inside = self.enter()?;
            let _alone = lock(self.key_lock(key));
            if !folder.exists() {
                return Err(StoreError::NoSuchUpload);
            }
            self.root.hide(&folder)?
        };
        hidden.delete();
        Ok(())
    }
}

/// Copies exactly `size` bytes.
pub(crate) fn copy_into(
    filling: &mut Filling,
    from: &mut impl Read,
    size: u64,
    buffer: &mut [u8],
    path: &Path,
) -> Result<(), StoreError> {
    let mut left = size;
    while left > 0 {
        let want = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let got = from.read(&mut buffer[..want]).map_err(failed("read", path))?;
        if got == 0 {
            return Err(failed("read", path)(io::ErrorKind::UnexpectedEof.into()));
        }
        filling.add(&buffer[..got])?;
        left -= got as u64;
    }
    Ok(())
}

fn part_name(number: u32) -> String {
    format!("{number:05}.part")
}

fn open_part(path: &Path) -> Result<(File, PartHeader, u64), StoreError> {
    let file = File::open(path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => StoreError::InvalidPart,
        _ => failed("open", path)(error),
    })?;
    let (header, body_offset): (PartHeader, u64) = frame::read_header(&file, path)?;
    if file.metadata().map_err(failed("read", path))?.len() != body_offset + header.size {
        return Err(super::damaged(path, "its length is not the one in its header"));
    }
    Ok((file, header, body_offset))
}
