//! Keeps PostgreSQL alive: starts it, sees it die, starts it again, stops it cleanly.

use std::process::ExitStatus;
use std::sync::Arc;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::super::LocalError;
use super::super::account::ServerAccount;
use super::super::layout::Layout;
use super::super::postgres::binaries::Binaries;
use super::super::postgres::{orphan, server};
use super::super::start::STEP;
use super::super::state::{Board, PartState};
use super::deaths::Deaths;
use super::gave_up;

/// A server that has never come up is tried this often before the daemon gives up.
const FIRST_TRIES: u32 = 3;

/// How long each way of stopping may take: a fast shutdown writes a checkpoint; an immediate one
/// writes nothing; the last is by force.
const STOPS: [(Signal, Duration); 3] = [
    (Signal::SIGINT, Duration::from_secs(40)),
    (Signal::SIGQUIT, Duration::from_secs(5)),
    (Signal::SIGKILL, Duration::from_secs(5)),
];

/// All that it takes.
pub(super) struct PostgresKeeper {
    pub(super) layout: Layout,
    pub(super) account: ServerAccount,
    pub(super) binaries: Binaries,
    pub(super) board: Arc<Board>,
    pub(super) stop: CancellationToken,
}

impl PostgresKeeper {
    /// Until it is told to stop.
    ///
    /// # Errors
    /// When the server has never come up, or does not stop.
    pub(super) async fn keep(self) -> Result<(), LocalError> {
        let mut deaths = Deaths::default();
        let mut has_been_up = false;
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            let cause = match self.one_life(&mut has_been_up).await {
                Ok(None) => break,
                Ok(Some(status)) => format!("it ended ({status})"),
                Err(error) => error.to_string(),
            };
            let wait = deaths.record(started.elapsed());
            tracing::error!(%cause, ?wait, "PostgreSQL died");
            self.board.update(|state| {
                state.postgres.last_error = Some(cause.clone());
                state.postgres.pid = None;
                state.postgres.restarts += u64::from(has_been_up);
                state.postgres.state = if deaths.is_failing() {
                    PartState::Failing
                } else if has_been_up {
                    PartState::Restarting
                } else {
                    PartState::Starting
                };
            });
            if !has_been_up && deaths.in_a_row() >= FIRST_TRIES {
                return Err(gave_up(&format!("PostgreSQL does not start: {cause}")));
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// From start to death (how it ended), or to a stop that was asked for (`None`).
    async fn one_life(&self, has_been_up: &mut bool) -> Result<Option<ExitStatus>, LocalError> {
        orphan::clear(&self.layout).await?;
        let mut child = server::spawn(&self.layout, &self.binaries, &self.account)?;
        let pid = child.id().unwrap_or_default();
        let data = self.layout.data();
        let failed = || LocalError::io("wait for the server of", &data);
        let coming_up = async {
            while !server::is_ready(&data, pid) {
                sleep(STEP).await;
            }
        };
        tokio::select! {
            () = coming_up => {}
            ended = child.wait() => return Ok(Some(ended.map_err(failed())?)),
            () = self.stop.cancelled() => return self.end(&mut child).await.map(|()| None),
        }
        *has_been_up = true;
        tracing::info!(pid, version = %self.binaries.version, "PostgreSQL is up");
        self.board.update(|state| {
            state.postgres.state = PartState::Running;
            state.postgres.pid = Some(pid);
            state.postgres.version = Some(self.binaries.version);
        });
        tokio::select! {
            ended = child.wait() => Ok(Some(ended.map_err(failed())?)),
            () = self.stop.cancelled() => self.end(&mut child).await.map(|()| None),
        }
    }

    async fn end(&self, child: &mut Child) -> Result<(), LocalError> {
        self.board.update(|state| state.postgres.state = PartState::Stopped);
        let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) else { return Ok(()) };
        for (signal, patience) in STOPS {
            let _ = kill(Pid::from_raw(pid), signal);
            if timeout(patience, child.wait()).await.is_ok() {
                tracing::info!(%signal, "PostgreSQL has stopped");
                return Ok(());
            }
            tracing::warn!(%signal, "PostgreSQL does not stop");
        }
        Err(LocalError::DoesNotStop { what: "postgres", pid })
    }
}
