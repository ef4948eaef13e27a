//! What a request may ask for beside its operation: headers and parameters that this endpoint
//! honours, or that mean nothing. All others answer 501: one that is passed over could be the one
//! without which the client would not have written.

use hyper::header::{CONTENT_RANGE, HeaderName, IF_MATCH, IF_NONE_MATCH, IF_UNMODIFIED_SINCE};
use hyper::{HeaderMap, Uri};
use s3s::{S3Error, S3Result, s3_error};

use crate::infra::object_server::names::percent_decode;

/// They say who asks and when, or nothing that changes an answer.
const HARMLESS: &[&str] = &[
    "x-amz-content-sha256",
    "x-amz-date",
    "x-amz-request-payer",
    "x-amz-security-token",
    "x-amz-user-agent",
];
/// How a body travels, and its checksums.
const BODY: &[&str] = &[
    "x-amz-checksum-algorithm",
    "x-amz-checksum-crc32",
    "x-amz-checksum-crc32c",
    "x-amz-checksum-crc64nvme",
    "x-amz-checksum-sha1",
    "x-amz-checksum-sha256",
    "x-amz-checksum-type",
    "x-amz-decoded-content-length",
    "x-amz-sdk-checksum-algorithm",
    "x-amz-trailer",
];
/// What an object is said to be; the values are looked at later.
const DESCRIBED: &[&str] = &["x-amz-acl", "x-amz-meta-", "x-amz-storage-class"];
/// Where a copy comes from.
const SOURCE: &[&str] = &[
    "x-amz-copy-source",
    "x-amz-copy-source-if-match",
    "x-amz-copy-source-if-modified-since",
    "x-amz-copy-source-if-none-match",
    "x-amz-copy-source-if-unmodified-since",
];

/// The headers that an operation takes beside [`HARMLESS`]. One that ends in a hyphen stands for all
/// that begin so.
fn headers_of(operation: &str) -> Vec<&'static str> {
    let lists: &[&[&str]] = match operation {
        "PutObject" => &[BODY, DESCRIBED],
        "CreateMultipartUpload" => {
            &[DESCRIBED, &["x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-sdk-checksum-algorithm"]]
        }
        "CopyObject" => &[DESCRIBED, SOURCE, &["x-amz-checksum-algorithm", "x-amz-metadata-directive"]],
        "UploadPartCopy" => &[SOURCE, &["x-amz-copy-source-range"]],
        "UploadPart" | "DeleteObjects" | "PostObject" => &[BODY],
        "CompleteMultipartUpload" => &[BODY, &["x-amz-mp-object-size"]],
        "GetObject" | "HeadObject" => &[&["x-amz-checksum-mode"]],
        _ => &[],
    };
    lists.iter().flat_map(|list| list.iter().copied()).collect()
}

/// The conditions that a write honours.
fn conditions_of(operation: &str) -> &'static [HeaderName] {
    match operation {
        "PutObject" | "CopyObject" | "CompleteMultipartUpload" => &[IF_MATCH, IF_NONE_MATCH],
        "DeleteObject" => &[IF_MATCH],
        _ => &[],
    }
}

/// The parameters that a write takes, in small letters.
const PARAMETERS: &[&str] = &[
    "delete",
    "partnumber",
    "uploadid",
    "uploads",
    "versionid",
    "x-amz-algorithm",
    "x-amz-credential",
    "x-amz-expires",
    "x-amz-signature",
    "x-amz-signedheaders",
    "x-id",
];

/// Whether an operation only reads.
fn reads(operation: &str) -> bool {
    ["Get", "Head", "List"].iter().any(|verb| operation.starts_with(verb))
}

fn refused(what: &str) -> S3Error {
    s3_error!(NotImplemented, "{what} is not implemented")
}

/// Refuses what would be passed over.
pub(super) fn check(operation: &str, headers: &HeaderMap, uri: &Uri) -> S3Result<()> {
    let taken = headers_of(operation);
    let takes = |name: &str| {
        HARMLESS.contains(&name)
            || taken.iter().any(|it| *it == name || (it.ends_with('-') && name.starts_with(it)))
    };
    let amz = headers.keys().map(HeaderName::as_str).filter(|name| name.starts_with("x-amz-"));
    if let Some(name) = amz.into_iter().find(|name| !takes(name)) {
        return Err(refused(name));
    }
    if reads(operation) {
        return Ok(());
    }
    check_conditions(operation, headers)?;
    check_parameters(uri)
}

fn check_conditions(operation: &str, headers: &HeaderMap) -> S3Result<()> {
    let honoured = conditions_of(operation);
    for name in [IF_MATCH, IF_NONE_MATCH] {
        let count = headers.get_all(&name).iter().count();
        if count > 1 || (count == 1 && !honoured.contains(&name)) {
            return Err(refused(&format!("{name} with {operation}")));
        }
    }
    // One that is no date is to be ignored, and If-Modified-Since with any write (RFC 9110,
    // sections 13.1.3 and 13.1.4).
    let since = headers.get(IF_UNMODIFIED_SINCE).and_then(|value| value.to_str().ok());
    if since.is_some_and(|value| httpdate::parse_http_date(value).is_ok()) {
        return Err(refused(&format!("{IF_UNMODIFIED_SINCE} with {operation}")));
    }
    // A part of an object would become the whole (RFC 9110, section 14.5).
    if headers.contains_key(CONTENT_RANGE) {
        return Err(refused("content-range"));
    }
    Ok(())
}

/// A subresource that is not known would make a write one of the object itself.
fn check_parameters(uri: &Uri) -> S3Result<()> {
    for pair in uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let name = percent_decode(name, true).ok_or_else(|| s3_error!(InvalidURI))?.to_ascii_lowercase();
        let known = PARAMETERS.contains(&&*name) || HARMLESS.contains(&&*name) || BODY.contains(&&*name);
        let usual = matches!((&*name, value), ("x-amz-acl", "private") | ("x-amz-storage-class", "STANDARD"));
        if !known && !usual {
            return Err(refused(&format!("the parameter {name}")));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn takes(operation: &str, uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        check(operation, &headers, &uri.parse().unwrap()).is_ok()
    }

    #[test]
    fn every_operation_that_a_key_may_use_refuses_a_header_nobody_knows() {
        for operation in super::super::access::ALLOWED {
            assert!(!takes(operation, "/b/k", &[("x-amz-something-new", "1")]), "{operation}");
            assert!(takes(operation, "/b/k", &[("x-amz-date", "20260101T000000Z")]), "{operation}");
        }
    }

    #[test]
    fn a_write_honours_its_conditions_or_refuses_them() {
        for operation in super::super::access::ALLOWED.iter().filter(|it| !reads(it)) {
            let honoured = conditions_of(operation);
            for (name, header) in [("if-match", IF_MATCH), ("if-none-match", IF_NONE_MATCH)] {
                let taken = takes(operation, "/b/k", &[(name, "*")]);
                assert_eq!(taken, honoured.contains(&header), "{operation} {name}");
                assert!(!takes(operation, "/b/k", &[(name, "*"), (name, "\"a\"")]), "{operation} {name}");
            }
            let since = ("if-unmodified-since", "Sun, 06 Nov 1994 08:49:37 GMT");
            assert!(!takes(operation, "/b/k", &[since]), "{operation}");
            assert!(takes(operation, "/b/k", &[("if-unmodified-since", "yesterday")]), "{operation}");
            assert!(!takes(operation, "/b/k", &[("content-range", "bytes 0-1/4")]), "{operation}");
            assert!(!takes(operation, "/b/k?somethingNew", &[]), "{operation}");
        }
        assert!(takes("GetObject", "/b/k?anything=1", &[("if-unmodified-since", "yesterday")]));
    }

    #[test]
    fn what_sdks_put_into_a_presigned_url_is_taken() {
        let uri = "/b/k?X-Amz-Algorithm=a&X-Amz-Content-Sha256=b&X-Amz-Signature=c&x-id=PutObject\
                   &x-amz-checksum-crc32=AAAAAA%3D%3D&x-amz-sdk-checksum-algorithm=CRC32";
        assert!(takes("PutObject", uri, &[]));
        assert!(!takes("PutObject", "/b/k?x-amz-acl=public-read", &[]));
        assert!(!takes("PutObject", "/b/k?x-amz-meta-a=b", &[]));
    }
}
