//! Which tenants are cloned: those that are most unlike the rest.

use std::collections::{BTreeMap, HashMap};

use super::super::asking::Scope;
use super::super::error::FleetError;
use super::model::Rehearsed;
use super::store;
use crate::features::placement::Cluster;
use crate::features::tenants::Tenant;
use crate::infra::cluster::{database_sizes, tables_and_rows};
use crate::infra::db::PgConnection;
use crate::kernel::TenantId;

/// Of how many of the largest the rows are counted.
const COUNTED: usize = 20;

/// A tenant that is to be cloned.
pub(super) struct Picked<'a> {
    pub(super) tenant: &'a Tenant,
    pub(super) cluster: Cluster,
    pub(super) why: &'static str,
    pub(super) bytes: i64,
}

impl Picked<'_> {
    /// What is known before it is copied.
    pub(super) fn outline(&self) -> Rehearsed {
        Rehearsed {
            tenant: self.tenant.slug.clone(),
            cluster: self.cluster.name.clone(),
            why: self.why,
            bytes: self.bytes,
            copy_milliseconds: 0,
            not_copied: Vec::new(),
            steps: Vec::new(),
        }
    }
}

/// The size of each tenant's database.
pub(super) async fn sizes(
    reach: Scope<'_>,
    control: &mut PgConnection,
    tenants: &[Tenant],
) -> Result<HashMap<TenantId, i64>, FleetError> {
    let mut placed: BTreeMap<&str, Vec<&Tenant>> = BTreeMap::new();
    for tenant in tenants {
        placed.entry(&tenant.cluster).or_default().push(tenant);
    }
    let mut sizes = HashMap::new();
    for (name, tenants) in placed {
        let cluster = reach.placement.cluster(control, name).await?;
        let who = (reach.installation.id, "nexus:rehearsal");
        let mut admin = reach.placement.open_for_changes(control, &cluster, who).await?;
        let names: Vec<&str> = tenants.iter().map(|it| it.resources.database_name.as_str()).collect();
        let found: HashMap<String, i64> = database_sizes(&mut admin, &names).await?.into_iter().collect();
        for tenant in tenants {
            sizes.extend(found.get(&tenant.resources.database_name).map(|bytes| (tenant.id, *bytes)));
        }
        let _ = admin.close().await;
    }
    Ok(sizes)
}

/// Picks so many: the largest, the one with the most rows, those whose schema differs, then the
/// next largest.
pub(super) async fn pick<'a>(
    reach: Scope<'_>,
    control: &mut PgConnection,
    tenants: &'a [Tenant],
    sizes: &HashMap<TenantId, i64>,
    count: usize,
) -> Result<Vec<Picked<'a>>, FleetError> {
    let mut by_size: Vec<&Tenant> = tenants.iter().filter(|tenant| sizes.contains_key(&tenant.id)).collect();
    by_size.sort_by_key(|tenant| (std::cmp::Reverse(sizes[&tenant.id]), tenant.slug.clone()));
    let mut order: Vec<(&Tenant, &'static str)> = Vec::new();
    order.extend(by_size.first().map(|tenant| (*tenant, "it is the largest")));
    let mut most: Option<(i64, &Tenant)> = None;
    for tenant in by_size.iter().take(COUNTED) {
        let cluster = reach.placement.cluster(control, &tenant.cluster).await?;
        let place = cluster.admin.database(&tenant.resources.database_name);
        let mut inside = place.connect_reading("nexus:rehearsal").await?;
        let (_, rows) = tables_and_rows(&mut inside).await?;
        let _ = inside.close().await;
        if most.is_none_or(|(than, _)| rows > than) {
            most = Some((rows, tenant));
        }
    }
    order.extend(most.map(|(_, tenant)| (tenant, "it has the most rows")));
    let ids: Vec<TenantId> = tenants.iter().map(|tenant| tenant.id).collect();
    for id in store::unlike(control, &ids).await? {
        let tenant = tenants.iter().find(|tenant| tenant.id == id);
        order.extend(tenant.map(|tenant| (tenant, "its schema differs from the others'")));
    }
    order.extend(by_size.iter().map(|tenant| (*tenant, "it is one of the largest")));
    let mut picked: Vec<Picked<'a>> = Vec::new();
    for (tenant, why) in order {
        if picked.len() >= count {
            break;
        }
        if picked.iter().all(|other| other.tenant.id != tenant.id) {
            let cluster = reach.placement.cluster(control, &tenant.cluster).await?;
            let bytes = sizes.get(&tenant.id).copied().unwrap_or_default();
            picked.push(Picked { tenant, cluster, why, bytes });
        }
    }
    Ok(picked)
}
