//! Versions of single things in headers: `ETag`, `If-Match`, `If-None-Match` (RFC 9110, sections 8.8.3 and
//! 13.1). A change is compared with what was expected by the service, in the transaction that makes it.

use axum::Json;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::IntoParams;
use utoipa::openapi::Required;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{ObjectBuilder, Type};

use super::Api;
use super::error::RequestError;
use super::problem::Problem;
use crate::kernel::{Expected, Version};

/// What a thing must be like for a change to be made (`If-Match`).
pub(super) struct IfMatch(pub(super) Expected);

impl FromRequestParts<Api> for IfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let tags = Tags::of(parts, &header::IF_MATCH, "If-Match")?;
        Ok(Self(match tags {
            None | Some(Tags::Any) => Expected::Any,
            // Compared strongly: a weak one is never alike.
            Some(Tags::Listed(tags)) => {
                Expected::OneOf(tags.into_iter().filter(|(weak, _)| !weak).map(|(_, tag)| tag).collect())
            }
        }))
    }
}

impl IntoParams for IfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        described("If-Match", "The ETag that the thing must still have; else the answer is 412")
    }
}

/// The same where a change must say what was seen.
pub(super) struct RequiredIfMatch(pub(super) Expected);

impl FromRequestParts<Api> for RequiredIfMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Problem> {
        if !parts.headers.contains_key(header::IF_MATCH) {
            return Err(RequestError::NoIfMatch.into());
        }
        IfMatch::from_request_parts(parts, api).await.map(|IfMatch(expected)| Self(expected))
    }
}

impl IntoParams for RequiredIfMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let text = "The ETag that it must still have, else the answer is 412; `*` for any. Without it the answer is 428";
        let mut all = described("If-Match", text);
        for parameter in &mut all {
            parameter.required = Required::True;
        }
        all
    }
}

/// What whoever asks knows already (`If-None-Match`).
pub(super) struct IfNoneMatch(Option<Tags>);

impl FromRequestParts<Api> for IfNoneMatch {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Ok(Self(Tags::of(parts, &header::IF_NONE_MATCH, "If-None-Match")?))
    }
}

impl IntoParams for IfNoneMatch {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        described(
            "If-None-Match",
            "The ETag that is known already; if it still is the thing's, the answer is 304",
        )
    }
}

impl IfNoneMatch {
    /// A thing, or 304 where it is known.
    pub(super) fn answer(&self, thing: &impl Serialize) -> Response {
        let version = Version::of(thing);
        let known = match &self.0 {
            None => false,
            Some(Tags::Any) => true,
            Some(Tags::Listed(tags)) => tags.iter().any(|(_, tag)| *tag == version),
        };
        if known {
            return (StatusCode::NOT_MODIFIED, [etag(&version)]).into_response();
        }
        ([etag(&version)], Json(thing)).into_response()
    }
}

/// A thing as it is after a change.
pub(super) fn changed(thing: &impl Serialize) -> Response {
    ([etag(&Version::of(thing))], Json(thing)).into_response()
}

/// A thing that was made, where it is, and what is said of it once.
pub(super) fn created(place: &str, thing: &impl Serialize, said: &impl Serialize) -> Response {
    let place = HeaderValue::from_str(place).map(|place| (header::LOCATION, place));
    let headers = place.into_iter().chain([etag(&Version::of(thing))]);
    let mut response = (StatusCode::CREATED, Json(said)).into_response();
    response.headers_mut().extend(headers);
    response
}

fn etag(version: &Version) -> (HeaderName, HeaderValue) {
    let text = format!("\"{}\"", version.as_str());
    (header::ETAG, HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("\"\"")))
}

/// The tags of a header; whether each is weak.
#[derive(Debug, PartialEq, Eq)]
enum Tags {
    Any,
    Listed(Vec<(bool, Version)>),
}

impl Tags {
    fn of(parts: &Parts, header: &HeaderName, name: &'static str) -> Result<Option<Self>, RequestError> {
        let wrong =
            || RequestError::Header { header: name, reason: "it should be *, or ETags in quotes".to_owned() };
        let mut all = Vec::new();
        for value in parts.headers.get_all(header) {
            all.push(value.to_str().map_err(|_| wrong())?);
        }
        if all.is_empty() {
            return Ok(None);
        }
        Self::parse(&all.join(",")).map(Some).ok_or_else(wrong)
    }

    /// None of ours has a comma; what has one is somebody else's, and matches nothing.
    fn parse(text: &str) -> Option<Self> {
        if text.trim() == "*" {
            return Some(Self::Any);
        }
        let tag = |text: &str| {
            let text = text.trim();
            let (weak, quoted) = text.strip_prefix("W/").map_or((false, text), |rest| (true, rest));
            let tag = quoted.strip_prefix('"')?.strip_suffix('"')?;
            Some((weak, Version::from(tag)))
        };
        text.split(',').map(tag).collect::<Option<_>>().map(Self::Listed)
    }
}

fn described(name: &str, text: &str) -> Vec<Parameter> {
    let schema = ObjectBuilder::new().schema_type(Type::String);
    let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Header);
    vec![parameter.description(Some(text)).schema(Some(schema)).build()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_a_star_or_a_list_in_quotes() {
        let one = |weak, tag: &str| (weak, Version::from(tag));
        assert_eq!(Tags::parse(" * "), Some(Tags::Any));
        assert_eq!(Tags::parse("\"a\", W/\"b\""), Some(Tags::Listed(vec![one(false, "a"), one(true, "b")])));
        for wrong in ["", "a", "\"a", "\"", "\"a\",", "w/\"a\""] {
            assert_eq!(Tags::parse(wrong), None, "{wrong}");
        }
    }
}
