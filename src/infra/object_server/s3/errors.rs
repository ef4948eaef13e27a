//! The store's answers in S3's words.

use s3s::{S3Error, S3ErrorCode, s3_error};

use crate::infra::object_server::store::StoreError;

/// S3's error for a store's. What the client cannot help is logged here, and told without paths.
pub(super) fn s3(error: StoreError) -> S3Error {
    match error {
        StoreError::NoSuchBucket => s3_error!(NoSuchBucket, "The specified bucket does not exist"),
        StoreError::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
        StoreError::NoSuchUpload => s3_error!(NoSuchUpload, "The specified upload does not exist."),
        StoreError::NoSuchAccessKey => s3_error!(InvalidAccessKeyId),
        StoreError::NotEmpty => s3_error!(BucketNotEmpty),
        StoreError::Foreign => s3_error!(AccessDenied, "Access Denied"),
        StoreError::PreconditionFailed => {
            s3_error!(PreconditionFailed, "At least one of the pre-conditions you specified did not hold")
        }
        StoreError::InvalidPart => s3_error!(InvalidPart, "A part could not be found or its ETag differs."),
        StoreError::InvalidPartOrder => s3_error!(InvalidPartOrder, "The parts are not in ascending order."),
        StoreError::PartTooSmall => s3_error!(EntityTooSmall, "A part is smaller than 5 MiB."),
        StoreError::BadDigest(what) => s3_error!(BadDigest, "The {what} you specified did not match"),
        StoreError::Incomplete => s3_error!(IncompleteBody),
        StoreError::TooLarge => s3_error!(EntityTooLarge),
        StoreError::Stalled => s3_error!(RequestTimeout),
        StoreError::Body(reason) if reason.contains("SignatureMismatch") => s3_error!(SignatureDoesNotMatch),
        StoreError::Body(reason) => {
            tracing::debug!(reason, "a body could not be read");
            s3_error!(InvalidRequest, "the body could not be read, or is not the one that was signed")
        }
        error if error.is_full() => {
            tracing::error!(%error, "the disk is full");
            let mut answer = S3Error::with_message(
                S3ErrorCode::from_bytes(b"StorageFull").unwrap_or(S3ErrorCode::InternalError),
                "The store has no room on its disk.",
            );
            answer.set_status_code(hyper::StatusCode::INSUFFICIENT_STORAGE);
            answer
        }
        StoreError::Io { .. } | StoreError::Damaged { .. } | StoreError::Broken => {
            tracing::error!(%error, "the object store failed");
            S3Error::new(S3ErrorCode::InternalError)
        }
    }
}
