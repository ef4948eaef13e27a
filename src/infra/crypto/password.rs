//! People's passwords: Argon2id hashes, and which passwords are too weak.

use argon2::{Algorithm, Argon2, Params, PasswordHasher, PasswordVerifier, Version};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::Semaphore;

use crate::kernel::{ErrorKind, Failure};

/// Fewest characters of a password that is the only factor (NIST SP 800-63B-4, section 3.1.1.2).
pub const MIN_CHARS: usize = 15;
/// Most characters.
pub const MAX_CHARS: usize = 256;

/// OWASP's Password Storage Cheat Sheet, first choice for Argon2id: 19 MiB, two passes, one lane.
const MEMORY_KIB: u32 = 19 * 1024;
const PASSES: u32 = 2;
const LANES: u32 = 1;
/// Most hashes at a time, so that their memory has a limit.
const AT_A_TIME: usize = 4;

static PLACES: Semaphore = Semaphore::const_new(AT_A_TIME);

/// Why a password was refused, or could not be hashed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too short.
    #[error("a password has at least {MIN_CHARS} characters, this one has {0}")]
    Short(usize),
    /// Too long.
    #[error("a password has at most {MAX_CHARS} characters")]
    Long,
    /// Easily guessed.
    #[error("this password is easily guessed: {0}")]
    Weak(&'static str),
    /// The hash could not be made.
    #[error("the password could not be hashed: {0}")]
    Hash(String),
}

impl Failure for PasswordError {
    fn kind(&self) -> ErrorKind {
        match self {
            Self::Hash(_) => ErrorKind::Unavailable,
            Self::Short(_) | Self::Long | Self::Weak(_) => ErrorKind::Invalid,
        }
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Hash(_) => "password_not_hashed",
            Self::Short(_) | Self::Long | Self::Weak(_) => "password_refused",
        }
    }

    fn hints(&self) -> Vec<String> {
        vec!["take four or five random words; length is what counts".to_owned()]
    }
}

/// Whether a password may be used: its length, and that it is not one that anybody would try
/// first. No rules on kinds of characters (NIST SP 800-63B-4, section 3.1.1.2).
///
/// # Errors
/// The reason against it.
pub fn check(password: &SecretString, email: Option<&str>) -> Result<(), PasswordError> {
    let text = password.expose_secret();
    let chars: Vec<char> = text.to_lowercase().chars().collect();
    match chars.len() {
        n if n < MIN_CHARS => return Err(PasswordError::Short(n)),
        n if n > MAX_CHARS => return Err(PasswordError::Long),
        _ => {}
    }
    let steps: Vec<i64> =
        chars.windows(2).map(|pair| i64::from(u32::from(pair[1])) - i64::from(u32::from(pair[0]))).collect();
    if steps.iter().all(|step| *step == steps[0] && step.abs() <= 1) {
        return Err(PasswordError::Weak("it is one character repeated, or a row of the alphabet"));
    }
    let repeats =
        (2..=chars.len() / 2).any(|period| chars.iter().zip(chars.iter().skip(period)).all(|(a, b)| a == b));
    if repeats {
        return Err(PasswordError::Weak("it repeats a part of itself"));
    }
    let local = email.and_then(|email| email.split('@').next()).map(str::to_lowercase);
    if local.is_some_and(|local| local.len() >= 3 && text.to_lowercase().contains(&local)) {
        return Err(PasswordError::Weak("it holds the e-mail address"));
    }
    Ok(())
}

/// The Argon2id hash in PHC form. Runs beside the other work; at most four at a time.
///
/// # Errors
/// [`PasswordError::Hash`] when memory is short.
pub async fn hash(password: SecretString) -> Result<SecretString, PasswordError> {
    let _place = PLACES.acquire().await;
    let hashing = tokio::task::spawn_blocking(move || {
        let hashed = hasher()?.hash_password(password.expose_secret().as_bytes());
        hashed
            .map(|hash| SecretString::from(hash.to_string()))
            .map_err(|error| PasswordError::Hash(error.to_string()))
    });
    hashing.await.unwrap_or_else(|error| Err(PasswordError::Hash(error.to_string())))
}

/// Whether a password has this hash.
#[must_use]
pub fn verify(password: &SecretString, hash: &SecretString) -> bool {
    let (password, hash) = (password.expose_secret(), hash.expose_secret());
    hasher().is_ok_and(|hasher| hasher.verify_password(password.as_bytes(), hash).is_ok())
}

fn hasher() -> Result<Argon2<'static>, PasswordError> {
    let params = Params::new(MEMORY_KIB, PASSES, LANES, None);
    let params = params.map_err(|error| PasswordError::Hash(error.to_string()))?;
    Ok(Argon2::new(Algorithm::Argon2id, Version::V0x13, params))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secret(text: &str) -> SecretString {
        SecretString::from(text)
    }

    #[test]
    fn weak_passwords_are_refused_with_the_reason() {
        assert_eq!(check(&secret("short"), None), Err(PasswordError::Short(5)));
        assert_eq!(check(&secret(&"x".repeat(257)), None), Err(PasswordError::Long));
        for text in ["aaaaaaaaaaaaaaaa", "abcdefghijklmnopq", "passwordpassword", "annann-is-great-annann"] {
            assert!(
                matches!(check(&secret(text), Some("annann@acme.example")), Err(PasswordError::Weak(_))),
                "{text}"
            );
        }
        assert_eq!(check(&secret("correct horse battery"), Some("ann@acme.example")), Ok(()));
    }

    #[tokio::test]
    async fn a_password_has_its_own_hash_only() {
        let hashed = hash(secret("correct horse battery")).await.unwrap();
        assert!(hashed.expose_secret().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify(&secret("correct horse battery"), &hashed));
        assert!(!verify(&secret("correct horse batterz"), &hashed));
    }
}
