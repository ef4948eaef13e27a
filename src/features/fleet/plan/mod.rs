//! What would run where, and when: decided from the registry and the files alone.

mod saved;
mod store;

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;
use sha2::{Digest, Sha256};

use super::error::FleetError;
use super::model::{Only, Plan, PlannedFile, PlannedSet, Request, Selection, Versions};
use super::runs;
use crate::features::access::Authorized;
use crate::features::migrations::{self, BUILT_IN, File, Misnamed, Set, differs_in_line_ends, lint};
use crate::features::tenants::{self, Selector, TenantState};
use crate::infra::db::{PgConnection, has_statement, statements};
use crate::kernel::{Event, Progress, TenantId};

pub use saved::PlanFile;

/// A tenant that lacks something.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PlannedTenant {
    pub id: TenantId,
    pub slug: String,
    pub cluster: String,
    /// Its wave, from 0.
    pub wave: usize,
    /// What it has by the registry.
    pub before: Versions,
    /// How many files of each set it lacks by the registry.
    pub lacks: BTreeMap<String, i64>,
}

/// A tenant that was meant and is in no state to be migrated.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SkippedTenant {
    pub id: TenantId,
    pub slug: String,
    pub cluster: String,
    /// Why, as its state says.
    pub state: TenantState,
}

/// A plan, and whom it is for.
#[derive(Debug, Clone)]
pub struct Planned {
    pub plan: Plan,
    /// Where, by wave.
    pub tenants: Vec<PlannedTenant>,
    pub skipped: Vec<SkippedTenant>,
    /// The sets that it is made of, with their files.
    pub sets: Vec<Set>,
}

impl Planned {
    /// Whether nobody lacks anything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.tenants.is_empty()
    }

    /// Files that may have been meant to be migrations, and are not run.
    pub fn misnamed(&self) -> impl Iterator<Item = &Misnamed> {
        self.sets.iter().flat_map(|set| &set.misnamed).filter(|it| it.flaw.looks_meant())
    }

    /// Says which files are not run.
    pub(super) fn report_misnamed(&self, progress: &dyn Progress) {
        for file in self.misnamed() {
            progress.event(Event::Note(file.to_string()));
        }
    }
}

/// Plans.
///
/// # Errors
/// [`FleetError::NoVersion`]; when a name is nobody's, or a set's folder cannot be read.
pub(super) async fn make(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    request: &Request,
) -> Result<Planned, FleetError> {
    let sets = wanted_sets(control, request).await?;
    let wanted: Vec<PlannedSet> =
        sets.iter().filter_map(|set| planned_set(set, request.to.is_some())).collect();
    let ids = chosen(control, caller, &request.selection).await?;
    for slug in request.waves.named() {
        let name = slug.parse().map_err(|_| FleetError::NoSuchName { name: slug.to_owned() })?;
        tenants::read(control, caller, &name).await?;
    }
    let failed = request.only.map(|only| only == Only::Failed);
    let (mut planned, skipped) = lacking(control, &ids, &wanted, &sets, failed).await?;
    // Neither the oldest customers first nor those whose names begin with an a; the same each time.
    planned.sort_by_key(|tenant| scattered(tenant.id));
    let slugs: Vec<&str> = planned.iter().map(|tenant| tenant.slug.as_str()).collect();
    for (index, wave) in request.waves.divide(&slugs).into_iter().enumerate() {
        planned[index].wave = wave;
    }
    planned.sort_by_key(|tenant| tenant.wave);
    let plan = Plan {
        selection: request.text(),
        files: planned_files(&sets, &planned)?,
        sets: wanted,
        waves: request.waves.names(),
        settings: request.settings,
    };
    refuse_empty(control, &plan, &sets).await?;
    refuse_changed(control, &ids, &plan, &sets).await?;
    Ok(Planned { plan, tenants: planned, skipped, sets })
}

/// All tenants that lack something of what a plan leads to, whoever they are.
pub(super) async fn late(control: &mut PgConnection, plan: &Plan) -> Result<Vec<PlannedTenant>, FleetError> {
    let ids = chosen(control, &Authorized::nexus(), &Selection::All).await?;
    Ok(lacking(control, &ids, &plan.sets, &[], None).await?.0)
}

/// Those of these tenants that lack something of what is wanted, and those that cannot be asked.
async fn lacking(
    control: &mut PgConnection,
    ids: &[TenantId],
    wanted: &[PlannedSet],
    sets: &[Set],
    failed: Option<bool>,
) -> Result<(Vec<PlannedTenant>, Vec<SkippedTenant>), FleetError> {
    let fact = |set: &PlannedSet| json!({ "set_name": set.name, "version": set.version, "files": set.files });
    let facts: Vec<_> = wanted.iter().map(fact).collect();
    let (mut planned, mut skipped) = (Vec::new(), Vec::new());
    for row in store::behind(control, ids, &json!(facts), failed).await? {
        if !matches!(row.state, TenantState::Active | TenantState::Suspended | TenantState::Pooled) {
            skipped.push(SkippedTenant {
                id: row.id,
                slug: row.slug,
                cluster: row.cluster,
                state: row.state,
            });
            continue;
        }
        let has = |set: &PlannedSet| match (&*set.name, &row.versions) {
            (BUILT_IN, _) => realm_has(sets, row.schema_version.unwrap_or(0)),
            (name, Some(versions)) => versions.get(name).copied().unwrap_or((0, 0)),
            (_, None) => (0, 0),
        };
        let before = wanted.iter().map(|set| (set.name.clone(), has(set).0)).collect();
        let lacks = wanted.iter().map(|set| (set.name.clone(), (set.files - has(set).1).max(0))).collect();
        let (slug, cluster) = (row.slug, row.cluster);
        planned.push(PlannedTenant { id: row.id, slug, cluster, wave: 0, before, lacks });
    }
    Ok((planned, skipped))
}

/// The sets that are meant, in the order of their dependence, cut at the version that is meant.
async fn wanted_sets(control: &mut PgConnection, request: &Request) -> Result<Vec<Set>, FleetError> {
    let mut sets = migrations::sets(control, &request.sources, &request.sets).await?;
    if let Some(version) = request.to {
        let [set] = &mut *sets else { return Err(FleetError::ToOfWhich) };
        if set.files.iter().all(|file| file.version != version) {
            return Err(FleetError::NoVersion { set: set.name.clone(), version });
        }
        set.files.retain(|file| file.version <= version);
    }
    Ok(sets)
}

fn planned_set(set: &Set, cut: bool) -> Option<PlannedSet> {
    let version = set.files.iter().map(|file| file.version).max()?;
    let files = i64::try_from(set.files.len()).unwrap_or(i64::MAX);
    Some(PlannedSet { name: set.name.clone(), history: set.history.clone(), version, files, cut })
}

/// What a tenant's realm has, by its newest version: its files come in order.
fn realm_has(sets: &[Set], version: i64) -> (i64, i64) {
    let files = sets.iter().filter(|set| set.name == BUILT_IN).flat_map(|set| &set.files);
    let count = files.filter(|file| file.version <= version).count();
    (version, i64::try_from(count).unwrap_or(i64::MAX))
}

/// All files of the sets; those that some tenant may lack are marked.
fn planned_files(sets: &[Set], tenants: &[PlannedTenant]) -> Result<Vec<PlannedFile>, FleetError> {
    let mut planned = Vec::new();
    for set in sets {
        let count = i64::try_from(set.files.len()).unwrap_or(i64::MAX);
        let least =
            tenants.iter().filter_map(|it| it.before.get(&set.name)).min().copied().unwrap_or(i64::MAX);
        let newer =
            i64::try_from(set.files.iter().filter(|file| file.version > least).count()).unwrap_or(count);
        // Somebody lacks a file that is older than the newest that it has.
        let late =
            tenants.iter().any(|tenant| tenant.lacks.get(&set.name).is_some_and(|lacks| *lacks > newer));
        for file in &set.files {
            let pending = !tenants.is_empty() && (late || file.version > least);
            if pending && set.name != BUILT_IN {
                refuse_outside(&set.name, &file.name(), &file.up)?;
                if let Some((down, _)) = file.back() {
                    refuse_outside(&set.name, &format!("{}.down", file.name()), down)?;
                }
            }
            if pending {
                refuse_unsendable(&set.name, file)?;
            }
            planned.push(PlannedFile {
                set: set.name.clone(),
                version: file.version,
                description: file.description.clone(),
                checksum: hex::encode(&file.checksum),
                transaction: file.directives.transaction,
                alone: file.directives.alone,
                pending,
            });
        }
    }
    Ok(planned)
}

/// What a linter's waiver cannot allow, a run does not do.
pub(super) fn refuse_outside(set: &str, file: &str, text: &str) -> Result<(), FleetError> {
    lint::outside_tenant(text).map_or(Ok(()), |found| {
        let (set, file) = (set.to_owned(), file.to_owned());
        Err(FleetError::OutsideTenant { set, file, line: found.line, words: found.words })
    })
}

/// A file that nobody filled in yet would be applied all the same, and could not be filled in any more.
/// One that a run had already stays as it is.
async fn refuse_empty(control: &mut PgConnection, plan: &Plan, sets: &[Set]) -> Result<(), FleetError> {
    let is_empty = |it: &&PlannedFile| {
        let files = sets.iter().filter(|set| set.name == it.set).flat_map(|set| &set.files);
        it.pending && files.into_iter().any(|file| file.version == it.version && !has_statement(&file.up))
    };
    let empty: Vec<&PlannedFile> = plan.files.iter().filter(is_empty).collect();
    if empty.is_empty() {
        return Ok(());
    }
    let kept = runs::store::kept_files(control, plan).await?;
    let known =
        |it: &PlannedFile| kept.iter().any(|file| file.set_name == it.set && file.version == it.version);
    empty.into_iter().find(|it| !known(it)).map_or(Ok(()), |it| {
        let file = format!("{}_{}", it.version, it.description.replace(' ', "_"));
        Err(FleetError::NothingIn { set: it.set.clone(), file })
    })
}

/// A file that tenants have, and that is not the text any more that they had.
async fn refuse_changed(
    control: &mut PgConnection,
    ids: &[TenantId],
    plan: &Plan,
    sets: &[Set],
) -> Result<(), FleetError> {
    let Some((name, version, applied)) = store::changed(control, ids, &json!(plan.files)).await? else {
        return Ok(());
    };
    let files = sets.iter().filter(|set| set.name == name).flat_map(|set| &set.files);
    files.into_iter().find(|file| file.version == version).map_or(Ok(()), |file| {
        let line_ends = differs_in_line_ends(&file.up, &applied);
        Err(FleetError::FileChanged { set: name.clone(), file: file.name(), line_ends })
    })
}

/// What no server can be sent is refused before anything runs, whichever way it leads. A file that
/// ends its transaction would leave its row in the history, or its work, alone.
fn refuse_unsendable(set: &str, file: &File) -> Result<(), FleetError> {
    let name = file.name();
    let back = file.back();
    let ways = [(name.clone(), &*file.up, file.directives)]
        .into_iter()
        .chain(back.map(|(text, directives)| (format!("{name}.down"), text, directives)));
    for (name, text, directives) in ways {
        for statement in statements(text) {
            if let Some(flaw) = statement.flaw {
                return Err(FleetError::Unsendable {
                    set: set.to_owned(),
                    file: name,
                    line: flaw.line,
                    what: flaw.kind.to_string(),
                    instead: flaw.kind.instead(),
                });
            }
            if directives.transaction && statement.controls_transaction() {
                return Err(FleetError::TransactionControl {
                    set: set.to_owned(),
                    file: name,
                    line: statement.line,
                });
            }
        }
    }
    Ok(())
}

async fn chosen(
    control: &mut PgConnection,
    caller: &Authorized<'_>,
    selection: &Selection,
) -> Result<Vec<TenantId>, FleetError> {
    let selector = match selection {
        Selection::All => Selector::states(&[
            TenantState::Provisioning,
            TenantState::Pooled,
            TenantState::Active,
            TenantState::Suspended,
            TenantState::Trashed,
            TenantState::Deleting,
        ]),
        Selection::Where(conditions) => {
            Selector::all_of(conditions.iter().map(|(_, selector)| selector.clone()))
        }
        Selection::Names(names) => {
            let mut ids = Vec::new();
            for name in names {
                ids.push(tenants::read(control, caller, name).await?.id);
            }
            return Ok(ids);
        }
    };
    let found = tenants::read_selected(control, caller, &selector).await?;
    Ok(found.into_iter().map(|(id, _)| id).collect())
}

/// An order that has nothing to do with age or name. An id's last half is random (RFC 9562, section
/// 5.7); hashed, so that those that a test makes up are scattered, too.
/// It is the same in every version of the program.
fn scattered(id: TenantId) -> [u8; 32] {
    Sha256::digest(id.uuid().as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_order_of_waves_is_the_same_whatever_the_program_was_built_with() {
        let id = |text: &str| text.parse::<TenantId>().unwrap();
        let ids = ["0193b2c4-7e00-7a1b-9c3d-000000000001", "0193b2c4-7e00-7a1b-9c3d-000000000002"];
        let first: Vec<u8> = ids.map(|text| scattered(id(text))[0]).to_vec();
        // sha256sum of their sixteen bytes.
        assert_eq!(first, [153, 57]);
    }
}
