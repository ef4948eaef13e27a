//! As whom PostgreSQL runs: never as root, which it refuses.

use std::os::unix::fs::chown;
use std::path::Path;

use nix::unistd::{User, getegid, geteuid};
use tokio::process::Command;

use super::LocalError;
use crate::kernel::child;

/// The account under which the server's programs run.
#[derive(Debug, Clone)]
pub(super) struct ServerAccount {
    pub(super) name: String,
    pub(super) uid: u32,
    pub(super) gid: u32,
    /// Whether it is another account than the one this process runs as.
    pub(super) is_other: bool,
}

impl ServerAccount {
    /// `postgres` where this process is root, else whoever runs it.
    ///
    /// # Errors
    /// [`LocalError::NoAccount`] for root on a machine without that account.
    pub(super) fn find() -> Result<Self, LocalError> {
        if !geteuid().is_root() {
            let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
            return Ok(Self { name: uid.to_string(), uid, gid, is_other: false });
        }
        let user = User::from_name("postgres").ok().flatten().filter(|user| !user.uid.is_root());
        let user = user.ok_or(LocalError::NoAccount)?;
        Ok(Self { name: user.name, uid: user.uid.as_raw(), gid: user.gid.as_raw(), is_other: true })
    }

    /// Gives a file or folder to the account.
    ///
    /// # Errors
    /// When the system refuses.
    pub(super) fn own(&self, path: &Path) -> Result<(), LocalError> {
        if self.is_other {
            chown(path, Some(self.uid), Some(self.gid))
                .map_err(LocalError::io("change the owner of", path))?;
        }
        Ok(())
    }

    /// A program that will run as the account, in `/`, with an environment that says nothing of
    /// ours: `PG…` variables would change the server, and anything else is none of its business.
    pub(super) fn command(&self, program: &Path) -> Command {
        let mut command = Command::from(child::command(program));
        command.env_clear().env("PATH", "/usr/local/bin:/usr/bin:/bin").env("LC_ALL", "C").env("TZ", "UTC");
        command.current_dir("/");
        if self.is_other {
            // Setting the user also drops root's supplementary groups.
            command.gid(self.gid).uid(self.uid);
        }
        command
    }
}
