//! Access keys: who holds one, which buckets it reaches, and its secret, sealed.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, RwLock};

use serde::{Deserialize, Serialize};

use super::bucket::entries;
use super::buckets::Made;
use super::root::{Root, read_json, sync_parent};
use super::{StoreError, damaged, failed};
use crate::infra::object_server::blocking::{lock, read, write};
use crate::infra::object_server::names::is_access_key_id;
use crate::infra::object_server::seal::{SealedText, Sealer};
use crate::kernel::SecretString;

/// One access key, as it is kept.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct KeyRecord {
    pub access_key_id: String,
    pub owner: String,
    pub buckets: Vec<String>,
    pub disabled: bool,
    /// Seconds since 1970.
    pub created_at: i64,
    secret: SealedText,
}

/// What an access key shall be.
#[derive(Debug)]
pub(crate) struct NewKey {
    pub access_key_id: String,
    pub owner: String,
    pub buckets: Vec<String>,
    pub secret: SecretString,
}

/// All access keys.
#[derive(Debug)]
pub(crate) struct Keys {
    root: Arc<Root>,
    sealer: Sealer,
    known: RwLock<HashMap<String, Arc<KeyRecord>>>,
    changing: Mutex<()>,
}

impl Keys {
    /// Finds what is on disk. A key file that is damaged is logged; that key is refused.
    pub(crate) fn load(root: Arc<Root>, sealer: Sealer) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        for path in entries(&root.keys())? {
            let id = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
            let record = read_json::<KeyRecord>(&path).and_then(|record| match record {
                Some(record) if record.access_key_id == id && is_access_key_id(&id) => Ok(record),
                _ => Err(damaged(&path, "it is not the key that its name says")),
            });
            match record {
                Ok(record) => {
                    known.insert(id, Arc::new(record));
                }
                Err(error) => tracing::error!(%error, "an access key cannot be read; it is refused"),
            }
        }
        Ok(Self { root, sealer, known: RwLock::new(known), changing: Mutex::new(()) })
    }

    /// One key, disabled or not.
    pub(crate) fn get(&self, id: &str) -> Option<Arc<KeyRecord>> {
        read(&self.known).get(id).cloned()
    }

    /// A key that may be used now.
    pub(crate) fn usable(&self, id: &str) -> Option<Arc<KeyRecord>> {
        self.get(id).filter(|record| !record.disabled)
    }

    /// The secret of a key; `None` when it was sealed under another admin token or was changed.
    pub(crate) fn secret(&self, record: &KeyRecord) -> Option<SecretString> {
        self.sealer.open(&record.secret, &bound_to(&record.access_key_id, &record.owner, &record.buckets))
    }

    /// All keys of an owner, or all.
    pub(crate) fn all(&self, owner: Option<&str>) -> Vec<Arc<KeyRecord>> {
        let known = read(&self.known);
        let mut all: Vec<_> =
            known.values().filter(|r| owner.is_none_or(|owner| r.owner == owner)).cloned().collect();
        all.sort_by(|a, b| a.access_key_id.cmp(&b.access_key_id));
        all
    }

    /// Makes a key, or gives one of the same owner a new secret and new buckets.
    pub(crate) fn put(&self, new: NewKey, now: i64) -> Result<Made, StoreError> {
        let _alone = lock(&self.changing);
        let old = self.get(&new.access_key_id);
        if old.as_ref().is_some_and(|old| old.owner != new.owner) {
            return Err(StoreError::Foreign);
        }
        let bound = bound_to(&new.access_key_id, &new.owner, &new.buckets);
        let secret = self.sealer.seal(&new.secret, &bound).ok_or(StoreError::Broken)?;
        let record = KeyRecord {
            access_key_id: new.access_key_id,
            owner: new.owner,
            buckets: new.buckets,
            disabled: false,
            created_at: old.as_ref().map_or(now, |old| old.created_at),
            secret,
        };
        self.keep(record)?;
        Ok(if old.is_some() { Made::Already } else { Made::New })
    }

    /// Disables a key or enables it again.
    pub(crate) fn set_disabled(&self, id: &str, owner: &str, disabled: bool) -> Result<(), StoreError> {
        let _alone = lock(&self.changing);
        let old = self.owned(id, owner)?;
        self.keep(KeyRecord { disabled, ..(*old).clone() })
    }

    /// Forgets a key.
    pub(crate) fn remove(&self, id: &str, owner: &str) -> Result<(), StoreError> {
        let _alone = lock(&self.changing);
        self.owned(id, owner)?;
        let path = self.path_of(id);
        fs::remove_file(&path).map_err(failed("remove", &path))?;
        write(&self.known).remove(id);
        sync_parent(&path)
    }

    fn owned(&self, id: &str, owner: &str) -> Result<Arc<KeyRecord>, StoreError> {
        let record = self.get(id).ok_or(StoreError::NoSuchAccessKey)?;
        if record.owner == owner { Ok(record) } else { Err(StoreError::Foreign) }
    }

    fn keep(&self, record: KeyRecord) -> Result<(), StoreError> {
        self.root.write_json(&self.path_of(&record.access_key_id), &record)?;
        write(&self.known).insert(record.access_key_id.clone(), Arc::new(record));
        Ok(())
    }

    fn path_of(&self, id: &str) -> std::path::PathBuf {
        self.root.keys().join(format!("{id}.json"))
    }
}

/// What a sealed secret is bound to: moved to another id, owner or bucket list, it does not open.
fn bound_to(id: &str, owner: &str, buckets: &[String]) -> Vec<u8> {
    let mut bound = Vec::new();
    for part in [id, owner].into_iter().chain(buckets.iter().map(String::as_str)) {
        bound.extend_from_slice(&(part.len() as u64).to_be_bytes());
        bound.extend_from_slice(part.as_bytes());
    }
    bound
}
