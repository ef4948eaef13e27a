//! The query of a request, as strict as its body.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::Api;
use super::body::reason;
use super::error::RequestError;
use super::list::PageParams;
use super::problem::Problem;
use crate::kernel::suggest;

/// The query of a list: which part, and what it is filtered and sorted by.
pub(super) struct ListQuery<T> {
    pub(super) part: PageParams,
    pub(super) filter: T,
}

impl<T: DeserializeOwned> FromRequestParts<Api> for ListQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let (mut part, mut filter) = (String::new(), String::new());
        for (name, value) in form_urlencoded::parse(parts.uri.query().unwrap_or_default().as_bytes()) {
            let half = if PageParams::NAMES.contains(&&*name) { &mut part } else { &mut filter };
            let mut writer = form_urlencoded::Serializer::for_suffix(std::mem::take(half), 0);
            *half = writer.append_pair(&name, &value).finish();
        }
        Ok(Self { part: read(&part, &[])?, filter: read(&filter, &PageParams::NAMES)? })
    }
}

/// The query of what is no list.
pub(super) struct InQuery<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequestParts<Api> for InQuery<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        Ok(Self(read(parts.uri.query().unwrap_or_default(), &[])?))
    }
}

/// Reads parameters; `others` are names beside those of the type that an unknown one may have been meant for.
fn read<T: DeserializeOwned>(text: &str, others: &[&str]) -> Result<T, RequestError> {
    let reader = serde_urlencoded::Deserializer::new(form_urlencoded::parse(text.as_bytes()));
    serde_path_to_error::deserialize(reader).map_err(|error| {
        let (reason, nearest) = reason(&error.inner().to_string());
        let name = error.path().to_string();
        let nearest = nearest.or_else(|| suggest::nearest(&name, others.iter().copied()).map(str::to_owned));
        RequestError::Query { name, reason, nearest }
    })
}
