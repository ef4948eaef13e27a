//! The two `flock` locks. The system releases them when their holder dies, however it dies.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use super::LocalError;

/// Takes the lock of the file at `path`, which is made if missing. `None` when someone else holds
/// it, or when the file's folder was just removed or renamed: ask again.
///
/// The lock lasts as long as the answer, and as long as a child that got a copy of it.
///
/// # Errors
/// When the system refuses.
pub(super) fn try_exclusive(path: &Path) -> Result<Option<File>, LocalError> {
    let opened =
        OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    let file = match opened {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(LocalError::io("open", path)(error)),
    };
    match file.try_lock() {
        Ok(()) => Ok(is_still_at(&file, path).then_some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(LocalError::io("lock", path)(error)),
    }
}

/// Whether somebody holds the lock of the file at `path`.
///
/// # Errors
/// When the system refuses.
pub(super) fn is_held(path: &Path) -> Result<bool, LocalError> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(LocalError::io("open", path)(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(LocalError::io("lock", path)(error)),
    }
}

/// Whether the open file is the one that its path names now. A lock on any other guards nothing.
pub(super) fn is_still_at(file: &File, path: &Path) -> bool {
    match (file.metadata(), fs::metadata(path)) {
        (Ok(ours), Ok(there)) => (ours.dev(), ours.ino()) == (there.dev(), there.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_is_held_until_its_holder_lets_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("lock");
        assert!(!is_held(&path).unwrap());
        let held = try_exclusive(&path).unwrap().unwrap();
        assert!(is_held(&path).unwrap());
        assert!(try_exclusive(&path).unwrap().is_none());
        drop(held);
        assert!(!is_held(&path).unwrap());
        assert!(try_exclusive(&path).unwrap().is_some());
    }

    #[test]
    fn a_lock_in_a_folder_that_was_renamed_away_does_not_count() {
        let folder = tempfile::tempdir().unwrap();
        let (old, new) = (folder.path().join("old"), folder.path().join("new"));
        fs::create_dir(&old).unwrap();
        let path = old.join("lock");
        let file = File::create(&path).unwrap();
        fs::rename(&old, &new).unwrap();
        assert!(!is_still_at(&file, &path));
        assert!(try_exclusive(&path).unwrap().is_none());
    }
}
