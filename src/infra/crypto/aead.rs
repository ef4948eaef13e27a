//! AES-256-GCM with a random nonce: what [`super::seal`] and [`super::master`] share.
//!
//! NIST SP 800-38D: a 96-bit nonce from a random generator (section 8.2.2), at most 2^32 seals
//! with one key (section 8.3), a full 128-bit tag (section 5.2.1.2). The written form is
//! nonce, ciphertext, tag.

use aes_gcm::aead::KeyInit;
use aes_gcm::{AeadInOut, Aes256Gcm, Nonce, Tag};
use secrecy::{ExposeSecretMut, SecretSlice};

use super::random::{self, RandomError};

/// Bytes of a key.
pub(super) const KEY_LEN: usize = 32;
/// Bytes of a nonce.
pub(super) const NONCE_LEN: usize = 12;
/// Bytes of a tag. Shorter ones are never accepted.
pub(super) const TAG_LEN: usize = 16;

/// Why a value could not be sealed.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// No nonce could be made.
    #[error(transparent)]
    Random(#[from] RandomError),
    /// Longer than AES-GCM can seal: 2^36 - 32 bytes (NIST SP 800-38D, section 5.2.1.1).
    #[error("a value of {0} bytes is too long to be sealed")]
    TooLong(usize),
}

/// Seals `plaintext`: `header`, then nonce, ciphertext and tag. The header is not bound by itself;
/// what must be bound stands in `aad`.
pub(super) fn seal(
    key: &[u8; KEY_LEN],
    header: &[u8],
    aad: &[u8],
    plaintext: &[u8],
) -> Result<Vec<u8>, SealError> {
    let mut nonce = [0; NONCE_LEN];
    random::fill(&mut nonce)?;
    let mut sealed = Vec::with_capacity(header.len() + NONCE_LEN + plaintext.len() + TAG_LEN);
    sealed.extend_from_slice(header);
    sealed.extend_from_slice(&nonce);
    let body = sealed.len();
    sealed.extend_from_slice(plaintext);
    let tag = Aes256Gcm::new(key.into())
        .encrypt_inout_detached(&Nonce::from(nonce), aad, sealed[body..].as_mut().into())
        .map_err(|_| SealError::TooLong(plaintext.len()))?;
    sealed.extend_from_slice(&tag);
    Ok(sealed)
}

/// Opens nonce, ciphertext and tag. `None` when any bit of it, or of `aad`, is not what was
/// sealed, or the tag is not whole.
pub(super) fn open(key: &[u8; KEY_LEN], aad: &[u8], sealed: &[u8]) -> Option<SecretSlice<u8>> {
    let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>()?;
    let (ciphertext, tag) = rest.split_last_chunk::<TAG_LEN>()?;
    let mut plaintext = SecretSlice::from(ciphertext.to_vec());
    Aes256Gcm::new(key.into())
        .decrypt_inout_detached(
            &Nonce::from(*nonce),
            aad,
            plaintext.expose_secret_mut().into(),
            &Tag::from(*tag),
        )
        .ok()?;
    Some(plaintext)
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    fn bytes(text: &str) -> Vec<u8> {
        hex::decode(text).unwrap()
    }

    /// McGrew and Viega, "The Galois/Counter Mode of Operation", appendix B, test cases 13 to 16:
    /// the published vectors of AES-256-GCM with a 96-bit nonce.
    #[test]
    fn the_published_vectors_open() {
        let key = "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308";
        let nonce = "cafebabefacedbaddecaf888";
        let text = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525\
                    b16aedf5aa0de657ba637b391aafd255";
        let cipher = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa8cb08e48590dbb3da7b08b1056828838\
                      c5f61e6393ba7a0abcc9f662898015ad";
        let zeros = |bytes: usize| "00".repeat(bytes);
        let vectors = [
            (zeros(32), zeros(12), "", String::new(), "", "530f8afbc74536b9a963b4f1c4cb738b"),
            (
                zeros(32),
                zeros(12),
                "",
                zeros(16),
                "cea7403d4d606b6e074ec5d3baf39d18",
                "d0d1c8a799996bf0265b98b5d48ab919",
            ),
            (key.into(), nonce.into(), "", text.into(), cipher, "b094dac5d93471bdec1a502270e3cc6c"),
            (
                key.into(),
                nonce.into(),
                "feedfacedeadbeeffeedfacedeadbeefabaddad2",
                text[..120].into(),
                &cipher[..120],
                "76fc6ece0f4e1768cddf8853bb2d551b",
            ),
        ];
        for (key, nonce, aad, plaintext, ciphertext, tag) in vectors {
            let key: [u8; 32] = bytes(&key).try_into().unwrap();
            let opened = open(&key, &bytes(aad), &bytes(&format!("{nonce}{ciphertext}{tag}"))).unwrap();
            assert_eq!(opened.expose_secret(), bytes(&plaintext));
        }
    }

    #[test]
    fn a_short_tag_is_refused_at_every_length() {
        let sealed = seal(&[7; 32], b"", b"place", b"value").unwrap();
        for length in 0..sealed.len() {
            assert!(open(&[7; 32], b"place", &sealed[..length]).is_none());
        }
        assert!(open(&[7; 32], b"place", &sealed).is_some());
    }
}
