//! What a set of migrations is.

use std::path::PathBuf;
use std::time::Duration;

use super::misnamed::Misnamed;

/// The name of the set that is part of Nexus: the tables of a realm.
pub const BUILT_IN: &str = "nexus";

/// A set of migrations, with its files in the order of their versions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    pub name: String,
    /// The folder of its files; `None` for the one that is part of Nexus.
    pub source: Option<PathBuf>,
    /// Its history table in each tenant, qualified, e.g. `public._sqlx_migrations`.
    pub history: String,
    /// The sets that come before it.
    pub depends_on: Vec<String>,
    pub files: Vec<File>,
    /// Files beside them that may have been meant to be some.
    pub misnamed: Vec<Misnamed>,
}

impl Set {
    /// Of each file the version and the checksum.
    pub fn checksums(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.files.iter().map(|file| (file.version, &*file.checksum))
    }
}

/// One migration: a version, and what leads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    /// The version, as in the file's name.
    pub version: i64,
    /// The rest of the file's name.
    pub description: String,
    /// SHA-384 of [`File::up`], as sqlx's history table has it.
    pub checksum: Vec<u8>,
    /// The statements that lead to this version.
    pub up: String,
    /// The statements that lead back from it, where there are any.
    pub down: Option<String>,
    /// What the file asks for in its header.
    pub directives: Directives,
}

/// What a file asks for in the comments before its first statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Directives {
    /// It runs in a transaction; not so for e.g. `create index concurrently` (`-- no-transaction`,
    /// as sqlx has it).
    pub transaction: bool,
    /// No other tenant of its server is migrated at the same time (`-- nexus: alone`).
    pub alone: bool,
    /// How long one statement may wait for a lock (`-- nexus: lock_timeout=5s`).
    pub lock_timeout: Option<Duration>,
    /// How long one statement may take (`-- nexus: statement_timeout=10min`).
    pub statement_timeout: Option<Duration>,
}

impl Default for Directives {
    /// As a file without a header has it.
    fn default() -> Self {
        Self { transaction: true, alone: false, lock_timeout: None, statement_timeout: None }
    }
}
