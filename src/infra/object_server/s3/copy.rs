//! Copying objects within the buckets of one key; whose the source is was checked before.

use std::io::{Seek, SeekFrom};
use std::path::Path;
use std::sync::Arc;

use hyper::HeaderMap;
use hyper::header::{IF_MATCH, IF_NONE_MATCH};
use s3s::dto::{CopyObjectInput, CopyObjectOutput, CopyObjectResult, CopySource, ETag, ETagCondition};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Endpoint;
use super::checksum::tell;
use super::described::{
    check_key, check_version, described, etag_match, refuse, refuse_extras, seconds, timestamp,
    write_condition,
};
use super::errors::s3;
use super::write::algorithm_of;
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::state::{State, now};
use crate::infra::object_server::store::bucket::OpenObject;
use crate::infra::object_server::store::condition::{ReadConditions, Verdict, WriteCondition};
use crate::infra::object_server::store::object::{Algorithm, Checksums, ObjectHeader};
use crate::infra::object_server::store::receive::{Digests, Filling, MAX_BODY, Received};
use crate::infra::object_server::store::uploads::copy_into;
use crate::infra::object_server::store::{StoreError, failed, frame};

/// The conditions on a copy's source, out of any input that has them.
macro_rules! source_conditions {
    ($input:expr) => {
        ReadConditions {
            if_match: $input.copy_source_if_match.take().map(etag_match),
            if_none_match: $input.copy_source_if_none_match.take().map(etag_match),
            if_modified_since: $input.copy_source_if_modified_since.take().map(seconds),
            if_unmodified_since: $input.copy_source_if_unmodified_since.take().map(seconds),
        }
    };
}

pub(super) use source_conditions;

impl Endpoint {
    pub(super) async fn copy(
        &self,
        req: S3Request<CopyObjectInput>,
    ) -> S3Result<S3Response<CopyObjectOutput>> {
        let mut input = req.input;
        let condition = target_condition(&req.headers)?;
        check_key(&input.key)?;
        refuse_extras!(input);
        refuse!(input; copy_source_sse_customer_algorithm, copy_source_sse_customer_key,
            tagging_directive, expected_source_bucket_owner);
        let replace = match input.metadata_directive.as_ref().map(s3s::dto::MetadataDirective::as_str) {
            None | Some("COPY") => false,
            Some("REPLACE") => true,
            Some(_) => return Err(s3_error!(InvalidArgument, "the metadata directive is COPY or REPLACE")),
        };
        if !replace && is_itself(&input) {
            return Err(s3_error!(InvalidRequest, "a copy onto itself must replace the metadata"));
        }
        let conditions = source_conditions!(input);
        let source = self.open_source(&input.copy_source, &conditions).await?;
        if source.header.size > MAX_BODY {
            return Err(s3_error!(InvalidRequest, "the source is larger than 5 GiB; copy it in parts"));
        }
        let described = if replace { described!(input)? } else { source.header.described.clone() };
        let algorithm =
            algorithm_of(input.checksum_algorithm.as_ref().map(s3s::dto::ChecksumAlgorithm::as_str))?;
        let algorithms = algorithm.map_or_else(|| source.header.checksums.algorithms(), |a| vec![a]);
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let state = Arc::clone(&self.state);
        let header = blocking(move || {
            let mut header = ObjectHeader {
                key: input.key,
                size: source.header.size,
                etag: String::new(),
                modified: now(),
                described,
                checksums: Checksums::default(),
            };
            let offset = frame::body_offset(Path::new("header"), &header)?;
            let size = source.header.size;
            let received = copy_bytes(&state, source, 0, size, offset, &algorithms)?;
            header.etag = hex::encode(received.digested.md5);
            header.checksums = received.digested.checksums.clone();
            bucket.publish(received, &header, &condition)?;
            Ok(header)
        })
        .await
        .map_err(s3)?;
        let mut result = CopyObjectResult {
            e_tag: Some(ETag::Strong(header.etag)),
            last_modified: Some(timestamp(header.modified)),
            ..Default::default()
        };
        tell!(result, header.checksums);
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..Default::default() }))
    }

    /// Opens a copy's source, if its conditions hold.
    pub(super) async fn open_source(
        &self,
        source: &CopySource,
        conditions: &ReadConditions,
    ) -> S3Result<OpenObject> {
        let CopySource::Bucket { bucket, key, version_id } = source else {
            return Err(s3_error!(NotImplemented, "a copy source is a bucket and a key"));
        };
        check_version(version_id.as_deref())?;
        let open = self.open(bucket, key.to_string()).await?;
        match conditions.judge(&open.header.etag, open.header.modified) {
            Verdict::Read => Ok(open),
            Verdict::Failed | Verdict::NotModified => Err(s3_error!(PreconditionFailed)),
        }
    }
}

/// The condition on what is there already: the library does not read it of a copy ("CopyObject",
/// Amazon S3 API Reference).
fn target_condition(headers: &HeaderMap) -> S3Result<WriteCondition> {
    let etag = |name| {
        let text = headers.get(name).map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
        text.map(|text| match text.trim() {
            "*" => Ok(ETagCondition::Any),
            text => ETag::parse_http_header(text.as_bytes())
                .map(ETagCondition::ETag)
                .map_err(|_| s3_error!(InvalidArgument, "a condition holds one ETag in quotes, or *")),
        })
        .transpose()
    };
    write_condition(etag(IF_MATCH)?.as_ref(), etag(IF_NONE_MATCH)?.as_ref())
}

fn is_itself(input: &CopyObjectInput) -> bool {
    match &input.copy_source {
        CopySource::Bucket { bucket, key, .. } => **bucket == *input.bucket && **key == *input.key,
        _ => false,
    }
}

/// Copies a stretch of an object into a temporary file.
pub(super) fn copy_bytes(
    state: &State,
    mut source: OpenObject,
    start: u64,
    length: u64,
    body_offset: u64,
    algorithms: &[Algorithm],
) -> Result<Received, StoreError> {
    let path = Path::new("source of a copy");
    let at = SeekFrom::Start(source.body_offset + start);
    source.file.seek(at).map_err(failed("seek", path))?;
    let mut filling = Filling::begin(&state.root, body_offset, Digests::new(algorithms))?;
    let mut buffer = vec![0u8; 256 << 10];
    copy_into(&mut filling, &mut source.file, length, &mut buffer, path)?;
    Ok(filling.end())
}
