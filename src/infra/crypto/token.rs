//! Single-use tokens. Whoever shows one may do one thing; only its hash is kept.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::random;

/// What an invitation begins with, so that people and scanners recognise one.
const INVITATION: &str = "nxi_";

/// A new invitation: 256 bits.
#[must_use]
pub fn invitation() -> SecretString {
    SecretString::from(format!("{INVITATION}{}", random::text().as_str()))
}

/// What is kept of a token: its SHA-256. A token of 256 random bits needs no slow hash.
#[must_use]
pub fn hash(token: &SecretString) -> [u8; 32] {
    Sha256::digest(token.expose_secret().as_bytes()).into()
}

/// Whether a token has this hash, in a time that tells nothing.
#[must_use]
pub fn matches(token: &SecretString, expected: &[u8; 32]) -> bool {
    hash(token).ct_eq(expected).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_matches_its_own_hash_only() {
        let (one, other) = (invitation(), invitation());
        assert!(matches(&one, &hash(&one)));
        assert!(!matches(&other, &hash(&one)));
        assert!(one.expose_secret().starts_with("nxi_"));
    }
}
