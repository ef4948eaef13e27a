//! Takes a token apart for a person. Nothing in it is believed.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use super::claims::{Claims, Expected};
use super::error::TokenError;
use crate::infra::crypto::jwt::{self, JwtError};

/// Something that is wrong with a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// A stable word.
    pub code: String,
    /// A sentence.
    pub message: String,
}

impl From<JwtError> for Problem {
    fn from(flaw: JwtError) -> Self {
        Self { code: flaw.code(), message: flaw.to_string() }
    }
}

/// A token in its parts.
#[derive(Debug, Clone, Serialize)]
pub struct Inspected {
    /// What its header says, if it can be read.
    pub header: Option<Map<String, Value>>,
    /// What its payload says, if it can be read.
    pub claims: Option<Map<String, Value>>,
    /// Whether it was checked, and what came of it: `not_checked`, `good`, `refused`.
    pub verdict: &'static str,
    pub problems: Vec<Problem>,
}

/// Takes a token apart, and says what is wrong with its form and its times. Whether it is genuine is
/// not looked at.
#[must_use]
pub fn inspect(token: &str, now: i64) -> Inspected {
    let mut problems = Vec::new();
    let mut parts = token.split('.').take(2).map(part);
    let header = parts.next().flatten();
    let claims = parts.next().flatten();
    if let Err(flaw) = jwt::Compact::cut(token).and_then(|token| token.header()) {
        problems.push(flaw.into());
    }
    if token.split('.').count() == 3 {
        match &claims {
            None => problems.push(JwtError::Payload.into()),
            Some(claims) => problems.extend(of_claims(claims, now)),
        }
    }
    Inspected { header, claims, verdict: "not_checked", problems }
}

impl Inspected {
    /// Adds what a check of the whole token said.
    #[must_use]
    pub fn with_verdict(mut self, checked: Result<Arc<Claims>, TokenError>) -> Self {
        match checked {
            Ok(_) => self.verdict = "good",
            Err(error) => {
                self.verdict = "refused";
                let problem = match error.flaw() {
                    Some(flaw) => flaw.into(),
                    None => Problem { code: "not_checked".to_owned(), message: error.to_string() },
                };
                if !self.problems.contains(&problem) {
                    self.problems.push(problem);
                }
            }
        }
        self
    }
}

fn part(text: &str) -> Option<Map<String, Value>> {
    if text.len() > jwt::MAX_BYTES {
        return None;
    }
    jwt::object(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()
}

/// What is wrong with claims whatever issuer and audience are expected.
fn of_claims(claims: &Map<String, Value>, now: i64) -> Option<Problem> {
    let issuer = claims.get("iss").and_then(Value::as_str).unwrap_or_default();
    let expected = Expected { issuers: &[issuer], audience: None, now };
    Claims::read(claims.clone(), expected).err().map(Problem::from)
}
