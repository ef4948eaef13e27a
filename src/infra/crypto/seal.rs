//! Sealed values: AES-256-GCM under a data key, bound to the one place where they belong.
//!
//! Format 1: a byte `1`, the data key's id (16 bytes), the nonce (12), the ciphertext, the tag
//! (16). The associated data names the place: the tenant, table, column, row and generation, each
//! with its length before it, after the format and the key's id. So a value that was moved to
//! another place, or put back after a newer one, does not open.
//!
//! Nonces are random; a key may seal 2^32 values (NIST SP 800-38D, section 8.3), far more than one
//! tenant has.

use std::fmt;

use aes_gcm::aead::{Aead, KeyInit, Payload};
use aes_gcm::{Aes256Gcm, Nonce};
use secrecy::SecretSlice;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::random;
use crate::kernel::TenantId;
use crate::kernel::ids::DataKeyId;

const FORMAT: u8 = 1;
const NONCE: usize = 12;
const TAG: usize = 16;
const HEAD: usize = 1 + 16 + NONCE;

/// The key that seals one tenant's secrets.
pub struct DataKey {
    id: DataKeyId,
    key: Zeroizing<[u8; 32]>,
}

/// The one place where a sealed value belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place<'a> {
    /// Whose it is.
    pub tenant: TenantId,
    /// In which table it lies.
    pub table: &'a str,
    /// In which column.
    pub column: &'a str,
    /// In which row.
    pub row: &'a str,
    /// The how-manieth value of this place it is.
    pub generation: i64,
}

/// The value does not open: it was changed, moved, put back, or sealed by another key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the sealed value does not open: it was changed, moved or put back")]
pub struct OpenError;

impl DataKey {
    /// A new key.
    #[must_use]
    pub fn generate() -> Self {
        Self { id: DataKeyId::new(), key: Zeroizing::new(random::bytes()) }
    }

    /// A key that was unwrapped.
    #[must_use]
    pub fn new(id: DataKeyId, key: Zeroizing<[u8; 32]>) -> Self {
        Self { id, key }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// The bytes, to be wrapped.
    #[must_use]
    pub fn bytes(&self) -> &[u8; 32] {
        &self.key
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Seals a value for its place.
#[must_use]
pub fn seal(key: &DataKey, place: &Place<'_>, plaintext: &[u8]) -> Vec<u8> {
    let nonce: [u8; NONCE] = random::bytes();
    let sealed = encrypt(&key.key, &nonce, &associated(key.id.uuid(), place), plaintext);
    [&[FORMAT], key.id.uuid().as_bytes().as_slice(), &nonce, &sealed].concat()
}

/// Opens a value at its place.
///
/// # Errors
/// [`OpenError`], which says no more to whom it does not concern.
pub fn open(key: &DataKey, place: &Place<'_>, sealed: &[u8]) -> Result<SecretSlice<u8>, OpenError> {
    if sealed.len() < HEAD + TAG || sealed[0] != FORMAT || sealed[1..17] != *key.id.uuid().as_bytes() {
        return Err(OpenError);
    }
    let nonce: [u8; NONCE] = sealed[17..HEAD].try_into().map_err(|_| OpenError)?;
    let plaintext = decrypt(&key.key, &nonce, &associated(key.id.uuid(), place), &sealed[HEAD..])?;
    Ok(SecretSlice::from(plaintext))
}

/// AES-256-GCM with a full tag.
pub(super) fn encrypt(key: &[u8; 32], nonce: &[u8; NONCE], associated: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let cipher = Aes256Gcm::new(&(*key).into());
    let payload = Payload { msg: plaintext, aad: associated };
    #[expect(clippy::expect_used, reason = "it fails only past 64 GiB (SP 800-38D, section 5.2.1.1)")]
    cipher.encrypt(&Nonce::from(*nonce), payload).expect("the plaintext is shorter than 64 GiB")
}

/// The reverse of [`encrypt`].
pub(super) fn decrypt(
    key: &[u8; 32],
    nonce: &[u8; NONCE],
    associated: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, OpenError> {
    let cipher = Aes256Gcm::new(&(*key).into());
    cipher.decrypt(&Nonce::from(*nonce), Payload { msg: sealed, aad: associated }).map_err(|_| OpenError)
}

fn associated(key: Uuid, place: &Place<'_>) -> Vec<u8> {
    let tenant = place.tenant.uuid();
    let generation = place.generation.to_be_bytes();
    lengths(&[
        &[FORMAT],
        key.as_bytes(),
        tenant.as_bytes(),
        place.table.as_bytes(),
        place.column.as_bytes(),
        place.row.as_bytes(),
        &generation,
    ])
}

/// Parts, each after its length, so that no two lists of parts give the same bytes.
pub(super) fn lengths(parts: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for part in parts {
        out.extend_from_slice(&u64::try_from(part.len()).unwrap_or(u64::MAX).to_be_bytes());
        out.extend_from_slice(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::ExposeSecret;

    fn place(tenant: TenantId) -> Place<'static> {
        Place { tenant, table: "sealed_secrets", column: "sealed", row: "database-password", generation: 3 }
    }

    #[test]
    fn a_value_opens_at_its_place() {
        let (key, tenant) = (DataKey::generate(), TenantId::new());
        let sealed = seal(&key, &place(tenant), b"hunter2");
        assert_eq!(open(&key, &place(tenant), &sealed).unwrap().expose_secret(), b"hunter2");
        assert!(!sealed.windows(7).any(|part| part == b"hunter2"));
    }

    #[test]
    fn a_value_opens_nowhere_else_and_under_no_other_key() {
        let (key, tenant) = (DataKey::generate(), TenantId::new());
        let here = place(tenant);
        let sealed = seal(&key, &here, b"hunter2");
        for elsewhere in [
            Place { tenant: TenantId::new(), ..here },
            Place { table: "tenants", ..here },
            Place { column: "wrapped", ..here },
            Place { row: "store-secret-key", ..here },
            Place { generation: 2, ..here },
            Place { generation: 4, ..here },
            Place { table: "sealed_secretss", column: "ealed", ..here },
        ] {
            assert!(open(&key, &elsewhere, &sealed).is_err(), "{elsewhere:?}");
        }
        assert!(open(&DataKey::generate(), &here, &sealed).is_err());
        let same_id = DataKey::new(key.id(), Zeroizing::new(random::bytes()));
        assert!(open(&same_id, &here, &sealed).is_err());
    }

    #[test]
    fn a_changed_bit_or_a_short_tag_does_not_open() {
        let (key, tenant) = (DataKey::generate(), TenantId::new());
        let sealed = seal(&key, &place(tenant), b"hunter2");
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &place(tenant), &changed).is_err(), "bit {bit}");
        }
        for length in 0..sealed.len() {
            assert!(open(&key, &place(tenant), &sealed[..length]).is_err(), "length {length}");
        }
    }

    #[test]
    fn nonces_do_not_repeat() {
        let (key, tenant) = (DataKey::generate(), TenantId::new());
        let mut nonces: Vec<Vec<u8>> =
            (0..100_000).map(|_| seal(&key, &place(tenant), b"")[17..HEAD].to_vec()).collect();
        nonces.sort();
        nonces.dedup();
        assert_eq!(nonces.len(), 100_000);
    }

    #[test]
    fn debug_shows_no_key() {
        let key = DataKey::new(DataKeyId::new(), Zeroizing::new([0xAB; 32]));
        let shown = format!("{key:?}");
        assert!(!shown.contains("171") && !shown.to_lowercase().contains("abab"), "{shown}");
    }

    #[test]
    fn the_cipher_is_the_standard_one() {
        // NIST GCM specification (McGrew, Viega), test case 16: AES-256 with associated data.
        let hex = |text: &str| -> Vec<u8> {
            (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
        };
        let key: [u8; 32] =
            hex("feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308").try_into().unwrap();
        let nonce: [u8; 12] = hex("cafebabefacedbaddecaf888").try_into().unwrap();
        let plain = hex(
            "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a721c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39",
        );
        let sealed = encrypt(&key, &nonce, &hex("feedfacedeadbeeffeedfacedeadbeefabaddad2"), &plain);
        assert_eq!(sealed[plain.len()..], hex("76fc6ece0f4e1768cddf8853bb2d551b"));
        assert_eq!(sealed[..4], hex("522dc1f0"));
    }
}
