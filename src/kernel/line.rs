//! Texts of one line that people write: what things are called, what they are, and why something is done.

use super::text;

/// What is wrong with a text, in words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct LineError(pub(crate) String);

/// Types of text that is kept only as its rule, a `fn(&str) -> Result<String, String>`, leaves it. A type may
/// have one number that its rule knows.
macro_rules! lines {
    ($($(#[$doc:meta])* $name:ident $(<$limit:ident = $usual:literal>)?: $rule:expr;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name $(<const $limit: usize = $usual>)? (String);

        impl $(<const $limit: usize>)? $name $(<$limit>)? {
            /// The text.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl $(<const $limit: usize>)? std::str::FromStr for $name $(<$limit>)? {
            type Err = $crate::kernel::line::LineError;

            fn from_str(given: &str) -> Result<Self, Self::Err> {
                let rule: fn(&str) -> Result<String, String> = $rule;
                rule(given).map(Self).map_err($crate::kernel::line::LineError)
            }
        }

        impl $(<const $limit: usize>)? TryFrom<String> for $name $(<$limit>)? {
            type Error = $crate::kernel::line::LineError;

            fn try_from(given: String) -> Result<Self, Self::Error> {
                given.parse()
            }
        }

        impl $(<const $limit: usize>)? From<$name $(<$limit>)?> for String {
            fn from(line: $name $(<$limit>)?) -> Self {
                line.0
            }
        }

        impl $(<const $limit: usize>)? std::fmt::Display for $name $(<$limit>)? {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    )*};
}

pub(crate) use lines;

lines! {
    /// What a person or a customer is called: 1 to 200 characters.
    DisplayName: |given| text::one_line("a name", given, 1..=200);
    /// What a role, a group or a permission is for: at most 1,000 characters, or nothing.
    Description: |given| text::one_line("a description", given, 0..=1000);
    /// Why something is done, for the audit logs: at most 500 characters; the tables have the same limit.
    Reason<LEAST = 1>: |given| text::one_line("a reason", given.trim(), LEAST..=500);
    /// The name of a server or of a store for tenants: 1 to 40 lower-case letters, digits and hyphens,
    /// beginning with a letter.
    PlaceName: |given| {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (1..=40).contains(&given.len())
            && given.starts_with(|c: char| c.is_ascii_lowercase())
            && given.chars().all(allowed);
        let wrong = || format!("{given:?} is not a name: 1 to 40 of a-z, 0-9 and '-', beginning with a letter");
        good.then(|| given.to_owned()).ok_or_else(wrong)
    };
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
        assert_eq!(" ticket 4711\n".parse::<Reason>().unwrap().as_str(), "ticket 4711");
        assert!("é".repeat(500).parse::<Reason>().is_ok() && "why".parse::<Reason<4>>().is_err());
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

    #[test]
    fn a_place_has_a_short_plain_name() {
        assert_eq!("eu-1".parse::<PlaceName>().unwrap().as_str(), "eu-1");
        for bad in ["", "1eu", "EU", "eu_1", "eu 1", "../x", &"a".repeat(41)] {
            assert!(bad.parse::<PlaceName>().is_err(), "{bad}");
        }
    }
}
