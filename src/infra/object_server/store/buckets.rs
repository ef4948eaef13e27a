//! All buckets: which there are, whose they are, making and removing them.

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, RwLock};

use super::bucket::{Bucket, BucketFacts, entries};
use super::root::{Root, make_dir, read_json, sync_dir};
use super::{StoreError, damaged, failed};
use crate::infra::object_server::blocking::{lock, read, write};
use crate::infra::object_server::names::is_bucket;

/// Whether something was made or was there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Made {
    New,
    Already,
}

/// The buckets by name.
#[derive(Debug)]
pub(crate) struct Buckets {
    root: Arc<Root>,
    known: RwLock<HashMap<String, Arc<Bucket>>>,
    /// One change to the set at a time.
    changing: Mutex<()>,
}

impl Buckets {
    /// Finds what is on disk. A bucket whose description is damaged is logged and left alone.
    pub(crate) fn load(root: Arc<Root>) -> Result<Self, StoreError> {
        let mut known = HashMap::new();
        for folder in entries(&root.buckets())? {
            let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let facts = if is_bucket(&name) { read_json(&folder.join("bucket.json")) } else { Ok(None) };
            match facts {
                Ok(Some(facts)) => {
                    let bucket = Bucket::new(&name, facts, Arc::clone(&root));
                    known.insert(name, Arc::new(bucket));
                }
                Ok(None) => {
                    tracing::error!(folder = %folder.display(), "this is not a bucket; it is left alone");
                }
                Err(error) => tracing::error!(%error, "a bucket cannot be opened; it is left alone"),
            }
        }
        Ok(Self { root, known: RwLock::new(known), changing: Mutex::new(()) })
    }

    /// One bucket.
    pub(crate) fn get(&self, name: &str) -> Result<Arc<Bucket>, StoreError> {
        read(&self.known).get(name).cloned().ok_or(StoreError::NoSuchBucket)
    }

    /// All, by name.
    pub(crate) fn all(&self) -> Vec<Arc<Bucket>> {
        let mut all: Vec<_> = read(&self.known).values().cloned().collect();
        all.sort_by(|a, b| a.name.cmp(&b.name));
        all
    }

    /// Makes a bucket, whole or not at all.
    pub(crate) fn create(&self, name: &str, owner: &str, now: i64) -> Result<Made, StoreError> {
        let _alone = lock(&self.changing);
        if let Ok(bucket) = self.get(name) {
            return if bucket.facts.owner == owner { Ok(Made::Already) } else { Err(StoreError::Foreign) };
        }
        let folder = self.root.buckets().join(name);
        if folder.exists() {
            return Err(damaged(&folder, "it is there but is not a bucket"));
        }
        let facts = BucketFacts { owner: owner.to_owned(), created_at: now };
        let draft = self.root.temporary_path();
        make_dir(&draft.join("objects"))?;
        make_dir(&draft.join("uploads"))?;
        self.root.write_json(&draft.join("bucket.json"), &facts)?;
        sync_dir(&draft)?;
        fs::rename(&draft, &folder).map_err(failed("create", &folder))?;
        let bucket = Bucket::new(name, facts, Arc::clone(&self.root));
        write(&self.known).insert(name.to_owned(), Arc::new(bucket));
        sync_dir(&self.root.buckets())?;
        Ok(Made::New)
    }

    /// Removes a bucket: an empty one, or with `purge` all that is in it too.
    pub(crate) fn remove(&self, name: &str, owner: &str, purge: bool) -> Result<(), StoreError> {
        let hidden = {
            let _alone = lock(&self.changing);
            let bucket = self.get(name)?;
            if bucket.facts.owner != owner {
                return Err(StoreError::Foreign);
            }
            let hidden = bucket.take_away(purge);
            if bucket.enter().is_err() {
                write(&self.known).remove(name);
            }
            hidden?
        };
        hidden.delete();
        Ok(())
    }
}
