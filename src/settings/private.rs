//! Reading a file that only its owner may read, and nobody else can have put in its place.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::OFlag;
use zeroize::Zeroizing;

use super::trust::{self, Distrust};

/// Why it was not read.
#[derive(Debug)]
pub enum Refused {
    /// The system's own word.
    Io(io::Error),
    /// Others may read it: its permission bits.
    Open(u32),
    /// Somebody else can change it.
    Untrusted(Distrust),
    /// A symbolic link, a folder, a device.
    NotAFile,
}

impl From<Distrust> for Refused {
    fn from(reason: Distrust) -> Self {
        match reason.into_io() {
            Ok(error) => Self::Io(error),
            Err(reason) => Self::Untrusted(reason),
        }
    }
}

impl From<io::Error> for Refused {
    fn from(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(code) if code == Errno::ELOOP as i32 => Self::NotAFile,
            _ => Self::Io(error),
        }
    }
}

/// Reads at most so many bytes of an ordinary file that is ours alone: no symbolic link, no bits for
/// group or others, this user's or root's, and so the folders that lead to it.
///
/// # Errors
/// Why it was refused.
pub fn read(path: &Path, most: u64) -> Result<Zeroizing<Vec<u8>>, Refused> {
    trust::check_folder_of(path)?;
    // Without O_NONBLOCK the opening of a pipe would wait for somebody to write.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let file = OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)?;
    let facts = file.metadata()?;
    if !facts.is_file() {
        return Err(Refused::NotAFile);
    }
    let mode = facts.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(Refused::Open(mode));
    }
    trust::check_file(path, &facts)?;
    // Room for all of it at once: what a buffer grows out of is not erased.
    let room = usize::try_from(facts.len().min(most)).unwrap_or(0) + 1;
    let mut content = Zeroizing::new(Vec::with_capacity(room));
    file.take(most).read_to_end(&mut content)?;
    Ok(content)
}
