//! A word that operators choose: a tenant's tier, the name of a module.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::secret_shape;

/// 1 to 40 lower-case letters, digits, hyphens and underscores; begins with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, sqlx::Type)]
#[serde(try_from = "String", into = "String")]
#[sqlx(transparent)]
pub struct Word(String);

/// The words of all values of an enumeration, in the order of its `ALL`; its `as_str` is a constant function.
macro_rules! words_of {
    ($type:ty) => {{
        let mut words = [""; <$type>::ALL.len()];
        let mut at = 0;
        while at < words.len() {
            words[at] = <$type>::ALL[at].as_str();
            at += 1;
        }
        words
    }};
}

pub(crate) use words_of;

/// Why a text is not a word.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordError {
    /// It breaks the rule in the type's description.
    #[error("{0:?} is not valid: use 1 to 40 of a-z, 0-9, '-' and '_', beginning with a letter")]
    Shape(String),
    /// It is compared with what is in lower case.
    #[error("{0:?} finds nothing: what it is compared with is in lower case")]
    Case(String),
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

impl WordError {
    /// The text in lower case, where that is right.
    #[must_use]
    pub fn nearest(&self) -> Option<String> {
        match self {
            Self::Shape(text) => Some(text.to_lowercase()).filter(|lower| lower.parse::<Word>().is_ok()),
            Self::Case(text) => Some(text.to_lowercase()),
            Self::Secret => None,
        }
    }
}

/// Requires that a text, or a part of one, may equal a word or a name that is written in lower case.
///
/// # Errors
/// [`WordError::Case`].
pub fn require_lower_case(text: &str) -> Result<(), WordError> {
    if text.chars().any(char::is_uppercase) { Err(WordError::Case(text.to_owned())) } else { Ok(()) }
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

    #[test]
    fn a_word_in_upper_case_is_refused_with_the_one_that_was_meant() {
        let nearest = |text: &str| text.parse::<Word>().unwrap_err().nearest();
        assert_eq!(nearest("Gold").as_deref(), Some("gold"));
        assert_eq!(nearest("a b"), None);
        assert_eq!(require_lower_case("EU1").unwrap_err().nearest().as_deref(), Some("eu1"));
        assert_eq!(require_lower_case("eu1"), Ok(()));
    }
}
