//! Which PostgreSQL a program is.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The oldest major version that Nexus runs on.
pub(crate) const OLDEST_MAJOR: u32 = 15;

/// A server's version, e.g. 15.19. Data folders fit one major version only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub struct PgVersion {
    /// Data of one major version is of no use to another.
    pub major: u32,
    /// 0 for betas and development versions.
    pub minor: u32,
}

impl PgVersion {
    /// Out of the programs' answer to `--version`, e.g. `postgres (PostgreSQL) 15.19 (Debian …)`,
    /// or out of a bare number.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let word = text.split_whitespace().find(|word| word.starts_with(|c: char| c.is_ascii_digit()))?;
        let mut numbers = word.split(|c: char| !c.is_ascii_digit());
        let major = numbers.next()?.parse().ok()?;
        let minor = if word.contains('.') { numbers.next()?.parse().ok()? } else { 0 };
        Some(Self { major, minor })
    }
}

impl fmt::Display for PgVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl From<PgVersion> for String {
    fn from(version: PgVersion) -> Self {
        version.to_string()
    }
}

impl TryFrom<String> for PgVersion {
    type Error = String;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::parse(&text).ok_or_else(|| format!("`{text}` is not a version of PostgreSQL"))
    }
}

#[cfg(test)]
mod tests {
    use super::PgVersion;

    #[test]
    fn versions_are_read_as_the_programs_print_them() {
        let read = |text: &str| PgVersion::parse(text).map(|v| (v.major, v.minor));
        assert_eq!(read("postgres (PostgreSQL) 15.19 (Debian 15.19-0+deb12u1)"), Some((15, 19)));
        assert_eq!(read("postgres (PostgreSQL) 17.2"), Some((17, 2)));
        assert_eq!(read("postgres (PostgreSQL) 19beta1"), Some((19, 0)));
        assert_eq!(read("postgres (PostgreSQL) 20devel"), Some((20, 0)));
        assert_eq!(read("15\n"), Some((15, 0)));
        assert_eq!(read("no number here"), None);
        assert!(PgVersion::parse("15.10") > PgVersion::parse("15.9"));
    }
}
