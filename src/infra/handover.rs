//! A new file for secrets that are shown once. It is there, empty and private, before there is a
//! secret, so that none is lost because its file cannot be made.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use super::private_file::{PrivateFileError, not_written, sync_parent};

/// A file, 0600, that bears its name from the beginning. Dropped before anything was written into
/// it, it is gone again; afterwards it stays, whatever happens.
#[derive(Debug)]
pub struct Handover {
    path: PathBuf,
    file: File,
    written: bool,
}

impl Handover {
    /// Makes the file. Refuses a name that is taken, at the same moment for all who try.
    ///
    /// # Errors
    /// [`PrivateFileError::Exists`], or the system's word.
    pub fn begin(path: &Path) -> Result<Self, PrivateFileError> {
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
        let file = opened.map_err(|source| match source.kind() {
            std::io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
            _ => not_written("create", path, source),
        })?;
        Ok(Self { path: path.to_owned(), file, written: false })
    }

    /// Refuses a name that is taken, and makes nothing: for a dry run.
    ///
    /// # Errors
    /// [`PrivateFileError::Exists`].
    pub fn check(path: &Path) -> Result<(), PrivateFileError> {
        match path.symlink_metadata() {
            Ok(_) => Err(PrivateFileError::Exists(path.to_owned())),
            Err(_) => Ok(()),
        }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether anything was written.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.written
    }

    /// Adds to the file. A reader sees it at once; the disk has it after [`Self::finish`].
    pub fn append(&mut self, content: &[u8]) -> Result<(), PrivateFileError> {
        self.written = true;
        let failed = |source| PrivateFileError::Io { action: "write", path: self.path.clone(), source };
        self.file.write_all(content).map_err(failed)
    }

    /// Waits for the disk, and keeps the file.
    ///
    /// # Errors
    /// The system's word. The file stays.
    pub fn finish(mut self) -> Result<(), PrivateFileError> {
        self.written = true;
        let failed = |source| PrivateFileError::Io { action: "write", path: self.path.clone(), source };
        self.file.sync_all().map_err(failed)?;
        sync_parent(&self.path)
    }
}

impl Drop for Handover {
    fn drop(&mut self) {
        if !self.written {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::private_file;

    #[test]
    fn a_file_that_nothing_was_written_into_is_gone_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        drop(Handover::begin(&path).unwrap());
        assert!(!path.exists());
        let mut file = Handover::begin(&path).unwrap();
        file.append(b"one\n").unwrap();
        drop(file);
        assert_eq!(private_file::read(&path).unwrap(), b"one\n");
    }

    #[test]
    fn a_name_that_is_taken_and_a_folder_that_is_missing_are_refused_at_the_beginning() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        Handover::begin(&path).unwrap().finish().unwrap();
        assert!(matches!(Handover::begin(&path), Err(PrivateFileError::Exists(_))));
        assert!(matches!(Handover::check(&path), Err(PrivateFileError::Exists(_))));
        let nowhere = folder.path().join("nowhere/token");
        assert!(matches!(Handover::begin(&nowhere), Err(PrivateFileError::NoFolder(_))));
        assert!(private_file::read(&path).unwrap().is_empty());
    }
}
