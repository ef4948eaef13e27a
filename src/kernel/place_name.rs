//! The name of a server or of a store for tenants.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

/// 1 to 40 lower-case letters, digits and hyphens, beginning with a letter.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct PlaceName(String);

/// Why a text is not the name of a place.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a name: 1 to 40 of a-z, 0-9 and '-', beginning with a letter")]
pub struct PlaceNameError(String);

impl PlaceName {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PlaceName {
    type Err = PlaceNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        let good = (1..=40).contains(&text.len())
            && text.starts_with(|c: char| c.is_ascii_lowercase())
            && text.chars().all(allowed);
        if good { Ok(Self(text.to_owned())) } else { Err(PlaceNameError(text.to_owned())) }
    }
}

impl fmt::Display for PlaceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_has_a_short_plain_name() {
        assert_eq!("eu-1".parse::<PlaceName>().unwrap().as_str(), "eu-1");
        for bad in ["", "1eu", "EU", "eu_1", "eu 1", "../x", &"a".repeat(41)] {
            assert!(bad.parse::<PlaceName>().is_err(), "{bad}");
        }
    }
}
