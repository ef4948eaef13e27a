//! What a thing was like when somebody looked at it: so that nobody changes what they have not seen.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::Failure;

/// Fields that change without anybody changing the thing: somebody signed in, or failed to; a webhook was taken, or not.
const BESIDE: [&str; 5] =
    ["last_sign_in_at", "locked_until", "last_success_at", "last_failure_at", "failing_since"];

/// What a thing is like, as doors show it: half of the SHA-256 of its JSON, which changes with every field that
/// somebody changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Version(String);

impl Version {
    /// Of a thing.
    #[must_use]
    pub fn of(thing: &impl Serialize) -> Self {
        let mut shown = serde_json::to_value(thing).unwrap_or_default();
        if let Some(fields) = shown.as_object_mut() {
            fields.retain(|name, _| !BESIDE.contains(&name.as_str()));
        }
        let digest = Sha256::digest(shown.to_string());
        Self(URL_SAFE_NO_PAD.encode(&digest[..16]))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Version {
    fn from(text: &str) -> Self {
        Self(text.to_owned())
    }
}

/// What a thing must be like for a change to be made.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Expected {
    /// Whatever it is like.
    #[default]
    Any,
    /// As it was in one of these versions.
    OneOf(Vec<Version>),
}

/// The thing was changed since the caller read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error, Failure)]
#[error("it was changed since you read it; nothing was done")]
#[failure(Conflict, "precondition_failed")]
#[hint("read it again, and repeat the change if it still makes sense")]
pub struct Stale;

impl Expected {
    /// Requires that a thing, looked at in the transaction that changes it, is as it was expected.
    ///
    /// # Errors
    /// [`Stale`].
    pub fn check(&self, thing: &impl Serialize) -> Result<(), Stale> {
        match self {
            Self::OneOf(versions) if !versions.contains(&Version::of(thing)) => Err(Stale),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_is_made_of_what_was_seen() {
        let seen = Expected::OneOf(vec![Version::of(&"x"), Version::of(&("a", 1))]);
        assert_eq!(seen.check(&("a", 1)), Ok(()));
        assert_eq!(seen.check(&("a", 2)), Err(Stale));
        assert_eq!(Expected::OneOf(Vec::new()).check(&1), Err(Stale));
        assert_eq!(Expected::Any.check(&1), Ok(()));
    }
}
