//! `down` and `reset`: a clean end, and the end of everything.

use std::fs::{self, File};
use std::io;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use crate::infra::private_file;

use super::postgres::orphan;
use super::start::STEP;
use super::{LocalError, LocalStack, lock};

/// How long the daemon may take to stop its parts; more than it gives PostgreSQL itself, whose
/// last checkpoint has to write all that is not yet on disk.
const STOP_TIMEOUT: Duration = Duration::from_mins(1);

/// How long to wait for another process that starts or stops the stack.
const LOCK_PATIENCE: Duration = Duration::from_mins(5);

/// What the name of a deleted stack begins with, beside the living one.
const DELETED: &str = ".local-deleted-";

impl LocalStack {
    /// Stops both parts cleanly and waits until they are gone. `false` when nothing ran. A start
    /// under way is waited for, and then stopped.
    ///
    /// # Errors
    /// [`LocalError::DoesNotStop`], [`LocalError::Busy`], or the system's word.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn down(&self) -> Result<bool, LocalError> {
        match self.lock_to_stop().await? {
            Some(_lock) => self.stop().await,
            None => Ok(false),
        }
    }

    /// Stops the stack and deletes all its data: databases, objects, passwords, logs. After a crash
    /// in the middle the old stack is there whole, or it is gone.
    ///
    /// # Errors
    /// As for [`LocalStack::down`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn reset(&self) -> Result<(), LocalError> {
        let Some(_lock) = self.lock_to_stop().await? else {
            self.sweep_deleted();
            return Ok(());
        };
        self.stop().await?;
        let aside = self.layout.home().join(format!("{DELETED}{}", Uuid::new_v4().simple()));
        fs::rename(self.layout.local(), &aside).map_err(LocalError::io("put aside", self.layout.local()))?;
        private_file::sync_parent(&aside)?;
        fs::remove_dir_all(&aside).map_err(LocalError::io("delete", &aside))?;
        self.sweep_deleted();
        Ok(())
    }

    /// Deletes what an interrupted reset left.
    pub(super) fn sweep_deleted(&self) {
        for entry in fs::read_dir(self.layout.home()).into_iter().flatten().flatten() {
            if entry.file_name().to_string_lossy().starts_with(DELETED) {
                let _ = fs::remove_dir_all(entry.path());
            }
        }
    }

    /// `None` where there is no stack at all.
    async fn lock_to_stop(&self) -> Result<Option<File>, LocalError> {
        let deadline = Instant::now() + LOCK_PATIENCE;
        while Instant::now() < deadline {
            if !self.layout.local().exists() {
                return Ok(None);
            }
            if let Some(lock) = lock::try_exclusive(&self.layout.start_lock())? {
                return Ok(Some(lock));
            }
            sleep(STEP).await;
        }
        Err(LocalError::Busy(self.layout.start_lock()))
    }

    /// Only for the holder of the start lock.
    async fn stop(&self) -> Result<bool, LocalError> {
        let lock_file = self.layout.daemon_lock();
        // Held while an orphan is stopped, so that no daemon starts a server beside it.
        if let Some(_lock) = lock::try_exclusive(&lock_file)? {
            return orphan::clear(&self.layout).await;
        }
        let deadline = Instant::now() + STOP_TIMEOUT;
        let mut told = None;
        let _lock = loop {
            if let Some(lock) = lock::try_exclusive(&lock_file)? {
                break lock;
            }
            // A daemon that has just begun writes its number a moment after it took the lock.
            let pid = self.daemon_pid()?;
            if let Some(pid) = pid.filter(|pid| told != Some(*pid)) {
                let _ = kill(pid, Signal::SIGTERM);
                told = Some(pid);
            }
            if Instant::now() > deadline {
                let pid = pid.map_or(0, Pid::as_raw);
                return Err(LocalError::DoesNotStop { what: "the daemon of the local stack", pid });
            }
            sleep(STEP).await;
        };
        // Killed instead of stopped, it may have left PostgreSQL behind.
        orphan::clear(&self.layout).await?;
        Ok(true)
    }

    fn daemon_pid(&self) -> Result<Option<Pid>, LocalError> {
        let file = self.layout.pid_file();
        match fs::read_to_string(&file) {
            Ok(text) => Ok(text.trim().parse().ok().filter(|pid| *pid > 1).map(Pid::from_raw)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(LocalError::io("read", &file)(error)),
        }
    }
}
