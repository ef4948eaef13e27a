//! Where each file and folder of the local stack lies.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};

use crate::settings::Home;

/// The number in the socket's file name. The server listens on no TCP port and the folder is its
/// own, so it clashes with no other server; it is the one that every client tries first.
pub(super) const POSTGRES_PORT: u16 = 5432;

/// The region that the S3 endpoint names. Of `us-east-1` boto3 makes URLs signed with version 2,
/// which the endpoint refuses (botocore, `client.py`, `_default_s3_presign_to_sigv2`). Signatures for
/// any region are taken.
pub(super) const S3_REGION: &str = "local";

/// The address of the S3 endpoint for clients on this machine.
pub(super) fn endpoint(port: u16) -> String {
    format!("http://{}", address(port))
}

/// The loopback address: nobody else's machine can reach it.
pub(super) fn address(port: u16) -> SocketAddr {
    SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// The superuser of the private cluster.
pub(super) const SUPERUSER: &str = "nexus";

/// The paths under one home.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    home: Home,
    local: PathBuf,
}

impl Layout {
    pub(super) fn new(home: Home) -> Self {
        Self { local: home.local(), home }
    }

    /// All that Nexus keeps on this machine.
    pub(super) fn home(&self) -> &Path {
        self.home.path()
    }

    /// All that the local stack keeps.
    pub(super) fn local(&self) -> &Path {
        &self.local
    }

    /// PostgreSQL's data folder.
    pub(super) fn data(&self) -> PathBuf {
        self.local.join("pg")
    }

    /// The folder of PostgreSQL's socket; its name is short because the system limits the path.
    pub(super) fn socket_dir(&self) -> PathBuf {
        self.local.join("run")
    }

    /// The socket itself.
    pub(super) fn socket(&self) -> PathBuf {
        self.socket_dir().join(format!(".s.PGSQL.{POSTGRES_PORT}"))
    }

    /// What the S3 endpoint stores.
    pub(super) fn objects(&self) -> PathBuf {
        self.local.join("objects")
    }

    /// The messages of the mailbox for development.
    pub(super) fn mail(&self) -> PathBuf {
        self.local.join("mail")
    }

    /// The mailbox's port, remembered so that it stays the same.
    pub(super) fn mail_port(&self) -> PathBuf {
        self.local.join("mail.port")
    }

    pub(super) fn logs(&self) -> PathBuf {
        self.local.join("logs")
    }

    pub(super) fn daemon_log(&self) -> PathBuf {
        self.logs().join("daemon.log")
    }

    pub(super) fn postgres_log(&self) -> PathBuf {
        self.logs().join("postgres.log")
    }

    /// Held by the daemon for as long as it lives.
    pub(super) fn daemon_lock(&self) -> PathBuf {
        self.local.join("daemon.lock")
    }

    /// Held while someone starts, stops or deletes the stack.
    pub(super) fn start_lock(&self) -> PathBuf {
        self.local.join("start.lock")
    }

    pub(super) fn pid_file(&self) -> PathBuf {
        self.local.join("daemon.pid")
    }

    pub(super) fn state(&self) -> PathBuf {
        self.local.join("state.json")
    }

    /// The superuser's password.
    pub(super) fn password(&self) -> PathBuf {
        self.local.join("postgres.password")
    }

    /// The S3 endpoint's admin token.
    pub(super) fn token(&self) -> PathBuf {
        self.local.join("s3.token")
    }

    /// The S3 endpoint's port, remembered so that the endpoint stays the same.
    pub(super) fn s3_port(&self) -> PathBuf {
        self.local.join("s3.port")
    }
}
