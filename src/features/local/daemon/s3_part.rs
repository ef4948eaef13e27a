//! Keeps the S3 endpoint alive, at the same address as long as that can be had.

use std::fs;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::task::{JoinError, JoinHandle};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use crate::infra::private_file;
use crate::kernel::SecretString;

use super::super::layout::{Layout, S3_REGION, address};
use super::super::start::STEP;
use super::super::state::{Board, PartState};
use super::super::{LocalError, probe};
use super::deaths::Deaths;
use super::{ObjectEndpoint, ObjectSeat, gave_up};

/// An endpoint that has never come up is tried this often before the daemon gives up.
const FIRST_TRIES: u32 = 3;

/// How long requests under way may take to finish at a stop.
const FINISH: Duration = Duration::from_secs(10);

type Ended = Result<Result<(), Box<dyn std::error::Error + Send + Sync>>, JoinError>;

/// All that it takes.
pub(super) struct S3Keeper {
    pub(super) layout: Layout,
    pub(super) objects: Arc<dyn ObjectEndpoint>,
    pub(super) admin_token: SecretString,
    pub(super) board: Arc<Board>,
    pub(super) stop: CancellationToken,
}

impl S3Keeper {
    /// Until it is told to stop.
    ///
    /// # Errors
    /// When the endpoint has never come up.
    pub(super) async fn keep(self) -> Result<(), LocalError> {
        let mut deaths = Deaths::default();
        let mut has_been_up = false;
        while !self.stop.is_cancelled() {
            let started = Instant::now();
            let cause = match self.one_life(&mut has_been_up).await {
                Ok(None) => break,
                Ok(Some(cause)) => cause,
                Err(error) => error.to_string(),
            };
            let wait = deaths.record(started.elapsed());
            tracing::error!(%cause, ?wait, "the S3 endpoint died");
            self.board.update(|state| {
                state.s3.last_error = Some(cause.clone());
                state.s3.restarts += u64::from(has_been_up);
                state.s3.state = if deaths.is_failing() {
                    PartState::Failing
                } else if has_been_up {
                    PartState::Restarting
                } else {
                    PartState::Starting
                };
            });
            if !has_been_up && deaths.in_a_row() >= FIRST_TRIES {
                return Err(gave_up(&format!("the S3 endpoint does not start: {cause}")));
            }
            tokio::select! {
                () = sleep(wait) => {}
                () = self.stop.cancelled() => {}
            }
        }
        Ok(())
    }

    /// From start to death (how it ended), or to a stop that was asked for (`None`).
    async fn one_life(&self, has_been_up: &mut bool) -> Result<Option<String>, LocalError> {
        let (listener, port) = self.listen().await?;
        let seat = ObjectSeat {
            listener,
            root: self.layout.objects(),
            region: S3_REGION.to_owned(),
            admin_token: self.admin_token.clone(),
            shutdown: self.stop.child_token(),
        };
        let objects = Arc::clone(&self.objects);
        // A task of its own: a panic in there ends it, and not the daemon.
        let mut task = tokio::spawn(async move { objects.serve(seat).await });
        let coming_up = async {
            while probe::s3(port).await.is_err() {
                sleep(STEP).await;
            }
        };
        tokio::select! {
            () = coming_up => {}
            ended = &mut task => return Ok(self.cause(ended)),
            () = self.stop.cancelled() => return Ok(self.finish(task).await),
        }
        *has_been_up = true;
        tracing::info!(port, "the S3 endpoint is up");
        self.board.update(|state| {
            state.s3.state = PartState::Running;
            state.s3.port = Some(port);
        });
        tokio::select! {
            ended = &mut task => Ok(self.cause(ended)),
            () = self.stop.cancelled() => Ok(self.finish(task).await),
        }
    }

    /// On the port of the last time, or on a new one where that is taken; the new one is
    /// remembered.
    async fn listen(&self) -> Result<(TcpListener, u16), LocalError> {
        let file = self.layout.s3_port();
        let remembered = fs::read_to_string(&file).ok().and_then(|text| text.trim().parse::<u16>().ok());
        if let Some(port) = remembered.filter(|port| *port > 0) {
            match TcpListener::bind(address(port)).await {
                Ok(listener) => return Ok((listener, port)),
                Err(error) => tracing::warn!(port, %error, "the S3 endpoint gets another port"),
            }
        }
        let objects = self.layout.objects();
        let failed = || LocalError::io("listen at 127.0.0.1 for", &objects);
        let listener = TcpListener::bind(address(0)).await.map_err(failed())?;
        let port = listener.local_addr().map_err(failed())?.port();
        private_file::replace(&file, format!("{port}\n").as_bytes())?;
        Ok((listener, port))
    }

    async fn finish(
        &self,
        mut task: JoinHandle<Result<(), Box<dyn std::error::Error + Send + Sync>>>,
    ) -> Option<String> {
        self.board.update(|state| state.s3.state = PartState::Stopped);
        if timeout(FINISH, &mut task).await.is_err() {
            tracing::warn!("requests to the S3 endpoint are cut off");
            task.abort();
        }
        None
    }

    /// `None` for an end that was asked for.
    fn cause(&self, ended: Ended) -> Option<String> {
        if self.stop.is_cancelled() {
            return None;
        }
        Some(match ended {
            Ok(Ok(())) => "it stopped unexpectedly".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => format!("it broke: {error}"),
        })
    }
}
