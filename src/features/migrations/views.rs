//! Sets as doors show them.

use serde::Serialize;
use time::OffsetDateTime;

use super::error::MigrationsError;
use super::header::time_text;
use super::model::{File, Set};
use super::registry::{built_in_files, found, operators, ordered, wanted};
use super::sources::{Places, Sources};
use super::store::{self, SetRow, Standing};
use crate::features::access::{self, About, rights};
use crate::infra::db::PgConnection;
use crate::kernel::Caller;

/// A set as a list shows it.
#[derive(Debug, Clone, Serialize)]
pub struct SetView {
    pub name: String,
    /// The folder of its files on this machine; `null`: part of Nexus.
    pub source: Option<String>,
    /// Its history table in each tenant.
    pub history: String,
    /// The sets that come before it.
    pub depends_on: Vec<String>,
    /// How many migrations it has; `null`: the folder cannot be read.
    pub files: Option<usize>,
    /// The newest version among them.
    pub newest: Option<i64>,
    /// How many tenants have migrations of it.
    pub tenants: i64,
    /// The least version that one of them is at.
    pub oldest_in_tenants: Option<i64>,
    /// Why its files cannot be used.
    pub problem: Option<String>,
    /// When it was added.
    #[serde(with = "time::serde::rfc3339")]
    pub created_at: OffsetDateTime,
    /// When it was last changed.
    #[serde(with = "time::serde::rfc3339")]
    pub updated_at: OffsetDateTime,
}

/// A set with its files and what of it is where.
#[derive(Debug, Clone, Serialize)]
pub struct SetDetail {
    /// The set.
    #[serde(flatten)]
    pub set: SetView,
    /// Its migrations, the oldest first.
    pub migrations: Vec<FileView>,
    /// How many tenants are at which version, the least first.
    pub versions: Vec<VersionView>,
}

/// A migration as doors show it.
#[derive(Debug, Clone, Serialize)]
pub struct FileView {
    pub version: i64,
    /// The words in its file's name.
    pub description: String,
    /// Whether there is a way back.
    pub reversible: bool,
    /// Whether it runs in a transaction.
    pub transaction: bool,
    /// Whether no other tenant of its server is migrated at the same time.
    pub alone: bool,
    /// How long one statement may wait for a lock, e.g. `5s`, if the file says so.
    pub lock_timeout: Option<String>,
    /// How long one statement may take, if the file says so.
    pub statement_timeout: Option<String>,
    /// SHA-384 of the text that goes up, in hexadecimal digits.
    pub checksum: String,
}

/// How many tenants are at a version.
#[derive(Debug, Clone, Serialize)]
pub struct VersionView {
    pub version: i64,
    pub tenants: i64,
}

/// All sets, in the order of their dependence. One whose folder cannot be read has a problem.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list_sets(
    control: &mut PgConnection,
    caller: &Caller,
    sources: &Sources,
) -> Result<Vec<SetView>, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    let rows = ordered(store::set_rows(control).await?)?;
    let standings = store::standings(control).await?;
    let places = sources.among(&rows, &operators(&rows.iter().collect::<Vec<_>>()))?;
    let mut sets = Vec::new();
    for row in &rows {
        sets.push(detail(row, &places, &standings).await.set);
    }
    Ok(sets)
}

/// One set. If its folder cannot be read it has a problem.
///
/// # Errors
/// [`MigrationsError::NoSet`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn show_set(
    control: &mut PgConnection,
    caller: &Caller,
    sources: &Sources,
    name: &str,
) -> Result<SetDetail, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    let rows = store::set_rows(control).await?;
    let row = wanted(&rows, &[name.to_owned()])?[0];
    let standings = store::standings(control).await?;
    let places = sources.among(&rows, &operators(&[row]))?;
    Ok(detail(row, &places, &standings).await)
}

async fn detail(row: &SetRow, places: &Places<'_>, standings: &[Standing]) -> SetDetail {
    let folder = places.folder(row);
    let mut misnamed = None;
    let files = if folder.is_some() {
        found(row, places).await.map(|folder| {
            let meant: Vec<_> =
                folder.misnamed.iter().filter(|it| it.flaw.looks_meant()).map(ToString::to_string).collect();
            misnamed = (!meant.is_empty()).then(|| meant.join("; "));
            folder.found.into_iter().map(|it| it.file).collect::<Vec<_>>()
        })
    } else {
        built_in_files()
    };
    let (files, problem) = match files {
        Ok(files) => (Some(files), misnamed),
        Err(error) => (None, Some(error.to_string())),
    };
    let here: Vec<&Standing> = standings.iter().filter(|it| it.set_name == row.name).collect();
    let set = SetView {
        files: files.as_ref().map(Vec::len),
        newest: files.as_ref().and_then(|files| files.last()).map(|file| file.version),
        tenants: here.iter().map(|it| it.tenants).sum(),
        oldest_in_tenants: here.iter().map(|it| it.version).min(),
        problem,
        name: row.name.clone(),
        source: folder.map(|folder| folder.display().to_string()),
        history: row.history.clone(),
        depends_on: row.depends_on.clone(),
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    let versions = here.iter().map(|it| VersionView { version: it.version, tenants: it.tenants });
    SetDetail {
        set,
        migrations: files.iter().flatten().map(FileView::from).collect(),
        versions: versions.collect(),
    }
}

impl From<&File> for FileView {
    fn from(file: &File) -> Self {
        let directives = file.directives;
        Self {
            version: file.version,
            description: file.description.clone(),
            reversible: file.down.is_some(),
            transaction: directives.transaction,
            alone: directives.alone,
            lock_timeout: directives.lock_timeout.map(time_text),
            statement_timeout: directives.statement_timeout.map(time_text),
            checksum: hex::encode(&file.checksum),
        }
    }
}

impl Set {
    /// The newest version among its files; 0 without any.
    #[must_use]
    pub fn newest(&self) -> i64 {
        self.files.last().map_or(0, |file| file.version)
    }
}
