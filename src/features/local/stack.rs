//! What a caller asks of the local stack: is it running, and where are its parts.

use std::env;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use crate::kernel::{ExposeSecret, SecretString};
use crate::settings::Home;

use super::layout::{self, Layout, POSTGRES_PORT, S3_REGION, SUPERUSER};
use super::postgres::binaries;
use super::postgres::version::PgVersion;
use super::state::{PartState, State};
use super::{LocalError, secrets};

/// The local stack under one home. Cheap to make and to clone; nothing happens until it is asked.
#[derive(Debug, Clone)]
pub struct LocalStack {
    pub(super) layout: Layout,
    pub(super) daemon: Option<DaemonCommand>,
    pub(super) pg_bin: Option<PathBuf>,
    pub(super) s3_port: Option<u16>,
}

/// The command that becomes the daemon.
#[derive(Debug, Clone)]
pub struct DaemonCommand {
    pub program: PathBuf,
    pub args: Vec<OsString>,
    /// What its environment holds beside `NEXUS_HOME` and the few variables that are passed on.
    /// Never a secret.
    pub env: Vec<(OsString, OsString)>,
}

/// Where the parts of a running stack are, and how to get in.
#[derive(Debug, Clone)]
pub struct Running {
    pub postgres: PostgresAddress,
    pub s3: S3Address,
    /// Where the mailbox takes mail over SMTP; none where it does not run.
    pub mail: Option<SocketAddr>,
}

/// The database server of a running stack.
#[derive(Debug, Clone)]
pub struct PostgresAddress {
    /// The folder of its socket: what psql takes as `--host`.
    pub socket_dir: PathBuf,
    /// The number in the socket's name: what psql takes as `--port`.
    pub port: u16,
    pub user: String,
    /// The superuser's password.
    pub password: SecretString,
    pub version: PgVersion,
}

impl PostgresAddress {
    /// How to log in to one of its databases as the superuser. Reads no `~/.pgpass`.
    #[must_use]
    pub fn options(&self, database: &str) -> PgConnectOptions {
        PgConnectOptions::new_without_pgpass()
            .socket(&self.socket_dir)
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(database)
            .ssl_mode(PgSslMode::Disable)
    }
}

/// The object store of a running stack.
#[derive(Debug, Clone)]
pub struct S3Address {
    /// Its address, e.g. `http://127.0.0.1:41234`; the same after a restart.
    pub endpoint: String,
    /// The region that clients sign for.
    pub region: String,
    /// What lets its holder make buckets and keys.
    pub admin_token: SecretString,
}

impl LocalStack {
    /// The stack under `home`, with the server's programs from the folder that `NEXUS_PG_BIN`
    /// names, if it is set.
    #[must_use]
    pub fn new(home: Home) -> Self {
        let pg_bin = env::var_os(binaries::OVERRIDE).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { layout: Layout::new(home), daemon: None, pg_bin, s3_port: None }
    }

    /// With the server's programs from one folder and no other.
    #[must_use]
    pub fn with_pg_bin(mut self, folder: PathBuf) -> Self {
        self.pg_bin = Some(folder);
        self
    }

    /// With the S3 endpoint on this port from its next start on.
    #[must_use]
    pub fn with_s3_port(mut self, port: u16) -> Self {
        self.s3_port = Some(port);
        self
    }

    /// With another command for the daemon than `nexus local daemon` of the running program.
    #[must_use]
    pub fn with_daemon(mut self, command: DaemonCommand) -> Self {
        self.daemon = Some(command);
        self
    }

    /// The folder of its mailbox, for development.
    #[must_use]
    pub fn mail_folder(&self) -> PathBuf {
        self.layout.mail()
    }

    /// The running stack; `None` where it does not run whole. Reads four small files and asks the
    /// system for a lock: well under a millisecond, and nothing goes over a network.
    ///
    /// # Errors
    /// When the stack is there and its files cannot be read, e.g. because it is another user's.
    pub fn running(&self) -> Result<Option<Running>, LocalError> {
        let Some(state) = State::of_living_daemon(&self.layout)? else { return Ok(None) };
        let (true, Some(version), Some(port)) = (state.is_ready(), state.postgres.version, state.s3.port)
        else {
            return Ok(None);
        };
        match (self.postgres_address(version), self.s3_address(port)) {
            (Ok(postgres), Ok(s3)) => {
                let mail = Some(&state.mail).filter(|mail| mail.state == PartState::Running);
                let mail = mail.and_then(|mail| mail.port).map(layout::address);
                Ok(Some(Running { postgres, s3, mail }))
            }
            // A reset in this very moment takes the secrets away, and the daemon with them.
            (Err(error), _) | (_, Err(error)) => match State::of_living_daemon(&self.layout)? {
                Some(_) => Err(error),
                None => Ok(None),
            },
        }
    }

    pub(super) fn postgres_address(&self, version: PgVersion) -> Result<PostgresAddress, LocalError> {
        let password = secrets::read(&self.layout.password())?.ok_or_else(|| self.missing_password())?;
        Ok(PostgresAddress {
            socket_dir: self.layout.socket_dir(),
            port: POSTGRES_PORT,
            user: SUPERUSER.to_owned(),
            password,
            version,
        })
    }

    fn s3_address(&self, port: u16) -> Result<S3Address, LocalError> {
        let token = self.layout.token();
        let admin_token = secrets::read(&token)?.ok_or(LocalError::TokenMissing(token))?;
        Ok(S3Address { endpoint: layout::endpoint(port), region: S3_REGION.to_owned(), admin_token })
    }

    pub(super) fn missing_password(&self) -> LocalError {
        LocalError::PasswordMissing { password: self.layout.password(), data: self.layout.data() }
    }
}
