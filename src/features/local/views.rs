//! What `status` answers: the same names in JSON for ever.

use std::path::PathBuf;

use serde::Serialize;
use time::OffsetDateTime;

use super::postgres::version::PgVersion;
use super::state::PartState;

/// How the stack is as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StackState {
    /// No daemon lives.
    Stopped,
    /// A daemon lives and a part is still on its way up.
    Starting,
    /// Both parts answer.
    Running,
    /// A daemon lives and a part does not answer.
    Degraded,
}

/// The whole answer.
#[derive(Debug, Clone, Serialize)]
pub struct StatusView {
    /// The folder that holds all of the stack.
    pub data_dir: PathBuf,
    pub state: StackState,
    /// The process that keeps the parts alive.
    pub daemon: DaemonView,
    pub postgres: PostgresView,
    pub s3: S3View,
    pub mail: MailboxView,
}

/// The process that keeps the parts alive.
#[derive(Debug, Clone, Serialize)]
pub struct DaemonView {
    /// Its number; none when it does not live.
    pub pid: Option<u32>,
}

/// The database server.
#[derive(Debug, Clone, Serialize)]
pub struct PostgresView {
    pub state: PartState,
    /// The folder of its socket: what psql takes as `--host`.
    pub socket_dir: PathBuf,
    /// The number in the socket's name: what psql takes as `--port`. No TCP port is open.
    pub port: u16,
    /// The server's version; of a stopped one the major version of its data; none before the
    /// first start.
    pub version: Option<String>,
    pub pid: Option<u32>,
    /// How often it was started again since the daemon started.
    pub restarts: u64,
    /// How it died last, or why it does not answer.
    pub last_error: Option<String>,
}

impl PostgresView {
    pub(super) fn version_of(running: Option<PgVersion>, data: Option<u32>) -> Option<String> {
        running.map(|version| version.to_string()).or_else(|| data.map(|major| major.to_string()))
    }
}

/// The object store.
#[derive(Debug, Clone, Serialize)]
pub struct S3View {
    pub state: PartState,
    /// Its address; none before the first start.
    pub endpoint: Option<String>,
    /// The region that clients sign for.
    pub region: String,
    /// How often it was started again since the daemon started.
    pub restarts: u64,
    /// How it died last, or why it does not answer.
    pub last_error: Option<String>,
}

/// The mailbox for development.
#[derive(Debug, Clone, Serialize)]
pub struct MailboxView {
    pub state: PartState,
    /// Where it takes mail over SMTP, e.g. `127.0.0.1:41234`; none before the first start.
    pub smtp: Option<String>,
    /// Why it does not run.
    pub last_error: Option<String>,
}

/// A message in the mailbox for development.
#[derive(Debug, Clone, Serialize)]
pub struct MailView {
    /// Its file's name, without the ending.
    pub id: String,
    /// When it arrived.
    #[serde(with = "time::serde::rfc3339")]
    pub at: OffsetDateTime,
    /// As its headers say.
    pub from: String,
    pub to: String,
    pub subject: String,
}

/// A message with what it says.
#[derive(Debug, Clone, Serialize)]
pub struct MailTextView {
    #[serde(flatten)]
    pub mail: MailView,
    pub text: String,
    /// The page, where it has one.
    pub html: Option<String>,
    /// The file, which holds the whole message.
    pub file: PathBuf,
}
