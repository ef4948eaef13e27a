//! Reads whose headers the S3 library refuses although HTTP says that they mean something, or that
//! they are to be ignored: other ranges than one of bytes, dates that are none, `If-Range`, lists of
//! ETags (RFC 9110, sections 13.1 and 14.2).
//!
//! The library checks the signature, which covers them, before it looks at them; then the request
//! goes through it once more without them, with what they mean beside it.

use hyper::header::{
    AUTHORIZATION, HeaderName, IF_MATCH, IF_MODIFIED_SINCE, IF_NONE_MATCH, IF_RANGE, IF_UNMODIFIED_SINCE,
    RANGE,
};
use hyper::http::Extensions;
use hyper::{HeaderMap, Method, Uri};
use s3s::dto::{Range, Timestamp, TimestampFormat};
use s3s::route::S3Route;
use s3s::service::S3Service;
use s3s::{Body, S3Request, S3Response, S3Result, StdError, s3_error};

use super::signing;
use crate::infra::object_server::store::condition::{EtagMatch, ReadConditions};
use crate::infra::object_server::store::object::ObjectHeader;

/// The headers that are taken out.
const TAKEN: [HeaderName; 6] =
    [RANGE, IF_RANGE, IF_MATCH, IF_NONE_MATCH, IF_MODIFIED_SINCE, IF_UNMODIFIED_SINCE];

/// The key whose signature of the request was found to be right.
#[derive(Debug, Clone)]
pub(super) struct Vouched(pub(super) String);

/// What a read asks for, out of its headers.
#[derive(Debug, Clone, Default)]
pub(super) struct Asked {
    pub(super) conditions: ReadConditions,
    range: Option<Range>,
    if_range: Option<String>,
}

impl Asked {
    fn of(headers: &HeaderMap) -> Self {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let date = |name| text(name).and_then(seconds);
        Self {
            conditions: ReadConditions {
                if_match: etags(headers, &IF_MATCH, false),
                if_none_match: etags(headers, &IF_NONE_MATCH, true),
                if_modified_since: date(IF_MODIFIED_SINCE),
                if_unmodified_since: date(IF_UNMODIFIED_SINCE),
            },
            // Names of units are the same in any case; a set of ranges may be ignored.
            range: text(RANGE).and_then(|range| Range::parse(&range.trim().to_ascii_lowercase()).ok()),
            if_range: headers
                .get(IF_RANGE)
                .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()),
        }
    }

    /// The range that is asked for of an object: of another than the client has a part of, none
    /// (RFC 9110, section 13.1.5).
    pub(super) fn range_of(&self, header: &ObjectHeader) -> Option<Range> {
        let same = self.if_range.as_deref().is_none_or(|validator| {
            validator == format!("\"{}\"", header.etag) || seconds(validator) == Some(header.modified)
        });
        self.range.filter(|_| same)
    }
}

fn seconds(text: &str) -> Option<i64> {
    let time = httpdate::parse_http_date(text).ok()?;
    i64::try_from(time.duration_since(std::time::UNIX_EPOCH).ok()?.as_secs()).ok()
}

/// The ETags that a header lists. `weak`: whether weak ones count (RFC 9110, section 8.8.3.2).
fn etags(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Option<EtagMatch> {
    let values: Vec<String> =
        headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes()).into_owned()).collect();
    if values.is_empty() {
        return None;
    }
    let all = values.join(",");
    if all.trim() == "*" {
        return Some(EtagMatch::Any);
    }
    let mut tags = Vec::new();
    let mut rest = all.trim();
    while !rest.is_empty() {
        let (is_weak, quoted) = rest.strip_prefix("W/").map_or((false, rest), |after| (true, after));
        let (tag, after) = match quoted.strip_prefix('"').and_then(|inner| inner.split_once('"')) {
            Some((tag, after)) => (tag, after),
            // Many clients leave the quotes out.
            None => quoted.split_once(',').unwrap_or((quoted, "")),
        };
        if weak || !is_weak {
            tags.push(tag.trim().to_owned());
        }
        rest = after.trim_start_matches([',', ' ', '\t']);
    }
    Some(EtagMatch::Among(tags))
}

/// Whether the library would refuse, or pass over, what HTTP gives a meaning.
fn needs_it(headers: &HeaderMap) -> bool {
    let is = |name: HeaderName, wrong: &dyn Fn(&str) -> bool| {
        let mut values = headers.get_all(name).iter();
        let first = values.next().map(|value| value.to_str());
        values.next().is_some() || first.is_some_and(|value| value.map_or(true, wrong))
    };
    let is_no_date = |text: &str| Timestamp::parse(TimestampFormat::HttpDate, text).is_err();
    let is_list = |text: &str| text.contains(',') || text.starts_with("W/");
    headers.contains_key(IF_RANGE)
        || is(RANGE, &|text| Range::parse(text).is_err())
        || is(IF_MODIFIED_SINCE, &is_no_date)
        || is(IF_UNMODIFIED_SINCE, &is_no_date)
        || is(IF_MATCH, &is_list)
        || is(IF_NONE_MATCH, &is_list)
}

/// Takes those requests up once their signature was checked.
pub(super) struct Lenient {
    /// The same service without this.
    pub(super) inner: S3Service,
}

#[async_trait::async_trait]
impl S3Route for Lenient {
    fn is_match(&self, method: &Method, _: &Uri, headers: &HeaderMap, _: &mut Extensions) -> bool {
        (method == Method::GET || method == Method::HEAD) && needs_it(headers)
    }

    async fn call(&self, mut req: S3Request<Body>) -> S3Result<S3Response<Body>> {
        signing::check(&req.headers, &req.uri)?;
        let signed_by = req.credentials.ok_or_else(|| s3_error!(AccessDenied, "Access Denied"))?.access_key;
        let asked = Asked::of(&req.headers);
        req.headers.remove(AUTHORIZATION);
        for name in TAKEN {
            req.headers.remove(name);
        }
        let mut again = hyper::Request::new(req.input);
        *again.method_mut() = req.method;
        *again.uri_mut() = without_signature(&req.uri)?;
        *again.headers_mut() = req.headers;
        *again.extensions_mut() = req.extensions;
        again.extensions_mut().insert(Vouched(signed_by));
        again.extensions_mut().insert(asked);
        let answer = self.inner.call(again).await.map_err(|error| {
            tracing::error!(error = %StdError::from(error), "a request could not be answered");
            s3_error!(InternalError)
        })?;
        let (parts, body) = answer.into_parts();
        let mut response = S3Response::new(body);
        response.status = Some(parts.status);
        response.headers = parts.headers;
        Ok(response)
    }
}

fn without_signature(uri: &Uri) -> S3Result<Uri> {
    let is_kept = |pair: &&str| !pair.to_ascii_lowercase().starts_with("x-amz-");
    let query: Vec<&str> = uri.query().unwrap_or_default().split('&').filter(is_kept).collect();
    let query = query.join("&");
    let path = uri.path();
    let text = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
    text.parse().map_err(|_| s3_error!(InvalidURI))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(list: &[(&'static str, &str)]) -> HeaderMap {
        list.iter().map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse().unwrap())).collect()
    }

    #[test]
    fn what_the_library_reads_as_http_does_is_left_to_it() {
        for (name, value) in [
            ("range", "bytes=0-4"),
            ("range", "bytes=-4"),
            ("if-match", "\"a\""),
            ("if-none-match", "*"),
            ("if-modified-since", "Sun, 06 Nov 1994 08:49:37 GMT"),
        ] {
            assert!(!needs_it(&headers(&[(name, value)])), "{name}: {value}");
        }
        for (name, value) in [
            ("range", "bytes=4-0"),
            ("range", "bytes=0-1,3-4"),
            ("range", "items=0-4"),
            ("if-match", "\"a\", \"b\""),
            ("if-modified-since", "Sunday, 06-Nov-94 08:49:37 GMT"),
            ("if-unmodified-since", "yesterday"),
            ("if-range", "\"a\""),
        ] {
            assert!(needs_it(&headers(&[(name, value)])), "{name}: {value}");
        }
    }

    #[test]
    fn lists_of_etags_are_read_with_and_without_quotes() {
        let list = headers(&[("if-match", "\"a,b\", W/\"c\" , d")]);
        let among = |tags: &[&str]| Some(EtagMatch::Among(tags.iter().map(|it| (*it).to_owned()).collect()));
        assert_eq!(etags(&list, &IF_MATCH, false), among(&["a,b", "d"]));
        assert_eq!(etags(&list, &IF_MATCH, true), among(&["a,b", "c", "d"]));
        assert_eq!(etags(&list, &IF_NONE_MATCH, true), None);
    }

    #[test]
    fn the_three_forms_of_a_date_are_one_moment_and_what_is_none_is_ignored() {
        for text in
            ["Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT", "Sun Nov  6 08:49:37 1994"]
        {
            assert_eq!(seconds(text), Some(784_111_777), "{text}");
        }
        assert_eq!(seconds("1994-11-06T08:49:37Z"), None);
    }
}
