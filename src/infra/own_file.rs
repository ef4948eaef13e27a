//! Files that a person names and Nexus writes. What is there and was not written by Nexus is a
//! person's, and is not overwritten.
//!
//! A write is atomic: a file beside it, then a rename, or a link where nothing was there, so that
//! what appears in between is not overwritten either.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use nix::fcntl::OFlag;

use super::private_file::{PrivateFileError, not_written, sync_parent};

/// A longer file is nobody's report or environment.
const LONGEST: u64 = 64 << 20;

/// A file that is to be written.
pub struct OwnFile<'a> {
    pub path: &'a Path,
    /// Whether only its owner may read it; else who may is as the system has it for new files.
    pub private: bool,
    /// Whether it is overwritten whoever wrote it.
    pub force: bool,
    /// Whether Nexus wrote what is there.
    pub ours: &'a (dyn Fn(&[u8]) -> bool + Sync),
}

impl OwnFile<'_> {
    /// Refuses a file that is a person's: before the work whose result it is to hold.
    ///
    /// # Errors
    /// [`PrivateFileError::NotOurs`]; [`PrivateFileError::NotReplaceable`], also with `force`: a rename
    /// would put a file in the place of a link or a device.
    pub fn check(&self) -> Result<(), PrivateFileError> {
        self.is_there().map(|_| ())
    }

    /// Writes it. Empty files, and those of the same content, are nobody's loss, unless somebody
    /// protected them from being written.
    pub fn write(&self, content: &[u8]) -> Result<(), PrivateFileError> {
        let there = match self.is_there() {
            Err(PrivateFileError::NotOurs(_)) if self.holds(content) && !self.is_write_protected() => true,
            other => other?,
        };
        let temporary = self.path.with_file_name(format!(
            ".{}.{}.tmp",
            self.path.file_name().unwrap_or_default().to_string_lossy(),
            uuid::Uuid::new_v4().simple()
        ));
        let placed = self.write_beside(&temporary, content, there).and_then(|()| {
            if there { fs::rename(&temporary, self.path) } else { fs::hard_link(&temporary, self.path) }
        });
        let _ = fs::remove_file(&temporary);
        placed.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists if !there => PrivateFileError::NotOurs(self.path.to_owned()),
            _ => self.failed("write", error),
        })?;
        sync_parent(self.path)
    }

    fn write_beside(&self, temporary: &Path, content: &[u8], there: bool) -> io::Result<()> {
        let mode = if self.private { 0o600 } else { 0o666 };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(temporary)?;
        if self.private {
            file.set_permissions(fs::Permissions::from_mode(0o600))?;
        } else if there {
            file.set_permissions(fs::metadata(self.path)?.permissions())?;
        }
        file.write_all(content)?;
        file.sync_all()
    }

    /// Whether there is a file, and it may be overwritten.
    fn is_there(&self) -> Result<bool, PrivateFileError> {
        match self.path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let folder = self.path.parent().filter(|it| !it.as_os_str().is_empty());
                let there = fs::metadata(folder.unwrap_or(Path::new("."))).map(|_| false);
                return there.map_err(|error| not_written("write", self.path, error));
            }
            Err(error) => return Err(not_written("look at", self.path, error)),
            Ok(facts) if !facts.is_file() => {
                return Err(PrivateFileError::NotReplaceable(self.path.to_owned()));
            }
            Ok(_) if self.force => return Ok(true),
            Ok(facts) if is_write_protected(&facts) => {
                return Err(PrivateFileError::NotOurs(self.path.to_owned()));
            }
            Ok(facts) if facts.len() == 0 => return Ok(true),
            Ok(_) => {}
        }
        if (self.ours)(&self.read()?) {
            Ok(true)
        } else {
            Err(PrivateFileError::NotOurs(self.path.to_owned()))
        }
    }

    fn is_write_protected(&self) -> bool {
        self.path.symlink_metadata().is_ok_and(|facts| is_write_protected(&facts))
    }

    fn holds(&self, content: &[u8]) -> bool {
        self.read().is_ok_and(|there| there == content)
    }

    fn read(&self) -> Result<Vec<u8>, PrivateFileError> {
        let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
        let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(self.path);
        let mut content = Vec::new();
        let read = opened.and_then(|file: File| file.take(LONGEST).read_to_end(&mut content));
        read.map_err(|error| self.failed("read", error))?;
        Ok(content)
    }

    fn failed(&self, action: &'static str, source: io::Error) -> PrivateFileError {
        PrivateFileError::Io { action, path: self.path.to_owned(), source }
    }
}

/// Whether its owner took the right to write it from everybody. What Nexus writes its owner may write.
fn is_write_protected(facts: &fs::Metadata) -> bool {
    facts.permissions().mode() & 0o222 == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &Path, force: bool) -> OwnFile<'_> {
        OwnFile { path, private: true, force, ours: &|text| text.starts_with(b"ours") }
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn what_a_person_wrote_stays_and_what_we_wrote_is_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        file(&path, false).write(b"ours 1").unwrap();
        file(&path, false).write(b"ours 2").unwrap();
        assert_eq!((fs::read(&path).unwrap(), mode(&path)), (b"ours 2".to_vec(), 0o600));
        fs::write(&path, "mine").unwrap();
        assert!(matches!(file(&path, false).check(), Err(PrivateFileError::NotOurs(_))));
        assert!(matches!(file(&path, false).write(b"ours 3"), Err(PrivateFileError::NotOurs(_))));
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        file(&path, false).write(b"mine").unwrap();
        file(&path, true).write(b"ours 4").unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"ours 4");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "something was left beside it");
    }

    #[test]
    fn an_empty_file_is_filled_and_closed_to_others() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        file(&path, false).write(b"ours").unwrap();
        assert_eq!(mode(&path), 0o600);
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        OwnFile { private: false, ..file(&path, false) }.write(b"ours, too").unwrap();
        assert_eq!(mode(&path), 0o640, "who may read a report stays");
    }

    #[test]
    fn a_file_that_is_protected_from_writing_stays_whatever_is_in_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("out");
        for content in ["", "ours", "ours, too"] {
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
            assert!(matches!(file(&path, false).check(), Err(PrivateFileError::NotOurs(_))), "{content}");
            assert!(
                matches!(file(&path, false).write(b"ours"), Err(PrivateFileError::NotOurs(_))),
                "{content}"
            );
            assert_eq!((fs::read_to_string(&path).unwrap().as_str(), mode(&path)), (content, 0o400));
            fs::remove_file(&path).unwrap();
        }
        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o400)).unwrap();
        file(&path, true).write(b"ours").unwrap();
        assert_eq!(mode(&path), 0o600);
    }

    #[test]
    fn a_link_and_a_device_are_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let (real, link) = (folder.path().join("real"), folder.path().join("link"));
        fs::write(&real, "ours").unwrap();
        std::os::unix::fs::symlink(&real, &link).unwrap();
        for force in [false, true] {
            assert!(matches!(file(&link, force).write(b"ours"), Err(PrivateFileError::NotReplaceable(_))));
            let device = Path::new("/dev/null");
            assert!(matches!(file(device, force).write(b"ours"), Err(PrivateFileError::NotReplaceable(_))));
        }
        assert!(link.symlink_metadata().unwrap().is_symlink());
    }
}
