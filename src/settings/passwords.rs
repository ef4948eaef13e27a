//! `[context.NAME.passwords]`: how passwords are kept, and how guessing them is stopped.

use std::time::Duration;

use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// How passwords are kept, and how guessing them is stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PasswordSettings {
    /// KiB of memory for one hash.
    pub memory_kib: u32,
    /// Passes over it.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
    /// Hashes at a time; `None`: one for each core.
    pub at_once: Option<u32>,
    /// Wrong passwords in a row after which an account waits.
    pub guesses: u32,
    /// How long it waits.
    pub wait: Duration,
    /// How long a token that resets a password is good for.
    pub reset_ttl: Duration,
    /// How long deleted users can be had back.
    pub retention: Duration,
}

// The bounds are those of `infra::crypto::password`, which refuses hashes beyond them.
pub(super) const KEYS: &[Key] = &[
    Key {
        name: "memory_kib",
        kind: Kind::Number(19_456, 65_536),
        default: Default::Value("19456"),
        help: "KiB of memory for one Argon2id hash; older, cheaper hashes are recomputed at sign-in.",
    },
    Key {
        name: "passes",
        kind: Kind::Number(2, 16),
        default: Default::Value("2"),
        help: "Passes of Argon2id over its memory.",
    },
    Key { name: "lanes", kind: Kind::Number(1, 4), default: Default::Value("1"), help: "Lanes of Argon2id." },
    Key {
        name: "at_once",
        kind: Kind::Number(1, 64),
        default: Default::Words("one for each core, at most four"),
        help: "Hashes at a time: caps the memory that a flood of sign-ins can take.",
    },
    Key {
        name: "guesses",
        kind: Kind::Number(3, 100),
        default: Default::Value("10"),
        help: "Wrong passwords in a row after which an account is locked for a while.",
    },
    Key {
        name: "wait_minutes",
        kind: Kind::Number(1, 1_440),
        default: Default::Value("15"),
        help: "How many minutes such an account stays locked.",
    },
    Key {
        name: "reset_ttl_minutes",
        kind: Kind::Number(5, 1_440),
        default: Default::Value("60"),
        help: "How many minutes a token that resets a password is valid.",
    },
    Key {
        name: "retention_days",
        kind: Kind::Number(1, 3_650),
        default: Default::Value("30"),
        help: "How many days a deleted user can be undeleted before they are erased.",
    },
];

impl PasswordSettings {
    pub(super) fn read(section: &SectionValues<'_>) -> Self {
        let minutes = |name: &str, usual: u32| {
            Duration::from_secs(u64::from(section.number(name).unwrap_or(usual)) * 60)
        };
        let days = section.number("retention_days").unwrap_or(30);
        Self {
            memory_kib: section.number("memory_kib").unwrap_or(19_456),
            passes: section.number("passes").unwrap_or(2),
            lanes: section.number("lanes").unwrap_or(1),
            at_once: section.number("at_once"),
            guesses: section.number("guesses").unwrap_or(10),
            wait: minutes("wait_minutes", 15),
            reset_ttl: minutes("reset_ttl_minutes", 60),
            retention: Duration::from_secs(u64::from(days) * 86_400),
        }
    }
}
