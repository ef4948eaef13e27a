//! Copies a database into another one with PostgreSQL's own programs, while it is in use.
//!
//! What is in a tenant's database may be made to run by who restores it: an index's function, a
//! check. So it is restored by a login that owns the copy and nothing else. Passwords go through
//! files that only we may read.

use std::process::Stdio;

use tokio::io::AsyncReadExt;

use crate::infra::db::ServerAddress;
use crate::infra::pg_client::PgClient;
use crate::infra::private_file::PrivateFileError;
use crate::kernel::Failure;

/// The sessions' name in `pg_stat_activity`.
const APPLICATION: &str = "nexus:rehearsal";

/// A copy that failed.
#[derive(Debug, thiserror::Error, Failure)]
pub enum CopyError {
    /// A program could not be started, or ended badly.
    #[error("{program} failed: {reason}")]
    #[failure(Unavailable, "copy_failed")]
    #[hint("pg_dump and pg_restore must be in the PATH, and no older than the server")]
    Program {
        program: &'static str,
        /// Its last line, or the system's word.
        reason: String,
    },
    /// A file with a password.
    #[error(transparent)]
    #[failure(transparent)]
    File(#[from] PrivateFileError),
}

/// Copies all that is in `from` to `to`, whose login will own it. What it could not make there, e.g.
/// because only a superuser may, is told, line by line.
///
/// # Errors
/// When nothing could be copied.
pub async fn copy_database(from: &ServerAddress, to: &ServerAddress) -> Result<Vec<String>, CopyError> {
    let (source, target) = (PgClient::of(from)?, PgClient::of(to)?);
    let mut dump = source.command("pg_dump");
    dump.env("PGAPPNAME", APPLICATION);
    dump.args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-comments"])
        .args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--lock-wait-timeout=5000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut dump = dump.kill_on_drop(true).spawn().map_err(|error| failed("pg_dump", &error.to_string()))?;
    let lost = || failed("pg_dump", "its output is not to be had");
    let archive: Stdio = dump.stdout.take().ok_or_else(lost)?.try_into().map_err(|_| lost())?;
    let mut restore = target.command("pg_restore");
    restore
        .env("PGAPPNAME", APPLICATION)
        .args(["--no-owner", "--no-privileges", "--dbname"])
        .arg(&to.database)
        .stdin(archive)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true);
    let restore = restore.spawn().map_err(|error| failed("pg_restore", &error.to_string()))?;
    let mut complaint = String::new();
    let mut stderr = dump.stderr.take().ok_or_else(lost)?;
    let (read, restored) = tokio::join!(stderr.read_to_string(&mut complaint), restore.wait_with_output());
    let _ = read;
    let status = dump.wait().await.map_err(|error| failed("pg_dump", &error.to_string()))?;
    if !status.success() {
        return Err(failed("pg_dump", &complaint));
    }
    let restored = restored.map_err(|error| failed("pg_restore", &error.to_string()))?;
    let said = String::from_utf8_lossy(&restored.stderr);
    let left: Vec<String> = said.lines().filter(|line| line.contains("error:")).map(str::to_owned).collect();
    // It goes on after what it cannot make, and counts it.
    if !restored.status.success() && left.is_empty() {
        return Err(failed("pg_restore", &said));
    }
    Ok(left)
}

fn failed(program: &'static str, said: &str) -> CopyError {
    let reason = said.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing");
    CopyError::Program { program, reason: reason.to_owned() }
}
