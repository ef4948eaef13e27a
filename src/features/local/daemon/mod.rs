//! The daemon: one process that holds the lock, keeps both parts alive, and takes them down in
//! good order when it is told to.

mod deaths;
mod locks_part;
mod mail_part;
mod postgres_part;
mod s3_part;

use std::env;
use std::fs::{self, File};
use std::future::Future;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::stat::{Mode, umask};
use nix::unistd::setsid;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use crate::infra::private_file;
use crate::kernel::SecretString;
use crate::settings::Home;

use super::account::ServerAccount;
use super::layout::Layout;
use super::postgres::{binaries, cluster};
use super::start::STEP;
use super::state::Board;
use super::{LocalError, LocalStack, folders, lock, logs, secrets};

/// How long to wait for a daemon that is on its way down, and for those who only look whether the
/// lock is held.
const LOCK_PATIENCE: Duration = Duration::from_secs(10);

/// Files that the daemon may have open, where the system lets it.
const FILES: u64 = 8192;

/// The S3 server, as the daemon sees it.
#[async_trait]
pub trait ObjectEndpoint: Send + Sync + 'static {
    /// Serves until `seat.shutdown` is cancelled. The daemon starts it again if it ends earlier, so
    /// it may be called several times.
    async fn serve(&self, seat: ObjectSeat) -> Result<(), Box<dyn std::error::Error + Send + Sync>>;
}

/// What the S3 server gets to work with.
#[derive(Debug)]
pub struct ObjectSeat {
    /// Where its clients come in, on the loopback address.
    pub listener: TcpListener,
    /// The folder, 0700, that holds all it stores.
    pub root: PathBuf,
    /// The region that it names.
    pub region: String,
    /// What lets its holder make buckets and keys.
    pub admin_token: SecretString,
    /// Tells it to finish and end.
    pub shutdown: CancellationToken,
}

/// Runs the daemon of the stack under `home` until SIGTERM, SIGINT or SIGHUP, or until a part
/// cannot be started at all. To be called once, by a process that ends when this returns: it leaves
/// the terminal, writes no core files, makes files for its own user alone, and keeps the lock until
/// its end.
///
/// # Errors
/// [`LocalError::Busy`] when another daemon lives; [`LocalError::StartFailed`] when a part did not
/// come up. The state file tells the reason as well.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn run(home: Home, objects: Arc<dyn ObjectEndpoint>) -> Result<(), LocalError> {
    let layout = Layout::new(home);
    withdraw();
    // Listening for signals first: from here on a stop is always a clean one.
    let stop = CancellationToken::new();
    let signals = stop_on_signal(stop.clone())?;
    let account = ServerAccount::find()?;
    folders::prepare(&layout, &account)?;
    // Never let go by us: whoever gets it next knows that this process is gone.
    std::mem::forget(take_lock(&layout, &stop).await?);
    private_file::replace(&layout.pid_file(), format!("{}\n", std::process::id()).as_bytes())?;
    let board = Arc::new(Board::new(&layout)?);
    tracing::info!(pid = std::process::id(), folder = %layout.local().display(), "the local stack is starting");
    let logs = tokio::spawn(logs::keep_small(layout.clone(), stop.clone()));
    let result = keep(&layout, account, objects, &board, &stop).await;
    signals.abort();
    logs.abort();
    match &result {
        Ok(()) => {
            let _ = fs::remove_file(layout.state());
            tracing::info!("the local stack has stopped");
        }
        Err(error) => {
            board.update(|state| state.failure = Some(reason(error)));
            tracing::error!(%error, "the local stack gives up");
        }
    }
    let _ = fs::remove_file(layout.pid_file());
    result
}

/// Away from the terminal that started it; no memory of ours in a core file; files of ours for us
/// alone.
fn withdraw() {
    // Fails where this process leads a group already, e.g. started by hand: then it stays there.
    let _ = setsid();
    let _ = setrlimit(Resource::RLIMIT_CORE, 0, 0);
    // Each connection to the S3 endpoint is a file, and so is each object that is read.
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, soft.max(hard.min(FILES)), hard);
    }
    umask(Mode::from_bits_truncate(0o077));
}

fn stop_on_signal(stop: CancellationToken) -> Result<tokio::task::JoinHandle<()>, LocalError> {
    let on =
        |kind| signal(kind).map_err(LocalError::io("listen for signals to", &PathBuf::from("the daemon")));
    let (mut term, mut int, mut hup) =
        (on(SignalKind::terminate())?, on(SignalKind::interrupt())?, on(SignalKind::hangup())?);
    Ok(tokio::spawn(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
            _ = hup.recv() => {}
        }
        stop.cancel();
    }))
}

async fn take_lock(layout: &Layout, stop: &CancellationToken) -> Result<File, LocalError> {
    let path = layout.daemon_lock();
    let deadline = Instant::now() + LOCK_PATIENCE;
    while Instant::now() < deadline && !stop.is_cancelled() {
        if let Some(lock) = lock::try_exclusive(&path)? {
            return Ok(lock);
        }
        sleep(STEP).await;
    }
    Err(LocalError::Busy(path))
}

/// Keeps both parts running until `stop`; one that cannot start takes the other down.
async fn keep(
    layout: &Layout,
    account: ServerAccount,
    objects: Arc<dyn ObjectEndpoint>,
    board: &Arc<Board>,
    stop: &CancellationToken,
) -> Result<(), LocalError> {
    let data = layout.data();
    let major = cluster::data_version(&data)?;
    let only = env::var_os(binaries::OVERRIDE).filter(|value| !value.is_empty()).map(PathBuf::from);
    let binaries = binaries::find(only.as_deref(), major.map(|major| (major, data.as_path()))).await?;
    let version = binaries.version;
    let admin_token = secrets::read_or_make(&layout.token())?;
    let postgres = postgres_part::PostgresKeeper {
        layout: layout.clone(),
        account,
        binaries,
        board: Arc::clone(board),
        stop: stop.clone(),
    };
    let s3 = s3_part::S3Keeper {
        layout: layout.clone(),
        objects,
        admin_token,
        board: Arc::clone(board),
        stop: stop.clone(),
    };
    let mut parts = JoinSet::new();
    parts.spawn(ended_takes_all_down(postgres.keep(), stop.clone()));
    parts.spawn(ended_takes_all_down(s3.keep(), stop.clone()));
    let stack = LocalStack::new(Home::new(layout.home()));
    let locks = locks_part::guard(move || stack.postgres_address(version), stop.clone());
    let locks = tokio::spawn(locks);
    let mail = tokio::spawn(mail_part::keep(layout.clone(), Arc::clone(board), stop.clone()));
    let mut result = Ok(());
    while let Some(ended) = parts.join_next().await {
        let ended =
            ended.unwrap_or_else(|error| Err(gave_up(&format!("a part of the daemon broke: {error}"))));
        if ended.is_err() {
            stop.cancel();
            result = result.and(ended);
        }
    }
    locks.abort();
    // It finishes what it is being sent: the token is cancelled by now.
    let _ = mail.await;
    result
}

async fn ended_takes_all_down(
    part: impl Future<Output = Result<(), LocalError>>,
    stop: CancellationToken,
) -> Result<(), LocalError> {
    let _guard = stop.drop_guard();
    part.await
}

/// A part did not come up; its log is shown by whoever reads the state.
fn gave_up(reason: &str) -> LocalError {
    LocalError::StartFailed { reason: reason.to_owned(), log: Vec::new() }
}

fn reason(error: &LocalError) -> String {
    match error {
        LocalError::StartFailed { reason, .. } => reason.clone(),
        other => other.to_string(),
    }
}
