//! What the daemon tells of itself: a small file, replaced whole at each change.
//!
//! The file alone proves nothing, since a killed daemon leaves it behind; it counts while the
//! daemon's lock is held and the process it names lives.

use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};

use crate::infra::private_file::{self, PrivateFileError};

use super::layout::Layout;
use super::postgres::version::PgVersion;
use super::{LocalError, lock};

/// How a part of the stack is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartState {
    /// It does not run.
    Stopped,
    /// It is on its way up for the first time.
    Starting,
    /// It answers.
    Running,
    /// It died and is on its way up again.
    Restarting,
    /// It died several times within a short time; it is still tried, at longer intervals.
    Failing,
    /// It runs, but does not answer.
    Unreachable,
    /// It runs without the daemon, which was killed; the next start stops it and starts anew.
    Orphaned,
}

/// The daemon's word on PostgreSQL.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PostgresPart {
    pub(super) state: PartState,
    pub(super) pid: Option<u32>,
    pub(super) version: Option<PgVersion>,
    pub(super) restarts: u64,
    pub(super) last_error: Option<String>,
}

/// The daemon's word on the S3 endpoint.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct S3Part {
    pub(super) state: PartState,
    pub(super) port: Option<u16>,
    pub(super) restarts: u64,
    pub(super) last_error: Option<String>,
}

/// The daemon's word on the mailbox. One of an older version has none.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct MailPart {
    pub(super) state: PartState,
    pub(super) port: Option<u16>,
    pub(super) last_error: Option<String>,
}

impl Default for MailPart {
    fn default() -> Self {
        Self { state: PartState::Stopped, port: None, last_error: None }
    }
}

/// The whole file.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) pid: u32,
    /// Why the daemon gave up, if it did.
    pub(super) failure: Option<String>,
    pub(super) postgres: PostgresPart,
    pub(super) s3: S3Part,
    #[serde(default)]
    pub(super) mail: MailPart,
}

impl State {
    /// Of a daemon that has just begun.
    pub(super) fn starting(pid: u32) -> Self {
        let state = PartState::Starting;
        Self {
            pid,
            failure: None,
            postgres: PostgresPart { state, pid: None, version: None, restarts: 0, last_error: None },
            s3: S3Part { state, port: None, restarts: 0, last_error: None },
            mail: MailPart { state, ..MailPart::default() },
        }
    }

    /// What the file says, whoever wrote it; `None` where there is none that makes sense.
    ///
    /// # Errors
    /// When the file is there and cannot be read.
    pub(super) fn read(layout: &Layout) -> Result<Option<Self>, LocalError> {
        match private_file::read(&layout.state()) {
            Ok(content) => Ok(serde_json::from_slice(&content).ok()),
            Err(PrivateFileError::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => {
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// What the daemon that lives now says; `None` where none lives, or it has not spoken yet.
    ///
    /// # Errors
    /// When a file is there and cannot be read.
    pub(super) fn of_living_daemon(layout: &Layout) -> Result<Option<Self>, LocalError> {
        let Some(state) = Self::read(layout)? else { return Ok(None) };
        let lives = lock::is_held(&layout.daemon_lock())? && process_lives(state.pid);
        Ok(lives.then_some(state))
    }

    /// Whether PostgreSQL and the S3 endpoint answer, and it is known where the mailbox is.
    pub(super) fn is_ready(&self) -> bool {
        let both = self.postgres.state == PartState::Running && self.s3.state == PartState::Running;
        both && self.mail.state != PartState::Starting
    }
}

fn process_lives(pid: u32) -> bool {
    let Ok(pid) = i32::try_from(pid) else { return false };
    matches!(kill(Pid::from_raw(pid), None), Ok(()) | Err(Errno::EPERM))
}

/// The daemon's own copy, which writes itself to the file at each change.
pub(super) struct Board {
    file: PathBuf,
    state: Mutex<State>,
}

impl Board {
    /// Writes the first state.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub(super) fn new(layout: &Layout) -> Result<Self, LocalError> {
        let board = Self { file: layout.state(), state: Mutex::new(State::starting(std::process::id())) };
        board.write(&board.lock())?;
        Ok(board)
    }

    /// Changes the state and writes it. A write that fails (a full disk) is logged and no more: the
    /// parts live on, and the next change is written again.
    pub(super) fn update(&self, change: impl FnOnce(&mut State)) {
        let mut state = self.lock();
        change(&mut state);
        if let Err(error) = self.write(&state) {
            tracing::error!(%error, "cannot write the state file");
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self, state: &State) -> Result<(), LocalError> {
        let failed = || LocalError::io("write", &self.file);
        let content = serde_json::to_vec(state).map_err(std::io::Error::from).map_err(failed())?;
        Ok(private_file::replace(&self.file, &content)?)
    }
}
