//! SCRAM-SHA-256 verifiers as PostgreSQL keeps them, made here: a role's password then never
//! reaches the server, its log or its statement statistics.
//!
//! RFC 5802 (section 3) and RFC 7677 define the keys; the form `SCRAM-SHA-256$` iterations `:`
//! salt `$` StoredKey `:` ServerKey is that of PostgreSQL's manual, chapter 53.8, pg_authid.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, Zeroizing};

use super::random::{self, RandomError};
use crate::kernel::Failure;

/// Rounds of key stretching: PostgreSQL's own number, and the least that RFC 7677 (section 4)
/// allows. More would only slow logins: the passwords are 256 random bits.
const ITERATIONS: u32 = 4096;
/// The most rounds that [`verify`] runs for a verifier read from a server.
const MAX_ITERATIONS: u32 = 1_000_000;
/// Bytes of salt, as PostgreSQL makes it.
const SALT_LEN: usize = 16;

/// Why a verifier could not be made.
#[derive(Debug, thiserror::Error, Failure)]
pub enum ScramError {
    /// A role's password holds other characters than visible ASCII.
    ///
    /// RFC 4013 prepares those before hashing; role passwords are made by Nexus and never hold any.
    #[error("a role's password must be of visible ASCII characters and not empty")]
    #[failure(Internal, "role_password_characters")]
    Characters,
    /// No salt.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
}

/// The verifier of a password, with a fresh salt, to stand in `CREATE ROLE … PASSWORD '…'`. Holds
/// no quote. It is a secret still: whoever has it can pose as the server.
///
/// # Errors
/// [`ScramError::Characters`] for a password of anything but visible ASCII; no random bytes.
pub fn verifier(password: &SecretString) -> Result<SecretString, ScramError> {
    stretched(password, ITERATIONS)
}

/// The same for a password of 256 random bits that lives for minutes: with one round of stretching,
/// which protects passwords that can be guessed and none that cannot (RFC 5802, section 5.1). A
/// login then costs next to nothing.
pub fn verifier_of_random(password: &SecretString) -> Result<SecretString, ScramError> {
    stretched(password, 1)
}

fn stretched(password: &SecretString, iterations: u32) -> Result<SecretString, ScramError> {
    let mut salt = [0; SALT_LEN];
    random::fill(&mut salt)?;
    if !is_plain(password) {
        return Err(ScramError::Characters);
    }
    let keys = Keys::derive(password, &salt, iterations);
    let (salt, stored, server) =
        (STANDARD.encode(salt), STANDARD.encode(keys.stored), STANDARD.encode(keys.server));
    Ok(SecretString::from(format!("SCRAM-SHA-256${iterations}:{salt}${stored}:{server}")))
}

/// Whether a verifier, e.g. one read from `pg_authid`, is that of this password. `false` also for
/// a text that is no SCRAM-SHA-256 verifier.
#[must_use]
pub fn verify(verifier: &str, password: &SecretString) -> bool {
    let Some(parts) = parse(verifier) else { return false };
    if !is_plain(password) {
        return false;
    }
    let keys = Keys::derive(password, &parts.salt, parts.iterations);
    bool::from(keys.stored.ct_eq(&parts.stored[..]) & keys.server.ct_eq(&parts.server[..]))
}

/// A verifier taken apart.
struct Parts {
    iterations: u32,
    salt: Vec<u8>,
    stored: Vec<u8>,
    server: Vec<u8>,
}

struct Keys {
    stored: [u8; 32],
    server: [u8; 32],
}

impl Keys {
    /// RFC 5802, section 3: SaltedPassword, ClientKey, StoredKey, ServerKey.
    fn derive(password: &SecretString, salt: &[u8], iterations: u32) -> Self {
        let salted = stretch(&keyed(password.expose_secret().as_bytes()), salt, iterations);
        let salted = keyed(&*salted);
        let client = mac(&salted, &[b"Client Key"]);
        Self { stored: Sha256::digest(client.as_slice()).into(), server: *mac(&salted, &[b"Server Key"]) }
    }
}

impl Drop for Keys {
    fn drop(&mut self) {
        self.stored.zeroize();
        self.server.zeroize();
    }
}

/// `Hi` of RFC 5802, section 2.2: PBKDF2 with one block.
fn stretch(password: &Hmac<Sha256>, salt: &[u8], iterations: u32) -> Zeroizing<[u8; 32]> {
    let mut last = mac(password, &[salt, &1u32.to_be_bytes()]);
    let mut result = last.clone();
    for _ in 1..iterations {
        last = mac(password, &[&*last]);
        for (sum, byte) in result.iter_mut().zip(last.iter()) {
            *sum ^= byte;
        }
    }
    result
}

/// HMAC with a key of any length: a longer one than the block is hashed, a shorter one padded with
/// zeros (RFC 2104, section 2).
fn keyed(key: &[u8]) -> Hmac<Sha256> {
    let mut block = Zeroizing::new([0; 64]);
    match block.get_mut(..key.len()) {
        Some(start) => start.copy_from_slice(key),
        None => block[..32].copy_from_slice(&Sha256::digest(key)),
    }
    Hmac::new((&*block).into())
}

fn mac(keyed: &Hmac<Sha256>, parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let mut mac = keyed.clone();
    for part in parts {
        mac.update(part);
    }
    Zeroizing::new(mac.finalize().into_bytes().into())
}

fn is_plain(password: &SecretString) -> bool {
    let text = password.expose_secret();
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic())
}

fn parse(verifier: &str) -> Option<Parts> {
    let (head, keys) = verifier.strip_prefix("SCRAM-SHA-256$")?.split_once('$')?;
    let (iterations, salt) = head.split_once(':')?;
    let (stored, server) = keys.split_once(':')?;
    let decode = |text: &str| STANDARD.decode(text).ok();
    Some(Parts {
        iterations: iterations.parse().ok().filter(|rounds| (1..=MAX_ITERATIONS).contains(rounds))?,
        salt: decode(salt)?,
        stored: decode(stored)?,
        server: decode(server)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    /// RFC 7677, section 3: user "user", password "pencil". The RFC prints the client's proof and
    /// the server's signature; both follow from the keys and the messages it prints.
    #[test]
    fn the_keys_are_those_of_the_exchange_in_rfc_7677() {
        let messages = "n=user,r=rOprNGfwEbeRWgbNEkqO,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                        s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096,c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0";
        let salt = STANDARD.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let keys = Keys::derive(&secret("pencil"), &salt, 4096);
        let signature = mac(&keyed(&keys.server), &[messages.as_bytes()]);
        assert_eq!(STANDARD.encode(*signature), "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=");
        let proof = STANDARD.decode("dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=").unwrap();
        let client_signature = mac(&keyed(&keys.stored), &[messages.as_bytes()]);
        let client: Vec<u8> = proof.iter().zip(client_signature.iter()).map(|(a, b)| a ^ b).collect();
        assert_eq!(Sha256::digest(client).as_slice(), keys.stored);
    }

    #[test]
    fn a_verifier_is_of_its_password_only() {
        let password = random::role_password().unwrap();
        let made = verifier(&password).unwrap();
        let text = made.expose_secret();
        assert!(verify(text, &password));
        assert!(!verify(text, &secret("another")));
        assert!(!verify(text, &secret("")));
        assert!(!text.contains(password.expose_secret()) && !text.contains('\''));
        assert_ne!(text, verifier(&password).unwrap().expose_secret());
    }

    #[test]
    fn a_verifier_of_one_round_is_of_its_password_only() {
        let password = random::role_password().unwrap();
        let made = verifier_of_random(&password).unwrap();
        assert!(made.expose_secret().starts_with("SCRAM-SHA-256$1:"));
        assert!(verify(made.expose_secret(), &password));
        assert!(!verify(made.expose_secret(), &secret("another")));
    }

    #[test]
    fn a_password_longer_than_a_block_works() {
        let long = secret(&"x".repeat(200));
        let made = verifier(&long).unwrap();
        assert!(verify(made.expose_secret(), &long));
        assert!(!verify(made.expose_secret(), &secret(&"x".repeat(199))));
    }

    #[test]
    fn what_rfc_4013_would_change_is_refused() {
        for bad in ["", "pä", "a b", "tab\t", "nul\0"] {
            assert!(matches!(verifier(&secret(bad)), Err(ScramError::Characters)), "{bad:?}");
        }
    }

    #[test]
    fn what_is_no_verifier_matches_nothing() {
        let password = secret("pencil");
        let made = verifier(&password).unwrap();
        let text = made.expose_secret();
        let endless = text.replace("$4096:", "$4000000000:");
        for bad in
            ["", "md5c5b1b1b2", "SCRAM-SHA-256$", "SCRAM-SHA-256$4096:$:", &text[..text.len() - 4], &endless]
        {
            assert!(!verify(bad, &password), "{bad:?}");
        }
    }
}
