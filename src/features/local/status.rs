//! `status`: what the daemon says, checked by asking each part itself.

use std::fs;
use std::path::PathBuf;

use super::layout::{self, POSTGRES_PORT, S3_REGION};
use super::postgres::version::PgVersion;
use super::postgres::{binaries, cluster, orphan};
use super::state::{PartState, State};
use super::views::{DaemonView, MailboxView, PostgresView, S3View, StackState, StatusView};
use super::{LocalError, LocalStack, probe};

impl LocalStack {
    /// How the stack is. Starts nothing; logs in to PostgreSQL and asks the S3 endpoint.
    ///
    /// # Errors
    /// When the stack is there and its files cannot be read.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn status(&self) -> Result<StatusView, LocalError> {
        let state = State::of_living_daemon(&self.layout)?;
        let (postgres, s3) = tokio::join!(self.postgres_view(state.as_ref()), self.s3_view(state.as_ref()));
        let (postgres, s3) = (postgres?, s3);
        let parts = [postgres.state, s3.state];
        let stack = if state.is_none() {
            StackState::Stopped
        } else if parts.iter().all(|part| *part == PartState::Running) {
            StackState::Running
        } else if parts.iter().all(|part| matches!(part, PartState::Running | PartState::Starting)) {
            StackState::Starting
        } else {
            StackState::Degraded
        };
        let mail = self.mail_view(state.as_ref());
        let daemon = DaemonView { pid: state.map(|state| state.pid) };
        Ok(StatusView { data_dir: self.layout.local().to_owned(), state: stack, daemon, postgres, s3, mail })
    }

    /// The server programs that the stack runs on, or would: their folder and version.
    ///
    /// # Errors
    /// When this machine has none that fit the data.
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn server_programs(&self) -> Result<(PathBuf, PgVersion), LocalError> {
        let data = self.layout.data();
        let major = cluster::data_version(&data)?;
        let found =
            binaries::find(self.pg_bin.as_deref(), major.map(|major| (major, data.as_path()))).await?;
        Ok((found.folder, found.version))
    }

    /// Whether the stack was ever set up here: there is data.
    #[must_use]
    pub fn has_data(&self) -> bool {
        self.layout.data().exists()
    }

    async fn postgres_view(&self, state: Option<&State>) -> Result<PostgresView, LocalError> {
        let data = self.layout.data();
        let said = state.map(|state| &state.postgres);
        let version =
            PostgresView::version_of(said.and_then(|part| part.version), cluster::data_version(&data)?);
        let mut view = PostgresView {
            state: said.map_or(PartState::Stopped, |part| part.state),
            socket_dir: self.layout.socket_dir(),
            port: POSTGRES_PORT,
            version,
            pid: said.and_then(|part| part.pid),
            restarts: said.map_or(0, |part| part.restarts),
            last_error: said.and_then(|part| part.last_error.clone()),
        };
        match said.and_then(|part| part.version).filter(|_| view.state == PartState::Running) {
            Some(version) => {
                if let Err(error) = probe::postgres(&self.postgres_address(version)?).await {
                    (view.state, view.last_error) = (PartState::Unreachable, Some(error));
                }
            }
            None if said.is_none() => {
                if let Some(pid) = orphan::postmaster_of(&data) {
                    (view.state, view.pid) = (PartState::Orphaned, u32::try_from(pid.as_raw()).ok());
                }
            }
            None => {}
        }
        Ok(view)
    }

    /// Not asked whether it answers: what is sent to it says so.
    fn mail_view(&self, state: Option<&State>) -> MailboxView {
        let said = state.map(|state| &state.mail);
        let remembered = || fs::read_to_string(self.layout.mail_port()).ok()?.trim().parse().ok();
        let port: Option<u16> = said.and_then(|part| part.port).or_else(remembered);
        MailboxView {
            state: said.map_or(PartState::Stopped, |part| part.state),
            smtp: port.map(|port| layout::address(port).to_string()),
            last_error: said.and_then(|part| part.last_error.clone()),
        }
    }

    async fn s3_view(&self, state: Option<&State>) -> S3View {
        let said = state.map(|state| &state.s3);
        let remembered = || fs::read_to_string(self.layout.s3_port()).ok()?.trim().parse().ok();
        let port: Option<u16> = said.and_then(|part| part.port).or_else(remembered);
        let mut view = S3View {
            state: said.map_or(PartState::Stopped, |part| part.state),
            endpoint: port.map(layout::endpoint),
            region: S3_REGION.to_owned(),
            restarts: said.map_or(0, |part| part.restarts),
            last_error: said.and_then(|part| part.last_error.clone()),
        };
        if let Some(port) = port.filter(|_| view.state == PartState::Running)
            && let Err(error) = probe::s3(port).await
        {
            (view.state, view.last_error) = (PartState::Unreachable, Some(error));
        }
        view
    }
}
