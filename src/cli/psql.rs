//! Runs psql in a login's name. The password goes through a file of its own that only the caller
//! may read and that is gone afterwards: never an argument, never a variable's value.

use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::{CommandResult, Exit, Invocation};
use crate::infra::db::ServerAddress;
use crate::infra::private_file;
use crate::kernel::{ErrorKind, ExposeSecret, Failure};

/// psql could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run psql: {0}")]
struct NoPsql(std::io::Error);

impl Failure for NoPsql {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Unavailable
    }

    fn code(&self) -> &'static str {
        "psql_missing"
    }

    fn hints(&self) -> Vec<String> {
        vec!["install it: apt-get install postgresql-client, or brew install libpq".to_owned()]
    }
}

/// A file that is there only as long as it is needed.
struct Passing(PathBuf);

impl Drop for Passing {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Runs psql until it ends; its exit code is ours.
///
/// # Errors
/// When it cannot be started.
pub(super) async fn run(server: &ServerAddress, args: &[OsString], on: &Invocation) -> CommandResult {
    let path = std::env::temp_dir().join(format!("nexus-pgpass-{}", uuid::Uuid::new_v4().simple()));
    let escaped = Zeroizing::new(server.password.expose_secret().replace('\\', "\\\\").replace(':', "\\:"));
    private_file::create(&path, Zeroizing::new(format!("*:*:*:*:{}\n", escaped.as_str())).as_bytes())?;
    let passing = Passing(path);
    let mut command = tokio::process::Command::new("psql");
    command
        .args(args)
        .env_remove("PGPASSWORD")
        .env_remove("PGSERVICE")
        .env_remove("PGOPTIONS")
        .env("PGPASSFILE", &passing.0)
        .env("PGHOST", server.host.to_string())
        .env("PGPORT", server.port.to_string())
        .env("PGUSER", &server.user)
        .env("PGDATABASE", &server.database);
    if let Some(mode) = server.ssl_mode() {
        command.env("PGSSLMODE", mode);
    }
    // Ctrl-C is psql's from here on: it cancels a statement.
    on.interrupt_belongs_to_child();
    let status = command.status().await.map_err(NoPsql)?;
    drop(passing);
    let code = status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(1);
    Ok(if code == 0 { Exit::Done } else { Exit::Child(u8::try_from(code).unwrap_or(1)) })
}
