//! PostgreSQL's own programs, run for one server. The password goes through a file of its own that only
//! the caller may read and that is gone afterwards: never an argument, never a variable's value.

use std::path::{Path, PathBuf};

use tokio::process::Command;
use zeroize::Zeroizing;

use crate::infra::db::{ServerAddress, Tls};
use crate::infra::private_file::{self, PrivateFileError};
use crate::kernel::{ExposeSecret, child};

/// How long libpq may take to make a connection, in seconds.
const CONNECT_TIMEOUT_SECONDS: &str = "10";

/// A server for libpq, and the files that it is told about. They are there as long as this is.
pub struct PgClient<'a> {
    server: &'a ServerAddress,
    password: PathBuf,
    authority: Option<PathBuf>,
}

impl<'a> PgClient<'a> {
    /// Writes the files.
    ///
    /// # Errors
    /// When they cannot be written.
    pub fn of(server: &'a ServerAddress) -> Result<Self, PrivateFileError> {
        let path =
            |what: &str| std::env::temp_dir().join(format!("nexus-{what}-{}", uuid::Uuid::new_v4().simple()));
        // As libpq reads it (manual, chapter 34.16).
        let escaped = server.password.expose_secret().replace('\\', "\\\\").replace(':', "\\:");
        let line = Zeroizing::new(format!("*:*:*:*:{}\n", Zeroizing::new(escaped).as_str()));
        let mut client = Self { server, password: path("pgpass"), authority: None };
        private_file::create(&client.password, line.as_bytes())?;
        if let Tls::VerifyAgainst(pem) = &server.tls {
            let file = path("ca");
            private_file::create(&file, pem.as_bytes())?;
            client.authority = Some(file);
        }
        Ok(client)
    }

    /// A program with the server in its environment, and no other.
    #[must_use]
    pub fn command(&self, program: impl AsRef<Path>) -> Command {
        let server = self.server;
        let mut command = child::command(program.as_ref());
        command
            .env("PGPASSFILE", &self.password)
            .env("PGHOST", server.host.to_string())
            .env("PGPORT", server.port.to_string())
            .env("PGUSER", &server.user)
            .env("PGDATABASE", &server.database)
            .env("PGGSSENCMODE", "disable")
            .env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT_SECONDS);
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
        command.into()
    }
}

impl Drop for PgClient<'_> {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.password);
        if let Some(file) = &self.authority {
            let _ = std::fs::remove_file(file);
        }
    }
}
