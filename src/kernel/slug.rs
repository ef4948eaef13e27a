//! A tenant's slug: the label that people type. Never part of a database, role or bucket name.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use super::Failure;

/// Fewest characters of a slug.
pub const MIN_LEN: usize = 2;
/// Most characters of a slug; leaves room in a DNS label (63 octets, RFC 1035 section 2.3.4).
pub const MAX_LEN: usize = 40;

/// Words that would be taken for something else in a URL, a subdomain or a command.
const RESERVED: &[&str] = &[
    "admin",
    "all",
    "api",
    "app",
    "assets",
    "auth",
    "control",
    "default",
    "docs",
    "help",
    "local",
    "localhost",
    "login",
    "mail",
    "me",
    "new",
    "nexus",
    "none",
    "null",
    "operator",
    "platform",
    "postgres",
    "public",
    "root",
    "self",
    "static",
    "status",
    "support",
    "system",
    "template",
    "template0",
    "template1",
    "test",
    "undefined",
    "www",
];

/// 2 to 40 lower-case letters, digits and hyphens; begins with a letter, ends with a letter or
/// digit, no two hyphens in a row (`--` in the third place marks an internationalised DNS label,
/// RFC 5891 section 4.2.3.1), and none of the reserved words.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, sqlx::Type)]
#[serde(transparent)]
#[sqlx(transparent)]
pub struct Slug(String);

/// Why a text is not a slug.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Failure)]
pub enum SlugError {
    /// A slug has too few or too many characters.
    #[error("a slug has {MIN_LEN} to {MAX_LEN} characters, this one has {0}")]
    #[failure(Invalid, "slug_invalid")]
    Length(usize),
    /// A slug has a character that is not allowed at all.
    #[error("a slug holds lower-case letters, digits and hyphens only, not {0:?}")]
    #[failure(Invalid, "slug_invalid")]
    Character(char),
    /// A slug has allowed characters in a place where they are not.
    #[error("a slug begins with a letter, ends with a letter or digit, and has no two hyphens in a row")]
    #[failure(Invalid, "slug_invalid")]
    Hyphen,
    /// A slug is one of the reserved words.
    #[error("{0:?} is reserved")]
    #[failure(Invalid, "slug_invalid")]
    Reserved(String),
}

impl Slug {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The valid slug that what was typed comes to, for an error's hint; where there is none, or it is
    /// reserved, one made of it: only for a tenant that is yet to get its slug.
    #[must_use]
    pub fn suggest(text: &str) -> Option<Self> {
        let plain = plain(text);
        plain.parse().ok().or_else(|| format!("{plain}-co").parse().ok())
    }

    /// The valid slug that what was typed comes to, for an error's hint.
    #[must_use]
    pub fn like(text: &str) -> Option<Self> {
        plain(text).parse().ok()
    }
}

/// What was typed in the letters of a slug.
fn plain(text: &str) -> String {
    let mut out = String::new();
    for c in text.chars().flat_map(char::to_lowercase) {
        if c.is_ascii_alphanumeric() {
            out.push(c);
        } else if !out.is_empty() && !out.ends_with('-') {
            out.push('-');
        }
        if out.len() == MAX_LEN {
            break;
        }
    }
    out.trim_matches('-').trim_start_matches(|c: char| !c.is_ascii_lowercase()).to_owned()
}

impl FromStr for Slug {
    type Err = SlugError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let length = text.chars().count();
        if !(MIN_LEN..=MAX_LEN).contains(&length) {
            return Err(SlugError::Length(length));
        }
        let allowed = |c: &char| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '-';
        if let Some(c) = text.chars().find(|c| !allowed(c)) {
            return Err(SlugError::Character(c));
        }
        if !text.starts_with(|c: char| c.is_ascii_lowercase()) || text.ends_with('-') || text.contains("--") {
            return Err(SlugError::Hyphen);
        }
        if RESERVED.contains(&text) {
            return Err(SlugError::Reserved(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_slugs_are_accepted() {
        for text in ["ab", "acme", "acme-2", "a1", &"a".repeat(MAX_LEN)] {
            assert_eq!(text.parse::<Slug>().map(|s| s.to_string()), Ok(text.to_owned()));
        }
    }

    #[test]
    fn bad_slugs_are_refused_with_the_reason() {
        assert_eq!("a".parse::<Slug>(), Err(SlugError::Length(1)));
        assert_eq!("a".repeat(41).parse::<Slug>(), Err(SlugError::Length(41)));
        assert_eq!("Acme".parse::<Slug>(), Err(SlugError::Character('A')));
        assert_eq!("ac\0me".parse::<Slug>(), Err(SlugError::Character('\0')));
        assert_eq!("-acme".parse::<Slug>(), Err(SlugError::Hyphen));
        assert_eq!("acme-".parse::<Slug>(), Err(SlugError::Hyphen));
        assert_eq!("xn--acme".parse::<Slug>(), Err(SlugError::Hyphen));
        assert_eq!("2acme".parse::<Slug>(), Err(SlugError::Hyphen));
        assert_eq!("postgres".parse::<Slug>(), Err(SlugError::Reserved("postgres".into())));
    }

    #[test]
    fn a_suggestion_is_always_a_slug() {
        assert_eq!(Slug::suggest("Acme Corp.").map(|s| s.to_string()), Some("acme-corp".into()));
        assert_eq!(Slug::suggest("--"), None);
        assert_eq!(Slug::suggest("admin").map(|s| s.to_string()), Some("admin-co".into()));
        assert_eq!(Slug::like("Acme Corp.").map(|s| s.to_string()), Some("acme-corp".into()));
        assert_eq!((Slug::like("admin"), Slug::like("x")), (None, None));
    }
}
