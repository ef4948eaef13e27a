//! The body of a request: strict JSON. What is not known is refused, with the nearest name that is.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use http_body_util::{BodyExt as _, LengthLimitError};
use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};

use super::Api;
use super::error::RequestError;
use super::problem::Problem;
use crate::kernel::suggest;

/// A part of a request that is written as a text, and read as a word that cannot be wrong.
#[derive(Debug, Clone)]
pub(super) struct Parsed<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Parsed<T> {
    fn deserialize<D: Deserializer<'de>>(reader: D) -> Result<Self, D::Error> {
        String::deserialize(reader)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// A body that is what a handler takes.
pub(super) struct Body<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(RequestError::NotJson.into());
        }
        let bytes = whole(request.into_body(), api.0.settings.body_bytes).await?;
        Ok(Self(parse(&bytes)?))
    }
}

/// All bytes of a body, of which a layer around lets so many through.
pub(super) async fn whole(body: axum::body::Body, limit: u32) -> Result<Bytes, RequestError> {
    let collected = body.collect().await.map_err(|error| {
        let mut cause: Option<&dyn std::error::Error> = Some(&error);
        while let Some(error) = cause {
            if error.is::<LengthLimitError>() {
                return RequestError::TooLarge(limit);
            }
            cause = error.source();
        }
        RequestError::Incomplete
    });
    Ok(collected?.to_bytes())
}

fn is_json(headers: &HeaderMap) -> bool {
    is_of_type(headers, "application/json")
}

/// Whether a body is declared as of a media type.
pub(super) fn is_of_type(headers: &HeaderMap, media_type: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case(media_type)
}

/// Reads a body. The message repeats no value: it may be a password.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, RequestError> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let inner = error.inner();
        if inner.is_syntax() || inner.is_eof() {
            let place = format!("line {}, column {}", inner.line(), inner.column());
            return RequestError::body("", format!("it is no JSON from {place} on"));
        }
        let pointer = pointer(error.path());
        let (reason, nearest) = reason(&inner.to_string());
        RequestError::Body { pointer, reason, nearest }
    })?;
    reader.end().map_err(|_| RequestError::body("", "there is more after its end"))?;
    Ok(value)
}

/// A path as RFC 6901 writes it.
fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    let mut text = String::new();
    for segment in path {
        text.push('/');
        match segment {
            Segment::Seq { index } => text.push_str(&index.to_string()),
            Segment::Map { key } => text.push_str(&key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => text.push_str(variant),
            Segment::Unknown => text.push('?'),
        }
    }
    text
}

/// What a reader said, without the value that it stumbled over, and the name that was meant, perhaps.
pub(super) fn reason(said: &str) -> (String, Option<String>) {
    let said = said.split(" at line ").next().unwrap_or(said);
    let Some(rest) = said.strip_prefix("unknown field `").or_else(|| said.strip_prefix("unknown variant `"))
    else {
        return (without_value(said), None);
    };
    let (name, expected) = rest.split_once('`').unwrap_or((rest, ""));
    let known = expected.split('`').skip(1).step_by(2);
    let nearest = suggest::nearest(name, known).map(str::to_owned);
    let what = if said.starts_with("unknown field") { "there is no field" } else { "there is no value" };
    (format!("{what} {name:?}"), nearest)
}

/// "invalid type: string \"x\", expected u32" holds what was sent.
fn without_value(said: &str) -> String {
    match (said.strip_prefix("invalid type: "), said.split_once(", expected ")) {
        (Some(_), Some((_, expected))) => format!("expected {expected}"),
        _ if said.starts_with("invalid value: ") => said
            .split_once(", expected ")
            .map_or("not a valid value".to_owned(), |(_, it)| format!("expected {it}")),
        _ => said.to_owned(),
    }
}

/// A field that may be missing, null, or a value; read by [`given`], and missing by default.
pub(super) type Given<T> = Option<Option<T>>;

/// A field that is given: null is a value, too.
pub(super) fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    reader: D,
) -> Result<Option<T>, D::Error> {
    T::deserialize(reader).map(Some)
}

/// Such a field as services take it.
pub(super) fn parsed<T>(given: Given<Parsed<T>>) -> Given<T> {
    given.map(|value| value.map(|it| it.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Inner {
        #[expect(dead_code, reason = "only read")]
        password: String,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Outer {
        #[expect(dead_code, reason = "only read")]
        users: Vec<Inner>,
    }

    fn wrong(text: &str) -> (String, String, Option<String>) {
        match parse::<Outer>(text.as_bytes()) {
            Err(RequestError::Body { pointer, reason, nearest }) => (pointer, reason, nearest),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_unknown_field_is_named_with_the_nearest_that_there_is() {
        let (pointer, reason, nearest) = wrong(r#"{"users":[{"pasword":"hunter2"}]}"#);
        assert_eq!((pointer.as_str(), nearest.as_deref()), ("/users/0/pasword", Some("password")));
        assert_eq!(reason, "there is no field \"pasword\"");
    }

    #[test]
    fn no_value_is_repeated() {
        for text in [r#"{"users":"hunter2"}"#, r#"{"users":["hunter2"]}"#, r#"{"users":[]}hunter2"#] {
            let (_, reason, _) = wrong(text);
            assert!(!reason.contains("hunter2"), "{reason}");
        }
    }
}
