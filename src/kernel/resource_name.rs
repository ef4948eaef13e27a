//! Opaque names of databases, roles and buckets.
//!
//! Every login of a PostgreSQL server sees all database and role names, so a name must tell
//! nothing: it is random, and no word that a person typed is part of it. It is far shorter than
//! the 63 bytes at which PostgreSQL silently cuts a name (manual, chapter 4.1.1), and valid as a
//! bucket name.

use std::fmt;

/// Letters and digits of RFC 4648's base 32, in lower case: no look-alikes.
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// `nx` and 20 random characters: 100 bits, so two never meet.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ResourceName(String);

impl ResourceName {
    /// Makes a name from 20 random bytes, of which 5 bits each are used.
    #[must_use]
    pub fn from_random(bytes: [u8; 20]) -> Self {
        let tail = bytes.iter().map(|b| char::from(ALPHABET[usize::from(b & 31)]));
        Self("nx".chars().chain(tail).collect())
    }

    /// The database.
    #[must_use]
    pub fn database(&self) -> String {
        self.0.clone()
    }

    /// The role that owns the database and can never log in.
    #[must_use]
    pub fn owner_role(&self) -> String {
        format!("{}_owner", self.0)
    }

    /// The role that the tenant logs in as.
    #[must_use]
    pub fn app_role(&self) -> String {
        format!("{}_app", self.0)
    }

    /// The bucket.
    #[must_use]
    pub fn bucket(&self) -> String {
        self.0.clone()
    }
}

impl fmt::Display for ResourceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_fit_postgresql_and_s3() {
        let name = ResourceName::from_random([255; 20]);
        assert_eq!(name.database(), "nx77777777777777777777");
        assert!(name.owner_role().len() < 63);
        assert!(name.bucket().len() <= 63);
    }
}
