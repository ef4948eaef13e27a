//! One file for a thing and its description: a small JSON header, then the body.
//!
//! ```text
//! 8 bytes magic | u32 length of the header | u32 CRC-32 of the header | header, padded with spaces | body
//! ```
//!
//! The header's room is reserved before the body arrives and filled once size and hashes are
//! known, so a body is written once and never held in memory.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, damaged, failed};

const MAGIC: [u8; 8] = *b"NXOBJ\0\0\x01";
const PREFIX: u64 = 16;
/// Room for what is not known yet when a header is first measured: size, time, hashes.
const SLACK: usize = 512;
/// No header is longer; a larger length is damage, not a reason to allocate.
const MAX_HEADER: u32 = 1 << 20;

/// Where the body begins in a file whose header looks like this one.
pub(crate) fn body_offset<H: Serialize>(path: &Path, header: &H) -> Result<u64, StoreError> {
    let length = serde_json::to_vec(header).map_err(|e| damaged(path, e))?.len() + SLACK;
    Ok(PREFIX + length as u64)
}

/// Fills the room before the body.
pub(crate) fn write_header<H: Serialize>(
    file: &File,
    path: &Path,
    header: &H,
    body_offset: u64,
) -> Result<(), StoreError> {
    let mut json = serde_json::to_vec(header).map_err(|e| damaged(path, e))?;
    let room = usize::try_from(body_offset - PREFIX).map_err(|e| damaged(path, e))?;
    if json.len() > room {
        return Err(damaged(path, "the header outgrew its room"));
    }
    json.resize(room, b' ');
    let length = u32::try_from(room).map_err(|e| damaged(path, e))?;
    let mut bytes = Vec::with_capacity(room + 16);
    bytes.extend_from_slice(&MAGIC);
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(&crc32(&json).to_be_bytes());
    bytes.extend_from_slice(&json);
    file.write_all_at(&bytes, 0).map_err(failed("write", path))
}

/// Reads the header and tells where the body begins.
pub(crate) fn read_header<H: DeserializeOwned>(file: &File, path: &Path) -> Result<(H, u64), StoreError> {
    let read = |buffer: &mut [u8], offset| {
        file.read_exact_at(buffer, offset).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => damaged(path, "it ends within its header"),
            _ => failed("read", path)(error),
        })
    };
    let mut prefix = [0u8; 16];
    read(&mut prefix, 0)?;
    let [m0, m1, m2, m3, m4, m5, m6, m7, l0, l1, l2, l3, c0, c1, c2, c3] = prefix;
    if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
        return Err(damaged(path, "it does not begin like an object"));
    }
    let length = u32::from_be_bytes([l0, l1, l2, l3]);
    if length > MAX_HEADER {
        return Err(damaged(path, "its header's length is absurd"));
    }
    let mut json = vec![0u8; length as usize];
    read(&mut json, PREFIX)?;
    if crc32(&json) != u32::from_be_bytes([c0, c1, c2, c3]) {
        return Err(damaged(path, "its header's checksum is wrong"));
    }
    let header = serde_json::from_slice(&json).map_err(|e| damaged(path, e))?;
    Ok((header, PREFIX + u64::from(length)))
}

fn crc32(bytes: &[u8]) -> u32 {
    s3s::crypto::Crc32::checksum_u32(bytes)
}
