//! The template from which tenants' databases are cloned, kept at the newest tenant schema, with
//! what was released of the operator's sets of migrations.

mod store;

use std::collections::BTreeMap;
use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use super::error::PlacementError;
use super::model::Cluster;
use super::registry::Placement;
use crate::features::migrations::File;
use crate::infra::cluster::{Carried, Database, Mark, SetOfFiles, build_template, drop_template};
use crate::infra::crypto::random;
use crate::infra::db::{AdvisoryLock, DbError, History, LockKey, PgConnection, REALM, Script};
use crate::kernel::TenantId;

/// Administrators' sessions, by the name of the server.
pub(in crate::features) type Sessions = BTreeMap<String, PgConnection>;

/// How long to wait for another process that builds the same template.
const BUILD_LOCK_TIMEOUT: Duration = Duration::from_mins(1);

/// A template that can be cloned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    pub database: String,
    /// The role that owns what is in it.
    pub owner_role: String,
    /// The version of its schema.
    pub version: i64,
    /// The operator's sets in it: the newest version of each, and how many files.
    pub sets: BTreeMap<String, (i64, i64)>,
    /// What a clone is to be given beside what is in it.
    pub carried: Carried,
}

impl Template {
    fn of(row: store::TemplateRow, version: i64) -> Self {
        let (Json(sets), Json(files)) = (row.sets, row.files);
        let count = |name: &str| files.get(name).copied().unwrap_or_default();
        let sets = sets.into_iter().map(|(name, version)| {
            let files = count(&name);
            (name, (version, files))
        });
        Self {
            database: row.database_name,
            owner_role: row.owner_role,
            version,
            sets: sets.collect(),
            carried: row.carried.0,
        }
    }
}

/// The template at the newest version on a server, if there is one that is ready.
pub(in crate::features) async fn ready_template(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<Option<Template>, DbError> {
    let version = REALM.newest();
    let row = store::template(control, cluster, version).await?.filter(|row| row.ready);
    Ok(row.map(|row| Template::of(row, version)))
}

/// The template at the newest version on a server; built first where there is none.
///
/// # Errors
/// When the server refuses, or another process does not get done with building it.
pub(in crate::features) async fn template(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &Cluster,
    installation: Uuid,
) -> Result<Template, PlacementError> {
    if let Some(template) = ready_template(control, &cluster.name).await? {
        return Ok(template);
    }
    let lock = AdvisoryLock::wait(control, building(&cluster.name), BUILD_LOCK_TIMEOUT).await?;
    let lock = lock.ok_or(PlacementError::Busy)?;
    let built = build(control, admin, cluster, installation, REALM.newest()).await;
    lock.release(control).await?;
    built
}

async fn build(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &Cluster,
    installation: Uuid,
    version: i64,
) -> Result<Template, PlacementError> {
    let row = if let Some(row) = store::template(control, &cluster.name, version).await? {
        row
    } else if let Some(row) = store::take_superseded_template(control, &cluster.name, version).await? {
        row
    } else {
        let name = random::resource_name()?;
        let (database_name, owner_role) = (name.database(), name.owner_role());
        store::plan_template(control, (&cluster.name, version), &database_name, &owner_role).await?
    };
    let ready = row.ready;
    let template = Template::of(row, version);
    if !ready {
        let released = released(control, &template).await?;
        let sets: Vec<SetOfFiles<'_>> = released.iter().map(ReleasedSet::files).collect();
        let mark = format!("nexus:{installation}:template");
        let names = Database {
            name: &template.database,
            owner: &template.owner_role,
            app: "",
            mark: Mark::from(&*mark),
        };
        let carried = Box::pin(build_template(admin, &cluster.admin, names, REALM, &sets)).await?;
        store::template_ready(control, &template.database, &carried).await?;
        return Ok(Template { carried, ..template });
    }
    Ok(template)
}

/// The files of a set that new tenants are born with.
struct ReleasedSet {
    history: String,
    /// By version; whether each runs in a transaction.
    files: Vec<(store::ReleasedRow, bool)>,
}

impl ReleasedSet {
    fn files(&self) -> SetOfFiles<'_> {
        let scripts = self.files.iter().map(|(row, in_transaction)| script(row, *in_transaction));
        (History::new(&self.history), scripts.collect())
    }
}

fn script(row: &store::ReleasedRow, in_transaction: bool) -> Script<'_> {
    Script {
        version: row.version,
        description: &row.description,
        checksum: &row.checksum,
        text: &row.up,
        in_transaction,
        search_path: "public, pg_temp",
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::ZERO,
        // The template's, as it is built.
        owner: "",
        at_its_end: "",
        another_follows: false,
    }
}

/// The files of a template's sets, set after set in the order of their dependence.
async fn released(
    control: &mut PgConnection,
    template: &Template,
) -> Result<Vec<ReleasedSet>, PlacementError> {
    let rows = store::released(control, &template.database).await?;
    let mut waiting: BTreeMap<String, Vec<store::ReleasedRow>> = BTreeMap::new();
    for row in rows {
        waiting.entry(row.set_name.clone()).or_default().push(row);
    }
    let mut sets = Vec::new();
    while !waiting.is_empty() {
        let is_free = |rows: &Vec<store::ReleasedRow>| {
            rows.first().is_none_or(|row| row.depends_on.iter().all(|name| !waiting.contains_key(name)))
        };
        // Registering a set refuses circles; should there be one, any order is as good.
        let next = waiting.iter().find(|(_, rows)| is_free(rows)).or(waiting.iter().next());
        let Some(name) = next.map(|(name, _)| name.clone()) else { break };
        let rows = waiting.remove(&name).unwrap_or_default();
        let Some(history) = rows.first().map(|row| row.history.clone()) else { continue };
        let mut files = Vec::with_capacity(rows.len());
        for row in rows {
            let name = format!("{}_{}", row.version, row.description.replace(' ', "_"));
            let parsed = File::parse(&name, row.up.as_str(), None)?;
            files.push((row, parsed.directives.transaction));
        }
        sets.push(ReleasedSet { history, files });
    }
    Ok(sets)
}

/// The statement that records what of the operator's sets a tenant has that is cloned from a template,
/// where there is such a tenant; none where the template has none.
#[must_use]
pub(in crate::features) fn record_template_sets(tenant: TenantId, template: &Template) -> Option<String> {
    (!template.sets.is_empty()).then(|| store::record_template_sets(tenant, &template.sets))
}

/// Whether [`refresh_templates`] has nothing to do.
pub(in crate::features) async fn templates_are_current(control: &mut PgConnection) -> Result<bool, DbError> {
    store::templates_are_current(control, REALM.newest()).await
}

/// Builds the templates anew that are not what new tenants should be born with, on every server
/// that has one. The one before stays for those who are about to clone it, and is the one that is
/// brought up to date the next time; older ones go. `open` are sessions that were opened for changes before.
///
/// # Errors
/// When a server refuses, or does not answer.
pub(in crate::features) async fn refresh_templates(
    control: &mut PgConnection,
    placement: &Placement,
    installation: Uuid,
    mut open: Sessions,
) -> Result<(), PlacementError> {
    let mark = format!("nexus:{installation}:template");
    for name in store::template_clusters(control).await? {
        let cluster = placement.cluster(control, &name).await?;
        let mut admin = match usable(open.remove(&name)).await {
            Some(admin) => admin,
            None => placement.open_for_changes(control, &cluster, (installation, "nexus:template")).await?,
        };
        let now = template(control, &mut admin, &cluster, installation).await?;
        // Nobody is building one meanwhile: what is half built was left by a process that died.
        let lock = AdvisoryLock::wait(control, building(&name), BUILD_LOCK_TIMEOUT).await?;
        let lock = lock.ok_or(PlacementError::Busy)?;
        let dropped = drop_superseded(control, &mut admin, (&name, &now.database), &mark).await;
        lock.release(control).await?;
        dropped?;
    }
    Ok(())
}

/// A session that is still there: it may have been idle for long.
async fn usable(session: Option<PgConnection>) -> Option<PgConnection> {
    let mut session = session?;
    session.ping().await.is_ok().then_some(session)
}

async fn drop_superseded(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    (cluster, newest): (&str, &str),
    mark: &str,
) -> Result<(), PlacementError> {
    for row in store::superseded_templates(control, cluster, newest).await? {
        let names =
            Database { name: &row.database_name, owner: &row.owner_role, app: "", mark: Mark::from(mark) };
        drop_template(admin, names).await?;
        store::delete_template(control, &row.database_name).await?;
    }
    Ok(())
}

/// Held by who builds a template on a server.
fn building(cluster: &str) -> LockKey {
    LockKey::of("template", format_args!("{cluster}:{}", REALM.newest()))
}

/// The templates that the control database knows of on a server, each with whether it is ready.
pub(in crate::features) async fn known_templates(
    control: &mut PgConnection,
    cluster: &str,
) -> Result<Vec<(String, String, bool)>, PlacementError> {
    let rows = store::templates(control, cluster).await?;
    Ok(rows.into_iter().map(|row| (row.database_name, row.owner_role, row.ready)).collect())
}

/// Drops every template of a server, and forgets it.
pub(in crate::features) async fn drop_templates(
    control: &mut PgConnection,
    admin: &mut PgConnection,
    cluster: &str,
    installation: Uuid,
) -> Result<(), PlacementError> {
    let mark = format!("nexus:{installation}:template");
    for row in store::templates(control, cluster).await? {
        let names =
            Database { name: &row.database_name, owner: &row.owner_role, app: "", mark: Mark::from(&*mark) };
        drop_template(admin, names).await?;
        store::delete_template(control, &row.database_name).await?;
    }
    Ok(())
}
