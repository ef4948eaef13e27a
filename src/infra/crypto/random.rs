//! Random values from the system's generator.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretString;
use zeroize::Zeroizing;

/// RFC 4648's base 32.
const BASE32: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

/// Random bytes.
///
/// # Panics
/// When the system has no random numbers to give, which nothing can go on without.
#[must_use]
pub fn bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    #[expect(clippy::expect_used, reason = "no secret can be made without random numbers")]
    getrandom::fill(&mut bytes).expect("the system's random number generator works");
    bytes
}

/// 256 random bits as text that needs no quoting anywhere (RFC 4648 section 5, 43 characters).
#[must_use]
pub fn text() -> Zeroizing<String> {
    Zeroizing::new(URL_SAFE_NO_PAD.encode(*Zeroizing::new(bytes::<32>())))
}

/// A password for a database role: 256 bits.
#[must_use]
pub fn password() -> SecretString {
    SecretString::from(text().to_string())
}

/// The public half of a key to an object store: `NX` and 90 random bits, 20 characters, as AWS's.
#[must_use]
pub fn access_key_id() -> String {
    let tail = bytes::<18>().map(|byte| char::from(BASE32[usize::from(byte & 31)]));
    "NX".chars().chain(tail).collect()
}

/// The secret half: 256 bits.
#[must_use]
pub fn secret_key() -> SecretString {
    password()
}
