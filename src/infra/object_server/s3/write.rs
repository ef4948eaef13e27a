//! Putting and deleting objects.

use s3s::dto::{
    DeleteObjectInput, DeleteObjectOutput, DeleteObjectsInput, DeleteObjectsOutput, DeletedObject, ETag,
    Error, PutObjectInput, PutObjectOutput,
};
use s3s::{S3Request, S3Response, S3Result, s3_error};

use super::Endpoint;
use super::checksum::{Expected, stated, tell};
use super::described::{check_key, check_version, described, refuse, refuse_extras, write_condition};
use super::errors::s3;
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::state::now;
use crate::infra::object_server::store::condition::WriteCondition;
use crate::infra::object_server::store::frame;
use crate::infra::object_server::store::object::{Algorithm, Checksums, ObjectHeader};
use crate::infra::object_server::store::receive::receive;

impl Endpoint {
    /// Stores a body under a key; `length` is what the client announced.
    pub(super) async fn put(
        &self,
        req: S3Request<PutObjectInput>,
        length: Option<u64>,
    ) -> S3Result<S3Response<PutObjectOutput>> {
        let mut input = req.input;
        check_key(&input.key)?;
        refuse_extras!(input);
        refuse!(input; write_offset_bytes);
        let condition = write_condition(input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let described = described!(input)?;
        let algorithm =
            algorithm_of(input.checksum_algorithm.as_ref().map(s3s::dto::ChecksumAlgorithm::as_str))?;
        let expected = Expected::new(
            input.content_md5.as_deref(),
            stated!(input),
            algorithm,
            &req.headers,
            req.trailing_headers,
        )?;
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        let mut header = ObjectHeader {
            key: input.key,
            size: 0,
            etag: String::new(),
            modified: now(),
            described,
            checksums: Checksums::default(),
        };
        let offset = frame::body_offset(std::path::Path::new("header"), &header).map_err(s3)?;
        let body = input.body.ok_or_else(|| s3_error!(IncompleteBody))?;
        let received =
            receive(self.state.root.clone(), offset, expected.digests(), length, body).await.map_err(s3)?;
        expected.verify(&received.digested).map_err(s3)?;
        header.size = received.size;
        header.etag = hex::encode(received.digested.md5);
        header.checksums = received.digested.checksums.clone();
        header.modified = now();
        let header = blocking(move || bucket.publish(received, &header, &condition).map(|()| header))
            .await
            .map_err(s3)?;
        let mut output = PutObjectOutput { e_tag: Some(ETag::Strong(header.etag)), ..Default::default() };
        tell!(output, header.checksums);
        Ok(S3Response::new(output))
    }

    pub(super) async fn delete(&self, input: DeleteObjectInput) -> S3Result<S3Response<DeleteObjectOutput>> {
        check_key(&input.key)?;
        check_version(input.version_id.as_deref())?;
        refuse!(input; if_match_last_modified_time, if_match_size, mfa, expected_bucket_owner);
        let condition = write_condition(input.if_match.as_ref(), None)?;
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        blocking(move || bucket.remove(&input.key, &condition)).await.map_err(s3)?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    pub(super) async fn delete_many(
        &self,
        input: DeleteObjectsInput,
    ) -> S3Result<S3Response<DeleteObjectsOutput>> {
        refuse!(input; mfa, expected_bucket_owner);
        // "Deleting multiple objects", Amazon S3 User Guide.
        if input.delete.objects.is_empty() || input.delete.objects.len() > 1000 {
            return Err(s3_error!(MalformedXML));
        }
        let quiet = input.delete.quiet.unwrap_or(false);
        let bucket = self.state.bucket(&input.bucket).map_err(s3)?;
        blocking(move || {
            let (mut deleted, mut errors) = (Vec::new(), Vec::new());
            for object in input.delete.objects {
                let refused = check_key(&object.key)
                    .and_then(|()| check_version(object.version_id.as_deref()))
                    .and_then(|()| {
                        refuse!(object; e_tag, last_modified_time, size);
                        bucket.remove(&object.key, &WriteCondition::Always).map_err(s3)
                    });
                match refused {
                    Ok(()) if quiet => {}
                    Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..Default::default() }),
                    Err(error) => errors.push(Error {
                        code: Some(error.code().as_str().to_owned()),
                        key: Some(object.key),
                        message: error.message().map(str::to_owned),
                        version_id: None,
                    }),
                }
            }
            Ok(DeleteObjectsOutput { deleted: Some(deleted), errors: Some(errors), request_charged: None })
        })
        .await
        .map(S3Response::new)
        .map_err(s3)
    }
}

/// A checksum algorithm by S3's name.
pub(super) fn algorithm_of(name: Option<&str>) -> S3Result<Option<Algorithm>> {
    name.map(|name| {
        Algorithm::parse(name)
            .ok_or_else(|| s3_error!(NotImplemented, "checksums of this kind are not implemented"))
    })
    .transpose()
}

/// The announced length of a body, which a PUT must have.
pub(super) fn announced(length: Option<i64>) -> S3Result<Option<u64>> {
    let length = length.ok_or_else(|| s3_error!(MissingContentLength))?;
    u64::try_from(length).map(Some).map_err(|_| s3_error!(InvalidArgument, "the content length is negative"))
}
