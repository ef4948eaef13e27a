//! The body of a request: a form, read strictly (RFC 6749, appendix B and section 3.2).

use std::collections::BTreeSet;

use axum::extract::{FromRequest, Request};
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

use super::super::Api;
use super::super::body::{is_of_type, whole};
use super::super::problem::Problem;
use super::refusal::Refusal;

/// What a handler takes. What it does not know is ignored, and what has no value is not there, as the RFC wants it.
pub(super) struct Form<T>(pub(super) T);

impl<T: DeserializeOwned> FromRequest<Api> for Form<T> {
    type Rejection = Refusal;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Refusal> {
        if !is_of_type(request.headers(), "application/x-www-form-urlencoded") {
            return Err(Refusal::invalid_request("send Content-Type: application/x-www-form-urlencoded"));
        }
        let bytes = whole(request.into_body(), api.0.settings.body_bytes).await.map_err(Problem::from)?;
        read(&bytes).map(Self)
    }
}

fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Refusal> {
    let mut seen = BTreeSet::new();
    let mut kept = form_urlencoded::Serializer::new(String::new());
    for (name, value) in form_urlencoded::parse(bytes) {
        if !value.is_empty() {
            kept.append_pair(&name, &value);
        }
        if !seen.insert(name) {
            return Err(Refusal::invalid_request("a parameter is there twice"));
        }
    }
    let kept = Zeroizing::new(kept.finish());
    serde_urlencoded::from_str(&kept).map_err(|_| Refusal::invalid_request("a parameter is not readable"))
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    struct Both {
        a: Option<String>,
        b: Option<String>,
    }

    #[test]
    fn a_parameter_is_there_once_and_without_a_value_not_at_all() {
        let both: Both = read(b"a=x+y%26&b=&other=1").ok().unwrap();
        assert_eq!((both.a.as_deref(), both.b), (Some("x y&"), None));
        for twice in ["a=x&a=y", "a=x&a=", "other=1&other=1", "a=1&%61=2"] {
            assert!(read::<Both>(twice.as_bytes()).is_err(), "{twice}");
        }
    }
}
