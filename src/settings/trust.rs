//! Whether what a path leads to can be trusted: nobody but this user and root can change it.
//!
//! The path is walked from the root down, links included. A folder that passed can be changed by
//! nobody else, so what is found in it stays what it was found to be; no second look can differ.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Component, Path, PathBuf};

use nix::fcntl::OFlag;
use nix::unistd::{Gid, Group, Uid, User, geteuid};

use crate::kernel::shell;

/// As many links as Linux follows (path_resolution(7)).
const MOST_LINKS: usize = 40;

/// The group of macOS whose members may become root, which owns `/Applications` and Homebrew's
/// folders.
const MACOS_ADMIN: u32 = 80;

/// Why a path is not trusted. Names the part of it that is not.
#[derive(Debug, thiserror::Error)]
pub enum Distrust {
    /// It belongs to somebody else.
    #[error("{} belongs to {}", at.display(), user(*owner))]
    Owner {
        /// The part.
        at: PathBuf,
        /// Whose it is.
        owner: u32,
    },
    /// Others may write it.
    #[error("{} can be written by {} (mode {mode:04o})", at.display(), writers(*mode))]
    Writable {
        /// The part.
        at: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// It could not be looked at.
    #[error("cannot check {}: {source}", at.display())]
    Unknown {
        /// The part.
        at: PathBuf,
        /// The system's word.
        source: io::Error,
    },
}

impl Distrust {
    /// What to type, where typing helps.
    #[must_use]
    pub fn hints(&self) -> Vec<String> {
        match self {
            Self::Owner { at, .. } => vec![format!("ls -ld {}", shell::path(at))],
            Self::Writable { at, .. } if is_ones_own(at) => vec![format!("chmod go-w {}", shell::path(at))],
            Self::Writable { .. } | Self::Unknown { .. } => Vec::new(),
        }
    }

    /// The system's word, where it is that.
    ///
    /// # Errors
    /// Itself, where something was found that is not trusted.
    pub fn into_io(self) -> Result<io::Error, Self> {
        match self {
            Self::Unknown { source, .. } => Ok(source),
            found => Err(found),
        }
    }
}

/// Whether this user alone is concerned by who may write to a path: an ordinary file or folder of theirs,
/// not one that the machine shares as `/tmp`, nor a device. What belongs to root is the machine's, except
/// in root's home and where anybody makes things of their own.
fn is_ones_own(path: &Path) -> bool {
    let Ok(facts) = fs::symlink_metadata(path) else { return false };
    let me = geteuid();
    if !(facts.is_dir() || facts.is_file()) || is_sticky(&facts) || facts.uid() != me.as_raw() {
        return false;
    }
    let home = std::env::var_os("HOME").filter(|home| home != "/" && !home.is_empty());
    let is_below_home = home.is_some_and(|home| path.starts_with(home));
    let shared = |folder: &Path| fs::metadata(folder).is_ok_and(|facts| is_sticky(&facts) && is_open(&facts));
    !me.is_root() || is_below_home || path.ancestors().skip(1).any(shared)
}

fn user(id: u32) -> String {
    match User::from_uid(Uid::from_raw(id)).ok().flatten() {
        Some(user) => format!("user {}", user.name),
        None => format!("user id {id}"),
    }
}

fn writers(mode: u32) -> &'static str {
    if mode & 0o002 == 0 { "its group" } else { "everybody" }
}

/// Requires that nobody else can change what is at a path, nor what is above it. Where nothing is
/// there yet, only what is above it counts: to be asked again once it is made.
pub fn check(path: &Path) -> Result<(), Distrust> {
    let walked = walk(path)?;
    // In a sticky folder that is open to all, somebody else could make what is looked for.
    if walked.is_whole && is_open(&walked.end.facts) { Err(walked.end.writable()) } else { Ok(()) }
}

/// Requires that nobody else can change a file that is there, nor one that this user makes: the
/// folder may be sticky and open to all, as `/tmp` is.
pub fn check_folder_of(file: &Path) -> Result<(), Distrust> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    walk(folder).map(drop)
}

/// Opens an ordinary file for reading that nobody else can change, links on the way followed.
///
/// # Errors
/// [`Distrust`]; what is no ordinary file is [`io::ErrorKind::InvalidInput`].
pub fn open(path: &Path) -> Result<File, Distrust> {
    let walked = walk(path)?;
    let unknown = |source| Distrust::Unknown { at: path.to_owned(), source };
    if !walked.is_whole {
        return Err(unknown(io::Error::new(io::ErrorKind::NotFound, "no such file")));
    }
    // Without O_NONBLOCK the opening of a pipe would wait for somebody to write.
    let flags = OFlag::O_NOFOLLOW | OFlag::O_NONBLOCK;
    let opened = OpenOptions::new().read(true).custom_flags(flags.bits()).open(&walked.end.path);
    let file = opened.map_err(unknown)?;
    let facts = file.metadata().map_err(unknown)?;
    if !facts.is_file() {
        return Err(unknown(io::Error::new(io::ErrorKind::InvalidInput, "it is no ordinary file")));
    }
    Part { path: walked.end.path, facts }.check(false)?;
    Ok(file)
}

/// Requires that an open file, found at a path that was checked, is this user's or root's.
pub fn check_file(path: &Path, facts: &Metadata) -> Result<(), Distrust> {
    Part { path: path.to_owned(), facts: facts.clone() }.check(false)
}

/// One step of a walk.
struct Part {
    path: PathBuf,
    facts: Metadata,
}

impl Part {
    fn look(path: PathBuf) -> Result<Self, Distrust> {
        match fs::symlink_metadata(&path) {
            Ok(facts) => Ok(Self { path, facts }),
            Err(source) => Err(Distrust::Unknown { at: path, source }),
        }
    }

    /// `sticky`: whether a sticky folder passes, in which others may make things of their own but
    /// not touch ours.
    fn check(&self, sticky: bool) -> Result<(), Distrust> {
        let owner = self.facts.uid();
        if !is_trusted(owner) {
            return Err(Distrust::Owner { at: self.path.clone(), owner });
        }
        // A link's own bits mean nothing.
        if self.facts.is_symlink() || (sticky && is_sticky(&self.facts)) || !is_open(&self.facts) {
            return Ok(());
        }
        Err(self.writable())
    }

    fn writable(&self) -> Distrust {
        Distrust::Writable { at: self.path.clone(), mode: self.facts.mode() & 0o7777 }
    }
}

/// Where a walk ended.
struct Walked {
    /// The last part that is there.
    end: Part,
    /// Whether nothing was missing.
    is_whole: bool,
}

fn walk(path: &Path) -> Result<Walked, Distrust> {
    let unknown = |at: &Path, source| Distrust::Unknown { at: at.to_owned(), source };
    let whole = std::path::absolute(path).map_err(|source| unknown(path, source))?;
    let mut ahead: VecDeque<OsString> = steps(&whole).collect();
    let mut here = Part::look(PathBuf::from("/"))?;
    here.check(true)?;
    let mut links = 0;
    while let Some(step) = ahead.pop_front() {
        if step == ".." {
            let parent = here.path.parent().unwrap_or(Path::new("/")).to_owned();
            here = Part::look(parent)?;
            continue;
        }
        let next = match Part::look(here.path.join(&step)) {
            Err(Distrust::Unknown { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                return Ok(Walked { end: here, is_whole: false });
            }
            next => next?,
        };
        next.check(true)?;
        if !next.facts.is_symlink() {
            here = next;
            continue;
        }
        links += 1;
        if links > MOST_LINKS {
            return Err(unknown(path, io::Error::other("too many symbolic links")));
        }
        let target = fs::read_link(&next.path).map_err(|source| unknown(&next.path, source))?;
        if target.is_absolute() {
            here = Part::look(PathBuf::from("/"))?;
        }
        for step in steps(&target).collect::<Vec<_>>().into_iter().rev() {
            ahead.push_front(step);
        }
    }
    Ok(Walked { end: here, is_whole: true })
}

fn steps(path: &Path) -> impl Iterator<Item = OsString> {
    path.components().filter_map(|part| match part {
        Component::Normal(name) => Some(name.to_owned()),
        Component::ParentDir => Some("..".into()),
        _ => None,
    })
}

fn is_sticky(facts: &Metadata) -> bool {
    facts.is_dir() && facts.mode() & 0o1000 != 0
}

/// Root may do all; root working for somebody trusts who called it (`sudo`), as git does
/// (git-config(1), `safe.directory`).
fn is_trusted(owner: u32) -> bool {
    let me = geteuid();
    let caller = || std::env::var("SUDO_UID").ok()?.parse::<u32>().ok();
    owner == 0 || owner == me.as_raw() || (me.is_root() && caller() == Some(owner))
}

/// Whether somebody beside the owner may write. What an access control list lets others do shows in
/// the group's bits (acl(5), its mask).
fn is_open(facts: &Metadata) -> bool {
    let mode = facts.mode();
    mode & 0o002 != 0 || (mode & 0o020 != 0 && !is_only_the_owners(facts.uid(), facts.gid()))
}

/// Whether a group is the owner's own and nobody else's, as systems with a umask of 002 give to each
/// user.
fn is_only_the_owners(owner: u32, group: u32) -> bool {
    if cfg!(target_os = "macos") && group == MACOS_ADMIN {
        return true;
    }
    let Some(user) = User::from_uid(Uid::from_raw(owner)).ok().flatten().filter(|user| !user.uid.is_root())
    else {
        return false;
    };
    let Some(group) = Group::from_gid(Gid::from_raw(group)).ok().flatten() else { return false };
    user.gid == group.gid && group.name == user.name && group.mem.iter().all(|member| *member == user.name)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path, mode: u32) {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn folder() -> (tempfile::TempDir, PathBuf) {
        let outer = tempfile::tempdir().unwrap();
        let inner = outer.path().join("inner");
        fs::create_dir(&inner).unwrap();
        fs::write(inner.join("file"), "x").unwrap();
        mode(&inner, 0o755);
        mode(&inner.join("file"), 0o644);
        (outer, inner)
    }

    #[test]
    fn what_is_ours_alone_is_trusted_also_below_a_sticky_folder() {
        let (outer, inner) = folder();
        check(&inner).unwrap();
        open(&inner.join("file")).unwrap();
        mode(outer.path(), 0o1777);
        check(&inner).unwrap();
        open(&inner.join("file")).unwrap();
    }

    #[test]
    fn every_part_of_the_path_counts() {
        let (outer, inner) = folder();
        for part in [outer.path().to_owned(), inner.clone(), inner.join("file")] {
            let before = fs::metadata(&part).unwrap().permissions().mode();
            mode(&part, 0o777);
            assert!(matches!(open(&inner.join("file")), Err(Distrust::Writable { at, .. }) if at == part));
            mode(&part, before);
        }
        open(&inner.join("file")).unwrap();
    }

    #[test]
    fn links_are_followed_and_where_they_lead_counts() {
        let (outer, inner) = folder();
        let link = outer.path().join("link");
        symlink("inner/../inner", &link).unwrap();
        open(&link.join("file")).unwrap();
        mode(&inner, 0o777);
        assert!(matches!(open(&link.join("file")), Err(Distrust::Writable { .. })));
        let round = outer.path().join("round");
        symlink("round", &round).unwrap();
        assert!(matches!(check(&round), Err(Distrust::Unknown { .. })));
    }

    #[test]
    fn a_folder_in_which_anybody_can_make_things_is_not_trusted_itself() {
        let (outer, _) = folder();
        mode(outer.path(), 0o1777);
        assert!(matches!(check(outer.path()), Err(Distrust::Writable { .. })));
        check(&outer.path().join("new/one")).unwrap();
        check_folder_of(&outer.path().join("new")).unwrap();
    }

    #[test]
    fn a_command_to_type_changes_nothing_that_the_machine_shares() {
        let (outer, inner) = folder();
        let hints = |at: &Path| Distrust::Writable { at: at.to_owned(), mode: 0o777 }.hints();
        assert_eq!(hints(&inner), [format!("chmod go-w {}", inner.display())]);
        mode(&inner, 0o1777);
        for shared in
            [&inner, Path::new("/dev/null"), Path::new("/"), Path::new("/usr"), &outer.path().join("none")]
        {
            assert!(hints(shared).is_empty(), "{}", shared.display());
        }
    }

    #[test]
    fn what_is_not_there_is_said_to_be_missing() {
        let (outer, _) = folder();
        let error = open(&outer.path().join("none")).unwrap_err().into_io().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::NotFound);
    }
}
