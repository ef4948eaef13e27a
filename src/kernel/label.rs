//! Labels: small `key=value` facts that an operator puts on a tenant, to select by.

use std::collections::BTreeMap;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{secret_shape, text};

/// A tenant's labels, sorted by key.
pub type Labels = BTreeMap<String, String>;

/// One `key=value`. The key: 1 to 63 lower-case letters, digits, `-`, `_`, `.`, `/`, beginning
/// with a letter. The value: at most 200 characters, no control characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Label {
    pub key: String,
    /// The value; may be empty.
    pub value: String,
}

/// Why a text is not a label.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LabelError {
    /// No `=`.
    #[error("a label is written key=value, {0:?} has no '='")]
    Shape(String),
    /// The key is not one.
    #[error("{0:?} is not a label key: 1 to 63 of a-z, 0-9, '-', '_', '.', '/', beginning with a letter")]
    Key(String),
    /// The value is not one.
    #[error("the value of label {0:?} is longer than 200 characters or holds an invisible character")]
    Value(String),
    /// It was pasted.
    #[error("a label holds what looks like a token, a key or a login; it was not used")]
    Secret,
}

impl Label {
    /// Checks a key and a value.
    ///
    /// # Errors
    /// When either breaks the rule in the type's description.
    pub fn new(key: &str, value: &str) -> Result<Self, LabelError> {
        if secret_shape::holds_secret(key) || secret_shape::holds_secret(value) {
            return Err(LabelError::Secret);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_./".contains(c);
        if !(1..=63).contains(&key.len())
            || !key.starts_with(|c: char| c.is_ascii_lowercase())
            || !key.chars().all(allowed)
        {
            return Err(LabelError::Key(key.to_owned()));
        }
        let value = text::name(value).ok().filter(|value| value.chars().count() <= 200);
        let value = value.ok_or_else(|| LabelError::Value(key.to_owned()))?;
        Ok(Self { key: key.to_owned(), value })
    }
}

impl FromStr for Label {
    type Err = LabelError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if secret_shape::holds_secret(text) {
            return Err(LabelError::Secret);
        }
        let (key, value) = text.split_once('=').ok_or_else(|| LabelError::Shape(text.to_owned()))?;
        Self::new(key, value)
    }
}
