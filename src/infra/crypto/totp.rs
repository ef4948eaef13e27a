//! Codes that change with the time (RFC 6238): a second factor, as authenticator apps make them.

use std::fmt::{self, Write as _};

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use totp_rs::{Algorithm, Builder, Secret, Totp};
use zeroize::Zeroizing;

use super::random::{self, RandomError};

/// Bytes of a secret: as many as the hash has (RFC 4226, section 4).
const SECRET_LEN: usize = 20;
/// Digits of a code.
const DIGITS: u8 = 6;
/// Seconds that a code is good.
const STEP: u64 = 30;
/// Codes before and after the current one that are good, too, for clocks that differ.
const SKEW: u16 = 1;
/// Characters of a recovery code: 80 bits, which nobody guesses, so its hash needs no salt.
const RECOVERY_LEN: usize = 16;
/// RFC 4648's base 32.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// What a person's authenticator app and Nexus share, in base 32.
pub struct TotpSecret(SecretString);

impl TotpSecret {
    /// A new one.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        // 32 characters of 5 bits are 20 bytes.
        letters(SECRET_LEN * 8 / 5).map(Self)
    }

    /// Of what was kept.
    #[must_use]
    pub fn from_text(text: SecretString) -> Self {
        Self(text)
    }

    /// The text, to be kept sealed.
    #[must_use]
    pub fn text(&self) -> &SecretString {
        &self.0
    }

    /// What an authenticator app reads, e.g. as a QR code (Key URI Format of Google Authenticator).
    #[must_use]
    pub fn uri(&self, account: &str) -> SecretString {
        let mut label = String::new();
        for byte in account.bytes() {
            if byte.is_ascii_alphanumeric() || b"-._~@".contains(&byte) {
                label.push(char::from(byte));
            } else {
                // Writing to a text does not fail.
                let _ = write!(label, "%{byte:02X}");
            }
        }
        let secret = self.0.expose_secret();
        SecretString::from(format!("otpauth://totp/Nexus:{label}?secret={secret}&issuer=Nexus"))
    }

    /// The time step whose code this is, if it is the code of about now. `None`: it is not, or the
    /// secret is damaged.
    #[must_use]
    pub fn check(&self, code: &SecretString, unix_seconds: u64) -> Option<u64> {
        self.totp()?.check(code.expose_secret().trim(), unix_seconds)
    }

    /// The code of a moment.
    #[must_use]
    pub fn code(&self, unix_seconds: u64) -> Option<SecretString> {
        Some(SecretString::from(self.totp()?.generate(unix_seconds).to_string()))
    }

    fn totp(&self) -> Option<Totp> {
        let mut bytes = Zeroizing::new([0; SECRET_LEN]);
        let (mut bits, mut count, mut at) = (0_u32, 0, 0);
        for letter in self.0.expose_secret().bytes() {
            let value = BASE32.iter().position(|known| *known == letter)?;
            bits = (bits << 5) | u32::try_from(value).ok()?;
            count += 5;
            if count >= 8 {
                count -= 8;
                *bytes.get_mut(at)? = u8::try_from((bits >> count) & 0xff).ok()?;
                at += 1;
            }
        }
        (at == SECRET_LEN).then_some(())?;
        let builder = Builder::new()
            .with_algorithm(Algorithm::SHA1)
            .with_digits(DIGITS)
            .with_step_duration(STEP)
            .with_skew(SKEW)
            .with_secret(Secret::new_stack(*bytes));
        builder.build().ok()
    }
}

impl fmt::Debug for TotpSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TotpSecret([REDACTED])")
    }
}

/// A code that stands in for the second factor once, should it be lost.
///
/// # Errors
/// [`RandomError`] when the operating system gives no random bytes.
pub fn recovery_code() -> Result<SecretString, RandomError> {
    letters(RECOVERY_LEN)
}

/// What is kept of a recovery code: its SHA-256. However it is typed: case and hyphens do not count.
#[must_use]
pub fn recovery_hash(code: &SecretString) -> [u8; 32] {
    let typed = code.expose_secret().chars().filter(char::is_ascii_alphanumeric);
    let plain: Zeroizing<String> = Zeroizing::new(typed.map(|c| c.to_ascii_uppercase()).collect());
    Sha256::digest(plain.as_bytes()).into()
}

fn letters(count: usize) -> Result<SecretString, RandomError> {
    let mut bytes = Zeroizing::new(vec![0; count]);
    random::fill(&mut bytes)?;
    let mut text = Zeroizing::new(String::with_capacity(count));
    for byte in bytes.iter() {
        text.push(char::from(BASE32[usize::from(*byte) % BASE32.len()]));
    }
    Ok(SecretString::from(text.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 6238, appendix B, with its last six digits.
    #[test]
    fn codes_are_those_of_the_standard() {
        let secret = TotpSecret::from_text("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ".into());
        for (time, code) in [(59, "287082"), (1_111_111_109, "081804"), (20_000_000_000, "353130")] {
            assert_eq!(secret.code(time).unwrap().expose_secret(), code);
            assert_eq!(secret.check(&code.into(), time), Some(time / 30));
            assert_eq!(secret.check(&code.into(), time + 30), Some(time / 30));
            assert_eq!(secret.check(&code.into(), time + 61), None);
        }
        assert_eq!(secret.check(&"000000".into(), 59), None);
        assert_eq!(secret.check(&"".into(), 59), None);
        assert!(TotpSecret::from_text("short".into()).check(&"287082".into(), 59).is_none());
    }

    #[test]
    fn a_new_secret_works_and_prints_nothing_of_itself() {
        let secret = TotpSecret::generate().unwrap();
        let code = secret.code(1000).unwrap();
        assert_eq!(secret.check(&code, 1000), Some(33));
        assert!(!format!("{secret:?}").contains(secret.text().expose_secret()));
        let uri = secret.uri("ann+x@acme.example");
        assert!(uri.expose_secret().starts_with("otpauth://totp/Nexus:ann%2Bx@acme.example?secret="));
    }

    #[test]
    fn a_recovery_code_may_be_typed_in_any_way() {
        let code = recovery_code().unwrap();
        let typed = format!("{}-{}", &code.expose_secret()[..8].to_lowercase(), &code.expose_secret()[8..]);
        assert_eq!(recovery_hash(&code), recovery_hash(&typed.into()));
        assert_ne!(recovery_hash(&code), recovery_hash(&recovery_code().unwrap()));
    }
}
