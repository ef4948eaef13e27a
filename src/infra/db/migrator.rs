//! The two sets of migrations that are part of the binary, and how one is applied.

use futures_util::FutureExt;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::{DbError, History, HistoryFault, HistoryRows, PgConnection};

static CONTROL_FILES: Migrator = sqlx::migrate!("./migrations");
static REALM_FILES: Migrator = sqlx::migrate!("./tenant_migrations");

/// A set of migrations, the schema that it lives in, and its history table there.
#[derive(Debug, Clone, Copy)]
pub struct MigrationSet {
    files: &'static Migrator,
    schema: &'static str,
}

/// The control database's tables, in schema `control`.
pub const CONTROL: MigrationSet = MigrationSet { files: &CONTROL_FILES, schema: "control" };
/// A realm's tables, in schema `nexus` of every tenant's database and of the control database.
pub const REALM: MigrationSet = MigrationSet { files: &REALM_FILES, schema: "nexus" };

impl MigrationSet {
    /// The newest version, as in its file's name.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.files.iter().map(|file| file.version).max().unwrap_or(0)
    }

    /// Every version with its text's checksum (SHA-384), as the history table holds it.
    pub fn files(&self) -> impl Iterator<Item = (i64, &[u8])> {
        self.files.iter().map(|file| (file.version, &*file.checksum))
    }

    /// Every version with its description, its text's checksum and its text.
    pub fn all(self) -> impl Iterator<Item = (i64, &'static str, &'static [u8], &'static str)> {
        self.files.iter().map(|it| (it.version, &*it.description, &*it.checksum, it.sql.as_str()))
    }

    /// Every version with its description and its text.
    pub fn texts(&self) -> impl Iterator<Item = (i64, &str, &str)> {
        self.files.iter().map(|file| (file.version, &*file.description, file.sql.as_str()))
    }

    /// The history table, qualified.
    #[must_use]
    pub fn history(&self) -> String {
        format!("{}._sqlx_migrations", self.schema)
    }

    /// What its history in a database holds.
    ///
    /// # Errors
    /// As [`History::read`].
    pub async fn applied(&self, connection: &mut PgConnection) -> Result<HistoryRows, DbError> {
        History::new(&self.history()).read(connection).await
    }

    /// Checks that what was applied to a database is known here, unchanged; what that is.
    ///
    /// # Errors
    /// [`DbError::Migration`] when a newer Nexus was at work, or somebody else.
    pub async fn recognise(&self, connection: &mut PgConnection) -> Result<HistoryRows, DbError> {
        let held = self.applied(connection).await?;
        match held.faults(self.files()).first() {
            None => Ok(held),
            Some((row, HistoryFault::CutShort)) => Err(MigrateError::Dirty(row.version).into()),
            Some((row, HistoryFault::Unknown)) => Err(MigrateError::VersionMissing(row.version).into()),
            Some((row, HistoryFault::Changed)) => Err(MigrateError::VersionMismatch(row.version).into()),
        }
    }

    /// Whether all was applied to a database.
    ///
    /// # Errors
    /// When the statement fails, e.g. because there is no history.
    pub async fn is_current(&self, connection: &mut PgConnection) -> Result<bool, DbError> {
        let held = self.applied(connection).await?;
        Ok(self.files.iter().all(|file| held.has(file.version)))
    }

    /// Applies what is missing. The caller holds a lock that keeps others out.
    ///
    /// # Errors
    /// [`DbError::Migration`] when a file fails, or one that was applied has changed since.
    pub async fn apply(&self, connection: &mut PgConnection) -> Result<(), DbError> {
        let mut migrator = Migrator::with_migrations(self.files.iter().cloned().collect());
        migrator.set_locking(false);
        migrator.dangerous_set_table_name(self.history());
        let run = async |driver: &mut sqlx::PgConnection| {
            driver.create_schema_if_not_exists(self.schema).await?;
            migrator.run_direct(None, driver, false).await
        };
        connection.within(None, |driver| run(driver).boxed()).await?;
        Ok(())
    }
}
