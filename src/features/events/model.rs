//! Events as readers see them.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::features::outbox::LoggedEvent;

/// An event of a realm.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[schema(as = Event)]
pub struct EventView {
    /// Its number in the realm's log; the next event has the next number.
    #[schema(example = 4711)]
    pub position: i64,
    /// The same however often it is delivered.
    pub id: Uuid,
    /// Words with dots between them: one of Nexus's own, or what an app published.
    #[serde(rename = "type")]
    #[schema(example = "user.disabled")]
    pub kind: String,
    /// What it is about: events of one key are in the order in which they happened.
    #[schema(example = "01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10")]
    pub key: String,
    /// When its transaction began.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// Who: `user:ID`, `operator:ID`, `machine:ACCOUNT`, `system`; `app` for what an app published.
    #[schema(example = "user:01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10")]
    pub actor: String,
    /// Facts, by the schema of its type; `null` where it was longer than 64 KB.
    #[schema(value_type = Object, example = json!({ "user_id": "01a2240a-8d9e-7cb2-8a5b-3c8c4f1e7a10", "sessions": 2 }))]
    pub payload: Box<RawValue>,
}

impl From<LoggedEvent> for EventView {
    fn from(row: LoggedEvent) -> Self {
        let LoggedEvent { position, id, kind, key, actor, at, payload } = row;
        // Kept as a text: as values, nested lists take thirty times as many bytes. What readers could not read is none.
        let readable: Option<Value> = payload.and_then(|text| serde_json::from_str(&text).ok());
        let payload = readable.and_then(|value| to_raw_value(&value).ok());
        let payload = payload.unwrap_or_else(|| RawValue::NULL.to_owned());
        Self { position, id, kind, key, at, actor, payload }
    }
}

/// Longest pattern of types.
const LONGEST: usize = 100;
/// Most patterns at once.
const MOST: usize = 20;

/// Which types: one by its name, or all that begin with words, `user.*`, or `*`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventPattern(String);

/// A text that is no pattern of types.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "types are words of a-z, 0-9 and _ with dots between them, the last one may be *: user.disabled, user.*; at most {MOST}, with commas between them"
)]
pub struct NotAPattern;

impl EventPattern {
    /// Whether a type is one of them.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        match self.0.strip_suffix('*') {
            Some(beginning) => kind.starts_with(beginning),
            None => kind == self.0,
        }
    }
}

impl FromStr for EventPattern {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let words: Vec<&str> = text.split('.').collect();
        let is_word = |word: &str| {
            word.starts_with(|c: char| c.is_ascii_lowercase())
                && word.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_')
        };
        let (last, before) = words.split_last().ok_or(NotAPattern)?;
        let fits = text.len() <= LONGEST
            && before.iter().all(|word| is_word(word))
            && (*last == "*" || is_word(last) && !before.is_empty());
        if fits { Ok(Self(text.to_owned())) } else { Err(NotAPattern) }
    }
}

impl fmt::Display for EventPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Patterns, of which one must match; none: all types.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Patterns(Vec<EventPattern>);

impl Patterns {
    /// Whether one of them matches.
    #[must_use]
    pub fn matches(&self, kind: &str) -> bool {
        self.0.is_empty() || self.0.iter().any(|pattern| pattern.matches(kind))
    }
}

impl Patterns {
    /// Whether they are all of these names, and nothing else is asked for.
    pub(super) fn are_only(&self, names: &[&str]) -> bool {
        !self.0.is_empty() && self.0.iter().all(|pattern| names.contains(&pattern.0.as_str()))
    }
}

impl FromStr for Patterns {
    type Err = NotAPattern;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all: Vec<EventPattern> = text.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if all.len() > MOST { Err(NotAPattern) } else { Ok(Self(all)) }
    }
}

impl FromIterator<EventPattern> for Patterns {
    fn from_iter<I: IntoIterator<Item = EventPattern>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_is_a_type_or_its_first_words() {
        let user: Patterns = "user.*,invoice.paid".parse().unwrap();
        assert!(user.matches("user.disabled") && user.matches("user.password.set"));
        assert!(user.matches("invoice.paid") && !user.matches("invoice.paid.late"));
        assert!(!user.matches("users.disabled") && !user.matches("role.granted"));
        assert!(Patterns::default().matches("a.b") && "*".parse::<Patterns>().unwrap().matches("a.b"));
    }

    #[test]
    fn what_is_no_pattern_is_refused() {
        for text in
            ["", "user", "User.*", "*.disabled", "user.", ".user", "user*", "user.**", "a.b,", "a b.c"]
        {
            assert!(text.parse::<Patterns>().is_err(), "{text:?}");
        }
        assert!(["a.b"; 21].join(",").parse::<Patterns>().is_err());
        assert!(format!("a.{}", "b".repeat(100)).parse::<Patterns>().is_err());
    }
}
