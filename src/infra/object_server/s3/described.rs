//! Headers of a request as what the store keeps, and what no request may ask for here.

use std::collections::HashMap;

use s3s::dto::{ETag, ETagCondition, Timestamp};
use s3s::{S3Result, s3_error};

use crate::infra::object_server::names::is_object_key;
use crate::infra::object_server::store::condition::{EtagMatch, WriteCondition};
use crate::infra::object_server::store::object::Described;

/// User metadata may be so long: 2 KB ("Working with object metadata", Amazon S3 User Guide).
const MAX_METADATA: usize = 2048;

/// Takes what a writer says of an object out of any input that has those fields.
macro_rules! described {
    ($input:expr) => {
        $crate::infra::object_server::s3::described::finish(
            $crate::infra::object_server::store::object::Described {
                content_type: $input.content_type.take(),
                cache_control: $input.cache_control.take(),
                content_disposition: $input.content_disposition.take(),
                content_encoding: $input.content_encoding.take(),
                content_language: $input.content_language.take(),
                expires: $input.expires.take().map($crate::infra::object_server::s3::described::seconds),
                metadata: Default::default(),
            },
            $input.metadata.take(),
        )
    };
}

/// Answers 501 when any of these fields is given.
macro_rules! refuse {
    ($input:expr; $($field:ident),+ $(,)?) => {
        $(
            if $input.$field.is_some() {
                return Err(s3s::s3_error!(NotImplemented, concat!(stringify!($field), " is not implemented")));
            }
        )+
    };
}

/// Answers 501 to what no writer may ask for: encryption by the server, grants, locks, tags.
macro_rules! refuse_extras {
    ($input:expr) => {
        $crate::infra::object_server::s3::described::refuse!($input;
            sse_customer_algorithm, sse_customer_key, ssekms_key_id, ssekms_encryption_context,
            server_side_encryption, bucket_key_enabled, grant_full_control, grant_read, grant_read_acp,
            grant_write_acp, object_lock_legal_hold_status, object_lock_mode,
            object_lock_retain_until_date, tagging, website_redirect_location, expected_bucket_owner,
        );
        if $input.acl.as_ref().is_some_and(|acl| acl.as_str() != "private") {
            return Err(s3s::s3_error!(NotImplemented, "only the acl private is implemented"));
        }
        if $input.storage_class.as_ref().is_some_and(|class| class.as_str() != "STANDARD") {
            return Err(s3s::s3_error!(NotImplemented, "only the storage class STANDARD is implemented"));
        }
    };
}

pub(super) use {described, refuse, refuse_extras};

/// Checks and adds the user's metadata.
pub(super) fn finish(
    mut described: Described,
    metadata: Option<HashMap<String, String>>,
) -> S3Result<Described> {
    let metadata = metadata.unwrap_or_default();
    if metadata.iter().map(|(name, value)| name.len() + value.len()).sum::<usize>() > MAX_METADATA {
        return Err(s3_error!(MetadataTooLarge));
    }
    described.metadata = metadata.into_iter().collect();
    described.content_encoding = described.content_encoding.and_then(|e| without_chunking(&e));
    Ok(described)
}

/// `aws-chunked` tells how the body travelled, not what the object is.
fn without_chunking(encoding: &str) -> Option<String> {
    let kept: Vec<&str> =
        encoding.split(',').map(str::trim).filter(|e| !e.is_empty() && *e != "aws-chunked").collect();
    (!kept.is_empty()).then(|| kept.join(","))
}

/// Seconds since 1970.
pub(super) fn seconds(time: Timestamp) -> i64 {
    time::OffsetDateTime::from(time).unix_timestamp()
}

/// A time for an answer.
pub(super) fn timestamp(seconds: i64) -> Timestamp {
    time::OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(time::OffsetDateTime::UNIX_EPOCH).into()
}

/// Refuses a key that cannot be one.
pub(super) fn check_key(key: &str) -> S3Result<()> {
    if is_object_key(key) {
        Ok(())
    } else if key.len() > crate::infra::object_server::names::MAX_KEY_BYTES {
        Err(s3_error!(KeyTooLongError))
    } else {
        Err(s3_error!(InvalidArgument, "a key may not be empty nor hold control characters"))
    }
}

/// There is one version of anything here, called `null`.
pub(super) fn check_version(version: Option<&str>) -> S3Result<()> {
    match version {
        None | Some("null" | "") => Ok(()),
        Some(_) => Err(s3_error!(NotImplemented, "versions are not implemented")),
    }
}

/// The condition of a write.
pub(super) fn write_condition(
    if_match: Option<&ETagCondition>,
    if_none_match: Option<&ETagCondition>,
) -> S3Result<WriteCondition> {
    match (if_match, if_none_match) {
        (None, None) => Ok(WriteCondition::Always),
        (None, Some(ETagCondition::Any)) => Ok(WriteCondition::Absent),
        (Some(ETagCondition::Any), None) => Ok(WriteCondition::Present),
        // A weak one proves nothing of what would be written over (RFC 9110, section 13.1.1).
        (Some(ETagCondition::ETag(ETag::Weak(_))), None) => Err(s3_error!(PreconditionFailed)),
        (Some(ETagCondition::ETag(etag)), None) => Ok(WriteCondition::Matches(etag.value().to_owned())),
        _ => Err(s3_error!(NotImplemented, "a write takes If-Match, or If-None-Match: *")),
    }
}

/// The ETag condition of a read.
pub(super) fn etag_match(condition: ETagCondition) -> EtagMatch {
    match condition {
        ETagCondition::Any => EtagMatch::Any,
        ETagCondition::ETag(etag) => EtagMatch::One(etag.into_value()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_a_body_travelled_is_not_kept() {
        assert_eq!(without_chunking("aws-chunked"), None);
        assert_eq!(without_chunking("aws-chunked, gzip").as_deref(), Some("gzip"));
        assert_eq!(without_chunking("gzip,br").as_deref(), Some("gzip,br"));
    }
}
