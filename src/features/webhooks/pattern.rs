//! Which events are sent: types such as `order.shipped`, `order.*` for all that begin so, `*` for all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// Most characters of a pattern, as of an event's type.
const LONGEST: usize = 100;
/// Most patterns of a webhook.
const MOST_PATTERNS: usize = 50;
/// Messages to people: they are nobody else's.
const MAIL: &str = "mail.";

/// A pattern for types of events.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct EventPattern(String);

/// A text that is no pattern.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} names no events: write a type such as order.shipped (small letters, digits, '_', words with dots between \
     them), order.* for all that begin so, or * for all"
)]
pub struct NotAPattern(pub(super) String);

impl EventPattern {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether events of a type are sent.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        if !is_sendable(kind) {
            return false;
        }
        match self.0.strip_suffix('*') {
            Some(start) => kind.starts_with(start),
            None => self.0 == kind,
        }
    }
}

/// Whether events of a type are sent at all: it is one that the standard has, and no message to a person.
pub(super) fn is_sendable(kind: &str) -> bool {
    let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
    !kind.is_empty() && kind.len() <= LONGEST && kind.chars().all(good) && !kind.starts_with(MAIL)
}

fn is_word(word: &str) -> bool {
    let rest = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    word.starts_with(|c: char| c.is_ascii_lowercase()) && word.chars().all(rest)
}

impl FromStr for EventPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, NotAPattern> {
        let words = match text.strip_suffix(".*") {
            Some(start) => start,
            None if text == "*" => return Ok(Self(text.to_owned())),
            None => text,
        };
        let good = text.len() <= LONGEST && words.split('.').all(is_word);
        let is_mail = words == "mail" || words.starts_with(MAIL);
        if good && !is_mail { Ok(Self(text.to_owned())) } else { Err(NotAPattern(text.to_owned())) }
    }
}

impl TryFrom<String> for EventPattern {
    type Error = NotAPattern;

    fn try_from(text: String) -> Result<Self, NotAPattern> {
        text.parse()
    }
}

impl From<EventPattern> for String {
    fn from(pattern: EventPattern) -> Self {
        pattern.0
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The patterns of a webhook: 1 to 50, each once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPatterns(Vec<EventPattern>);

impl EventPatterns {
    /// Of a list.
    ///
    /// # Errors
    /// Where it has none, or more than 50.
    pub fn new(mut all: Vec<EventPattern>) -> Result<Self, String> {
        let mut seen = std::collections::BTreeSet::new();
        all.retain(|pattern| seen.insert(pattern.clone()));
        if (1..=MOST_PATTERNS).contains(&all.len()) {
            Ok(Self(all))
        } else {
            Err(format!("name 1 to {MOST_PATTERNS} patterns for events"))
        }
    }

    /// Their texts.
    #[must_use]
    pub fn texts(&self) -> Vec<String> {
        self.0.iter().map(ToString::to_string).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_type_or_the_beginning_of_types() {
        for text in ["*", "user.*", "order.shipped", "order.line.added", "order.line.*", "a1_b.c"] {
            assert_eq!(text.parse::<EventPattern>().unwrap().as_str(), text);
        }
        let long = "x".repeat(101);
        for text in [
            "",
            ".",
            "user.",
            "*.created",
            "us*",
            "user.*.x",
            "User.created",
            "user:created",
            "mail.*",
            "mail.x",
            &long,
        ] {
            assert!(text.parse::<EventPattern>().is_err(), "{text}");
        }
    }

    #[test]
    fn events_are_matched_by_whole_words_and_mail_by_nothing() {
        let matches = |pattern: &str, kind: &str| pattern.parse::<EventPattern>().unwrap().matches(kind);
        assert!(matches("*", "order.shipped") && matches("order.*", "order.shipped"));
        assert!(matches("order.*", "order.line.added") && matches("order.shipped", "order.shipped"));
        assert!(!matches("order.*", "orders.shipped") && !matches("order.*", "order"));
        assert!(!matches("order.shipped", "order.shipped.late"));
        for kind in ["mail.invitation", "mail.x", "", "a b", "ö.x"] {
            assert!(!matches("*", kind), "{kind}");
        }
    }

    #[test]
    fn a_webhook_has_some_patterns_and_each_once() {
        let of = |texts: &[&str]| EventPatterns::new(texts.iter().map(|it| it.parse().unwrap()).collect());
        assert_eq!(of(&["user.*", "*", "user.*"]).unwrap().texts(), ["user.*", "*"]);
        assert!(of(&[]).is_err());
    }
}
