//! One PostgreSQL server: what is on it against the rows of the tenants that are placed there.

use super::error::InspectionError;
use super::expectation::Expectation;
use super::look::{Changing, Look};
use super::model::{Finding, Observed, SWAPPED};
use super::whole::{Whole, of_drift};
use super::{databases, record, sealed, store, unmanaged};
use crate::features::placement::{
    Cluster, ClusterView, PlacementError, ServerRecord, hold_sessions, ready_template,
};
use crate::features::tenants::{Selector, Tenant};
use crate::infra::cluster::{self, Expected, Index, Scope, ServerInventory, ServerState};
use crate::infra::db::PgConnection;
use crate::kernel::{ErrorKind, Failure, Location, TenantId};

/// Looks at a server.
pub(super) async fn look(
    look: &Look<'_>,
    control: &mut PgConnection,
    view: &ClusterView,
) -> Result<Observed, InspectionError> {
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
) -> Result<Observed, InspectionError> {
    let place = Location::Cluster(view.name.clone());
    let cluster = look.on.placement.cluster(control, &view.name).await;
    let asked = async { ask(look, cluster?).await };
    let recorded = async {
        let changing = look.changing(control).await?;
        let rows = look.rows(control, Selector::cluster(&view.name)).await?;
        let opened = store::opened_for_migration(control).await?;
        let server = ServerRecord::read(control, &view.name).await?;
        let template = ready_template(control, &view.name).await?;
        Ok::<_, InspectionError>((changing, rows, opened, server, template))
    };
    let (asked, recorded) = tokio::join!(Box::pin(asked), Box::pin(recorded));
    let (changing, rows, opened, recorded, template) = recorded?;
    let mut observed = Observed::default();
    let whole = sort_out(look, &rows, (&changing, &opened), &place, &mut observed.findings);
    let (cluster, inventory, state) = match asked {
        Ok(asked) => asked,
        Err(error) => {
            let not_asked = |code| Finding::new(code, None, &place, place.to_string(), error.to_string());
            if error.kind() == ErrorKind::Integrity {
                observed.findings.push(not_asked("place_credentials"));
            }
            observed.findings.push(not_asked("cluster_unreachable"));
            return Ok(observed);
        }
    };
    observed.tenants.insert(place.clone(), whole.len());
    record::age(control, &place, state.high_water, &mut observed).await?;
    if let Some(other) = recorded.system_id.filter(|recorded| *recorded != state.system_id) {
        let detail = format!("its system identifier is {}, and {other} is recorded", state.system_id);
        observed.findings.push(Finding::new(SWAPPED, None, &place, place.to_string(), detail));
    }
    let index = Index::of(&inventory);
    for it in &whole {
        let expected =
            Expected { database: it.database(), connection_limit: cluster.connection_limit, open: it.open };
        let drift = cluster::drift(&index, &expected).into_iter();
        observed.findings.extend(drift.map(|drift| of_drift(drift, it, &place)));
        observed.findings.extend(own_settings(&index, it, &place));
    }
    sealed::look(look, control, &index, &whole, &place, &mut observed.findings).await?;
    let born_with = template.map(|it| it.carried.public_schema).unwrap_or_default();
    databases::look(look, &cluster, &index, (&whole, &born_with), jobs, &place, &mut observed).await;
    if look.whole_servers() {
        let on =
            unmanaged::Server { look, cluster: &cluster, place: &place, rows: &rows, changing: &changing };
        observed.findings.extend(on.look(control, &index, &inventory).await?);
    }
    Ok(observed)
}

/// Settings of a tenant's database, which only a superuser or its owner role can have given it.
fn own_settings(index: &Index<'_>, it: &Whole<'_>, place: &Location) -> Option<Finding> {
    let database = index.database(it.database().name).filter(|database| !database.settings.is_empty())?;
    let (object, detail) = (format!("database {}", database.name), database.settings.join(", "));
    Some(Finding::new("database_setting", Some(it.tenant), place, object, detail))
}

async fn ask(
    look: &Look<'_>,
    cluster: Cluster,
) -> Result<(Cluster, ServerInventory, ServerState), PlacementError> {
    let mut admin = cluster.admin.connect("nexus:fsck").await?;
    let state = cluster::server_state(&mut admin, look.on.installation.id).await?;
    let marks = look.on.installation.marks();
    let inventory = cluster::inventory(&mut admin, &marks, Scope::All).await?;
    Ok((cluster, inventory, state))
}

/// The tenants that should be whole; of the others says what is to be said.
fn sort_out<'a>(
    look: &Look<'_>,
    rows: &'a [Tenant],
    (changing, opened): (&Changing, &[TenantId]),
    place: &Location,
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
            let detail = "it is suspended, and open for a run of migrations";
            let object = format!("database {}", tenant.resources.database_name);
            found.push(Finding::new("operation_pending", Some(tenant), place, object, detail));
            look.done(tenant);
            continue;
        }
        match Expectation::of(tenant.state) {
            // Its database and its roles are not ours: how they should be is for others to say.
            Expectation::Whole { .. } if tenant.adopted => look.done(tenant),
            Expectation::Whole { open } => {
                whole.push(Whole::new(look, tenant, open));
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
