//! Who may do what: every request is signed by a known key, and reaches only that key's buckets.
//! What is not named here is denied.

use std::sync::Arc;

use s3s::access::{S3Access, S3AccessContext};
use s3s::auth::{S3Auth, SecretKey};
use s3s::dto::{CopyObjectInput, CopySource, PostObjectInput, UploadPartCopyInput};
use s3s::path::S3Path;
use s3s::{S3Request, S3Result, s3_error};

use super::lenient::Vouched;
use super::{gate, signing};
use crate::infra::object_server::blocking::blocking;
use crate::infra::object_server::crowd::{Life, TooMany};
use crate::infra::object_server::state::State;
use crate::infra::object_server::store::keys::KeyRecord;
use crate::kernel::ExposeSecret;

/// What a key may do in its own buckets.
pub(super) const ALLOWED: [&str; 19] = [
    "AbortMultipartUpload",
    "CompleteMultipartUpload",
    "CopyObject",
    "CreateMultipartUpload",
    "DeleteObject",
    "DeleteObjects",
    "GetBucketLocation",
    "GetObject",
    "HeadBucket",
    "HeadObject",
    "ListBuckets",
    "ListMultipartUploads",
    "ListObjects",
    "ListObjectsV2",
    "ListParts",
    "PostObject",
    "PutObject",
    "UploadPart",
    "UploadPartCopy",
];

/// The key that signed the request, for what comes after the check.
#[derive(Debug, Clone)]
pub(crate) struct Signer(pub(crate) Arc<KeyRecord>);

/// Looks secrets up for the signature check.
pub(crate) struct Secrets(pub(crate) Arc<State>);

#[async_trait::async_trait]
impl S3Auth for Secrets {
    async fn get_secret_key(&self, access_key: &str) -> S3Result<SecretKey> {
        let record = self.0.keys.usable(access_key).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        let Some(secret) = self.0.keys.secret(&record) else {
            tracing::error!(access_key, "the secret of an access key does not open; the key is refused");
            return Err(s3_error!(InvalidAccessKeyId));
        };
        Ok(SecretKey::from(secret.expose_secret()))
    }
}

/// Decides.
pub(crate) struct Access(pub(crate) Arc<State>);

fn denied() -> s3s::S3Error {
    s3_error!(AccessDenied, "Access Denied")
}

#[async_trait::async_trait]
impl S3Access for Access {
    async fn check(&self, cx: &mut S3AccessContext<'_>) -> S3Result<()> {
        let vouched = cx.extensions_mut().get::<Vouched>().cloned();
        let signed_by = match &vouched {
            Some(Vouched(key)) => key.clone(),
            None => cx.credentials().ok_or_else(denied)?.access_key.clone(),
        };
        let record = self.0.keys.usable(&signed_by).ok_or_else(|| s3_error!(InvalidAccessKeyId))?;
        let operation = cx.s3_op().name();
        // A form's signature is in its fields; `post_object` below looks at it.
        if operation != "PostObject" && vouched.is_none() {
            signing::check(cx.headers(), cx.uri())?;
        }
        let own = match cx.s3_path() {
            S3Path::Root => operation == "ListBuckets",
            S3Path::Bucket { bucket } | S3Path::Object { bucket, .. } => reaches(&record, bucket),
        };
        if !own || operation == "CreateBucket" {
            return Err(denied());
        }
        if let ("DeleteBucket", S3Path::Bucket { bucket }) = (operation, cx.s3_path()) {
            return Err(self.why_not_deleted(bucket).await?);
        }
        if !ALLOWED.contains(&operation) {
            return Err(s3_error!(NotImplemented, "this endpoint does not implement {operation}"));
        }
        gate::check(operation, cx.headers(), cx.uri())?;
        if let Some(life) = cx.extensions_mut().get::<Arc<Life>>() {
            life.work(Some(&signed_by)).map_err(|TooMany| s3_error!(SlowDown))?;
        }
        cx.extensions_mut().insert(Signer(record));
        Ok(())
    }

    async fn copy_object(&self, req: &mut S3Request<CopyObjectInput>) -> S3Result<()> {
        source_is_own(req.extensions.get(), &req.input.copy_source)
    }

    async fn upload_part_copy(&self, req: &mut S3Request<UploadPartCopyInput>) -> S3Result<()> {
        source_is_own(req.extensions.get(), &req.input.copy_source)
    }

    async fn post_object(&self, req: &mut S3Request<PostObjectInput>) -> S3Result<()> {
        // Only version 4 signatures name a region, and they cannot be made without a policy.
        if req.region.is_none() || req.service.as_deref() != Some("s3") { Err(denied()) } else { Ok(()) }
    }
}

impl Access {
    /// A bucket goes with its tenant, so its key may not delete it; one that holds something is
    /// told so first, as S3 does.
    async fn why_not_deleted(&self, bucket: &str) -> S3Result<s3s::S3Error> {
        let bucket = self.0.bucket(bucket).map_err(|_| denied())?;
        let (objects, _) = blocking(move || bucket.usage()).await.map_err(|_| s3_error!(InternalError))?;
        Ok(if objects > 0 { s3_error!(BucketNotEmpty) } else { denied() })
    }
}

fn reaches(record: &KeyRecord, bucket: &str) -> bool {
    record.buckets.iter().any(|own| own == bucket)
}

fn source_is_own(signer: Option<&Signer>, source: &CopySource) -> S3Result<()> {
    match (signer, source) {
        (Some(Signer(record)), CopySource::Bucket { bucket, .. }) if reaches(record, bucket) => Ok(()),
        _ => Err(denied()),
    }
}
