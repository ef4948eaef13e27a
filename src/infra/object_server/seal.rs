//! Secrets at rest: AES-256-GCM under a key that is derived from the admin token.

use aes_gcm::aead::{Aead, Generate, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac};
use serde::{Deserialize, Serialize};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::kernel::{ExposeSecret, SecretString};

/// Tells this use of the admin token from any other.
const PURPOSE: &[u8] = b"nexus object server: access key secrets at rest, v1";

/// Seals and opens.
pub(crate) struct Sealer(Aes256Gcm);

/// A sealed text, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SealedText {
    nonce: String,
    sealed: String,
}

impl std::fmt::Debug for Sealer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Sealer")
    }
}

impl Sealer {
    /// Derives the key. `None` cannot happen with HMAC, which takes a key of any length.
    pub(crate) fn new(token: &SecretString) -> Option<Self> {
        let mut mac = <Hmac<Sha256> as KeyInit>::new_from_slice(token.expose_secret().as_bytes()).ok()?;
        mac.update(PURPOSE);
        let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        Aes256Gcm::new_from_slice(key.as_slice()).ok().map(Self)
    }

    /// Seals a text; it opens only together with the same `bound` bytes.
    pub(crate) fn seal(&self, text: &SecretString, bound: &[u8]) -> Option<SealedText> {
        let nonce = Nonce::generate();
        let payload = Payload { msg: text.expose_secret().as_bytes(), aad: bound };
        let sealed = self.0.encrypt(&nonce, payload).ok()?;
        Some(SealedText { nonce: STANDARD.encode(nonce), sealed: STANDARD.encode(sealed) })
    }

    /// Opens a text; `None` when anything about it differs.
    pub(crate) fn open(&self, text: &SealedText, bound: &[u8]) -> Option<SecretString> {
        let nonce = <[u8; 12]>::try_from(STANDARD.decode(&text.nonce).ok()?).ok()?;
        let sealed = STANDARD.decode(&text.sealed).ok()?;
        let plain = self.0.decrypt(&Nonce::from(nonce), Payload { msg: &sealed, aad: bound }).ok()?;
        let plain = Zeroizing::new(plain);
        std::str::from_utf8(&plain).ok().map(SecretString::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_opens_only_under_its_token_and_its_binding() {
        let sealer = Sealer::new(&SecretString::from("one")).unwrap();
        let kept = sealer.seal(&SecretString::from("secret"), b"a").unwrap();
        assert_eq!(sealer.open(&kept, b"a").unwrap().expose_secret(), "secret");
        assert!(sealer.open(&kept, b"b").is_none());
        let other = Sealer::new(&SecretString::from("two")).unwrap();
        assert!(other.open(&kept, b"a").is_none());
    }
}
