//! Texts of one line that people write for people: what things are called, what they are, and why
//! something is done.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::text;

/// What is wrong with a text, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(String);

macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident: $what:literal, $length:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Serialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = LineError;

            fn from_str(given: &str) -> Result<Self, Self::Err> {
                text::one_line($what, given, $length).map(Self).map_err(LineError)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

lines! {
    /// What a person or a customer is called: 1 to 200 characters.
    DisplayName: "a name", 1..=200;
    /// What a role, a group or a permission is for: at most 1,000 characters, or nothing.
    Description: "a description", 0..=1000;
    /// Why somebody is given access: 1 to 500 characters; the tables have the same limit.
    Reason: "a reason", 1..=500;
}

impl Default for Description {
    /// None.
    fn default() -> Self {
        Self(String::new())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_length_and_nothing_that_cannot_be_seen() {
        assert_eq!("Gro\u{308}ße ".parse::<DisplayName>().unwrap().as_str(), "Größe");
        assert_eq!("".parse::<Description>(), Ok(Description::default()));
        assert!("é".repeat(500).parse::<Reason>().is_ok());
        for (error, expected) in [
            ("".parse::<DisplayName>().unwrap_err(), "a name has 1 to 200 characters"),
            ("x".repeat(1001).parse::<Description>().unwrap_err(), "a description has 0 to 1000 characters"),
            (
                "two\nlines".parse::<Reason>().unwrap_err(),
                "a reason must be one line of visible text: U+000A is a control character",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }
}
