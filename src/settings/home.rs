//! The one folder under which Nexus keeps all that it keeps on a machine.

use std::env;
use std::path::{Path, PathBuf};

/// The folder itself: `$NEXUS_HOME`; else `/var/lib/nexus` for root (PostgreSQL refuses to run as
/// root, and the user it runs as must reach the folder); else `$XDG_DATA_HOME/nexus` or
/// `~/.local/share/nexus` (XDG Base Directory Specification 0.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Home(PathBuf);

impl Home {
    /// Of a folder given outright; a relative one counts from the working directory.
    #[must_use]
    pub fn new(folder: &Path) -> Self {
        Self(std::path::absolute(folder).unwrap_or_else(|_| folder.to_owned()))
    }

    /// Of this process's environment. `None` where neither `NEXUS_HOME` nor `HOME` is set.
    #[must_use]
    pub fn from_env() -> Option<Self> {
        let folder = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        if let Some(home) = folder("NEXUS_HOME") {
            return Some(Self::new(&home));
        }
        if nix::unistd::geteuid().is_root() {
            return Some(Self(PathBuf::from("/var/lib/nexus")));
        }
        let data =
            folder("XDG_DATA_HOME").or_else(|| folder("HOME").map(|home| home.join(".local/share")))?;
        Some(Self::new(&data.join("nexus")))
    }

    /// The folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Where the local stack lives: PostgreSQL's data, the objects, the daemon's lock and state.
    #[must_use]
    pub fn local(&self) -> PathBuf {
        self.0.join("local")
    }

    /// Where master keys lie, unless the settings say otherwise: one file per context.
    #[must_use]
    pub fn keys(&self) -> PathBuf {
        self.0.join("keys")
    }
}
