//! Completing a multipart upload, and listing what is not complete.

use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use s3s::crypto::{Checksum, Crc32, Crc32c, Md5, Sha1, Sha256};
use s3s::dto::{
    ChecksumAlgorithm, CompleteMultipartUploadInput, CompleteMultipartUploadOutput, CompletedPart, ETag,
    ListMultipartUploadsInput, ListMultipartUploadsOutput, ListPartsInput, ListPartsOutput, MultipartUpload,
    Part,
};
use s3s::{S3Response, S3Result, s3_error};

use super::Endpoint;
use super::checksum::{agree, stated, tell};
use super::described::{refuse, timestamp, write_condition};
use super::errors::s3;
use super::list::Spelling;
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::state::now;
use crate::infra::object_server::store::bucket::Bucket;
use crate::infra::object_server::store::object::{Algorithm, Checksums, ObjectHeader};
use crate::infra::object_server::store::uploads::{MIN_PART, PartHeader, Upload};
use crate::infra::object_server::store::{StoreError, frame};

const MAX_PAGE: usize = 1000;

impl Endpoint {
    pub(super) async fn complete(
        &self,
        mut input: CompleteMultipartUploadInput,
    ) -> S3Result<S3Response<CompleteMultipartUploadOutput>> {
        refuse!(input; sse_customer_algorithm, sse_customer_key, expected_bucket_owner);
        let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let named = input.multipart_upload.take().and_then(|m| m.parts).unwrap_or_default();
        if named.is_empty() {
            return Err(s3_error!(MalformedXML, "a completed upload names its parts"));
        }
        let told = stated!(input);
        let size = input.mpu_object_size.and_then(|size| u64::try_from(size).ok());
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let (id, key) = (input.upload_id, input.key);
        let header = blocking(move || {
            let upload = bucket.upload(&id, &key)?;
            let parts = check_parts(&bucket, &id, named)?;
            let mut header = ObjectHeader {
                key,
                size: parts.iter().map(|part| part.size).sum(),
                etag: joined_etag(&parts),
                modified: now(),
                described: upload.described.clone(),
                checksums: Checksums::default(),
            };
            if size.is_some_and(|size| size != header.size) {
                return Err(StoreError::Incomplete);
            }
            let whole = upload.algorithm.filter(|_| upload.full_object);
            let whole: Vec<Algorithm> = whole.into_iter().collect();
            let offset = frame::body_offset(Path::new("header"), &header)?;
            let received = bucket.join_parts(&id, &parts, offset, &whole)?;
            header.checksums = joined_checksums(&upload, &parts, &received.digested.checksums)?;
            // What is stated of an upload without checksums cannot be proved, so it is refused.
            for algorithm in told.algorithms() {
                agree(algorithm, told.get(algorithm), &header.checksums)?;
            }
            bucket.complete_upload(&id, received, &header, &condition)?;
            Ok(header)
        })
        .await
        .map_err(s3)?;
        let mut output = CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, header.key)),
            bucket: Some(input.bucket),
            e_tag: Some(ETag::Strong(header.etag)),
            checksum_type: (!header.checksums.algorithms().is_empty())
                .then(|| super::checksum_type(header.checksums.composite)),
            key: Some(header.key),
            ..Default::default()
        };
        tell!(output, header.checksums);
        Ok(S3Response::new(output))
    }

    pub(super) async fn list_parts(&self, input: ListPartsInput) -> S3Result<S3Response<ListPartsOutput>> {
        refuse!(input; sse_customer_algorithm, sse_customer_key, expected_bucket_owner);
        let limit = usize::try_from(input.max_parts.unwrap_or(1000)).unwrap_or(0).min(MAX_PAGE);
        let marker = input.part_number_marker.unwrap_or(0);
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let (id, key) = (input.upload_id.clone(), input.key.clone());
        let (upload, parts) =
            blocking(move || Ok((bucket.upload(&id, &key)?, bucket.parts(&id)?))).await.map_err(s3)?;
        let after = u32::try_from(marker).unwrap_or(0);
        let mut rest = parts.into_iter().filter(|part| part.number > after);
        let page: Vec<Part> = rest.by_ref().take(limit).map(tell_part).collect();
        Ok(S3Response::new(ListPartsOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(input.upload_id),
            part_number_marker: Some(marker),
            next_part_number_marker: page.last().and_then(|part| part.part_number),
            max_parts: i32::try_from(limit).ok(),
            is_truncated: Some(rest.next().is_some()),
            parts: Some(page),
            checksum_algorithm: upload.algorithm.map(|a| ChecksumAlgorithm::from_static(a.name())),
            checksum_type: upload.algorithm.map(|_| super::checksum_type(!upload.full_object)),
            ..Default::default()
        }))
    }

    pub(super) async fn list_uploads(
        &self,
        input: ListMultipartUploadsInput,
    ) -> S3Result<S3Response<ListMultipartUploadsOutput>> {
        refuse!(input; delimiter, expected_bucket_owner);
        let spelling = Spelling::of(input.encoding_type.as_ref())?;
        let limit = usize::try_from(input.max_uploads.unwrap_or(1000)).unwrap_or(0).min(MAX_PAGE);
        let prefix = input.prefix.clone().unwrap_or_default();
        let after = input.key_marker.clone().map(|key| (key, input.upload_id_marker.clone()));
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let uploads = blocking(move || bucket.uploads()).await.map_err(s3)?;
        let mut rest = uploads.into_iter().filter(|(id, upload)| {
            let later = after.as_ref().is_none_or(|(key, marker)| match marker {
                Some(marker) => (&upload.key, id) > (key, marker),
                None => upload.key > *key,
            });
            later && upload.key.starts_with(&prefix)
        });
        let page: Vec<(String, Upload)> = rest.by_ref().take(limit).collect();
        let truncated = rest.next().is_some();
        let last = page.last().filter(|_| truncated);
        Ok(S3Response::new(ListMultipartUploadsOutput {
            bucket: Some(input.bucket),
            next_key_marker: last.map(|(_, upload)| spelling.spell(&upload.key)),
            next_upload_id_marker: last.map(|(id, _)| id.clone()),
            key_marker: Some(spelling.spell(input.key_marker.as_deref().unwrap_or_default())),
            upload_id_marker: input.upload_id_marker,
            prefix: input.prefix.as_deref().map(|p| spelling.spell(p)),
            max_uploads: i32::try_from(limit).ok(),
            is_truncated: Some(truncated),
            uploads: Some(page.into_iter().map(|upload| tell_upload(upload, &spelling)).collect()),
            encoding_type: input.encoding_type,
            ..Default::default()
        }))
    }
}

fn tell_part(part: PartHeader) -> Part {
    let mut told = Part {
        part_number: i32::try_from(part.number).ok(),
        size: i64::try_from(part.size).ok(),
        e_tag: Some(ETag::Strong(part.etag)),
        last_modified: Some(timestamp(part.modified)),
        ..Default::default()
    };
    tell!(told, part.checksums);
    told
}

fn tell_upload((id, upload): (String, Upload), spelling: &Spelling) -> MultipartUpload {
    MultipartUpload {
        key: Some(spelling.spell(&upload.key)),
        upload_id: Some(id),
        initiated: Some(timestamp(upload.initiated)),
        checksum_algorithm: upload.algorithm.map(|a| ChecksumAlgorithm::from_static(a.name())),
        checksum_type: upload.algorithm.map(|_| super::checksum_type(!upload.full_object)),
        ..Default::default()
    }
}

/// The parts that the client names, if they are there, in order, and large enough.
fn check_parts(bucket: &Bucket, id: &str, named: Vec<CompletedPart>) -> Result<Vec<PartHeader>, StoreError> {
    let mut parts: Vec<PartHeader> = Vec::with_capacity(named.len());
    for mut name in named {
        let number = name.part_number.and_then(|n| u32::try_from(n).ok()).ok_or(StoreError::InvalidPart)?;
        if parts.last().is_some_and(|last| last.number >= number) {
            return Err(StoreError::InvalidPartOrder);
        }
        let part = bucket.part(id, number)?;
        let told = stated!(name);
        let differs = told.algorithms().into_iter().any(|a| agree(a, told.get(a), &part.checksums).is_err());
        if differs || name.e_tag.is_none_or(|etag| etag.value() != part.etag) {
            return Err(StoreError::InvalidPart);
        }
        parts.push(part);
    }
    let all_but_last = parts.len().saturating_sub(1);
    if parts.iter().take(all_but_last).any(|part| part.size < MIN_PART) {
        return Err(StoreError::PartTooSmall);
    }
    Ok(parts)
}

/// The ETag of joined parts: MD5 of their MD5s, and how many.
fn joined_etag(parts: &[PartHeader]) -> String {
    let mut md5 = Md5::new();
    for part in parts {
        md5.update(&hex::decode(&part.etag).unwrap_or_default());
    }
    format!("{}-{}", hex::encode(md5.finalize()), parts.len())
}

/// The checksum of joined parts, of the kind that the upload was begun with.
fn joined_checksums(
    upload: &Upload,
    parts: &[PartHeader],
    whole: &Checksums,
) -> Result<Checksums, StoreError> {
    let Some(algorithm) = upload.algorithm else {
        return Ok(Checksums::default());
    };
    if upload.full_object {
        return Ok(whole.clone());
    }
    let mut all = Vec::new();
    for part in parts {
        let sum = part.checksums.get(algorithm).and_then(|sum| STANDARD.decode(sum).ok());
        all.extend(sum.ok_or(StoreError::InvalidPart)?);
    }
    let sum = match algorithm {
        Algorithm::Crc32 => Crc32::checksum(&all).to_vec(),
        Algorithm::Crc32c => Crc32c::checksum(&all).to_vec(),
        Algorithm::Sha1 => Sha1::checksum(&all).to_vec(),
        Algorithm::Sha256 => Sha256::checksum(&all).to_vec(),
        // Never composite; such an upload is refused when it begins.
        Algorithm::Crc64nvme => return Ok(Checksums::default()),
    };
    let mut joined = Checksums { composite: true, ..Checksums::default() };
    joined.set(algorithm, format!("{}-{}", STANDARD.encode(sum), parts.len()));
    Ok(joined)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_joined_etag_is_the_md5_of_the_parts_md5s() {
        let part = |etag: &str| PartHeader {
            number: 1,
            size: 1,
            etag: etag.into(),
            modified: 0,
            checksums: Checksums::default(),
        };
        // MD5 of the two 16-byte digests of "a" and "b" in a row.
        let parts = [part("0cc175b9c0f1b6a831c399e269772661"), part("92eb5ffee6ae2fec3ad71c777531578f")];
        assert_eq!(joined_etag(&parts), "96e024ba2074fe77e8e965ba43a704be-2");
    }
}
