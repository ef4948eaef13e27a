//! `[context.NAME.tokens]`: what access tokens say of themselves.

use std::time::Duration;

use super::key::{Default, Key, Kind};
use super::serve::ISSUER;
use super::values::SectionValues;

/// What access tokens say of themselves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenSettings {
    /// Their `iss`: a URL (RFC 8414, section 2).
    pub issuer: String,
    /// Their usual `aud`.
    pub audience: String,
    /// How long they are good where nothing else is asked for.
    pub ttl: Duration,
    /// Whether tokens of a development key are accepted.
    pub development: bool,
    pub lost_answer: LostAnswer,
}

/// For how long a client that did not hear the answer to its refresh may ask again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LostAnswer {
    /// For ten seconds.
    TenSeconds,
    /// Until somebody uses what it did not hear.
    UntilUsed,
}

const UNTIL_USED: &str = "until_used";

pub(super) const KEYS: &[Key] = &[
    Key {
        name: "issuer",
        kind: Kind::Issuer,
        default: Default::Value(ISSUER),
        help: "The iss of access tokens: the https URL at which clients reach the API, e.g. https://api.example.com.",
    },
    Key {
        name: "audience",
        kind: Kind::Text,
        default: Default::Value("nexus"),
        help: "The aud of access tokens where none is asked for, and what verifying expects.",
    },
    Key {
        name: "ttl_minutes",
        kind: Kind::Number(1, 60),
        default: Default::Value("15"),
        help: "How many minutes an access token is valid where nothing else is asked for.",
    },
    Key {
        name: "development_keys",
        kind: Kind::Word(&["accept", "refuse"]),
        default: Default::Words("accept in context local, else refuse"),
        help: "Whether tokens that were minted offline with an exported development key are accepted.",
    },
    Key {
        name: "lost_answer",
        kind: Kind::Word(&["10s", UNTIL_USED]),
        default: Default::Value("10s"),
        help: "For how long a client that did not hear the answer to its refresh may ask again: 10s, or until the next token was used, for phones that sleep.",
    },
];

impl TokenSettings {
    pub(super) fn read(section: &SectionValues<'_>, local: bool) -> Self {
        let minutes = section.number("ttl_minutes").unwrap_or(15);
        let development = section.text("development_keys").map_or(local, |word| word == "accept");
        Self {
            issuer: section.text("issuer").unwrap_or(ISSUER).to_owned(),
            audience: section.text("audience").unwrap_or("nexus").to_owned(),
            ttl: Duration::from_secs(u64::from(minutes) * 60),
            development,
            lost_answer: match section.text("lost_answer") {
                Some(UNTIL_USED) => LostAnswer::UntilUsed,
                _ => LostAnswer::TenSeconds,
            },
        }
    }
}
