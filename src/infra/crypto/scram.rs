//! SCRAM-SHA-256 verifiers as PostgreSQL keeps them (RFC 5802, RFC 7677; manual, chapter 53.10,
//! `pg_authid`): computed here, so that a password never reaches the server or its log.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::random;

/// PostgreSQL's own number of rounds (`SCRAM_SHA_256_DEFAULT_ITERATIONS`). Our passwords have 256
/// random bits, which no number of rounds could make harder to guess.
const ROUNDS: u32 = 4096;

/// A verifier for a password of printable ASCII, which SASLprep (RFC 4013) leaves as it is.
#[must_use]
pub fn verifier(password: &SecretString) -> String {
    let salt: [u8; 16] = random::bytes();
    let (stored, server) = keys(password, &salt, ROUNDS);
    format!(
        "SCRAM-SHA-256${ROUNDS}:{}${}:{}",
        STANDARD.encode(salt),
        STANDARD.encode(stored),
        STANDARD.encode(server)
    )
}

/// Whether a stored verifier was made from this password.
#[must_use]
pub fn verify(verifier: &str, password: &SecretString) -> bool {
    parse(verifier).is_some_and(|(rounds, salt, stored)| {
        let (ours, _) = keys(password, &salt, rounds);
        ours.as_slice().ct_eq(&stored).into()
    })
}

fn parse(verifier: &str) -> Option<(u32, Vec<u8>, Vec<u8>)> {
    let (head, keys) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (rounds, salt) = head.split_once(':')?;
    let (stored, _server) = keys.split_once(':')?;
    Some((rounds.parse().ok()?, STANDARD.decode(salt).ok()?, STANDARD.decode(stored).ok()?))
}

/// `StoredKey` and `ServerKey` of RFC 5802, section 3.
fn keys(password: &SecretString, salt: &[u8], rounds: u32) -> ([u8; 32], [u8; 32]) {
    let salted: [u8; 32] =
        pbkdf2::pbkdf2_hmac_array::<Sha256, 32>(password.expose_secret().as_bytes(), salt, rounds);
    let stored = Sha256::digest(mac(&salted, b"Client Key"));
    (stored.into(), mac(&salted, b"Server Key"))
}

fn mac(key: &[u8; 32], text: &[u8]) -> [u8; 32] {
    #[expect(clippy::expect_used, reason = "HMAC takes a key of any length (RFC 2104, section 2)")]
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key of 32 bytes");
    mac.update(text);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_verifier_fits_its_password_only() {
        let (one, other) = (random::password(), random::password());
        let stored = verifier(&one);
        assert!(verify(&stored, &one));
        assert!(!verify(&stored, &other));
        assert!(!verify("md5abc", &one));
        assert_ne!(stored, verifier(&one), "every verifier has a salt of its own");
    }

    #[test]
    fn the_keys_are_those_of_the_rfc() {
        // RFC 7677 section 3: user "user", password "pencil".
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (stored, server) = keys(&SecretString::from("pencil"), &salt, 4096);
        assert_eq!(STANDARD.encode(stored), "WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=");
        assert_eq!(STANDARD.encode(server), "wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=");
    }
}
