//! Data keys, and values sealed with them for one place.
//!
//! A sealed value opens only in the place it was sealed for: the tenant, table, column, row and
//! generation are authenticated with it, so that a copy elsewhere, or an older one put back under
//! a newer generation, is refused.
//!
//! The written form, version 1: one byte version, 16 bytes key id, 12 bytes nonce, ciphertext,
//! 16 bytes tag.

use std::fmt;

use secrecy::{ExposeSecret, SecretBox, SecretSlice};
use uuid::Uuid;

pub use super::aead::SealError;
use super::aead::{self, KEY_LEN, NONCE_LEN, TAG_LEN};
use super::random::{self, RandomError};
use crate::kernel::TenantId;
use crate::kernel::ids::DataKeyId;

/// The version that is written.
const VERSION: u8 = 1;
/// Version and key id.
const HEADER_LEN: usize = 1 + 16;
/// What is authenticated first, so that no other use of a key can be taken for a sealed value.
const PURPOSE: &[u8] = b"nexus sealed value";

/// Bytes by which a sealed value is longer than what it holds.
pub const OVERHEAD: usize = HEADER_LEN + NONCE_LEN + TAG_LEN;

/// A key that seals the secrets of one tenant. At most 2^32 seals (NIST SP 800-38D, section 8.3).
pub struct DataKey {
    id: DataKeyId,
    bytes: SecretBox<[u8; KEY_LEN]>,
}

impl DataKey {
    /// A new random key with a new id.
    ///
    /// # Errors
    /// [`RandomError`] when the operating system gives no random bytes.
    pub fn generate() -> Result<Self, RandomError> {
        Ok(Self { id: DataKeyId::new(), bytes: random::key()? })
    }

    /// A key that was kept elsewhere, wrapped.
    #[must_use]
    pub fn from_parts(id: DataKeyId, bytes: SecretBox<[u8; KEY_LEN]>) -> Self {
        Self { id, bytes }
    }

    /// Which key this is; no secret.
    #[must_use]
    pub fn id(&self) -> DataKeyId {
        self.id
    }

    /// The key itself, to be wrapped.
    #[must_use]
    pub fn expose_bytes(&self) -> &[u8; KEY_LEN] {
        self.bytes.expose_secret()
    }
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DataKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// Where a sealed value belongs. It opens nowhere else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SealContext<'a> {
    pub tenant: TenantId,
    pub table: &'a str,
    pub column: &'a str,
    pub row: &'a str,
    /// Which writing of it this is.
    pub generation: i64,
}

impl SealContext<'_> {
    /// What is authenticated beside the value. Each part is preceded by its length, so that no two
    /// places have the same bytes.
    fn aad(&self, version: u8, key: DataKeyId) -> Vec<u8> {
        let (key, tenant) = (key.uuid(), self.tenant.uuid());
        length_prefixed(&[
            PURPOSE,
            &[version],
            key.as_bytes(),
            tenant.as_bytes(),
            self.table.as_bytes(),
            self.column.as_bytes(),
            self.row.as_bytes(),
            &self.generation.to_be_bytes(),
        ])
    }
}

/// Parts, each after its length in bytes as a 64-bit big-endian number.
pub(crate) fn length_prefixed(parts: &[&[u8]]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(parts.iter().map(|part| 8 + part.len()).sum());
    for part in parts {
        bytes.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bytes.extend_from_slice(part);
    }
    bytes
}

/// Why a sealed value did not open.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// Too short to be one.
    #[error("the sealed value is cut short")]
    Short,
    /// Written by a newer Nexus, or overwritten.
    #[error("the sealed value has the unknown version {0}")]
    Version(u8),
    /// Sealed with another key.
    #[error("the value is sealed with data key {needed}, not with {given}")]
    OtherKey { needed: DataKeyId, given: DataKeyId },
    /// Changed, or sealed for another place.
    #[error("the sealed value was changed, or belongs elsewhere")]
    Damaged,
}

/// Seals a value for one place, with a fresh random nonce.
///
/// # Errors
/// [`SealError`]: no random bytes, or a value longer than AES-GCM allows.
pub fn seal(key: &DataKey, place: &SealContext<'_>, plaintext: &[u8]) -> Result<Vec<u8>, SealError> {
    let mut header = [VERSION; HEADER_LEN];
    header[1..].copy_from_slice(key.id.uuid().as_bytes());
    aead::seal(key.expose_bytes(), &header, &place.aad(VERSION, key.id), plaintext)
}

/// Opens a value that was sealed with this key for this place.
///
/// # Errors
/// [`OpenError`]: anything else than exactly what was sealed, for exactly this place.
pub fn open(key: &DataKey, place: &SealContext<'_>, sealed: &[u8]) -> Result<SecretSlice<u8>, OpenError> {
    if sealed.len() < OVERHEAD {
        return Err(OpenError::Short);
    }
    let (version, rest) = sealed.split_first().ok_or(OpenError::Short)?;
    if *version != VERSION {
        return Err(OpenError::Version(*version));
    }
    let (id, body) = rest.split_first_chunk::<16>().ok_or(OpenError::Short)?;
    let needed = DataKeyId::from(Uuid::from_bytes(*id));
    if needed != key.id {
        return Err(OpenError::OtherKey { needed, given: key.id });
    }
    aead::open(key.expose_bytes(), &place.aad(VERSION, key.id), body).ok_or(OpenError::Damaged)
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    fn place(tenant: TenantId) -> SealContext<'static> {
        SealContext { tenant, table: "sealed_secrets", column: "sealed", row: "postgres", generation: 3 }
    }

    #[test]
    fn a_sealed_value_opens_where_it_belongs_and_nowhere_else() {
        let (key, tenant) = (DataKey::generate().unwrap(), TenantId::new());
        let here = place(tenant);
        let sealed = seal(&key, &here, b"a password").unwrap();
        assert_eq!(open(&key, &here, &sealed).unwrap().expose_secret(), b"a password");
        for elsewhere in [
            SealContext { tenant: TenantId::new(), ..here },
            SealContext { table: "data_keys", ..here },
            SealContext { column: "manifest", ..here },
            SealContext { row: "s3", ..here },
            SealContext { generation: 2, ..here },
            SealContext { generation: 4, ..here },
            SealContext { generation: -3, ..here },
            // The same letters, cut at another point.
            SealContext { table: "sealed_secretss", column: "ealed", ..here },
            SealContext { column: "sealedpostgres", row: "", ..here },
        ] {
            assert_eq!(open(&key, &elsewhere, &sealed).unwrap_err(), OpenError::Damaged, "{elsewhere:?}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let (key, here) = (DataKey::generate().unwrap(), place(TenantId::new()));
        let sealed = seal(&key, &here, b"a password").unwrap();
        for bit in 0..sealed.len() * 8 {
            let mut changed = sealed.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert!(open(&key, &here, &changed).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_cut_or_longer_value_is_refused() {
        let (key, here) = (DataKey::generate().unwrap(), place(TenantId::new()));
        let sealed = seal(&key, &here, b"a password").unwrap();
        for length in 0..sealed.len() {
            assert!(open(&key, &here, &sealed[..length]).is_err(), "{length} bytes");
        }
        for extra in [1, 16, 32] {
            assert!(open(&key, &here, &[&sealed[..], &vec![0; extra]].concat()).is_err());
        }
    }

    #[test]
    fn another_key_is_named_and_a_key_under_a_borrowed_id_opens_nothing() {
        let (key, other) = (DataKey::generate().unwrap(), DataKey::generate().unwrap());
        let here = place(TenantId::new());
        let sealed = seal(&key, &here, b"a password").unwrap();
        let refused = open(&other, &here, &sealed).unwrap_err();
        assert_eq!(refused, OpenError::OtherKey { needed: key.id(), given: other.id() });
        let borrowed = DataKey::from_parts(key.id(), random::key().unwrap());
        assert_eq!(open(&borrowed, &here, &sealed).unwrap_err(), OpenError::Damaged);
    }

    #[test]
    fn no_nonce_is_used_twice() {
        let (key, here) = (DataKey::generate().unwrap(), place(TenantId::new()));
        let mut nonces = HashSet::new();
        for _ in 0..100_000 {
            let sealed = seal(&key, &here, b"").unwrap();
            assert_eq!(sealed.len(), OVERHEAD);
            assert!(nonces.insert(sealed[HEADER_LEN..HEADER_LEN + NONCE_LEN].to_vec()));
        }
    }

    #[test]
    fn a_key_prints_its_id_only() {
        let key = DataKey::from_parts(
            DataKeyId::new(),
            SecretBox::new(Box::new(*b"0123456789abcdef0123456789abcdef")),
        );
        let debug = format!("{key:?}");
        assert!(debug.contains(&key.id().to_string()));
        for leak in
            ["0123456789abcdef", "48, 49, 50", "30313233", "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY"]
        {
            assert!(!debug.contains(leak), "{debug}");
        }
    }

    proptest! {
        #[test]
        fn what_is_sealed_opens(value: Vec<u8>, table in ".*", column in ".*", row in ".*", generation: i64) {
            let key = DataKey::generate().unwrap();
            let here = SealContext { tenant: TenantId::new(), table: &table, column: &column, row: &row, generation };
            let sealed = seal(&key, &here, &value).unwrap();
            prop_assert_eq!(sealed.len(), value.len() + OVERHEAD);
            let opened = open(&key, &here, &sealed).unwrap();
            prop_assert_eq!(opened.expose_secret(), &value[..]);
        }

        #[test]
        fn two_places_never_have_the_same_bytes(
            a in (".{0,3}", ".{0,3}", ".{0,3}", 0i64..3),
            b in (".{0,3}", ".{0,3}", ".{0,3}", 0i64..3),
        ) {
            let (tenant, key) = (TenantId::new(), DataKeyId::new());
            let aad = |(table, column, row, generation): &(String, String, String, i64)| {
                SealContext { tenant, table, column, row, generation: *generation }.aad(VERSION, key)
            };
            prop_assert_eq!(a == b, aad(&a) == aad(&b));
        }

        #[test]
        fn rubbish_never_opens(bytes: Vec<u8>) {
            let key = DataKey::generate().unwrap();
            prop_assert!(open(&key, &place(TenantId::new()), &bytes).is_err());
        }
    }
}
