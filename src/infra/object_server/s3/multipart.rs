//! Multipart uploads: beginning, sending parts, listing, giving up.

use std::path::Path;
use std::sync::Arc;

use s3s::dto::{
    AbortMultipartUploadInput, AbortMultipartUploadOutput, ChecksumAlgorithm, CopyPartResult,
    CreateMultipartUploadInput, CreateMultipartUploadOutput, ETag, Range, UploadPartCopyInput,
    UploadPartCopyOutput, UploadPartInput, UploadPartOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Endpoint;
use super::checksum::{Expected, stated, tell};
use super::copy::{copy_bytes, source_conditions};
use super::described::{check_key, described, etag_match, refuse, refuse_extras, seconds, timestamp};
use super::errors::s3;
use super::write::{algorithm_of, announced};
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::state::now;
use crate::infra::object_server::store::condition::ReadConditions;
use crate::infra::object_server::store::frame;
use crate::infra::object_server::store::object::{Algorithm, Checksums};
use crate::infra::object_server::store::receive::{MAX_BODY, receive};
use crate::infra::object_server::store::uploads::{MAX_PARTS, PartHeader, Upload};

impl Endpoint {
    pub(super) async fn begin_upload(
        &self,
        mut input: CreateMultipartUploadInput,
    ) -> S3Result<S3Response<CreateMultipartUploadOutput>> {
        check_key(&input.key)?;
        refuse_extras!(input);
        let algorithm = algorithm_of(input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str))?;
        let full_object =
            full_object(algorithm, input.checksum_type.as_ref().map(s3s::dto::ChecksumType::as_str))?;
        let described = described!(input)?;
        let upload = Upload { key: input.key.clone(), initiated: now(), described, algorithm, full_object };
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let id = blocking(move || bucket.begin_upload(&upload)).await.map_err(s3)?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_type: algorithm.map(|_| super::checksum_type(!full_object)),
            checksum_algorithm: input.checksum_algorithm,
            ..Default::default()
        }))
    }

    pub(super) async fn put_part(
        &self,
        req: S3Request<UploadPartInput>,
    ) -> S3Result<S3Response<UploadPartOutput>> {
        let mut input = req.input;
        refuse!(input; sse_customer_algorithm, sse_customer_key, expected_bucket_owner);
        let number = part_number(input.part_number)?;
        let length = announced(input.content_length)?;
        let stated_algorithm =
            algorithm_of(input.checksum_algorithm.as_ref().map(ChecksumAlgorithm::as_str))?;
        let expected = Expected::new(
            input.content_md5.as_deref(),
            stated!(input),
            stated_algorithm,
            &req.headers,
            req.trailing_headers,
        )?;
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let (id, key) = (input.upload_id, input.key);
        let upload = {
            let (bucket, id, key) = (Arc::clone(&bucket), id.clone(), key.clone());
            blocking(move || bucket.upload(&id, &key)).await.map_err(s3)?
        };
        let expected = expected.also(upload.algorithm);
        let mut header = empty_part(number);
        let offset = frame::body_offset(Path::new("header"), &header).map_err(s3)?;
        let body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let received =
            receive(self.state.root.clone(), offset, expected.digests(), length, body).await.map_err(s3)?;
        expected.verify(&received.digested).map_err(s3)?;
        header.size = received.size;
        header.etag = hex::encode(received.digested.md5);
        header.checksums = received.digested.checksums.clone();
        let header = blocking(move || bucket.put_part(&id, &key, received, &header).map(|()| header))
            .await
            .map_err(s3)?;
        let mut output = UploadPartOutput { e_tag: Some(ETag::Strong(header.etag)), ..Default::default() };
        tell!(output, header.checksums);
        Ok(S3Response::new(output))
    }

    pub(super) async fn copy_part(
        &self,
        mut input: UploadPartCopyInput,
    ) -> S3Result<S3Response<UploadPartCopyOutput>> {
        refuse!(input; sse_customer_algorithm, sse_customer_key, copy_source_sse_customer_algorithm,
            copy_source_sse_customer_key, expected_bucket_owner, expected_source_bucket_owner);
        let number = part_number(input.part_number)?;
        let conditions = source_conditions!(input);
        let source = self.open_source(&input.copy_source, &conditions).await?;
        let (start, length) = source_range(input.copy_source_range.as_deref(), source.header.size)?;
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let state = Arc::clone(&self.state);
        let header = blocking(move || {
            let upload = bucket.upload(&input.upload_id, &input.key)?;
            let algorithms: Vec<Algorithm> = upload.algorithm.into_iter().collect();
            let mut header = empty_part(number);
            let offset = frame::body_offset(Path::new("header"), &header)?;
            let received = copy_bytes(&state, source, start, length, offset, &algorithms)?;
            header.size = received.size;
            header.etag = hex::encode(received.digested.md5);
            header.checksums = received.digested.checksums.clone();
            bucket.put_part(&input.upload_id, &input.key, received, &header)?;
            Ok(header)
        })
        .await
        .map_err(s3)?;
        let mut result = CopyPartResult {
            e_tag: Some(ETag::Strong(header.etag)),
            last_modified: Some(timestamp(header.modified)),
            ..Default::default()
        };
        tell!(result, header.checksums);
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..Default::default() }))
    }

    pub(super) async fn abort(
        &self,
        input: AbortMultipartUploadInput,
    ) -> S3Result<S3Response<AbortMultipartUploadOutput>> {
        refuse!(input; if_match_initiated_time, expected_bucket_owner);
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        blocking(move || bucket.end_upload(&input.upload_id, &input.key)).await.map_err(s3)?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Whether the object's checksum is to be of the whole content ("Checking object integrity",
/// Amazon S3 User Guide: CRC-64/NVME only so, SHA never so, composite unless asked).
fn full_object(algorithm: Option<Algorithm>, kind: Option<&str>) -> S3Result<bool> {
    match (algorithm, kind) {
        (Some(Algorithm::Crc64nvme), None | Some("FULL_OBJECT"))
        | (Some(Algorithm::Crc32 | Algorithm::Crc32c), Some("FULL_OBJECT")) => Ok(true),
        (Some(Algorithm::Crc64nvme), Some("COMPOSITE"))
        | (Some(Algorithm::Sha1 | Algorithm::Sha256), Some("FULL_OBJECT")) => {
            Err(s3_error!(InvalidRequest, "this checksum algorithm is not made for this checksum type"))
        }
        (_, None | Some("COMPOSITE")) => Ok(false),
        _ => Err(s3_error!(InvalidRequest, "a checksum type needs a checksum algorithm")),
    }
}

fn part_number(number: i32) -> S3Result<u32> {
    u32::try_from(number)
        .ok()
        .filter(|n| (1..=MAX_PARTS).contains(n))
        .ok_or_else(|| s3_error!(InvalidArgument, "a part number is between 1 and 10000"))
}

fn empty_part(number: u32) -> PartHeader {
    PartHeader { number, size: 0, etag: String::new(), modified: now(), checksums: Checksums::default() }
}

fn source_range(range: Option<&str>, size: u64) -> S3Result<(u64, u64)> {
    let (start, length) = match range {
        None => (0, size),
        Some(range) => match Range::parse(range) {
            Ok(Range::Int { first, last: Some(last) }) if last < size => (first, last - first + 1),
            Ok(_) => return Err(s3_error!(InvalidRange)),
            Err(_) => return Err(s3_error!(InvalidArgument, "the copy source range is bytes=first-last")),
        },
    };
    if length > MAX_BODY { Err(s3_error!(EntityTooLarge)) } else { Ok((start, length)) }
}
