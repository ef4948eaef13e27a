//! The name of a context: one installation of Nexus among several.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// 1 to 40 lower-case letters, digits and hyphens, beginning with a letter and not ending with a
/// hyphen. No underscore: in a variable's name an underscore stands for the hyphen.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct ContextName(String);

/// Why a text is not a context's name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a context's name has 1 to 40 lower-case letters, digits and hyphens, and begins with a letter")]
pub struct ContextNameError;

impl ContextName {
    /// The embedded stack's context, which always exists.
    #[must_use]
    pub fn local() -> Self {
        Self("local".to_owned())
    }

    /// Whether this is the embedded stack's context.
    #[must_use]
    pub fn is_local(&self) -> bool {
        self.0 == "local"
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ContextName {
    type Err = ContextNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let right = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && !text.ends_with('-')
            && text.chars().all(allowed);
        if right { Ok(Self(text.to_owned())) } else { Err(ContextNameError) }
    }
}

impl fmt::Display for ContextName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_a_variable_could_not_carry_are_refused() {
        assert!("eu-west-1".parse::<ContextName>().is_ok());
        for bad in ["", "Prod", "eu_west", "1a", "a-", "a.b", "../a"] {
            assert!(bad.parse::<ContextName>().is_err(), "{bad}");
        }
    }
}
