//! The form in which a row is hashed. No I/O.
//!
//! ```text
//! hash(n) = SHA-256( F("nexus-audit-v1") F(hash(n-1)) F(sequence) F(id) F(at) F(caller) F(action)
//!                    F(tenant_id) F(operation_id) F(detail) )
//! F(x)    = length of x in bytes, as 8 bytes, the highest first; then x
//! hash(0) = 32 zero bytes
//! ```
//!
//! `hash(n-1)` is 32 raw bytes; everything else is text in UTF-8: numbers in decimal, `at` in UTC
//! with six digits of a second (`2026-11-21T13:05:09.000125Z`), ids in lower case with hyphens and
//! an absent one as no bytes, `detail` as the JSON text that is stored, byte by byte. Lengths keep
//! the fields apart: no two rows give the same bytes. The database computes the same in
//! `control.audit_hash`; the two share no code.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use sha2::{Digest, Sha256};
use time::OffsetDateTime;
use uuid::Uuid;

/// Names the form, so that a later one is never mistaken for it.
const FORM: &[u8] = b"nexus-audit-v1";

/// A hash of the chain: 64 hexadecimal digits in lower case where it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Hash([u8; 32]);

/// Why a text is no hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash is 64 hexadecimal digits in lower case")]
pub struct HashError;

impl Hash {
    /// What stands before the first row.
    pub const START: Self = Self([0; 32]);

    /// Of 32 bytes; none where there are more or fewer.
    #[must_use]
    pub fn of_bytes(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Hash {
    type Err = HashError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |c: u8| match c {
            b'0'..=b'9' => Ok(c - b'0'),
            b'a'..=b'f' => Ok(c - b'a' + 10),
            _ => Err(HashError),
        };
        let text = text.as_bytes();
        if text.len() != 64 {
            return Err(HashError);
        }
        let mut hash = [0; 32];
        for (byte, pair) in hash.iter_mut().zip(text.chunks_exact(2)) {
            *byte = (digit(pair[0])? << 4) | digit(pair[1])?;
        }
        Ok(Self(hash))
    }
}

impl Serialize for Hash {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A row as it is hashed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its position in the chain, from 1 and without gaps.
    pub sequence: i64,
    /// Its number in the table, which has gaps.
    pub id: i64,
    /// When, as it is hashed.
    pub at: String,
    pub caller: String,
    pub action: String,
    /// Of which tenant.
    pub tenant_id: Option<Uuid>,
    /// By which operation.
    pub operation_id: Option<Uuid>,
    /// Facts: the JSON text.
    pub detail: String,
    /// Its hash as it is stored; `None` where that is not 32 bytes.
    pub hash: Option<Hash>,
}

impl Record {
    /// The hash that the row should have at this position after this hash.
    #[must_use]
    pub fn hash_at(&self, sequence: i64, previous: Hash) -> Hash {
        let mut digest = Sha256::new();
        let mut field = |bytes: &[u8]| {
            digest.update((bytes.len() as u64).to_be_bytes());
            digest.update(bytes);
        };
        let id = |id: Option<Uuid>| id.map(|id| id.to_string()).unwrap_or_default();
        field(FORM);
        field(&previous.0);
        field(sequence.to_string().as_bytes());
        field(self.id.to_string().as_bytes());
        field(self.at.as_bytes());
        field(self.caller.as_bytes());
        field(self.action.as_bytes());
        field(id(self.tenant_id).as_bytes());
        field(id(self.operation_id).as_bytes());
        field(self.detail.as_bytes());
        Hash(digest.finalize().into())
    }
}

/// A time as it is hashed. The argument is in microseconds since 1970, as the database tells it;
/// what is no time of the years 0 to 9999 stays as it is, and then fits no hash.
pub(super) fn time_of_micros(text: &str) -> String {
    let micros = text.parse::<i128>().ok().filter(|micros| micros.unsigned_abs() < 1 << 63);
    let time = micros.and_then(|micros| OffsetDateTime::from_unix_timestamp_nanos(micros * 1000).ok());
    match time {
        Some(t) if (0..=9999).contains(&t.year()) => format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:06}Z",
            t.year(),
            u8::from(t.month()),
            t.day(),
            t.hour(),
            t.minute(),
            t.second(),
            t.microsecond()
        ),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        Record {
            sequence: 1,
            id: 1,
            at: "2026-11-21T13:05:09.000125Z".to_owned(),
            caller: "machine:ann".to_owned(),
            action: "tenant.create".to_owned(),
            tenant_id: None,
            operation_id: None,
            detail: "{}".to_owned(),
            hash: None,
        }
    }

    #[test]
    fn a_text_that_moves_to_the_next_field_changes_the_hash() {
        let one = record();
        let other =
            Record { caller: "machine:anntenant".to_owned(), action: ".create".to_owned(), ..record() };
        assert_ne!(one.hash_at(1, Hash::START), other.hash_at(1, Hash::START));
    }

    #[test]
    fn every_field_is_part_of_the_hash() {
        let id = Some(Uuid::nil());
        let changed = [
            Record { id: 2, ..record() },
            Record { at: "2026-11-21T13:05:09.000126Z".to_owned(), ..record() },
            Record { caller: String::new(), ..record() },
            Record { action: String::new(), ..record() },
            Record { tenant_id: id, ..record() },
            Record { operation_id: id, ..record() },
            Record { detail: "{ }".to_owned(), ..record() },
        ];
        let hash = record().hash_at(1, Hash::START);
        for other in changed {
            assert_ne!(other.hash_at(1, Hash::START), hash, "{other:?}");
        }
        assert_ne!(record().hash_at(2, Hash::START), hash);
        assert_ne!(record().hash_at(1, hash), hash);
    }

    #[test]
    fn a_hash_is_read_as_it_is_written_and_in_no_other_form() {
        let hash = record().hash_at(1, Hash::START);
        assert_eq!(hash.to_string().parse(), Ok(hash));
        for text in [String::new(), hash.to_string().to_uppercase(), format!("{hash}0"), "g".repeat(64)] {
            assert!(text == hash.to_string() || text.parse::<Hash>().is_err(), "{text}");
        }
    }

    #[test]
    fn times_have_one_form() {
        assert_eq!(time_of_micros("1795266309000125"), "2026-11-21T13:05:09.000125Z");
        assert_eq!(time_of_micros("0"), "1970-01-01T00:00:00.000000Z");
        for odd in ["Infinity", "-99999999999999999", "99999999999999999999999999999999999999999"] {
            assert_eq!(time_of_micros(odd), odd);
        }
    }
}
