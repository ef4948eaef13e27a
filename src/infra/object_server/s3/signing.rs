//! What the signature must cover. The signature itself is checked by the S3 library; it does not
//! ask whether headers that change what a request means were signed with it.

use hyper::{HeaderMap, Uri};
use s3s::{S3Error, S3Result, s3_error};

use crate::infra::object_server::names::percent_decode;

/// Longest life of a presigned URL: seven days ("Authenticating Requests: Using Query Parameters").
const MAX_EXPIRES: u32 = 604_800;

/// Requires signature version 4 for S3, with the host and every `x-amz-` header under it. Whoever
/// holds a presigned URL could otherwise add, say, a copy source to it.
pub(super) fn check(headers: &HeaderMap, uri: &Uri) -> S3Result<()> {
    let query = query_of(uri).ok_or_else(|| s3_error!(InvalidURI))?;
    let unique = |name: &str| {
        let mut values = query.iter().filter(|(n, _)| n == name).map(|(_, v)| v.as_str());
        values.next().filter(|_| values.next().is_none())
    };
    if query.iter().any(|(name, _)| matches!(name.as_str(), "Signature" | "AWSAccessKeyId")) {
        return Err(old_signature());
    }
    let (credential, signed) = if query.iter().any(|(name, _)| name == "X-Amz-Signature") {
        let expires: u32 =
            unique("X-Amz-Expires").and_then(|e| e.parse().ok()).ok_or_else(|| s3_error!(AccessDenied))?;
        if expires > MAX_EXPIRES {
            return Err(s3_error!(AuthorizationQueryParametersError, "X-Amz-Expires is longer than a week"));
        }
        (unique("X-Amz-Credential"), unique("X-Amz-SignedHeaders"))
    } else {
        let value = headers.get(hyper::header::AUTHORIZATION).and_then(|v| v.to_str().ok());
        let fields = value.and_then(|v| v.strip_prefix("AWS4-HMAC-SHA256")).ok_or_else(old_signature)?;
        let field = |name: &str| {
            fields.split(',').find_map(|f| f.trim().strip_prefix(name).and_then(|f| f.strip_prefix('=')))
        };
        (field("Credential"), field("SignedHeaders"))
    };
    if !credential.is_some_and(|c| c.ends_with("/s3/aws4_request")) {
        return Err(s3_error!(AccessDenied, "the credential scope must name the service s3"));
    }
    covers(headers, signed.unwrap_or_default())
}

fn covers(headers: &HeaderMap, signed: &str) -> S3Result<()> {
    let signed: Vec<&str> = signed.split(';').collect();
    if !signed.contains(&"host") {
        return Err(s3_error!(AccessDenied, "the host is not signed"));
    }
    for name in headers.keys().map(hyper::header::HeaderName::as_str) {
        // The body's own hash only adds a check, and the agent's name means nothing.
        let harmless = matches!(name, "x-amz-content-sha256" | "x-amz-user-agent");
        if name.starts_with("x-amz-") && !harmless && !signed.contains(&name) {
            return Err(s3_error!(AccessDenied, "the header {name} is not signed"));
        }
    }
    Ok(())
}

fn old_signature() -> S3Error {
    s3_error!(AccessDenied, "only signature version 4 is accepted")
}

fn query_of(uri: &Uri) -> Option<Vec<(String, String)>> {
    let pairs = uri.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            Some((percent_decode(name, true)?, percent_decode(value, true)?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(uri: &str, headers: &[(&'static str, &str)]) -> bool {
        let headers = headers.iter().map(|(n, v)| (n.parse().unwrap(), v.parse().unwrap())).collect();
        check(&headers, &uri.parse().unwrap()).is_ok()
    }

    const SIGNED: &str =
        "/b/k?X-Amz-Signature=0&X-Amz-Expires=60&X-Amz-Credential=A%2F20260101%2Fr%2Fs3%2Faws4_request";

    #[test]
    fn a_presigned_url_takes_no_further_amz_headers() {
        let uri = format!("{SIGNED}&X-Amz-SignedHeaders=host");
        assert!(judge(&uri, &[("content-type", "text/plain")]));
        assert!(!judge(&uri, &[("x-amz-copy-source", "/b/other")]));
        assert!(!judge(&uri, &[("x-amz-meta-a", "b")]));
        assert!(!judge(SIGNED, &[]));
        assert!(judge(
            &format!("{SIGNED}&X-Amz-SignedHeaders=host%3Bx-amz-meta-a"),
            &[("x-amz-meta-a", "b")]
        ));
    }

    #[test]
    fn other_signatures_are_refused() {
        let v4 = "AWS4-HMAC-SHA256 Credential=A/20260101/r/s3/aws4_request, SignedHeaders=host, Signature=0";
        assert!(judge("/b/k", &[("authorization", v4)]));
        assert!(!judge("/b/k", &[("authorization", &v4.replace("/s3/", "/sts/"))]));
        assert!(!judge("/b/k", &[("authorization", "AWS A:b")]));
        assert!(!judge("/b/k?Signature=a", &[("authorization", v4)]));
        assert!(!judge("/b/k", &[]));
    }
}
