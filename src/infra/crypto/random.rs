//! Random values from the operating system: keys, passwords, tokens.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret, ExposeSecretMut, SecretBox, SecretString};
use zeroize::{Zeroize, Zeroizing};

use crate::kernel::{Failure, ResourceName};

/// Bytes of a 256-bit secret.
const SECRET_LEN: usize = 32;

/// RFC 4648's base 32: what the S3 world's access key ids are made of.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Characters of an access key id, as S3 clients expect.
const ACCESS_KEY_ID_LEN: usize = 20;

/// How every access key id of Nexus begins, so that a leaked one is recognised.
const ACCESS_KEY_ID_PREFIX: &str = "NX";

/// The operating system gave no random bytes.
#[derive(Debug, thiserror::Error, Failure)]
#[error("the operating system gives no random bytes: {0}")]
#[failure(Unavailable, "no_random_bytes")]
pub struct RandomError(getrandom::Error);

/// An opaque name for a database, its roles and a bucket.
///
/// # Errors
/// [`RandomError`] when the operating system refuses.
pub fn resource_name() -> Result<ResourceName, RandomError> {
    let mut bytes = [0; 20];
    fill(&mut bytes)?;
    Ok(ResourceName::from_random(bytes))
}

/// Fills a slice with random bytes.
///
/// # Errors
/// [`RandomError`] when the operating system refuses.
pub fn fill(bytes: &mut [u8]) -> Result<(), RandomError> {
    getrandom::fill(bytes).map_err(RandomError)
}

/// A 256-bit key, made where it stays.
///
/// # Errors
/// [`RandomError`] when the operating system refuses.
pub fn key() -> Result<SecretBox<[u8; SECRET_LEN]>, RandomError> {
    let mut key = SecretBox::new(Box::new([0; SECRET_LEN]));
    fill(key.expose_secret_mut())?;
    Ok(key)
}

/// 256 random bits as 43 characters of base64url without padding (RFC 4648, section 5).
///
/// # Errors
/// [`RandomError`] when the operating system refuses.
pub fn token() -> Result<SecretString, RandomError> {
    Ok(base64url(key()?.expose_secret()))
}

/// A password of 256 bits for a PostgreSQL role: 43 characters that need no quoting in a URL, a
/// shell or a connection string.
///
/// # Errors
/// [`RandomError`] when the operating system refuses.
pub fn role_password() -> Result<SecretString, RandomError> {
    // A leading '-' would read as an option where a password is passed on to a program.
    loop {
        let password = token()?;
        if !password.expose_secret().starts_with('-') {
            return Ok(password);
        }
    }
}

/// The two halves of an S3 credential.
pub struct AccessKey {
    /// Public: 20 characters of A-Z and 2-7, beginning with `NX`.
    pub id: String,
    /// 40 characters of base64url: 240 bits.
    pub secret: SecretString,
}

impl AccessKey {
    /// Makes a new pair.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system refuses.
    pub fn generate() -> Result<Self, RandomError> {
        let mut tail = [0; ACCESS_KEY_ID_LEN - ACCESS_KEY_ID_PREFIX.len()];
        fill(&mut tail)?;
        // 32 letters divide 256 evenly: every letter is equally likely.
        let letters = tail.iter().map(|byte| char::from(BASE32[usize::from(byte & 31)]));
        let id = ACCESS_KEY_ID_PREFIX.chars().chain(letters).collect();
        let mut secret = Zeroizing::new([0; 30]);
        fill(&mut *secret)?;
        Ok(Self { id, secret: base64url(&*secret) })
    }
}

impl fmt::Debug for AccessKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Base64url without padding, written once into memory of its final size, so that no copy of a
/// secret is left behind by a growing buffer.
pub(super) fn base64url(bytes: &[u8]) -> SecretString {
    let mut text = vec![0; bytes.len().div_ceil(3) * 4];
    let written = URL_SAFE_NO_PAD.encode_slice(bytes, &mut text).unwrap_or_default();
    let secret = SecretString::from(std::str::from_utf8(&text[..written]).unwrap_or_default());
    text.zeroize();
    secret
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn tokens_are_256_bits_and_never_the_same() {
        let tokens: BTreeSet<String> = (0..1000).map(|_| token().unwrap().expose_secret().into()).collect();
        assert_eq!(tokens.len(), 1000);
        for token in tokens {
            assert_eq!(URL_SAFE_NO_PAD.decode(token).unwrap().len(), 32);
        }
    }

    #[test]
    fn a_role_password_needs_no_quoting() {
        for _ in 0..1000 {
            let password = role_password().unwrap();
            let text = password.expose_secret();
            assert_eq!(text.len(), 43);
            assert!(text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_'));
            assert!(!text.starts_with('-'));
        }
    }

    #[test]
    fn access_keys_look_like_access_keys() {
        for _ in 0..1000 {
            let key = AccessKey::generate().unwrap();
            assert_eq!(key.id.len(), 20);
            assert!(key.id.starts_with("NX"));
            assert!(key.id.chars().all(|c| matches!(c, 'A'..='Z' | '2'..='7')));
            assert_eq!(key.secret.expose_secret().len(), 40);
            let debug = format!("{key:?}");
            assert!(debug.contains(&key.id) && !debug.contains(key.secret.expose_secret()));
        }
    }

    #[test]
    fn base64url_is_that_of_rfc_4648() {
        for (bytes, text) in [("", ""), ("f", "Zg"), ("fo", "Zm8"), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64url(bytes.as_bytes()).expose_secret(), text);
        }
        assert_eq!(base64url(&[0xfb, 0xff]).expose_secret(), "-_8");
    }
}
