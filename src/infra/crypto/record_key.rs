//! Keyed checksums of rows: whoever can write a database, and has no key, cannot make one.
//!
//! `checksum = SHA-256(part || SHA-256(part || message))`, with a part of the key for each row, so
//! that a database which is to compute one learns nothing of any other row's. A message is its fields,
//! each as its length in bytes, a colon, and the field.

use std::fmt;
use std::fmt::Write as _;
use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::{Digest, Sha256};

use super::seal::length_prefixed;

/// The key that rows are checked with.
#[derive(Clone)]
pub struct RecordKey(Arc<SecretBox<[u8; 32]>>);

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey")
    }
}

impl RecordKey {
    /// Of 32 bytes.
    #[must_use]
    pub fn new(key: SecretBox<[u8; 32]>) -> Self {
        Self(Arc::new(key))
    }

    /// The part of the key for one row.
    #[must_use]
    pub fn part(&self, kind: &str, row: &str) -> SecretBox<[u8; 32]> {
        let mut block = zeroize::Zeroizing::new([0; 64]);
        block[..32].copy_from_slice(self.0.expose_secret());
        let mut mac = <Hmac<Sha256> as KeyInit>::new((&*block).into());
        mac.update(&length_prefixed(&[kind.as_bytes(), row.as_bytes()]));
        SecretBox::new(Box::new(mac.finalize().into_bytes().into()))
    }

    /// The checksum of a row's fields.
    #[must_use]
    pub fn checksum(&self, kind: &str, row: &str, fields: &[&str]) -> Vec<u8> {
        self.checksum_of(kind, row, &message(fields))
    }

    /// The checksum of a message that the database put together of a row's fields.
    #[must_use]
    pub fn checksum_of(&self, kind: &str, row: &str, message: &str) -> Vec<u8> {
        let part = self.part(kind, row);
        let hash = |message: &[u8]| {
            let mut digest = Sha256::new();
            digest.update(part.expose_secret());
            digest.update(message);
            digest.finalize()
        };
        hash(&hash(message.as_bytes())).to_vec()
    }
}

fn message(fields: &[&str]) -> String {
    fields.iter().fold(String::new(), |mut text, field| {
        let _ = write!(text, "{}:{field}", field.len());
        text
    })
}

/// The same checksum as an SQL expression, of one field. `part` is the number of the parameter that
/// holds the part of the key.
#[must_use]
pub fn checksum_in_sql(part: usize, field: &str) -> String {
    let message = format!("convert_to(octet_length({field})::text || ':' || {field}, 'UTF8')");
    format!("sha256(${part}::bytea || sha256(${part}::bytea || {message}))")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(byte: u8) -> RecordKey {
        RecordKey::new(SecretBox::new(Box::new([byte; 32])))
    }

    #[test]
    fn a_checksum_is_of_one_key_one_row_and_these_fields() {
        let sum = key(1).checksum("tenant", "a", &["x", "y"]);
        assert_eq!(sum, key(1).checksum("tenant", "a", &["x", "y"]));
        for other in [
            key(2).checksum("tenant", "a", &["x", "y"]),
            key(1).checksum("slug", "a", &["x", "y"]),
            key(1).checksum("tenant", "b", &["x", "y"]),
            key(1).checksum("tenant", "a", &["xy", ""]),
            key(1).checksum("tenant", "a", &["x", "y", ""]),
        ] {
            assert_ne!(sum, other);
        }
    }

    #[test]
    fn it_prints_nothing_of_the_key() {
        assert_eq!(format!("{:?}", key(7)), "RecordKey");
    }
}
