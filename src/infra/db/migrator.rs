//! The two sets of migrations that are part of the binary, and how one is applied.

use futures_util::FutureExt;
use sqlx::AssertSqlSafe;
use sqlx::migrate::{Migrate, MigrateError, Migrator};

use super::{DbError, History, HistoryFault, HistoryRows, PgConnection, invalid_indexes, is_no_history};

/// How long a file that runs outside a transaction may wait for a lock. A build of an index waits for all older
/// transactions, and keeps nobody else waiting meanwhile.
const APART_LOCK_TIMEOUT: &str = "10min";

static CONTROL_FILES: Migrator = sqlx::migrate!("./migrations");
static REALM_FILES: Migrator = sqlx::migrate!("./tenant_migrations");

/// A set of migrations, the schema that it lives in, and its history table there.
#[derive(Debug, Clone, Copy)]
pub struct MigrationSet {
    files: &'static Migrator,
    schema: &'static str,
}

/// The control database's tables, in schema `control`.
pub const CONTROL: MigrationSet = MigrationSet::new(&CONTROL_FILES, "control");
/// A realm's tables, in schema `nexus` of every tenant's database and of the control database.
pub const REALM: MigrationSet = MigrationSet::new(&REALM_FILES, "nexus");

impl MigrationSet {
    /// Of files, and the schema that what they make lives in.
    #[must_use]
    pub const fn new(files: &'static Migrator, schema: &'static str) -> Self {
        Self { files, schema }
    }

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

    /// Applies what is missing. The caller holds a lock that keeps others out. A file that begins with
    /// `-- no-transaction` builds one index while others write; where that was cut short, it is built again.
    ///
    /// # Errors
    /// [`DbError::Migration`] when a file fails, or one that was applied has changed since.
    pub async fn apply(&self, connection: &mut PgConnection) -> Result<(), DbError> {
        let held = match self.applied(connection).await {
            Err(error) if is_no_history(&error) => HistoryRows::default(),
            held => held?,
        };
        for file in self.files.iter().filter(|file| file.no_tx && !held.has(file.version)) {
            self.run(connection, Some(file.version - 1)).await?;
            self.apply_apart(connection, file.version).await?;
        }
        self.run(connection, None).await
    }

    /// Applies a file that runs outside a transaction.
    async fn apply_apart(&self, connection: &mut PgConnection, version: i64) -> Result<(), DbError> {
        let mut before = vec![format!("set lock_timeout = '{APART_LOCK_TIMEOUT}'")];
        let ours = format!("{}.", self.schema);
        let cut_short =
            invalid_indexes(connection).await?.into_iter().filter(|index| index.starts_with(&ours));
        before.extend(cut_short.map(|index| format!("drop index concurrently if exists {index}")));
        for statement in before {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *connection).await?;
        }
        self.run(connection, Some(version)).await?;
        sqlx::raw_sql("reset lock_timeout").execute(connection).await?;
        Ok(())
    }

    /// Applies what is missing up to a version.
    async fn run(&self, connection: &mut PgConnection, to: Option<i64>) -> Result<(), DbError> {
        let mut migrator = Migrator::with_migrations(self.files.iter().cloned().collect());
        migrator.set_locking(false);
        migrator.dangerous_set_table_name(self.history());
        let run = async |driver: &mut sqlx::PgConnection| {
            driver.create_schema_if_not_exists(self.schema).await?;
            migrator.run_direct(to, driver, false).await
        };
        connection.within(None, |driver| run(driver).boxed()).await?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::infra::db::statements;

    /// The last file that was written before this was asked for.
    const BEFORE: i64 = 20_261_201_039_999;

    /// What is wrong with how a file makes indexes.
    fn flaws(text: &str, is_apart: bool) -> Vec<String> {
        let all: Vec<Vec<String>> = statements(text).iter().map(|it| it.words(24)).collect();
        let is = |words: &[String], wanted: &[&str]| words.iter().take(wanted.len()).eq(wanted.iter());
        let made: Vec<&str> = all
            .iter()
            .filter(|words| is(words, &["create", "table"]))
            .filter_map(|words| table(words, "table"))
            .collect();
        let mut found = Vec::new();
        for words in &all {
            let rest: Vec<String> = words.iter().filter(|word| *word != "unique").cloned().collect();
            if !is(&rest, &["create", "index"]) {
                continue;
            }
            let on = table(&rest, "on").unwrap_or_default();
            let is_safe = is(&rest, &["create", "index", "concurrently", "if", "not", "exists"]);
            if !made.contains(&on) && !is_safe {
                found.push(format!("index on {on} stops who writes there"));
            }
        }
        if is_apart && all.len() != 1 {
            found.push(format!("{} statements outside a transaction", all.len()));
        }
        found
    }

    /// The table's name without its schema, behind a word.
    fn table<'a>(words: &'a [String], behind: &str) -> Option<&'a str> {
        let mut rest = words.iter().skip_while(|word| *word != behind).skip(1);
        let first = rest.next()?;
        if rest.next().is_some_and(|dot| dot == ".") { rest.next().map(String::as_str) } else { Some(first) }
    }

    #[test]
    fn an_index_on_a_table_that_is_there_is_built_while_others_write() {
        for file in CONTROL.files.iter().filter(|file| file.version > BEFORE) {
            let found = flaws(file.sql.as_str(), file.no_tx);
            assert!(found.is_empty(), "{}: {found:?}", file.version);
        }
    }

    #[test]
    fn what_is_wrong_with_a_file_is_seen() {
        let plain = "create index a on control.audit_log (at)";
        let new = "create table control.log (at timestamptz); create unique index a on control.log (at)";
        let safe = "create unique index concurrently if not exists a on control.audit_log (at)";
        assert_eq!(flaws(plain, false), ["index on audit_log stops who writes there"]);
        assert_eq!(flaws(&plain.replace("index", "index concurrently"), true).len(), 1);
        assert_eq!(flaws(&format!("{safe}; select 1"), true), ["2 statements outside a transaction"]);
        assert_eq!(flaws(new, false), Vec::<String>::new());
        assert_eq!(flaws(safe, true), Vec::<String>::new());
    }
}
