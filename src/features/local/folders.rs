//! Makes the folders, each as closed as it can be, and checks that the server can reach its own.

use std::fs::{self, DirBuilder, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, PermissionsExt};
use std::path::Path;

use nix::unistd::geteuid;

use super::LocalError;
use super::account::ServerAccount;
use super::layout::Layout;
use crate::infra::private_file;

/// The longest path of a Unix socket in bytes: `sun_path` less the closing zero (unix(7) on Linux;
/// `sys/un.h` of macOS and the BSDs).
const SOCKET_PATH_LIMIT: usize = if cfg!(target_os = "linux") { 107 } else { 103 };

/// Makes what is missing. Safe to repeat, also by several at once.
///
/// # Errors
/// [`LocalError::PathTooLong`], [`LocalError::Blocked`], [`LocalError::OtherOwner`], or the
/// system's word.
pub(super) fn prepare(layout: &Layout, account: &ServerAccount) -> Result<(), LocalError> {
    check_path(&layout.socket())?;
    check_reach(layout.home(), account)?;
    // 0711 lets the server's account pass through; it can list nothing and read no file.
    let mode = if account.is_other { 0o711 } else { 0o700 };
    make_with_parents(layout.home(), mode)?;
    // Not before it is made: whoever made it first owns it.
    private_file::check_dir(layout.home())?;
    open_for_passing(layout.home(), account)?;
    make(layout.local(), mode)?;
    make(&layout.logs(), 0o700)?;
    make(&layout.objects(), 0o700)?;
    make_for(&layout.socket_dir(), 0o700, account.uid)?;
    account.own(&layout.socket_dir())?;
    check_owner(&layout.data(), account)
}

fn check_path(socket: &Path) -> Result<(), LocalError> {
    let unfit = |what| Err(LocalError::PathUnfit { path: socket.to_owned(), what });
    match socket.to_str() {
        None => return unfit("bytes that are not UTF-8"),
        Some(text) if text.contains(',') => return unfit("a comma"),
        Some(text) if text.contains(char::is_control) => return unfit("a control character"),
        Some(_) => {}
    }
    let length = socket.as_os_str().as_bytes().len();
    if length > SOCKET_PATH_LIMIT {
        return Err(LocalError::PathTooLong { path: socket.to_owned(), length, limit: SOCKET_PATH_LIMIT });
    }
    Ok(())
}

/// Every folder above and at `home` must let the account pass, except a `home` that is ours and
/// that [`open_for_passing`] opens.
fn check_reach(home: &Path, account: &ServerAccount) -> Result<(), LocalError> {
    if !account.is_other {
        return Ok(());
    }
    for folder in home.ancestors() {
        // What is missing will be made by us, and open for passing.
        let Ok(facts) = fs::metadata(folder) else { continue };
        let is_ours = folder == home && facts.uid() == geteuid().as_raw();
        if !may_enter(&facts, account) && !is_ours {
            return Err(LocalError::Blocked { folder: folder.to_owned(), account: account.name.clone() });
        }
    }
    Ok(())
}

/// What the permission bits say (path_resolution(7): owner, else group, else others).
fn may_enter(facts: &Metadata, account: &ServerAccount) -> bool {
    let bit = if facts.uid() == account.uid {
        0o100
    } else if facts.gid() == account.gid {
        0o010
    } else {
        0o001
    };
    facts.mode() & bit != 0
}

/// Lets the account pass through a home that is ours, and no more than pass.
fn open_for_passing(home: &Path, account: &ServerAccount) -> Result<(), LocalError> {
    let facts = fs::metadata(home).map_err(LocalError::io("read", home))?;
    if account.is_other && !may_enter(&facts, account) {
        let mode = facts.mode() & 0o777 | 0o011;
        fs::set_permissions(home, Permissions::from_mode(mode)).map_err(LocalError::io("open", home))?;
    }
    Ok(())
}

/// A folder of ours with exactly this mode.
fn make(folder: &Path, mode: u32) -> Result<(), LocalError> {
    make_for(folder, mode, geteuid().as_raw())
}

/// A folder of ours, or of this user, with exactly this mode.
fn make_for(folder: &Path, mode: u32, user: u32) -> Result<(), LocalError> {
    match DirBuilder::new().mode(mode).create(folder) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(LocalError::io("create", folder)(error));
        }
        _ => {}
    }
    let facts = fs::symlink_metadata(folder).map_err(LocalError::io("read", folder))?;
    if !facts.is_dir() {
        return Err(LocalError::io("use", folder)(io::ErrorKind::NotADirectory.into()));
    }
    if facts.uid() != user && facts.uid() != geteuid().as_raw() {
        return Err(LocalError::Untrusted { folder: folder.to_owned(), owner: facts.uid() });
    }
    if facts.mode() & 0o777 != mode {
        // The umask took bits away, or somebody changed them.
        fs::set_permissions(folder, Permissions::from_mode(mode))
            .map_err(LocalError::io("set the mode of", folder))?;
    }
    Ok(())
}

/// Makes the missing ones of a folder and its parents; leaves those that are there as they are.
fn make_with_parents(folder: &Path, mode: u32) -> Result<(), LocalError> {
    if folder.is_dir() {
        return Ok(());
    }
    if let Some(parent) = folder.parent() {
        make_with_parents(parent, mode)?;
    }
    make(folder, mode)
}

fn check_owner(data: &Path, account: &ServerAccount) -> Result<(), LocalError> {
    match fs::metadata(data) {
        Ok(facts) if facts.uid() != account.uid => {
            Err(LocalError::OtherOwner { data: data.to_owned(), owner: facts.uid(), expected: account.uid })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_socket_path_may_fill_the_limit_and_not_pass_it() {
        let path = |length: usize| Path::new("/").join("a".repeat(length - 1));
        assert!(check_path(&path(SOCKET_PATH_LIMIT)).is_ok());
        assert!(matches!(
            check_path(&path(SOCKET_PATH_LIMIT + 1)),
            Err(LocalError::PathTooLong { length, limit, .. }) if length == limit + 1
        ));
    }
}
