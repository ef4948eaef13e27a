//! One bucket: its objects as files under the hash of their key, and its index.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, RwLock, RwLockReadGuard};

use serde::{Deserialize, Serialize};

use super::condition::WriteCondition;
use super::index::{Entry, Index, Listing, Query};
use super::object::ObjectHeader;
use super::receive::Received;
use super::root::{Hidden, Root, make_dir, sync_dir, sync_parent};
use super::{StoreError, damaged, failed, frame};
use crate::infra::object_server::blocking::{lock, read, write};
use crate::infra::object_server::names::file_name_of;

const STRIPES: usize = 64;

/// The content of `bucket.json`.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct BucketFacts {
    pub owner: String,
    /// Seconds since 1970.
    pub created_at: i64,
}

/// A bucket that is open for work.
#[derive(Debug)]
pub(crate) struct Bucket {
    pub(crate) name: String,
    pub(crate) facts: BucketFacts,
    pub(super) root: Arc<Root>,
    pub(super) folder: PathBuf,
    /// Whether it was removed: readers of this lock work in the bucket, the remover writes it.
    removed: RwLock<bool>,
    /// One writer at a time for a key; unlike keys seldom wait for each other.
    stripes: [Mutex<()>; STRIPES],
    contents: Mutex<Option<Contents>>,
}

#[derive(Debug, Default)]
struct Contents {
    index: Index,
    /// Files under final names whose header cannot be read.
    damaged: HashSet<String>,
}

/// An object that is open for reading; what overwrites it later does not touch it.
#[derive(Debug)]
pub(crate) struct OpenObject {
    pub(crate) file: File,
    pub(crate) header: ObjectHeader,
    pub(crate) body_offset: u64,
}

impl Bucket {
    pub(super) fn new(name: &str, facts: BucketFacts, root: Arc<Root>) -> Self {
        let folder = root.buckets().join(name);
        Self {
            name: name.to_owned(),
            facts,
            root,
            folder,
            removed: RwLock::new(false),
            stripes: std::array::from_fn(|_| Mutex::new(())),
            contents: Mutex::new(None),
        }
    }

    /// Keeps the bucket from being removed while the guard lives.
    pub(super) fn enter(&self) -> Result<RwLockReadGuard<'_, bool>, StoreError> {
        let guard = read(&self.removed);
        if *guard { Err(StoreError::NoSuchBucket) } else { Ok(guard) }
    }

    pub(super) fn key_lock(&self, key: &str) -> &Mutex<()> {
        let sum = key.bytes().fold(0usize, |sum, b| sum.wrapping_mul(31).wrapping_add(usize::from(b)));
        &self.stripes[sum % STRIPES]
    }

    fn path_of(&self, key: &str) -> PathBuf {
        let name = file_name_of(key);
        self.folder.join("objects").join(&name[..2]).join(name)
    }

    /// Makes a received body the object of its key, all at once.
    pub(crate) fn publish(
        &self,
        mut received: Received,
        header: &ObjectHeader,
        condition: &WriteCondition,
    ) -> Result<(), StoreError> {
        let path = self.path_of(&header.key);
        frame::write_header(&received.temporary.file, &path, header, received.body_offset)?;
        received.temporary.sync()?;
        let _inside = self.enter()?;
        let _alone = lock(self.key_lock(&header.key));
        let current = self.contents(|c| c.index.get(&header.key).map(|e| e.etag.clone()))?;
        condition.check(current.as_deref())?;
        self.place(&mut received, &path)?;
        let entry = Entry { size: header.size, etag: header.etag.clone(), modified: header.modified };
        self.contents(|c| {
            c.damaged.remove(&file_name_of(&header.key));
            c.index.insert(header.key.clone(), entry);
        })?;
        sync_parent(&path)
    }

    fn place(&self, received: &mut Received, path: &Path) -> Result<(), StoreError> {
        let folder = path.parent().unwrap_or(&self.folder);
        if !folder.exists() {
            make_dir(folder)?;
            sync_dir(&self.folder.join("objects"))?;
        }
        received.temporary.rename(path)
    }

    /// Opens an object.
    pub(crate) fn open(&self, key: &str) -> Result<OpenObject, StoreError> {
        let _inside = self.enter()?;
        let path = self.path_of(key);
        let file = File::open(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => StoreError::NoSuchKey,
            _ => failed("open", &path)(error),
        })?;
        let (header, body_offset) = read_object(&file, &path)?;
        if header.key != key {
            return Err(damaged(&path, "it holds another key"));
        }
        Ok(OpenObject { file, header, body_offset })
    }

    /// Removes an object; one that is not there is as good as removed, unless a condition asks.
    pub(crate) fn remove(&self, key: &str, condition: &WriteCondition) -> Result<(), StoreError> {
        let _inside = self.enter()?;
        let _alone = lock(self.key_lock(key));
        let current = self.contents(|c| c.index.get(key).map(|e| e.etag.clone()))?;
        condition.check(current.as_deref())?;
        let path = self.path_of(key);
        match fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => return Err(failed("remove", &path)(error)),
        }
        self.contents(|c| {
            c.damaged.remove(&file_name_of(key));
            c.index.remove(key);
        })?;
        sync_parent(&path)
    }

    /// One page of what is in it.
    pub(crate) fn list(&self, query: &Query) -> Result<Listing, StoreError> {
        let _inside = self.enter()?;
        self.contents(|c| c.index.list(query))
    }

    /// Objects (also those that are damaged) and bytes.
    pub(crate) fn usage(&self) -> Result<(usize, u64), StoreError> {
        let _inside = self.enter()?;
        self.contents(|c| (c.index.len() + c.damaged.len(), c.index.bytes()))
    }

    /// Takes the bucket away: nobody is in it while this happens, and nobody gets in after.
    pub(super) fn take_away(&self, purge: bool) -> Result<Hidden, StoreError> {
        let mut removed = write(&self.removed);
        if *removed {
            return Err(StoreError::NoSuchBucket);
        }
        if !purge {
            let objects = self.contents(|c| c.index.len() + c.damaged.len())?;
            if objects > 0 || self.has_uploads()? {
                return Err(StoreError::NotEmpty);
            }
        }
        let hidden = self.root.hide(&self.folder);
        // Once it is out of sight it is gone, also when that could not be made durable.
        *removed = !self.folder.exists();
        hidden
    }

    /// Works on the contents, reading them from disk first if nobody has.
    fn contents<R>(&self, work: impl FnOnce(&mut Contents) -> R) -> Result<R, StoreError> {
        let mut slot = lock(&self.contents);
        if slot.is_none() {
            *slot = Some(self.read_contents()?);
        }
        Ok(work(slot.get_or_insert_default()))
    }

    fn read_contents(&self) -> Result<Contents, StoreError> {
        let mut contents = Contents::default();
        let objects = self.folder.join("objects");
        for folder in entries(&objects)? {
            for path in entries(&folder)? {
                match File::open(&path).map_err(failed("open", &path)).and_then(|f| read_object(&f, &path)) {
                    Ok((header, _)) => {
                        let entry = Entry { size: header.size, etag: header.etag, modified: header.modified };
                        contents.index.insert(header.key, entry);
                    }
                    Err(error) => {
                        tracing::error!(bucket = %self.name, %error, "an object cannot be read; it is not listed");
                        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                        contents.damaged.insert(name);
                    }
                }
            }
        }
        Ok(contents)
    }
}

fn read_object(file: &File, path: &Path) -> Result<(ObjectHeader, u64), StoreError> {
    let (header, body_offset): (ObjectHeader, u64) = frame::read_header(file, path)?;
    let length = file.metadata().map_err(failed("read", path))?.len();
    if length != body_offset + header.size {
        return Err(damaged(path, "its length is not the one in its header"));
    }
    let name = path.file_name().unwrap_or_default();
    if *name != *file_name_of(&header.key) {
        return Err(damaged(path, "it holds another key"));
    }
    Ok((header, body_offset))
}

/// What a folder holds; nothing when it is not there.
pub(super) fn entries(folder: &Path) -> Result<Vec<PathBuf>, StoreError> {
    let read = match fs::read_dir(folder) {
        Ok(read) => read,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(failed("list", folder)(error)),
    };
    read.map(|entry| entry.map(|e| e.path())).collect::<Result<_, _>>().map_err(failed("list", folder))
}
