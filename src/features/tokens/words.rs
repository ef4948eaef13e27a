//! What is asked of tokens and API keys, as words that cannot be wrong.

use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::kernel::line::{LineError, lines};
use crate::kernel::span::{self, SpanError};
use crate::kernel::text;

lines! {
    /// For whom a token is.
    Audience: visible;
    /// The name of an API key.
    KeyName: visible;
}

/// A text of 1 to 200 characters, none of them white space or a control character.
fn visible(given: &str) -> Result<String, String> {
    let fits = |text: &String| (1..=200).contains(&text.len()) && !text.contains(char::is_whitespace);
    let text = text::name(given).ok().filter(fits);
    text.ok_or_else(|| "1 to 200 visible characters, without white space".to_owned())
}

/// A claim of one's own, `name=text`. Whether the name is free is found out when a token is composed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(String, String)", into = "(String, String)")]
pub struct ExtraClaim {
    name: String,
    text: String,
}

impl ExtraClaim {
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

impl TryFrom<(String, String)> for ExtraClaim {
    type Error = LineError;

    fn try_from((name, text): (String, String)) -> Result<Self, LineError> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_-.:/".contains(c);
        if name.is_empty() || name.len() > 64 || !name.chars().all(plain) {
            let wrong = "a claim's name has 1 to 64 letters, digits, '_', '-', '.', ':', '/'";
            return Err(LineError(wrong.to_owned()));
        }
        let text = text::one_line("a claim's text", &text, 0..=1000).map_err(LineError)?;
        Ok(Self { name, text })
    }
}

impl FromStr for ExtraClaim {
    type Err = LineError;

    fn from_str(given: &str) -> Result<Self, LineError> {
        let parts = given.split_once('=');
        let (name, text) = parts.ok_or_else(|| LineError("a claim is written name=text".to_owned()))?;
        Self::try_from((name.to_owned(), text.to_owned()))
    }
}

impl From<ExtraClaim> for (String, String) {
    fn from(claim: ExtraClaim) -> Self {
        (claim.name, claim.text)
    }
}

/// How long an API key is good: at least a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyLifetime(Duration);

impl KeyLifetime {
    #[must_use]
    pub fn duration(self) -> Duration {
        self.0
    }
}

impl FromStr for KeyLifetime {
    type Err = SpanError;

    fn from_str(given: &str) -> Result<Self, SpanError> {
        span::parse(given, Duration::from_secs(1)..=span::LONGEST).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn claims_have_their_form_and_are_kept_as_pairs() {
        let claim: ExtraClaim = "plan=a=b".parse().unwrap();
        assert_eq!((claim.name(), claim.text()), ("plan", "a=b"));
        assert_eq!(serde_json::to_string(&claim).unwrap(), r#"["plan","a=b"]"#);
        assert_eq!(serde_json::from_str::<ExtraClaim>(r#"["plan","a=b"]"#).unwrap(), claim);
        assert!(serde_json::from_str::<ExtraClaim>(r#"["a plan","b"]"#).is_err());
        for wrong in ["plan", "=x", "a b=x", "a=\u{7}"] {
            assert!(wrong.parse::<ExtraClaim>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn words_are_visible() {
        for wrong in ["", "a b", "a\u{200b}", &"a".repeat(201)] {
            assert!(wrong.parse::<Audience>().is_err() && wrong.parse::<KeyName>().is_err(), "{wrong}");
        }
        assert_eq!("billing".parse::<Audience>().unwrap().as_str(), "billing");
    }

    #[test]
    fn a_key_is_good_for_a_second_at_least() {
        assert!("90d".parse::<KeyLifetime>().is_ok());
        let told = "0s".parse::<KeyLifetime>().unwrap_err().to_string();
        assert!(told.contains("1s to 36600d"), "{told}");
    }
}
