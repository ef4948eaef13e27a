//! One PostgreSQL server: what is on it against the rows of the tenants that are placed there.

use super::error::InspectionError;
use super::expectation::Expectation;
use super::look::{Changing, Look};
use super::model::{Finding, Place, Remedy};
use super::{databases, sealed, store, strangers};
use crate::features::placement::{Cluster, ClusterView, PlacementError, budget_and_template, hold_sessions};
use crate::features::tenants::{Selector, Tenant};
use crate::infra::cluster::{self, Database, Drift, Expected, Index, Scope, ServerInventory};
use crate::infra::db::PgConnection;
use crate::kernel::TenantId;

/// A tenant that should be whole, and what its mark is.
pub(super) struct Whole<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) mark: String,
    pub(super) open: bool,
}

impl Whole<'_> {
    pub(super) fn database(&self) -> Database<'_> {
        let names = &self.tenant.resources;
        Database {
            name: &names.database_name,
            owner: &names.owner_role,
            app: &names.app_role,
            mark: &self.mark,
        }
    }
}

/// Looks at a server; how many tenants were looked at.
pub(super) async fn look(
    look: &Look<'_>,
    control: &mut PgConnection,
    view: &ClusterView,
) -> Result<(Vec<Finding>, usize), InspectionError> {
    let most = (2, look.request.jobs.max(1) + 1);
    let slots = hold_sessions(control, (&view.name, view.connections), most).await?;
    let jobs = slots.as_ref().map_or(look.request.jobs, |slots| slots.count() - 1).max(1);
    let ended = look_within(look, control, view, jobs).await;
    if let Some(slots) = slots {
        slots.give_back(control).await?;
    }
    ended
}

/// The same, with so many sessions at a time beside the administrator's own.
async fn look_within(
    look: &Look<'_>,
    control: &mut PgConnection,
    view: &ClusterView,
    jobs: usize,
) -> Result<(Vec<Finding>, usize), InspectionError> {
    let place = Place::Cluster(view.name.clone());
    let asked = ask(look, control, &view.name).await;
    let changing = look.changing(control).await?;
    let rows = look.rows(control, Selector::cluster(&view.name)).await?;
    let mut found = Vec::new();
    let opened = store::opened_for_migration(control).await?;
    let whole = sort_out(look, &rows, (&changing, &opened), &place, &mut found);
    let (cluster, inventory) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            found.push(Finding::new(
                "cluster_unreachable",
                None,
                &place,
                place.to_string(),
                error.to_string(),
            ));
            return Ok((found, 0));
        }
    };
    let index = Index::of(&inventory);
    for it in &whole {
        let expected =
            Expected { database: it.database(), connection_limit: cluster.connection_limit, open: it.open };
        found.extend(cluster::drift(&index, &expected).into_iter().map(|drift| of_drift(drift, it, &place)));
    }
    sealed::look(look, control, &index, &whole, &place, &mut found).await?;
    let (_, template) = budget_and_template(control, &cluster.name).await?;
    let born_with = template.map(|it| it.carried.public_schema).unwrap_or_default();
    found.extend(databases::look(look, &cluster, &index, (&whole, &born_with), jobs, &place).await);
    if look.whole_servers() {
        let on =
            strangers::Server { look, cluster: &cluster, place: &place, rows: &rows, changing: &changing };
        found.extend(on.look(control, &index, &inventory).await?);
    }
    Ok((found, whole.len()))
}

async fn ask(
    look: &Look<'_>,
    control: &mut PgConnection,
    name: &str,
) -> Result<(Cluster, ServerInventory), PlacementError> {
    let cluster = look.on.placement.cluster(control, name).await?;
    let mut admin = cluster.admin.connect("nexus:fsck").await?;
    let marks = look.on.installation.marks();
    let inventory = cluster::inventory(&mut admin, &marks, Scope::All).await?;
    Ok((cluster, inventory))
}

/// The tenants that should be whole; of the others says what is to be said.
fn sort_out<'a>(
    look: &Look<'_>,
    rows: &'a [Tenant],
    (changing, opened): (&Changing, &[TenantId]),
    place: &Place,
    found: &mut Vec<Finding>,
) -> Vec<Whole<'a>> {
    let mut whole = Vec::with_capacity(rows.len());
    for tenant in rows {
        if let Some(operation) = changing.get(&tenant.id) {
            found.push(Look::of_changing(tenant, operation));
            look.done(tenant);
            continue;
        }
        if opened.contains(&tenant.id) {
            let detail = "it is suspended, and open for a run of migrations: nexus migrate runs list";
            let object = format!("database {}", tenant.resources.database_name);
            found.push(Finding::new("operation_pending", Some(tenant), place, object, detail));
            look.done(tenant);
            continue;
        }
        match Expectation::of(tenant.state) {
            // Its database and its roles are not ours: how they should be is for others to say.
            Expectation::Whole { .. } if tenant.adopted => look.done(tenant),
            Expectation::Whole { open } => {
                whole.push(Whole { tenant, mark: look.on.installation.mark(tenant.id), open });
            }
            Expectation::UnderWay => {
                let detail = format!("its state is {}", tenant.state.as_str());
                let object = format!("tenant {}", tenant.slug);
                found.push(Finding::new("state_without_operation", Some(tenant), place, object, detail));
                look.done(tenant);
            }
            Expectation::Gone => look.done(tenant),
        }
    }
    whole
}

/// A difference as a finding. What no repair can mend has no remedy.
pub(super) fn of_drift(drift: Drift, it: &Whole<'_>, place: &Place) -> Finding {
    let found = Finding::new(drift.code, Some(it.tenant), place, drift.object, drift.detail);
    match drift.mend {
        cluster::Mend::ByHand => found.with(Remedy::None),
        cluster::Mend::Statement(_) | cluster::Mend::Remake => found,
    }
}
