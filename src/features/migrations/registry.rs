//! Registering sets, changing them, letting go of them, and reading their files.

use std::path::{Path, PathBuf};

use serde_json::json;

use super::error::MigrationsError;
use super::folder::{self, Folder};
use super::misnamed::Misnamed;
use super::model::{BUILT_IN, File, Set};
use super::name::{HistoryTable, SetName};
use super::order::{Dependencies, order};
use super::sources::{Places, Sources};
use super::store::{self, SetRow};
use crate::features::access::{self, About, Authorized, rights};
use crate::features::audit;
use crate::infra::db::{PgConnection, REALM, durable_transaction};
use crate::kernel::Caller;

/// A set to be registered.
#[derive(Debug, Clone)]
pub struct AddSet {
    pub name: SetName,
    pub source: PathBuf,
    pub history: HistoryTable,
    /// The sets that come before it.
    pub depends_on: Vec<SetName>,
}

/// What is changed of a set; `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct SetChange {
    pub source: Option<PathBuf>,
    /// The sets that come before it.
    pub depends_on: Option<Vec<SetName>>,
}

/// Whether something was done, or would have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SetOutcome {
    /// It was.
    Changed,
    /// It was so already.
    Unchanged,
}

/// Sets with their files, in the order of their dependence, Nexus's own first: those that are named,
/// or all. No other's folder is looked into.
///
/// # Errors
/// [`MigrationsError::NoSet`], [`MigrationsError::NoFolder`], or what is wrong with a file.
pub(in crate::features) async fn sets(
    control: &mut PgConnection,
    sources: &Sources,
    named: &[String],
) -> Result<Vec<Set>, MigrationsError> {
    let rows = ordered(store::set_rows(control).await?)?;
    let wanted = wanted(&rows, named)?;
    let places = sources.among(&rows, &operators(&wanted))?;
    let mut sets = Vec::new();
    for row in wanted {
        sets.push(with_files(row, &places).await?);
    }
    Ok(sets)
}

/// All sets; of those whose folder is not on this machine, the files that runs have kept, and their
/// names.
///
/// # Errors
/// When a statement fails, or what is wrong with a file.
pub(in crate::features) async fn sets_or_kept(
    control: &mut PgConnection,
    sources: &Sources,
) -> Result<(Vec<Set>, Vec<String>), MigrationsError> {
    let rows = ordered(store::set_rows(control).await?)?;
    let all: Vec<&SetRow> = rows.iter().collect();
    let places = sources.among(&rows, &operators(&all))?;
    let (mut sets, mut kept) = (Vec::new(), Vec::new());
    for row in &rows {
        match with_files(row, &places).await {
            Err(MigrationsError::NoFolder { .. }) => {
                let files = store::kept_texts(control, &row.name).await?;
                let file = |it: store::KeptText| {
                    let name = format!("{}_{}", it.version, it.description.replace(' ', "_"));
                    let down = it.down.map(|text| (name.as_str(), text));
                    File::new(it.version, it.description, (&name, it.up), down)
                };
                let files = files.into_iter().map(file).collect::<Result<_, _>>()?;
                sets.push(set_of(row, None, (files, Vec::new())));
                kept.push(row.name.clone());
            }
            other => sets.push(other?),
        }
    }
    Ok((sets, kept))
}

/// One set with its files.
///
/// # Errors
/// Without `migration:read`; [`MigrationsError::NoSet`], [`MigrationsError::NoFolder`], or what is wrong
/// with a file.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set(
    control: &mut PgConnection,
    caller: &Caller,
    sources: &Sources,
    name: &str,
) -> Result<Set, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    let found = sets(control, sources, &[name.to_owned()]).await?;
    found.into_iter().next().ok_or_else(|| no_set(name))
}

/// The rows of the sets that are named, or all.
pub(super) fn wanted<'a>(rows: &'a [SetRow], named: &[String]) -> Result<Vec<&'a SetRow>, MigrationsError> {
    if let Some(unknown) = named.iter().find(|name| rows.iter().all(|row| row.name != **name)) {
        return Err(no_set(unknown));
    }
    Ok(rows.iter().filter(|row| named.is_empty() || named.contains(&row.name)).collect())
}

/// The names of those that are an operator's.
pub(super) fn operators<'a>(rows: &[&'a SetRow]) -> Vec<&'a str> {
    rows.iter().filter(|row| row.source.is_some()).map(|row| row.name.as_str()).collect()
}

/// The names of all sets, by the alphabet.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn set_names(control: &mut PgConnection, caller: &Caller) -> Result<Vec<String>, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_READ, About::Platform).await?;
    Ok(store::set_rows(control).await?.into_iter().map(|row| row.name).collect())
}

/// Registers a set, whose folder must be there. The same again changes nothing.
///
/// # Errors
/// [`MigrationsError::SetExists`], [`MigrationsError::HistoryTaken`], [`MigrationsError::Cycle`],
/// [`MigrationsError::NoSet`], or what is wrong with the folder.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn add_set(
    control: &mut PgConnection,
    caller: &Caller,
    (add, sources): (&AddSet, &Sources),
    dry_run: bool,
) -> Result<SetOutcome, MigrationsError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_CREATE, About::Platform).await?;
    let name = add.name.as_str();
    if name == BUILT_IN {
        return Err(built_in("its name is taken"));
    }
    let source = sources.recorded(&add.source)?;
    folder::read(name, &add.source).await.map_err(|error| match error {
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
            _ if !is_same_folder(sources, known.source.as_deref(), &add.source, &source) => {
                Err(exists("folder"))
            }
            _ if known.history != add.history.as_str() => Err(exists("history table")),
            _ if known.depends_on != depends_on => Err(exists("sets before it")),
            _ => Ok(SetOutcome::Unchanged),
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
        return Ok(SetOutcome::Changed);
    }
    let detail = json!({
        "set": name, "source": source, "history": add.history, "depends_on": depends_on,
    });
    audit::record(&mut tx, entry(caller, "migrations.set.add", detail)).await?;
    tx.commit().await?;
    Ok(SetOutcome::Changed)
}

/// Changes where a set's files are, or which sets come before it.
///
/// # Errors
/// [`MigrationsError::BuiltIn`], [`MigrationsError::NoSet`], [`MigrationsError::Cycle`], or what is
/// wrong with the folder.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn update_set(
    control: &mut PgConnection,
    caller: &Caller,
    name: &SetName,
    (change, sources): (&SetChange, &Sources),
    dry_run: bool,
) -> Result<SetOutcome, MigrationsError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_UPDATE, About::Platform).await?;
    let name = name.as_str();
    if name == BUILT_IN {
        return Err(built_in("its files are part of the program, and it depends on no other"));
    }
    let source = match &change.source {
        Some(source) => Some(sources.recorded(source)?),
        None => None,
    };
    if let Some(source) = &change.source {
        folder::read(name, source).await?;
    }
    let mut tx = durable_transaction(control).await?;
    store::lock_sets(&mut tx).await?;
    let rows = store::set_rows(&mut tx).await?;
    let known = rows.iter().find(|row| row.name == name).ok_or_else(|| no_set(name))?;
    let source = source.or_else(|| known.source.clone());
    let depends_on = change.depends_on.as_deref().map_or_else(|| known.depends_on.clone(), names);
    if source == known.source && depends_on == known.depends_on {
        return Ok(SetOutcome::Unchanged);
    }
    check_order(&rows, name, &depends_on)?;
    store::update_set(&mut tx, name, source.as_deref(), &depends_on).await?;
    if dry_run {
        tx.rollback().await?;
        return Ok(SetOutcome::Changed);
    }
    let detail = json!({ "set": name, "source": source, "depends_on": depends_on });
    audit::record(&mut tx, entry(caller, "migrations.set.update", detail)).await?;
    tx.commit().await?;
    Ok(SetOutcome::Changed)
}

/// Lets go of a set that no tenant has a migration of, or with `forget` of any: its rows go, and
/// nothing in a tenant.
///
/// # Errors
/// [`MigrationsError::BuiltIn`], [`MigrationsError::NoSet`], [`MigrationsError::InUse`],
/// [`MigrationsError::DependedOn`], [`MigrationsError::RunUnderWay`],
/// [`MigrationsError::RunNeedsSet`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn remove_set(
    control: &mut PgConnection,
    caller: &Caller,
    name: &SetName,
    forget: bool,
) -> Result<(), MigrationsError> {
    let caller = &access::authorize(control, caller, &rights::MIGRATION_DELETE, About::Platform).await?;
    let name = name.as_str();
    let mut tx = durable_transaction(control).await?;
    store::lock_sets(&mut tx).await?;
    // From here on no tenant's version of it can be recorded.
    store::lock_set(&mut tx, name).await?;
    let tenants = removable(&mut tx, name, forget).await?;
    store::delete_set(&mut tx, name).await?;
    let detail = json!({ "set": name, "forgotten_tenants": tenants });
    audit::record(&mut tx, entry(caller, "migrations.set.remove", detail)).await?;
    tx.commit().await?;
    Ok(())
}

/// Checks that a set can be let go of; how many tenants have migrations of it.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn check_removable(
    control: &mut PgConnection,
    caller: &Caller,
    name: &str,
    forget: bool,
) -> Result<i64, MigrationsError> {
    access::authorize(control, caller, &rights::MIGRATION_DELETE, About::Platform).await?;
    removable(control, name, forget).await
}

async fn removable(control: &mut PgConnection, name: &str, forget: bool) -> Result<i64, MigrationsError> {
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

/// Rows in the order of their dependence.
pub(super) fn ordered(rows: Vec<SetRow>) -> Result<Vec<SetRow>, MigrationsError> {
    let order = order(&dependencies(&rows)).map_err(MigrationsError::Cycle)?;
    let place = |row: &SetRow| order.iter().position(|name| *name == row.name);
    let mut rows = rows;
    rows.sort_by_key(place);
    Ok(rows)
}

/// The files of an operator's set, with where they lie, and what is beside them.
pub(super) async fn found(row: &SetRow, places: &Places<'_>) -> Result<Folder, MigrationsError> {
    match places.folder(row) {
        Some(folder) => folder::read(&row.name, &folder).await,
        None => Ok(Folder::default()),
    }
}

async fn with_files(row: &SetRow, places: &Places<'_>) -> Result<Set, MigrationsError> {
    let folder = places.folder(row);
    let files = if folder.is_some() {
        let Folder { found, misnamed } = found(row, places).await?;
        (found.into_iter().map(|found| found.file).collect(), misnamed)
    } else {
        (built_in_files()?, Vec::new())
    };
    Ok(set_of(row, folder, files))
}

fn set_of(row: &SetRow, source: Option<PathBuf>, (files, misnamed): (Vec<File>, Vec<Misnamed>)) -> Set {
    Set {
        name: row.name.clone(),
        source,
        history: row.history.clone(),
        depends_on: row.depends_on.clone(),
        files,
        misnamed,
    }
}

/// Whether a set is added again with the folder that it has.
fn is_same_folder(sources: &Sources, known: Option<&str>, typed: &Path, recorded: &str) -> bool {
    let here = |path: &Path| path.canonicalize().ok();
    known.is_some_and(|known| {
        known == recorded || here(typed).is_some_and(|typed| here(&sources.of_recorded(known)) == Some(typed))
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

pub(super) fn no_set(name: &str) -> MigrationsError {
    MigrationsError::NoSet { name: name.to_owned() }
}

pub(super) fn built_in(why: &'static str) -> MigrationsError {
    MigrationsError::BuiltIn { name: BUILT_IN.to_owned(), why }
}

fn entry<'a>(
    caller: &'a Authorized<'a>,
    action: &'static str,
    detail: serde_json::Value,
) -> audit::Entry<'a> {
    audit::Entry { caller, action, tenant: None, operation: None, detail }
}
