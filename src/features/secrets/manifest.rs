//! The list of a tenant's secrets and which writing of each is the right one.

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use crate::infra::crypto::seal::{self, DataKey, SealContext, SealError};
use crate::kernel::TenantId;

/// Name to generation. Sealed beside the data key, so that a secret that is put back, added or
/// taken away behind Nexus's back disagrees with it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Manifest(BTreeMap<String, i64>);

impl Manifest {
    /// The generation at which a secret was last written; `None` when there is no such secret.
    pub(super) fn generation(&self, name: &str) -> Option<i64> {
        self.0.get(name).copied()
    }

    /// Records that a secret was written at a generation.
    pub(super) fn record(&mut self, name: &str, generation: i64) {
        self.0.insert(name.to_owned(), generation);
    }

    /// Takes a secret off the list. `false` when it was not on it.
    pub(super) fn forget(&mut self, name: &str) -> bool {
        self.0.remove(name).is_some()
    }

    /// Names and generations, sorted by name.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&str, i64)> {
        self.0.iter().map(|(name, generation)| (name.as_str(), *generation))
    }

    /// Seals the list as of a generation.
    pub(super) fn seal(
        &self,
        key: &DataKey,
        tenant: TenantId,
        generation: i64,
    ) -> Result<Vec<u8>, SealError> {
        let row = key.id().to_string();
        seal::seal(key, &place(tenant, &row, generation), &self.encode())
    }

    /// Opens the list of a generation. `None` when it was changed, or is of another one.
    pub(super) fn open(key: &DataKey, tenant: TenantId, generation: i64, sealed: &[u8]) -> Option<Self> {
        let row = key.id().to_string();
        let opened = seal::open(key, &place(tenant, &row, generation), sealed).ok()?;
        Self::decode(opened.expose_secret())
    }

    /// Each entry: the name's length in one byte, the name, the generation in eight, big-endian.
    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (name, generation) in &self.0 {
            // Names are at most 63 bytes.
            bytes.push(u8::try_from(name.len()).unwrap_or(u8::MAX));
            bytes.extend_from_slice(name.as_bytes());
            bytes.extend_from_slice(&generation.to_be_bytes());
        }
        bytes
    }

    fn decode(mut bytes: &[u8]) -> Option<Self> {
        let mut entries = BTreeMap::new();
        while let Some((length, rest)) = bytes.split_first() {
            let (name, rest) = rest.split_at_checked(usize::from(*length))?;
            let (generation, rest) = rest.split_first_chunk::<8>()?;
            entries.insert(String::from_utf8(name.to_vec()).ok()?, i64::from_be_bytes(*generation));
            bytes = rest;
        }
        Some(Self(entries))
    }
}

fn place(tenant: TenantId, row: &str, generation: i64) -> SealContext<'_> {
    SealContext { tenant, table: "data_keys", column: "manifest", row, generation }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_list_opens_for_its_tenant_key_and_generation_only() {
        let (key, tenant) = (DataKey::generate().unwrap(), TenantId::new());
        let mut manifest = Manifest::default();
        manifest.record("postgres", 1);
        manifest.record("s3", 2);
        let sealed = manifest.seal(&key, tenant, 2).unwrap();
        assert_eq!(Manifest::open(&key, tenant, 2, &sealed), Some(manifest));
        assert_eq!(Manifest::open(&key, tenant, 1, &sealed), None);
        assert_eq!(Manifest::open(&key, TenantId::new(), 2, &sealed), None);
        assert_eq!(Manifest::open(&DataKey::generate().unwrap(), tenant, 2, &sealed), None);
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(entries in prop::collection::btree_map("[a-z0-9_.-]{1,63}", any::<i64>(), 0..9)) {
            let manifest = Manifest(entries);
            prop_assert_eq!(Manifest::decode(&manifest.encode()), Some(manifest));
        }

        #[test]
        fn rubbish_is_read_without_a_panic(bytes: Vec<u8>) {
            let _ = Manifest::decode(&bytes);
        }
    }
}
