//! What the access tokens of a session may say: what was asked for when it began. A refresh asks for
//! the same, and for nothing more (RFC 6749, section 6).

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::super::error::TokenError;
use super::super::mint::NewToken;
use super::super::words::{Audience, ExtraClaim};
use crate::features::access::Permission;
use crate::features::iam::Subject;
use crate::infra::crypto::signing::Algorithm;
use crate::kernel::RealmRef;

/// The terms of a session; by default its tokens say all that the user may do.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(in crate::features::tokens) struct Terms {
    /// If any, a token allows these at most.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    permissions: Vec<Permission>,
    /// The same, written as `scope`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    scopes: Vec<Permission>,
    /// For whom a token is; absent: as the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    audience: Option<Audience>,
    /// How long a token is good, in seconds; absent: as the settings say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
    /// More claims.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    claims: Vec<ExtraClaim>,
    /// How a token is signed; absent: as usual.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    algorithm: Option<Algorithm>,
}

impl Terms {
    /// Of the first token of a session.
    #[must_use]
    pub(in crate::features::tokens) fn of(new: &NewToken, algorithm: Option<Algorithm>) -> Self {
        Self {
            permissions: new.permissions.clone(),
            scopes: new.scopes.clone(),
            audience: new.audience.clone(),
            ttl: new.ttl.map(|ttl| ttl.as_secs()),
            claims: new.claims.clone(),
            algorithm,
        }
    }

    /// The next token of a session: what its user has lost since is not in it.
    ///
    /// # Errors
    /// [`TokenError::NotHeld`] when nothing is left of what the session was given.
    pub(super) fn token(&self, subject: &Subject, realm: &RealmRef) -> Result<NewToken, TokenError> {
        let left = |given: &[Permission]| -> Result<Vec<Permission>, TokenError> {
            let left: Vec<_> = given.iter().filter(|one| subject.may(one.as_str())).cloned().collect();
            match given.first() {
                // An empty list would mean: everything.
                Some(first) if left.is_empty() => Err(TokenError::not_held(subject, realm, first.as_str())),
                _ => Ok(left),
            }
        };
        Ok(NewToken {
            ttl: self.ttl.map(Duration::from_secs),
            audience: self.audience.clone(),
            permissions: left(&self.permissions)?,
            scopes: left(&self.scopes)?,
            claims: self.claims.clone(),
            act_as: None,
            session: None,
        })
    }

    /// How its tokens are signed.
    #[must_use]
    pub(super) fn algorithm(&self) -> Algorithm {
        self.algorithm.unwrap_or(Algorithm::EdDsa)
    }

    pub(super) fn to_json(&self) -> Result<Value, TokenError> {
        serde_json::to_value(self)
            .map_err(|_| TokenError::Request("the session cannot be written".to_owned()))
    }

    /// What cannot be read allows nothing.
    pub(super) fn from_json(value: Value) -> Result<Self, TokenError> {
        serde_json::from_value(value).map_err(|_| TokenError::RefreshInvalid)
    }
}
