//! Signatures that outsiders check: Ed25519 (RFC 8032), its public key as a PEM text (RFC 8410), so
//! that any tool can check a signature without Nexus.

use aws_lc_rs::signature::{ED25519, Ed25519KeyPair, KeyPair, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::RandomError;
use crate::kernel::Failure;

/// What stands before the 32 bytes of a key in a SubjectPublicKeyInfo (RFC 8410, section 4).
const PREFIX: [u8; 12] = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];

/// A key that is none.
#[derive(Debug, thiserror::Error, Failure)]
pub enum SignError {
    /// The sealed private key does not open as one.
    #[error("the signing key does not open as one")]
    #[failure(Integrity, "signing_key_damaged")]
    PrivateKey,
    /// The text is no public key.
    #[error("this is not an Ed25519 public key in PEM form")]
    #[failure(Invalid, "public_key_invalid")]
    PublicKey,
    /// No key could be made.
    #[error(transparent)]
    #[failure(transparent)]
    Random(#[from] RandomError),
}

/// A private key.
pub struct Signer(Ed25519KeyPair);

/// A public key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey([u8; 32]);

impl Signer {
    /// A new one, and the text that it is sealed as: the base64 of its seed.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> Result<(Self, SecretString), SignError> {
        let mut seed = Zeroizing::new([0; 32]);
        super::random::fill(&mut *seed)?;
        let text = SecretString::from(STANDARD.encode(*seed));
        Ok((Self::open(&text)?, text))
    }

    /// Of the text that it is sealed as.
    ///
    /// # Errors
    /// [`SignError::PrivateKey`].
    pub fn open(text: &SecretString) -> Result<Self, SignError> {
        let seed = Zeroizing::new(STANDARD.decode(text.expose_secret()).map_err(|_| SignError::PrivateKey)?);
        Ed25519KeyPair::from_seed_unchecked(&seed).map(Self).map_err(|_| SignError::PrivateKey)
    }

    /// Its public half.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(self.0.public_key().as_ref());
        PublicKey(bytes)
    }

    /// The signature of a text, as base64.
    #[must_use]
    pub fn sign(&self, text: &[u8]) -> String {
        STANDARD.encode(self.0.sign(text).as_ref())
    }
}

impl PublicKey {
    /// As PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        let text = STANDARD.encode([&PREFIX[..], &self.0].concat());
        format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
    }

    /// Its 32 bytes (RFC 8032, section 5.1.5).
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Of PEM.
    ///
    /// # Errors
    /// [`SignError::PublicKey`].
    pub fn from_pem(text: &str) -> Result<Self, SignError> {
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let ["-----BEGIN PUBLIC KEY-----", inner, "-----END PUBLIC KEY-----"] = lines.as_slice() else {
            return Err(SignError::PublicKey);
        };
        let bytes = STANDARD.decode(inner).map_err(|_| SignError::PublicKey)?;
        let key = bytes.strip_prefix(&PREFIX).and_then(|key| key.try_into().ok());
        key.map(Self).ok_or(SignError::PublicKey)
    }

    /// For people to compare: the SHA-256 of the SubjectPublicKeyInfo, in base64.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("SHA256:{}", STANDARD.encode(Sha256::digest([&PREFIX[..], &self.0].concat())))
    }

    /// Whether a signature is that of a text by this key's private half.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &str) -> bool {
        let Ok(signature) = STANDARD.decode(signature) else { return false };
        UnparsedPublicKey::new(&ED25519, self.0).verify(text, &signature).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_good_for_its_text_and_its_key() {
        let (signer, sealed) = Signer::generate().unwrap();
        let public = Signer::open(&sealed).unwrap().public();
        assert_eq!(PublicKey::from_pem(&public.to_pem()).unwrap(), public);
        let signature = signer.sign(b"text");
        assert!(public.verifies(b"text", &signature));
        assert!(!public.verifies(b"texT", &signature));
        assert!(!Signer::generate().unwrap().0.public().verifies(b"text", &signature));
        assert!(!public.verifies(b"text", "rubbish"));
        assert!(PublicKey::from_pem("rubbish").is_err());
    }

    /// RFC 8032, section 7.1, test 2.
    #[test]
    fn it_is_ed25519() {
        let seed: Vec<u8> = (0..64)
            .step_by(2)
            .map(|at| {
                let text = "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb";
                u8::from_str_radix(&text[at..at + 2], 16).unwrap()
            })
            .collect();
        let signer = Signer::open(&SecretString::from(STANDARD.encode(seed))).unwrap();
        let signature = STANDARD.decode(signer.sign(&[0x72])).unwrap();
        assert_eq!(signature[..4], [0x92, 0xa0, 0x09, 0xa9]);
        assert_eq!(signer.public().0[..4], [0x3d, 0x40, 0x17, 0xc3]);
    }
}
