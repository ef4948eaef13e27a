//! A body on its way to the disk: streamed into a temporary file, hashed on the way.

use std::io::{Seek, SeekFrom, Write};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt};
use s3s::StdError;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};

use super::object::{Algorithm, Checksums};
use super::root::{Root, Temporary};
use super::{StoreError, failed};
use crate::infra::object_server::blocking::blocking;

/// Largest body of one request: 5 GiB ("Amazon S3 multipart upload limits", Amazon S3 User Guide).
pub(crate) const MAX_BODY: u64 = 5 << 30;
/// Bytes gathered before the disk is asked; with the socket's buffers, what one upload holds in memory.
const BATCH: usize = 512 << 10;
/// A client that sends nothing for so long has gone.
const STALL: Duration = Duration::from_mins(1);

/// The hashes of a body, growing with it.
pub(crate) struct Digests {
    md5: Md5,
    checksums: ChecksumHasher,
}

/// The finished hashes of a body.
#[derive(Debug)]
pub(crate) struct Digested {
    pub(crate) md5: [u8; 16],
    pub(crate) checksums: Checksums,
}

impl Digests {
    /// MD5, which every ETag needs, and these.
    pub(crate) fn new(algorithms: &[Algorithm]) -> Self {
        let wanted = |a: Algorithm| algorithms.contains(&a);
        let checksums = ChecksumHasher {
            crc32: wanted(Algorithm::Crc32).then(Crc32::new),
            crc32c: wanted(Algorithm::Crc32c).then(Crc32c::new),
            crc64nvme: wanted(Algorithm::Crc64nvme).then(Crc64Nvme::new),
            sha1: wanted(Algorithm::Sha1).then(Sha1::new),
            sha256: wanted(Algorithm::Sha256).then(Sha256::new),
        };
        Self { md5: Md5::new(), checksums }
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.md5.update(bytes);
        self.checksums.update(bytes);
    }

    pub(crate) fn finish(self) -> Digested {
        let sums = self.checksums.finalize();
        let checksums = Checksums {
            crc32: sums.checksum_crc32,
            crc32c: sums.checksum_crc32c,
            crc64nvme: sums.checksum_crc64nvme,
            sha1: sums.checksum_sha1,
            sha256: sums.checksum_sha256,
            composite: false,
        };
        Digested { md5: self.md5.finalize(), checksums }
    }
}

/// A body on disk that has no name yet.
#[derive(Debug)]
pub(crate) struct Received {
    pub(crate) temporary: Temporary,
    pub(crate) body_offset: u64,
    pub(crate) size: u64,
    pub(crate) digested: Digested,
}

/// A temporary file that is being filled.
pub(crate) struct Filling {
    temporary: Temporary,
    body_offset: u64,
    size: u64,
    digests: Digests,
}

impl Filling {
    /// Begins, leaving room for the header.
    pub(crate) fn begin(root: &Root, body_offset: u64, digests: Digests) -> Result<Self, StoreError> {
        let mut temporary = root.temporary()?;
        let at = SeekFrom::Start(body_offset);
        temporary.file.seek(at).map_err(failed("seek", std::path::Path::new("temporary file")))?;
        Ok(Self { temporary, body_offset, size: 0, digests })
    }

    /// Adds bytes.
    pub(crate) fn add(&mut self, bytes: &[u8]) -> Result<(), StoreError> {
        let name = std::path::Path::new("temporary file");
        self.temporary.file.write_all(bytes).map_err(failed("write", name))?;
        self.digests.update(bytes);
        self.size += bytes.len() as u64;
        Ok(())
    }

    /// Ends.
    pub(crate) fn end(self) -> Received {
        Received {
            temporary: self.temporary,
            body_offset: self.body_offset,
            size: self.size,
            digested: self.digests.finish(),
        }
    }
}

/// Streams a body to disk. It must have exactly `length` bytes if that is given, and at most
/// [`MAX_BODY`].
pub(crate) async fn receive<S>(
    root: Arc<Root>,
    body_offset: u64,
    digests: Digests,
    length: Option<u64>,
    mut body: S,
) -> Result<Received, StoreError>
where
    S: Stream<Item = Result<Bytes, StdError>> + Send + Unpin,
{
    if length.is_some_and(|length| length > MAX_BODY) {
        return Err(StoreError::TooLarge);
    }
    let limit = length.unwrap_or(MAX_BODY);
    let mut filling = blocking(move || Filling::begin(&root, body_offset, digests)).await?;
    let mut ended = false;
    while !ended {
        let mut batch: Vec<Bytes> = Vec::new();
        let mut gathered = 0;
        while gathered < BATCH && !ended {
            match tokio::time::timeout(STALL, body.next()).await.map_err(|_| StoreError::Stalled)? {
                Some(chunk) => {
                    let chunk = chunk.map_err(|e| StoreError::Body(e.to_string()))?;
                    gathered += chunk.len();
                    batch.push(chunk);
                }
                None => ended = true,
            }
        }
        if filling.size + gathered as u64 > limit {
            return Err(if length.is_some() { StoreError::Incomplete } else { StoreError::TooLarge });
        }
        filling = blocking(move || {
            for chunk in &batch {
                filling.add(chunk)?;
            }
            Ok(filling)
        })
        .await?;
    }
    if length.is_some_and(|length| length != filling.size) {
        return Err(StoreError::Incomplete);
    }
    Ok(filling.end())
}
