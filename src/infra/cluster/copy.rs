//! Copies a database into another one with PostgreSQL's own programs, while it is in use.
//!
//! What is in a tenant's database may be made to run by who restores it: an index's function, a
//! check. So it is restored by a login that owns the copy and nothing else. Passwords go through
//! files that only we may read.

use std::path::PathBuf;
use std::process::Stdio;

use tokio::io::AsyncReadExt;
use tokio::process::Command;
use zeroize::Zeroizing;

use crate::infra::db::{ServerAddress, Tls};
use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::ExposeSecret;

/// A copy that failed.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// A program could not be started, or ended badly.
    #[error("{program} failed: {reason}")]
    Program {
        /// Which.
        program: &'static str,
        /// Its last line, or the system's word.
        reason: String,
    },
    /// A file with a password.
    #[error(transparent)]
    File(#[from] PrivateFileError),
}

/// Copies all that is in `from` to `to`, whose login will own it. What it could not make there, e.g.
/// because only a superuser may, is told, line by line.
///
/// # Errors
/// When nothing could be copied.
pub async fn copy_database(from: &ServerAddress, to: &ServerAddress) -> Result<Vec<String>, CopyError> {
    let (source, target) = (Passing::of(from)?, Passing::of(to)?);
    let mut dump = source.command("pg_dump", from);
    dump.args(["--format=custom", "--compress=0", "--no-owner", "--no-privileges", "--no-comments"])
        .args(["--no-publications", "--no-subscriptions", "--no-security-labels", "--lock-wait-timeout=5000"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut dump = dump.kill_on_drop(true).spawn().map_err(|error| failed("pg_dump", &error.to_string()))?;
    let lost = || failed("pg_dump", "its output is not to be had");
    let archive: Stdio = dump.stdout.take().ok_or_else(lost)?.try_into().map_err(|_| lost())?;
    let mut restore = target.command("pg_restore", to);
    restore
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

/// Files that are there only as long as a program needs them.
struct Passing {
    password: PathBuf,
    authority: Option<PathBuf>,
}

impl Passing {
    fn of(server: &ServerAddress) -> Result<Self, PrivateFileError> {
        let path =
            |what: &str| std::env::temp_dir().join(format!("nexus-{what}-{}", uuid::Uuid::new_v4().simple()));
        // As libpq reads it (manual, chapter 34.16).
        let escaped = server.password.expose_secret().replace('\\', "\\\\").replace(':', "\\:");
        let line = Zeroizing::new(format!("*:*:*:*:{}\n", Zeroizing::new(escaped).as_str()));
        let mut passing = Self { password: path("pgpass"), authority: None };
        private_file::create(&passing.password, line.as_bytes())?;
        if let Tls::VerifyAgainst(pem) = &server.tls {
            let file = path("ca");
            private_file::create(&file, pem.as_bytes())?;
            passing.authority = Some(file);
        }
        Ok(passing)
    }

    /// A program with the server in its environment, and no other.
    fn command(&self, program: &str, server: &ServerAddress) -> Command {
        let mut command = Command::new(program);
        for name in ["PGPASSWORD", "PGSERVICE", "PGOPTIONS", "PGHOSTADDR"] {
            command.env_remove(name);
        }
        command
            .env("PGPASSFILE", &self.password)
            .env("PGHOST", server.host.to_string())
            .env("PGPORT", server.port.to_string())
            .env("PGUSER", &server.user)
            .env("PGDATABASE", &server.database)
            .env("PGAPPNAME", "nexus:rehearsal");
        if let Some(mode) = server.ssl_mode() {
            command.env("PGSSLMODE", mode);
        }
        let authority = match &server.tls {
            Tls::VerifyFull(file) => file.as_ref(),
            _ => self.authority.as_ref(),
        };
        if let Some(file) = authority {
            command.env("PGSSLROOTCERT", file);
        }
        command
    }
}

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.password);
        if let Some(file) = &self.authority {
            let _ = std::fs::remove_file(file);
        }
    }
}
