//! Where a PostgreSQL server is and who we are there.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions, PgSslMode};
use tokio::time::Instant;
use tokio_util::task::AbortOnDropHandle;

use super::liveness::Watch;
use super::pinned::{PLACES, RULES};
use super::{DbError, PgConnection};

/// How long a connection may take to be made before the server counts as down.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// A server's place.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Host {
    /// The folder that holds the Unix socket.
    Socket(PathBuf),
    /// A host name or address, over TCP.
    Tcp(String),
}

impl Host {
    /// A host's name or address, or the folder of its socket, which begins with `/`.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.starts_with('/') { Self::Socket(PathBuf::from(text)) } else { Self::Tcp(text.to_owned()) }
    }
}

impl std::fmt::Display for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Socket(folder) => folder.display().fmt(f),
            Self::Tcp(host) => f.write_str(host),
        }
    }
}

/// Whether a TCP connection is encrypted and the server's certificate checked (manual, chapter
/// 34.19.3).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Tls {
    /// Not encrypted: for this machine and trusted networks.
    Disable,
    /// Encrypted, the certificate is not checked.
    Require,
    /// Encrypted; the certificate must be for this host, signed by a known authority or the given one.
    VerifyFull(Option<PathBuf>),
    /// The same, signed by the authority whose certificate this is, as PEM.
    VerifyAgainst(String),
}

/// A server, a login on it, and the database to open.
#[derive(Debug, Clone)]
pub struct ServerAddress {
    pub host: Host,
    /// The port; names the socket, too.
    pub port: u16,
    pub user: String,
    pub password: SecretString,
    pub database: String,
    /// Encryption of a TCP connection.
    pub tls: Tls,
}

impl ServerAddress {
    /// The same server and login, another database.
    #[must_use]
    pub fn database(&self, database: &str) -> Self {
        Self { database: database.to_owned(), ..self.clone() }
    }

    /// The same server and database, another login.
    #[must_use]
    pub fn login(&self, user: &str, password: SecretString) -> Self {
        Self { user: user.to_owned(), password, ..self.clone() }
    }

    /// Host, port and database for a person: nothing secret.
    #[must_use]
    pub fn display(&self) -> String {
        format!("{} on {}:{}", self.database, self.host, self.port)
    }

    /// libpq's word for the encryption of a TCP connection; none for a socket.
    #[must_use]
    pub fn ssl_mode(&self) -> Option<&'static str> {
        match (&self.host, &self.tls) {
            (Host::Socket(_), _) => None,
            (Host::Tcp(_), Tls::Disable) => Some("disable"),
            (Host::Tcp(_), Tls::Require) => Some("require"),
            (Host::Tcp(_), Tls::VerifyFull(_) | Tls::VerifyAgainst(_)) => Some("verify-full"),
        }
    }

    /// Opens a connection that a tenant's settings cannot steer: what the startup packet says
    /// beats `ALTER DATABASE … SET` and `ALTER ROLE … SET` (manual, chapter 20.1.3).
    ///
    /// `application` is the session's name in `pg_stat_activity`, which every login can read.
    /// The server ends our statement within half a second of our death, where its system can
    /// tell (`client_connection_check_interval`). A lock that somebody else holds is waited for half a
    /// minute at most.
    ///
    /// # Errors
    /// [`DbError::Unreachable`] when no session could be had in ten seconds.
    pub async fn connect(&self, application: &str) -> Result<PgConnection, DbError> {
        self.connect_for(application, None).await
    }

    /// The same for who waits so long for a statement; `None`: as long as it takes. `RESET ALL` leads back
    /// to this time.
    ///
    /// # Errors
    /// As [`ServerAddress::connect`].
    pub async fn connect_for(
        &self,
        application: &str,
        statement: Option<Duration>,
    ) -> Result<PgConnection, DbError> {
        let statement = statement.map_or(0, |time| time.as_millis()).to_string();
        let options = self.options().options(RULES).options(PLACES).options([
            ("role", "none"),
            ("default_transaction_read_only", "off"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", statement.as_str()),
            ("lock_timeout", "30s"),
        ]);
        self.open(application, options).await
    }

    /// The same for who only reads: a transaction changes nothing and sees one moment, and neither a
    /// lock nor a statement keeps it for long, whoever holds what.
    pub async fn connect_reading(&self, application: &str) -> Result<PgConnection, DbError> {
        let options = self.options().options(RULES).options(PLACES).options([
            ("role", "none"),
            ("default_transaction_read_only", "on"),
            ("default_transaction_isolation", "repeatable read"),
            ("statement_timeout", "60s"),
            ("lock_timeout", "5s"),
            ("jit", "off"),
        ]);
        self.open(application, options).await
    }

    /// Opens a connection as a tenant's application would, but with these limits, and with statements
    /// read as they are everywhere: what the startup packet says beats what the login or its database
    /// has set.
    pub async fn connect_within(
        &self,
        application: &str,
        limits: &[(&'static str, String)],
    ) -> Result<PgConnection, DbError> {
        let limits = limits.iter().map(|(name, value)| (*name, value));
        self.open(application, self.options().options(RULES).options(limits)).await
    }

    /// Opens a connection that acts as another role from its first statement on, and that what is
    /// in the database cannot steer, as [`ServerAddress::connect`]'s. What runs in it may go back to
    /// the login's own rights at any time: the login must have no others.
    ///
    /// # Errors
    /// [`DbError::Unreachable`], or the server's refusal.
    pub async fn connect_acting(&self, application: &str, role: &str) -> Result<PgConnection, DbError> {
        let options = self.options().options(RULES).options(PLACES).options([
            ("role", role),
            ("default_transaction_read_only", "off"),
            ("default_transaction_isolation", "read committed"),
            ("statement_timeout", "0"),
            ("lock_timeout", "0"),
        ]);
        self.open(application, options).await
    }

    /// Opens a connection as a tenant's application would: what is its own applies, but for how
    /// statements are read.
    ///
    /// # Errors
    /// [`DbError::Unreachable`], or the server's refusal.
    pub async fn connect_plain(&self, application: &str) -> Result<PgConnection, DbError> {
        self.open(application, self.options().options(RULES)).await
    }

    async fn open(&self, application: &str, options: PgConnectOptions) -> Result<PgConnection, DbError> {
        let watch = Watch::new(self, application);
        let (began, patience) = (Instant::now(), watch.health.patience(CONNECT_TIMEOUT));
        let options = options.application_name(application);
        let opening = async move { tokio::time::timeout(patience, options.connect()).await };
        // On another thread: half of a login is the hashing of its password (RFC 5802, section 3), which
        // would keep waiting what else one task does at the same time.
        let result = match AbortOnDropHandle::new(tokio::spawn(opening)).await {
            Ok(Ok(result)) => result,
            Ok(Err(_)) => {
                watch.health.silent(began);
                let why = format!("no answer in {} s", patience.as_secs());
                Err(sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, why)))
            }
            Err(ended) => Err(sqlx::Error::Io(std::io::Error::other(ended))),
        };
        if result.is_ok() {
            watch.heard();
        }
        let opened = result.map_err(|error| DbError::of_connect(error, self))?;
        Ok(PgConnection::new(opened, watch))
    }

    /// A session that looks at what other sessions do, without a watch of its own.
    pub(super) async fn enter_to_look(&self, patience: Duration) -> Result<sqlx::PgConnection, sqlx::Error> {
        let own = [("role", "none"), ("default_transaction_read_only", "on"), ("statement_timeout", "5s")];
        let options = self.options().application_name("nexus:watch").options(RULES).options(PLACES);
        let options = options.options(own);
        let opened = tokio::time::timeout(patience, options.connect()).await;
        opened.unwrap_or_else(|_| Err(sqlx::Error::PoolTimedOut))
    }

    /// A session that listens. The driver makes one of a pool only; this one has no other session.
    pub(super) async fn listener(&self, application: &str) -> Result<PgListener, sqlx::Error> {
        let options = self.options().application_name(application).options(RULES).options(PLACES);
        let options = options.options([("role", "none"), ("default_transaction_read_only", "off")]);
        let pool = PgPoolOptions::new()
            .max_connections(1)
            .acquire_timeout(CONNECT_TIMEOUT)
            .max_lifetime(None)
            .idle_timeout(None);
        PgListener::connect_with(&pool.connect_with(options).await?).await
    }

    /// Whether its processes are this machine's.
    pub(super) fn is_on_this_machine(&self) -> bool {
        match &self.host {
            Host::Socket(_) => true,
            Host::Tcp(host) => {
                host == "localhost" || host.parse().is_ok_and(|it: std::net::IpAddr| it.is_loopback())
            }
        }
    }

    fn options(&self) -> PgConnectOptions {
        let options = PgConnectOptions::new_without_pgpass()
            .port(self.port)
            .username(&self.user)
            .password(self.password.expose_secret())
            .database(&self.database)
            // A statement's text may hold a role's verifier.
            .disable_statement_logging();
        match &self.host {
            Host::Socket(folder) => options.socket(folder).ssl_mode(PgSslMode::Disable),
            Host::Tcp(host) => {
                let options = options.host(host);
                match &self.tls {
                    Tls::Disable => options.ssl_mode(PgSslMode::Disable),
                    Tls::Require => options.ssl_mode(PgSslMode::Require),
                    Tls::VerifyFull(None) => options.ssl_mode(PgSslMode::VerifyFull),
                    Tls::VerifyFull(Some(file)) => {
                        options.ssl_mode(PgSslMode::VerifyFull).ssl_root_cert(file)
                    }
                    Tls::VerifyAgainst(pem) => options
                        .ssl_mode(PgSslMode::VerifyFull)
                        .ssl_root_cert_from_pem(pem.clone().into_bytes()),
                }
            }
        }
    }
}
