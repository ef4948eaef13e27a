//! Runs psql in a login's name.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::process::Child;

use super::{CommandResult, Exit, Invocation};
use crate::infra::db::ServerAddress;
use crate::infra::pg_client::PgClient;
use crate::kernel::Failure;

/// psql could not be started.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot run psql: {0}")]
#[failure(Unavailable, "psql_missing")]
#[hint("install it: apt-get install postgresql-client, or brew install libpq")]
struct NoPsql(std::io::Error);

/// Runs psql until it ends; its exit code is ours.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn run(server: &ServerAddress, args: &[OsString], ctx: &Invocation) -> CommandResult {
    let client = PgClient::of(server)?;
    let mut command = client.command("psql");
    command.args(args);
    // Ctrl-C is psql's from here on: it cancels a statement.
    ctx.interrupt_belongs_to_child();
    let mut child = command.spawn().map_err(NoPsql)?;
    let status = tokio::select! {
        status = child.wait() => status.map_err(NoPsql)?,
        () = ctx.interrupt.cancelled() => {
            terminate(&child);
            // A second signal quits without waiting.
            child.wait().await.map_err(NoPsql)?;
            return Ok(Exit::Interrupted);
        }
    };
    drop(client);
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(if code == 0 { Exit::Done } else { Exit::Child(u8::try_from(code).unwrap_or(1)) })
}

/// Passes SIGTERM on.
fn terminate(child: &Child) {
    // It was not waited for yet, so that its id is still its own.
    if let Some(id) = child.id().and_then(|id| i32::try_from(id).ok()) {
        let _ = kill(Pid::from_raw(id), Signal::SIGTERM);
    }
}
