//! The folder that holds everything, and the only two ways in which it changes: publish a finished
//! temporary file or folder under its final name, or move something to the trash.
//!
//! ```text
//! lock  buckets/<bucket>/{bucket.json,objects/<2 hex>/<64 hex>,uploads/<id>/...}
//! keys/<access key id>.json  fences/<64 hex>.json  tmp/  trash/
//! ```

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{StoreError, damaged, failed};
use crate::infra::object_server::ObjectServerError;

/// The folder, held by this process alone.
#[derive(Debug)]
pub(crate) struct Root {
    path: PathBuf,
    _lock: File,
}

impl Root {
    /// Makes what is missing, takes the lock, and sweeps what a crash left behind.
    pub(crate) fn open(path: &Path) -> Result<Self, ObjectServerError> {
        make_dir(path)?;
        let lock_path = path.join("lock");
        let lock = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock_path)
            .map_err(failed("open", &lock_path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(ObjectServerError::Locked(path.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed("lock", &lock_path)(source).into()),
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700)).map_err(failed("protect", path))?;
        for name in ["tmp", "trash"] {
            let folder = path.join(name);
            if folder.exists() {
                fs::remove_dir_all(&folder).map_err(failed("sweep", &folder))?;
            }
        }
        for name in ["buckets", "keys", "fences", "tmp", "trash"] {
            make_dir(&path.join(name))?;
        }
        sync_dir(path)?;
        Ok(Self { path: path.to_owned(), _lock: lock })
    }

    pub(crate) fn buckets(&self) -> PathBuf {
        self.path.join("buckets")
    }

    pub(crate) fn keys(&self) -> PathBuf {
        self.path.join("keys")
    }

    pub(crate) fn fences(&self) -> PathBuf {
        self.path.join("fences")
    }

    /// A new temporary file, 0600, removed again unless it is published.
    pub(crate) fn temporary(&self) -> Result<Temporary, StoreError> {
        let path = self.temporary_path();
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(failed("create", &path))?;
        Ok(Temporary { file, path, published: false })
    }

    /// A name in the folder for temporary things.
    pub(crate) fn temporary_path(&self) -> PathBuf {
        self.path.join("tmp").join(uuid::Uuid::new_v4().simple().to_string())
    }

    /// Writes a small JSON file in place of an older one, durably.
    pub(crate) fn write_json<T: Serialize>(&self, path: &Path, value: &T) -> Result<(), StoreError> {
        let bytes = serde_json::to_vec(value).map_err(|e| damaged(path, e))?;
        let mut temporary = self.temporary()?;
        temporary.file.write_all(&bytes).map_err(failed("write", path))?;
        temporary.publish(path)
    }

    /// Takes a folder out of sight in one step, durably; [`Hidden::delete`] then frees the disk. A
    /// crash in between leaves it to the next start's sweep.
    pub(crate) fn hide(&self, path: &Path) -> Result<Hidden, StoreError> {
        let trash = self.path.join("trash").join(uuid::Uuid::new_v4().simple().to_string());
        fs::rename(path, &trash).map_err(failed("remove", path))?;
        sync_parent(path)?;
        Ok(Hidden(trash))
    }
}

/// A folder in the trash.
#[derive(Debug)]
#[must_use]
pub(crate) struct Hidden(PathBuf);

impl Hidden {
    /// Frees the disk. The folder is gone for everybody already, so a failure is only logged.
    pub(crate) fn delete(self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(folder = %self.0.display(), %error, "the trash is kept until the next start");
        }
    }
}

/// A file that is not there yet.
#[derive(Debug)]
pub(crate) struct Temporary {
    pub(crate) file: File,
    path: PathBuf,
    published: bool,
}

impl Temporary {
    /// Makes the content durable; [`Self::publish`] needs no second fsync then.
    pub(crate) fn sync(&self) -> Result<(), StoreError> {
        self.file.sync_all().map_err(failed("sync", &self.path))
    }

    /// Gives it its final name, durably, in place of what had it.
    pub(crate) fn publish(mut self, path: &Path) -> Result<(), StoreError> {
        self.sync()?;
        self.rename(path)?;
        sync_parent(path)
    }

    /// Gives it its final name; the caller makes the folder durable.
    pub(crate) fn rename(&mut self, path: &Path) -> Result<(), StoreError> {
        fs::rename(&self.path, path).map_err(failed("publish", path))?;
        self.published = true;
        Ok(())
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        if !self.published {
            let _ = fs::remove_file(&self.path);
        }
    }
}

/// Reads a small JSON file; `None` when there is none.
pub(crate) fn read_json<T: DeserializeOwned>(path: &Path) -> Result<Option<T>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|e| damaged(path, e)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Makes a folder, 0700, unless it is there.
pub(crate) fn make_dir(path: &Path) -> Result<(), StoreError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))
}

/// Makes renames in a folder durable.
pub(crate) fn sync_dir(path: &Path) -> Result<(), StoreError> {
    File::open(path).and_then(|folder| folder.sync_all()).map_err(failed("sync", path))
}

/// As [`sync_dir`], for the folder that a file is in.
pub(crate) fn sync_parent(path: &Path) -> Result<(), StoreError> {
    path.parent().map_or(Ok(()), sync_dir)
}
