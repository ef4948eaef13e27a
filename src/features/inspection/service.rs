//! Inspecting: one look at everything, another at what seemed wrong.

use std::collections::HashSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::InspectionError;
use super::look::{Look, there};
use super::model::{Finding, Place, Remedy, Report, Request};
use super::{buckets, server};
use crate::features::provisioning::Provisioning;
use crate::features::tenants;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, Event, Progress, TenantId};

/// Between two looks: what was under way at the first has ended, or has begun to be recorded.
const PAUSE: Duration = Duration::from_millis(300);
/// Looks in all. A finding counts when two after each other have it; the third is for what only the
/// second saw.
const LOOKS: usize = 3;

/// Compares the control database with the world, both ways. What is found is looked at again before
/// it is told, so that a change under way at this moment is no fault.
///
/// # Errors
/// When the control database does not answer; a server or store that does not is a finding.
pub async fn inspect(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    request: &Request,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Report, InspectionError> {
    let mut look = Look { on, caller, request, progress, stop, again: None };
    let mut report = look.everywhere(control).await?;
    let mut seen = std::mem::take(&mut report.findings);
    for _ in 1..LOOKS {
        if stop.is_cancelled() {
            return Err(InspectionError::Interrupted);
        }
        let confirmed: HashSet<_> = report.findings.iter().map(Finding::key).collect();
        seen.retain(|finding| !confirmed.contains(&finding.key()));
        if seen.is_empty() {
            break;
        }
        tokio::time::sleep(PAUSE).await;
        look.again = Some((
            seen.iter().map(|finding| finding.place.clone()).collect(),
            seen.iter().filter_map(|finding| finding.tenant_id).collect(),
        ));
        let before: HashSet<_> = seen.iter().map(Finding::key).collect();
        let again = look.everywhere(control).await?.findings;
        let (both, new): (Vec<_>, Vec<_>) =
            again.into_iter().partition(|finding| before.contains(&finding.key()));
        report.findings.extend(both);
        seen = new;
    }
    // What a stopped look left out is not known to be well.
    if stop.is_cancelled() {
        return Err(InspectionError::Interrupted);
    }
    let order = |it: &Finding| (it.place.to_string(), it.tenant.clone(), it.code, it.object.clone());
    report.findings.sort_by_cached_key(order);
    Ok(report)
}

impl Look<'_> {
    async fn everywhere(&self, control: &mut PgConnection) -> Result<Report, InspectionError> {
        let only = self.request.cluster.as_deref();
        if let Some(name) = only {
            self.on.placement.show_cluster(control, name).await?;
        }
        let mut clusters = self.on.placement.clusters(control).await?;
        clusters.retain(|view| only.is_none_or(|name| name == view.name));
        if self.again.is_none() {
            let total = clusters.iter().map(|view| u64::try_from(view.tenants).unwrap_or(0)).sum();
            self.progress.event(Event::Total(total));
        }
        let mut report = Report::default();
        for view in &clusters {
            // An operation's finding is made where its tenant's server is looked at.
            if !self.goes_to(&Place::Cluster(view.name.clone())) && !self.goes_to(&Place::Control) {
                continue;
            }
            let (found, tenants) = server::look(self, control, view).await?;
            report.findings.extend(found);
            report.tenants += tenants;
            report.places += 1;
        }
        for view in self.on.placement.stores(control).await? {
            if self.goes_to(&Place::Store(view.name.clone())) {
                report.findings.extend(buckets::look(self, control, &view).await?);
                report.places += 1;
            }
        }
        if self.whole_stores() {
            report.findings.extend(self.sealed_orphans(control).await?);
        }
        Ok(report)
    }

    /// Sealed values of tenants that are gone.
    async fn sealed_orphans(&self, control: &mut PgConnection) -> Result<Vec<Finding>, InspectionError> {
        let holders = self.on.secrets.holders(control).await?;
        let changing = self.changing(control).await?;
        let all = tenants::select(control, self.caller, &there()).await?;
        let known: HashSet<TenantId> = all.into_iter().map(|(id, _)| id).collect();
        let lost = holders.into_iter().filter(|id| !known.contains(id) && !changing.contains_key(id));
        let of = |id: TenantId| {
            let object = format!("sealed credentials of tenant {id}");
            let finding = Finding::new("sealed_orphan", None, &Place::Control, object, "the tenant is gone");
            finding.of(Some(id)).with(Remedy::Erase(id))
        };
        Ok(lost.map(of).collect())
    }
}
