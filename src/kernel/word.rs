//! A word that operators choose: a tenant's tier, the name of a module.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::secret_shape;

/// 1 to 40 lower-case letters, digits, hyphens and underscores; begins with a letter.
#[derive(
    Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type, ToSchema,
)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
#[schema(value_type = String, example = "gold")]
pub struct Word(String);

/// Why a text is not a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// It breaks the rule in the type's description.
    #[error("{0:?} is not valid: use 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter")]
    Shape(String),
    /// It was pasted.
    #[error("it looks like a token, a key or a login, and was not used")]
    Secret,
}

impl Word {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Word {
    type Err = WordError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if secret_shape::holds_secret(text) {
            return Err(WordError::Secret);
        }
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-' || c == '_';
        let fits = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(allowed);
        if fits { Ok(Self(text.to_owned())) } else { Err(WordError::Shape(text.to_owned())) }
    }
}

impl TryFrom<String> for Word {
    type Error = WordError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Word> for String {
    fn from(word: Word) -> Self {
        word.0
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_short_and_plain() {
        for good in ["gold", "b2b", "real-estate", "law_firm"] {
            assert_eq!(good.parse::<Word>().unwrap().as_str(), good);
        }
        for bad in ["", "Gold", "2nd", "a b", "a,b", "é", &"a".repeat(41)] {
            assert!(matches!(bad.parse::<Word>(), Err(WordError::Shape(_))), "{bad}");
        }
    }
}
