//! A PostgreSQL server, and `[context.NAME.cluster]`: where tenants' databases are placed.

use std::path::PathBuf;

use super::SecretSetting;
use super::error::SettingsError;
use super::key::{Default, Key, Kind};
use super::values::SectionValues;

/// How a connection is protected on its way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tls {
    /// Not at all.
    Disable,
    /// Encrypted; the server is not asked who it is.
    Require,
    /// Encrypted, and the server proves the name that it was called by.
    VerifyFull,
}

/// How to reach a PostgreSQL server as somebody who may make databases and roles there.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// A host's name or address, or the folder of its socket, which begins with `/`.
    pub host: String,
    /// The port; names the socket too.
    pub port: u16,
    /// The role to log in as.
    pub user: String,
    /// The database to connect to.
    pub database: String,
    /// The role's password, where it needs one.
    pub password: Option<SecretSetting>,
    /// How the connection is protected.
    pub tls: Tls,
    /// The certificates that the server's is checked against; `None`: the system's.
    pub ca_file: Option<PathBuf>,
}

/// The usual port of PostgreSQL (manual, chapter 20.3.1).
const PORT: u16 = 5432;

pub(super) const HOST: Key = Key {
    name: "host",
    kind: Kind::Host,
    default: Default::Required,
    help: "A host's name or address, or the folder of its socket, which begins with '/'.",
};
pub(super) const PORT_KEY: Key = Key {
    name: "port",
    kind: Kind::Number(1, 65535),
    default: Default::Value("5432"),
    help: "The port; names the socket too.",
};
pub(super) const USER: Key = Key {
    name: "user",
    kind: Kind::Text,
    default: Default::Required,
    help: "The role to log in as; it must be able to create databases and roles.",
};
pub(super) const PASSWORD: Key = Key {
    name: "password",
    kind: Kind::Secret,
    default: Default::Words("none"),
    help: "Where the role's password is stored: env:NAME, file:PATH or cmd:PROGRAM ARGS.",
};
pub(super) const TLS: Key = Key {
    name: "tls",
    kind: Kind::Word(&["disable", "require", "verify-full"]),
    default: Default::Words("verify-full; disable on a socket"),
    help: "How the connection is protected: require encrypts, verify-full also checks who answers.",
};
pub(super) const CA_FILE: Key = Key {
    name: "ca_file",
    kind: Kind::Path,
    default: Default::Words("the system's certificates"),
    help: "The certificates that the server's is checked against, in PEM form.",
};

pub(super) const CLUSTER_KEYS: &[Key] = &[
    HOST,
    PORT_KEY,
    USER,
    Key {
        name: "database",
        kind: Kind::Text,
        default: Default::Value("postgres"),
        help: "The maintenance database: where Nexus connects to create others.",
    },
    PASSWORD,
    TLS,
    CA_FILE,
];

/// Reads a server's section.
pub(super) fn read(section: &SectionValues<'_>, database: &str) -> Result<ServerSettings, SettingsError> {
    let host = section.required("host")?.to_owned();
    let tls = match section.text("tls") {
        Some("disable") => Tls::Disable,
        Some("require") => Tls::Require,
        None if host.starts_with('/') => Tls::Disable,
        _ => Tls::VerifyFull,
    };
    Ok(ServerSettings {
        host,
        port: section.number("port").and_then(|port| port.try_into().ok()).unwrap_or(PORT),
        user: section.required("user")?.to_owned(),
        database: section.text("database").unwrap_or(database).to_owned(),
        password: section.secret("password"),
        tls,
        ca_file: section.path("ca_file"),
    })
}

/// Reads the cluster's section; one that is absent is the control server, through its
/// maintenance database.
pub(super) fn read_cluster(
    section: &SectionValues<'_>,
    control: &ServerSettings,
) -> Result<ServerSettings, SettingsError> {
    const MAINTENANCE: &str = "postgres";
    match section.first() {
        Some(_) => read(section, MAINTENANCE),
        None => Ok(ServerSettings { database: MAINTENANCE.to_owned(), ..control.clone() }),
    }
}
