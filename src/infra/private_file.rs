//! Files and folders that only their owner may read: keys, passwords, state.
//!
//! A write is atomic and durable: a temporary file beside the target, 0600 from its first byte,
//! fsync, rename, fsync of the folder. A reader sees the old content or the new, also after a
//! power cut.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use crate::kernel::{Failure, shell};
use crate::settings::private::{self, Refused};
use crate::settings::trust::{self, Distrust};

/// Why a private file was refused or failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum PrivateFileError {
    /// The system refused to read or write a file.
    #[error("cannot {action} {}: {source}", path.display())]
    #[failure(Unavailable, "file_failed")]
    Io { action: &'static str, path: PathBuf, source: io::Error },
    /// The file already exists, and must not be overwritten.
    #[error("{} already exists", .0.display())]
    #[failure(Conflict, "file_exists")]
    #[hint("name another file, or move that one away")]
    Exists(PathBuf),
    /// The file already exists, and Nexus did not write it, or somebody changed it since.
    #[error("{} already exists, and is not as Nexus wrote it", .0.display())]
    #[failure(Conflict, "file_exists")]
    #[hint("name another file, or overwrite it" => With::Overwrite)]
    NotOurs(PathBuf),
    /// Others may read the file.
    #[error("{} can be read by others (mode {mode:04o})", path.display())]
    #[failure(Integrity, "file_readable_by_others")]
    #[hint("chmod 600 {}", shell::path(path))]
    Open { path: PathBuf, mode: u32 },
    /// Somebody else can change the file.
    #[error("{} is not trusted: {reason}", path.display())]
    #[failure(Forbidden, "file_untrusted")]
    #[hints(reason.hints())]
    Untrusted {
        path: PathBuf,
        #[source]
        reason: Distrust,
    },
    /// The folder in which it was to be made is missing.
    #[error("cannot write {}: there is no folder {}", .0.display(), parent(.0).display())]
    #[failure(Invalid, "folder_missing")]
    #[hint("make the folder, or name another file: mkdir -p {}", shell::path(parent(_0)))]
    NoFolder(PathBuf),
    /// What is in the file's place is not an ordinary file (a symbolic link, a folder, a device).
    #[error("{} already exists, and is not an ordinary file", .0.display())]
    #[failure(Conflict, "file_not_ordinary")]
    #[hint("name another file")]
    NotReplaceable(PathBuf),
    /// The file is not an ordinary one (a symbolic link, a device).
    #[error("{} is not an ordinary file", .0.display())]
    #[failure(Integrity, "file_irregular")]
    NotAFile(PathBuf),
}

/// The folder that a file is in.
fn parent(file: &Path) -> &Path {
    file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Why a file could not be made or replaced.
pub(super) fn not_written(action: &'static str, path: &Path, source: io::Error) -> PrivateFileError {
    match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => PrivateFileError::NoFolder(path.to_owned()),
        _ => PrivateFileError::Io { action, path: path.to_owned(), source },
    }
}

fn distrusted(action: &'static str, path: &Path) -> impl Fn(Distrust) -> PrivateFileError {
    move |reason| match reason.into_io() {
        Ok(source) => PrivateFileError::Io { action, path: path.to_owned(), source },
        Err(reason) => PrivateFileError::Untrusted { path: path.to_owned(), reason },
    }
}

/// Requires that nobody else can change what is in a folder, nor put another in its place.
///
/// # Errors
/// [`PrivateFileError::Untrusted`], or the system's word.
pub fn check_dir(path: &Path) -> Result<(), PrivateFileError> {
    trust::check(path).map_err(distrusted("look at", path))
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> PrivateFileError {
    move |source| PrivateFileError::Io { action, path: path.to_owned(), source }
}

/// Makes a folder and its missing parents with mode 0700.
///
/// # Errors
/// When the system refuses.
pub fn create_dir(path: &Path) -> Result<(), PrivateFileError> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed("create", path))
}

/// Writes a new file, 0600. Refuses one that exists, at the same moment for all who try.
///
/// # Errors
/// [`PrivateFileError::Exists`], or the system's word.
pub fn create(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let temporary = write_temporary(path, content)?;
    // A hard link fails where the name is taken; a rename would overwrite it.
    let linked = fs::hard_link(&temporary, path);
    let _ = fs::remove_file(&temporary);
    linked.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => PrivateFileError::Exists(path.to_owned()),
        _ => failed("create", path)(error),
    })?;
    sync_parent(path)
}

/// Writes a file, 0600, in place of an older one.
pub fn replace(path: &Path, content: &[u8]) -> Result<(), PrivateFileError> {
    let temporary = write_temporary(path, content)?;
    fs::rename(&temporary, path).map_err(failed("replace", path))?;
    sync_parent(path)
}

/// Reads a file that must be an ordinary file, ours alone: no symbolic link, no bits for group or
/// others, this user's or root's, and so the folders that lead to it.
///
/// # Errors
/// [`PrivateFileError::Open`], [`PrivateFileError::NotAFile`], [`PrivateFileError::Untrusted`], or
/// the system's word.
pub fn read(path: &Path) -> Result<Vec<u8>, PrivateFileError> {
    let content = private::read(path, u64::MAX).map_err(|refused| match refused {
        Refused::Io(source) => failed("read", path)(source),
        Refused::Open(mode) => PrivateFileError::Open { path: path.to_owned(), mode },
        Refused::Untrusted(reason) => PrivateFileError::Untrusted { path: path.to_owned(), reason },
        Refused::NotAFile => PrivateFileError::NotAFile(path.to_owned()),
    });
    content.map(|mut content| std::mem::take(&mut *content))
}

/// A new file, 0600, that is written piece by piece. Its name appears when it is finished, and a
/// name that is taken is never overwritten; unfinished, it is gone when this is dropped.
#[derive(Debug)]
pub struct NewFile {
    path: PathBuf,
    temporary: PathBuf,
    file: BufWriter<File>,
}

impl NewFile {
    /// Begins a file.
    ///
    /// # Errors
    /// [`PrivateFileError::Exists`], or the system's word.
    pub fn begin(path: &Path) -> Result<Self, PrivateFileError> {
        if path.symlink_metadata().is_ok() {
            return Err(PrivateFileError::Exists(path.to_owned()));
        }
        let temporary = temporary_name(path);
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary);
        let file =
            BufWriter::with_capacity(1 << 16, opened.map_err(|error| not_written("write", path, error))?);
        Ok(Self { path: path.to_owned(), temporary, file })
    }

    /// Waits for the disk and gives the file its name.
    ///
    /// # Errors
    /// [`PrivateFileError::Exists`] if the name was taken meanwhile, or the system's word.
    pub fn finish(mut self) -> Result<(), PrivateFileError> {
        let written = self.file.flush().and_then(|()| self.file.get_ref().sync_all());
        written.map_err(failed("write", &self.path))?;
        fs::hard_link(&self.temporary, &self.path).map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => PrivateFileError::Exists(self.path.clone()),
            _ => failed("create", &self.path)(error),
        })?;
        let _ = fs::remove_file(&self.temporary);
        sync_parent(&self.path)
    }
}

impl Write for NewFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

impl Drop for NewFile {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.temporary);
    }
}

/// Makes a rename or a removal in this file's folder durable.
pub fn sync_parent(path: &Path) -> Result<(), PrivateFileError> {
    let parent = parent(path);
    File::open(parent).and_then(|folder| folder.sync_all()).map_err(failed("sync", parent))
}

fn temporary_name(path: &Path) -> PathBuf {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    path.with_file_name(format!(".{name}.{}.tmp", uuid::Uuid::new_v4().simple()))
}

fn write_temporary(path: &Path, content: &[u8]) -> Result<PathBuf, PrivateFileError> {
    let temporary = temporary_name(path);
    let written =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary).and_then(|mut file| {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
            file.write_all(content)?;
            file.sync_all()
        });
    match written {
        Ok(()) => Ok(temporary),
        Err(error) => {
            let _ = fs::remove_file(&temporary);
            Err(not_written("write", path, error))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_file_is_never_overwritten_by_create() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"one").unwrap();
        assert!(matches!(create(&path, b"two"), Err(PrivateFileError::Exists(_))));
        assert_eq!(read(&path).unwrap(), b"one");
        replace(&path, b"three").unwrap();
        assert_eq!(read(&path).unwrap(), b"three");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        create(&path, b"one").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(matches!(read(&path), Err(PrivateFileError::Open { mode: 0o640, .. })));
    }

    #[test]
    fn a_file_is_read_only_where_nobody_else_can_put_another_in_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let inner = folder.path().join("inner");
        create_dir(&inner).unwrap();
        let path = inner.join("key");
        create(&path, b"one").unwrap();
        for part in [folder.path(), &inner] {
            fs::set_permissions(part, fs::Permissions::from_mode(0o777)).unwrap();
            assert!(matches!(read(&path), Err(PrivateFileError::Untrusted { .. })), "{}", part.display());
            assert!(matches!(check_dir(&inner), Err(PrivateFileError::Untrusted { .. })));
            fs::set_permissions(part, fs::Permissions::from_mode(0o700)).unwrap();
        }
        assert_eq!(read(&path).unwrap(), b"one");
        if nix::unistd::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(64_001), None).unwrap();
            assert!(matches!(read(&path), Err(PrivateFileError::Untrusted { .. })));
        }
    }

    #[test]
    fn a_pipe_is_refused_and_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        assert!(crate::kernel::child::command("mkfifo").arg(&path).status().unwrap().success());
        assert!(matches!(read(&path), Err(PrivateFileError::NotAFile(_))));
    }

    #[test]
    fn a_symbolic_link_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let (path, link) = (folder.path().join("key"), folder.path().join("link"));
        create(&path, b"one").unwrap();
        std::os::unix::fs::symlink(&path, &link).unwrap();
        assert!(matches!(read(&link), Err(PrivateFileError::NotAFile(_))));
    }
}
