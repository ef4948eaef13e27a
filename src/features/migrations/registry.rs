//! Registering sets, changing them, letting go of them, and reading their files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::MigrationsError;
use super::folder::{self, Found};
use super::model::{BUILT_IN, File, Set};
use super::name::{HistoryTable, SetName};
use super::order::{Dependencies, order};
use super::store::{self, SetRow};
use crate::features::audit;
use crate::infra::db::{PgConnection, REALM, durable_transaction};
use crate::kernel::Caller;

/// A set to be registered.
#[derive(Debug, Clone)]
pub struct AddSet {
    /// Its name.
    pub name: SetName,
    /// The folder of its files.
    pub source: PathBuf,
    /// Its history table.
    pub history: HistoryTable,
    /// The sets that come before it.
    pub depends_on: Vec<SetName>,
}

/// What is changed of a set; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct SetChange {
    /// The folder of its files.
    pub source: Option<PathBuf>,
    /// The sets that come before it.
    pub depends_on: Option<Vec<SetName>>,
}

/// Whether something was done, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It was.
    Changed,
    /// It was so already.
    Unchanged,
}

/// All sets with their files, in the order of their dependence, Nexus's own first.
///
/// # Errors
/// [`MigrationsError::NoFolder`], or what is wrong with a file.
pub async fn sets(control: &mut PgConnection) -> Result<Vec<Set>, MigrationsError> {
    let rows = store::set_rows(control).await?;
    ordered(rows)?.into_iter().map(with_files).collect()
}

/// One set with its files.
///
/// # Errors
/// [`MigrationsError::NoSet`], [`MigrationsError::NoFolder`], or what is wrong with a file.
pub async fn set(control: &mut PgConnection, name: &str) -> Result<Set, MigrationsError> {
    with_files(row(control, name).await?)
}

/// The names of all sets, by the alphabet.
///
/// # Errors
/// When the statement fails.
pub async fn set_names(control: &mut PgConnection) -> Result<Vec<String>, MigrationsError> {
    Ok(store::set_rows(control).await?.into_iter().map(|row| row.name).collect())
}

/// Registers a set, whose folder must be there. The same again changes nothing.
///
/// # Errors
/// [`MigrationsError::SetExists`], [`MigrationsError::HistoryTaken`], [`MigrationsError::Cycle`],
/// [`MigrationsError::NoSet`], or what is wrong with the folder.
pub async fn add_set(
    control: &mut PgConnection,
    caller: &Caller,
    add: &AddSet,
    dry_run: bool,
) -> Result<Outcome, MigrationsError> {
    let name = add.name.as_str();
    if name == BUILT_IN {
        return Err(built_in("its name is taken"));
    }
    let source = absolute(name, &add.source)?;
    folder::read(name, Path::new(&source)).map_err(|error| match error {
        MigrationsError::NoFolder { folder, source, .. } => MigrationsError::NoSource { folder, source },
        other => other,
    })?;
    let depends_on = names(&add.depends_on);
    let mut tx = durable_transaction(control).await?;
    store::lock_sets(&mut tx).await?;
    let rows = store::set_rows(&mut tx).await?;
    if let Some(known) = rows.iter().find(|row| row.name == name) {
        let exists = |what| MigrationsError::SetExists { name: name.to_owned(), what };
        return match known {
            _ if known.source.as_ref() != Some(&source) => Err(exists("folder")),
            _ if known.history != add.history.as_str() => Err(exists("history table")),
            _ if known.depends_on != depends_on => Err(exists("sets before it")),
            _ => Ok(Outcome::Unchanged),
        };
    }
    if let Some(holder) = rows.iter().find(|row| row.history == add.history.as_str()) {
        return Err(MigrationsError::HistoryTaken {
            set: add.name.clone(),
            history: holder.history.clone(),
            holder: holder.name.clone(),
        });
    }
    check_order(&rows, name, &depends_on)?;
    store::insert_set(&mut tx, name, (&source, add.history.as_str()), &depends_on).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok(Outcome::Changed);
    }
    let detail = json!({
        "set": name, "source": source, "history": add.history, "depends_on": depends_on,
    });
    audit::record(&mut tx, entry(caller, "migrations.set.add", detail)).await?;
    tx.commit().await?;
    Ok(Outcome::Changed)
}

/// Changes where a set's files are, or which sets come before it.
///
/// # Errors
/// [`MigrationsError::BuiltIn`], [`MigrationsError::NoSet`], [`MigrationsError::Cycle`], or what is
/// wrong with the folder.
pub async fn update_set(
    control: &mut PgConnection,
    caller: &Caller,
    name: &SetName,
    change: &SetChange,
    dry_run: bool,
) -> Result<Outcome, MigrationsError> {
    let name = name.as_str();
    if name == BUILT_IN {
        return Err(built_in("its files come with the program, and it depends on no other"));
    }
    let source = match &change.source {
        Some(source) => Some(absolute(name, source)?),
        None => None,
    };
    if let Some(source) = &source {
        folder::read(name, Path::new(source))?;
    }
    let mut tx = durable_transaction(control).await?;
    store::lock_sets(&mut tx).await?;
    let rows = store::set_rows(&mut tx).await?;
    let known = rows.iter().find(|row| row.name == name).ok_or_else(|| no_set(name))?;
    let source = source.or_else(|| known.source.clone());
    let depends_on = change.depends_on.as_deref().map_or_else(|| known.depends_on.clone(), names);
    if source == known.source && depends_on == known.depends_on {
        return Ok(Outcome::Unchanged);
    }
    check_order(&rows, name, &depends_on)?;
    store::update_set(&mut tx, name, source.as_deref(), &depends_on).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok(Outcome::Changed);
    }
    let detail = json!({ "set": name, "source": source, "depends_on": depends_on });
    audit::record(&mut tx, entry(caller, "migrations.set.update", detail)).await?;
    tx.commit().await?;
    Ok(Outcome::Changed)
}

/// Lets go of a set that no tenant has a migration of, or with `forget` of any: its rows go, and
/// nothing in a tenant.
///
/// # Errors
/// [`MigrationsError::BuiltIn`], [`MigrationsError::NoSet`], [`MigrationsError::InUse`],
/// [`MigrationsError::DependedOn`], [`MigrationsError::RunUnderWay`],
/// [`MigrationsError::RunNeedsSet`].
pub async fn remove_set(
    control: &mut PgConnection,
    caller: &Caller,
    name: &SetName,
    forget: bool,
) -> Result<(), MigrationsError> {
    let name = name.as_str();
    let mut tx = durable_transaction(control).await?;
    store::lock_sets(&mut tx).await?;
    // From here on no tenant's version of it can be recorded.
    store::lock_set(&mut tx, name).await?;
    let tenants = check_removable(&mut tx, name, forget).await?;
    store::delete_set(&mut tx, name).await?;
    let detail = json!({ "set": name, "forgotten_tenants": tenants });
    audit::record(&mut tx, entry(caller, "migrations.set.remove", detail)).await?;
    tx.commit().await?;
    Ok(())
}

/// Checks that a set can be let go of; how many tenants have migrations of it.
///
/// # Errors
/// As [`remove_set`].
pub async fn check_removable(
    control: &mut PgConnection,
    name: &str,
    forget: bool,
) -> Result<i64, MigrationsError> {
    if name == BUILT_IN {
        return Err(built_in("every tenant has it"));
    }
    let rows = store::set_rows(control).await?;
    if !rows.iter().any(|row| row.name == name) {
        return Err(no_set(name));
    }
    let comes_after = |row: &&SetRow| row.depends_on.iter().any(|it| it == name);
    let dependents: Vec<String> = rows.iter().filter(comes_after).map(|row| row.name.clone()).collect();
    if !dependents.is_empty() {
        return Err(MigrationsError::DependedOn { name: name.to_owned(), dependents });
    }
    let standings = store::standings(control).await?;
    let tenants = standings.iter().filter(|it| it.set_name == name).map(|it| it.tenants).sum();
    if let Some(run) = store::running(control).await? {
        return Err(MigrationsError::RunUnderWay { run });
    }
    if let Some(run) = store::stopped_with(control, name).await? {
        return Err(MigrationsError::RunNeedsSet { name: name.to_owned(), run });
    }
    if tenants > 0 && !forget {
        return Err(MigrationsError::InUse { name: name.to_owned(), tenants });
    }
    Ok(tenants)
}

/// A set's row.
pub(super) async fn row(control: &mut PgConnection, name: &str) -> Result<SetRow, MigrationsError> {
    let rows = store::set_rows(control).await?;
    rows.into_iter().find(|row| row.name == name).ok_or_else(|| no_set(name))
}

/// Rows in the order of their dependence.
pub(super) fn ordered(rows: Vec<SetRow>) -> Result<Vec<SetRow>, MigrationsError> {
    let order = order(&dependencies(&rows)).map_err(MigrationsError::Cycle)?;
    let place = |row: &SetRow| order.iter().position(|name| *name == row.name);
    let mut rows = rows;
    rows.sort_by_key(place);
    Ok(rows)
}

/// The files of a set, and where an operator's lie.
pub(super) fn found(row: &SetRow) -> Result<Vec<Found>, MigrationsError> {
    match &row.source {
        Some(source) => folder::read(&row.name, Path::new(source)),
        None => Ok(Vec::new()),
    }
}

fn with_files(row: SetRow) -> Result<Set, MigrationsError> {
    let files = match &row.source {
        Some(_) => found(&row)?.into_iter().map(|found| found.file).collect(),
        None => built_in_files()?,
    };
    Ok(Set {
        name: row.name,
        source: row.source.map(PathBuf::from),
        history: row.history,
        depends_on: row.depends_on,
        files,
    })
}

/// The files that are part of the program.
pub(super) fn built_in_files() -> Result<Vec<File>, MigrationsError> {
    let file = |(version, description, text): (i64, &str, &str)| {
        let name = format!("{version}_{}", description.replace(' ', "_"));
        File::new(version, description.to_owned(), (&name, text.to_owned()), None)
    };
    REALM.texts().map(file).collect()
}

fn check_order(rows: &[SetRow], name: &str, depends_on: &[String]) -> Result<(), MigrationsError> {
    if let Some(unknown) =
        depends_on.iter().find(|it| *it != name && !rows.iter().any(|row| row.name == **it))
    {
        return Err(no_set(unknown));
    }
    let mut all = dependencies(rows);
    all.insert(name.to_owned(), depends_on.to_vec());
    order(&all).map(|_| ()).map_err(MigrationsError::Cycle)
}

fn dependencies(rows: &[SetRow]) -> Dependencies {
    rows.iter().map(|row| (row.name.clone(), row.depends_on.clone())).collect()
}

/// Sorted, each once: the order in which they were typed says nothing.
fn names(of: &[SetName]) -> Vec<String> {
    let mut names: Vec<String> = of.iter().map(ToString::to_string).collect();
    names.sort();
    names.dedup();
    names
}

/// A folder's path from the root, which means the same wherever a command is typed. Links in it are
/// kept: where one leads to the newest release, it is to be followed each time.
fn absolute(set: &str, folder: &Path) -> Result<String, MigrationsError> {
    let missing =
        |source| MigrationsError::NoFolder { set: set.to_owned(), folder: folder.to_owned(), source };
    let path = std::path::absolute(folder).map_err(missing)?;
    let text = path.to_str().ok_or_else(|| {
        missing(std::io::Error::new(std::io::ErrorKind::InvalidInput, "its name is not UTF-8"))
    })?;
    Ok(text.to_owned())
}

fn no_set(name: &str) -> MigrationsError {
    MigrationsError::NoSet { name: name.to_owned() }
}

pub(super) fn built_in(why: &'static str) -> MigrationsError {
    MigrationsError::BuiltIn { name: BUILT_IN.to_owned(), why }
}

fn entry<'a>(caller: &'a Caller, action: &'static str, detail: serde_json::Value) -> audit::Entry<'a> {
    audit::Entry { caller, action, tenant: None, operation: None, detail }
}
