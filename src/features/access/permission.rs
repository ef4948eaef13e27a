//! Permissions: `resource:action`, where `*` stands for any one part.
//!
//! Some resources are administrative: they decide who may do what, and how the realm is run. A pattern
//! for all resources, such as `*:update`, leaves them out, so that whoever may change the business's
//! data does not thereby change roles. They are granted by name, or by `*:*`.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The longest part. Longer names are slips.
const MAX_PART: usize = 63;

/// Resources whose permissions are administrative. Migration 20261128050100 of realms lists the same,
/// but for those that came later.
const ADMINISTRATIVE: [&str; 14] = [
    "user",
    "role",
    "group",
    "permission",
    "session",
    "operator",
    "settings",
    "key",
    "api-key",
    "token",
    "audit",
    "webhook",
    "event",
    "service",
];

/// A permission, e.g. `invoice:create`, or a pattern for several, e.g. `invoice:*`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(try_from = "String")]
pub struct Permission {
    text: String,
    colon: usize,
}

/// A text that is no permission.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "a permission is written resource:action, each of lower-case letters, digits, '-' and '_', or '*' for any"
)]
pub struct NotAPermission;

impl Permission {
    /// What is acted on.
    #[must_use]
    pub fn resource(&self) -> &str {
        &self.text[..self.colon]
    }

    /// What is done.
    #[must_use]
    pub fn action(&self) -> &str {
        &self.text[self.colon + 1..]
    }

    /// The whole text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Whether it stands for several.
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        self.resource() == "*" || self.action() == "*"
    }

    /// Whether it stands for everything, administrative or not.
    #[must_use]
    pub fn is_all(&self) -> bool {
        self.as_str() == "*:*"
    }

    /// Whether it concerns an administrative resource, or all of them.
    #[must_use]
    pub fn is_administrative(&self) -> bool {
        self.is_all() || ADMINISTRATIVE.contains(&self.resource())
    }

    /// Whether everything that `other` stands for is part of what this stands for.
    #[must_use]
    pub fn covers(&self, other: &Self) -> bool {
        let part = |mine: &str, theirs: &str| mine == "*" || mine == theirs;
        let named = self.resource() != "*" || self.is_all() || !other.is_administrative();
        named && part(self.resource(), other.resource()) && part(self.action(), other.action())
    }

    /// Every permission and pattern that covers this, the narrowest first.
    #[must_use]
    pub fn covered_by(&self) -> Vec<String> {
        let (resource, action) = (self.resource(), self.action());
        let all = [self.to_string(), format!("{resource}:*"), format!("*:{action}"), "*:*".to_owned()];
        let covers = |text: &String| text.parse::<Self>().is_ok_and(|it| it.covers(self));
        all.into_iter().filter(covers).collect()
    }
}

impl FromStr for Permission {
    type Err = NotAPermission;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (resource, action) = text.split_once(':').ok_or(NotAPermission)?;
        let part = |part: &str| {
            part == "*"
                || (part.len() <= MAX_PART
                    && part.starts_with(|c: char| c.is_ascii_lowercase())
                    && part
                        .bytes()
                        .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-' || c == b'_'))
        };
        if part(resource) && part(action) {
            Ok(Self { text: text.to_owned(), colon: resource.len() })
        } else {
            Err(NotAPermission)
        }
    }
}

impl TryFrom<String> for Permission {
    type Error = NotAPermission;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl fmt::Display for Permission {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl Serialize for Permission {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Permission {
        text.parse().unwrap()
    }

    #[test]
    fn a_star_stands_for_one_part() {
        for (pattern, asked, expected) in [
            ("invoice:create", "invoice:create", true),
            ("invoice:create", "invoice:update", false),
            ("invoice:*", "invoice:update", true),
            ("*:read", "invoice:read", true),
            ("*:read", "invoice:*", false),
            ("*:*", "*:read", true),
            ("invoice:create", "invoice:*", false),
            ("inv:create", "invoice:create", false),
            ("*:update", "role:update", false),
            ("*:read", "user:read", false),
            ("*:read", "user:*", false),
            ("*:read", "*:read", true),
            ("*:read", "*:*", false),
            ("*:*", "role:update", true),
            ("*:*", "*:*", true),
            ("role:*", "role:update", true),
            ("role:update", "role:update", true),
            ("*:create", "api-key:create", false),
            ("*:create", "api-keys:create", true),
        ] {
            assert_eq!(of(pattern).covers(&of(asked)), expected, "{pattern} {asked}");
        }
        assert!(of("a:*").is_pattern() && !of("a:b").is_pattern());
    }

    #[test]
    fn what_covers_a_permission_is_found_by_name() {
        assert_eq!(of("invoice:read").covered_by(), ["invoice:read", "invoice:*", "*:read", "*:*"]);
        assert_eq!(of("user:read").covered_by(), ["user:read", "user:*", "*:*"]);
    }

    #[test]
    fn the_migration_of_realms_knows_the_same_administrative_resources() {
        let text = include_str!("../../../tenant_migrations/20261128050100_administrative.sql");
        let list = text.split_once("array[").and_then(|(_, rest)| rest.split_once(']')).unwrap().0;
        let listed: Vec<&str> = list.split('\'').skip(1).step_by(2).collect();
        assert_eq!(listed, ADMINISTRATIVE[..10]);
    }

    #[test]
    fn anything_else_is_refused() {
        for bad in ["", ":", "a", "a:", ":b", "A:b", "a:b:c", "a b:c", "a*:b", "1a:b", "a:b*", "ä:b", "a:b\n"]
        {
            assert!(bad.parse::<Permission>().is_err(), "{bad:?}");
        }
        assert!(format!("a:{}", "b".repeat(64)).parse::<Permission>().is_err());
    }
}
