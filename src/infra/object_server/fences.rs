//! Fences: a number per owner below which nobody may change that owner's buckets and keys any
//! more. Whoever takes over from a dead process raises it first; what the dead one still has on the
//! way then comes too late.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use serde::{Deserialize, Serialize};
use tokio::sync::OwnedMutexGuard;

use super::blocking::lock;
use super::names::file_name_of;
use super::store::root::{Root, read_json};
use super::store::{StoreError, failed};

/// The content of a fence's file.
#[derive(Debug, Serialize, Deserialize)]
struct FenceFile {
    owner: String,
    fence: u64,
}

/// All fences. Changes for one owner happen one after the other.
#[derive(Debug)]
pub(crate) struct Fences {
    root: Arc<Root>,
    owners: Mutex<HashMap<String, Arc<tokio::sync::Mutex<()>>>>,
}

/// The right to change one owner's things, while it is held.
#[derive(Debug)]
pub(crate) struct Turn {
    _guard: OwnedMutexGuard<()>,
    owner: String,
    path: PathBuf,
    root: Arc<Root>,
}

impl Fences {
    pub(crate) fn new(root: Arc<Root>) -> Self {
        Self { root, owners: Mutex::default() }
    }

    /// Waits until nobody else changes this owner's things.
    pub(crate) async fn turn(&self, owner: &str) -> Turn {
        let queue = {
            let mut owners = lock(&self.owners);
            // Queues that nobody holds or waits in are only clutter.
            owners.retain(|_, queue| Arc::strong_count(queue) > 1);
            Arc::clone(owners.entry(owner.to_owned()).or_default())
        };
        Turn {
            _guard: queue.lock_owned().await,
            owner: owner.to_owned(),
            path: self.root.fences().join(format!("{}.json", file_name_of(owner))),
            root: Arc::clone(&self.root),
        }
    }
}

impl Fences {
    /// The highest fence of the owners that begin so; 0: none.
    pub(crate) fn highest(&self, prefix: &str) -> Result<u64, StoreError> {
        let folder = self.root.fences();
        let mut highest = 0;
        for entry in std::fs::read_dir(&folder).map_err(failed("read", &folder))? {
            let path = entry.map_err(failed("read", &folder))?.path();
            // What is not such a file is one that is being written.
            let file =
                path.extension().is_some_and(|end| end == "json").then(|| read_json::<FenceFile>(&path));
            if let Some(file) = file.transpose()?.flatten().filter(|file| file.owner.starts_with(prefix)) {
                highest = file.fence.max(highest);
            }
        }
        Ok(highest)
    }
}

impl Turn {
    /// Whether a change that carries this number may happen.
    pub(crate) fn admits(&self, fence: u64) -> Result<bool, StoreError> {
        Ok(read_json::<FenceFile>(&self.path)?.is_none_or(|file| fence >= file.fence))
    }

    /// Raises the fence, durably; `false`, and nothing changed, when it stands higher.
    pub(crate) fn raise(&self, fence: u64) -> Result<bool, StoreError> {
        if !self.admits(fence)? {
            return Ok(false);
        }
        self.root.write_json(&self.path, &FenceFile { owner: self.owner.clone(), fence })?;
        Ok(true)
    }
}
