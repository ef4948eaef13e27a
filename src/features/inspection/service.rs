//! Inspecting: one look at everything, others at what seemed wrong and at what was not seen.

use std::collections::HashSet;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::error::InspectionError;
use super::ledger::Ledger;
use super::look::{Look, there};
use super::model::{Finding, Inspected, Observed, Remedy, Request};
use super::{buckets, record, server};
use crate::features::access::{self, About, rights};
use crate::features::provisioning::Provisioning;
use crate::features::tenants;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, Event, Location, Progress, TenantId};

/// Between two looks: what was under way at the first has ended, or has begun to be recorded.
const PAUSE: Duration = Duration::from_millis(300);

/// Compares the control database with the world, both ways. What is found is looked at again before
/// it is told, so that a change under way at this moment is no fault; what could not be looked at is
/// tried again.
///
/// # Errors
/// When the control database does not answer; a server or store that does not is a finding.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn inspect(
    on: &Provisioning,
    control: &mut PgConnection,
    caller: &Caller,
    request: &Request,
    progress: &dyn Progress,
    stop: &CancellationToken,
) -> Result<Inspected, InspectionError> {
    let caller = &access::authorize(control, caller, &rights::DOCTOR_READ, About::Platform).await?;
    let mut look = Look { on, caller, request, progress, stop, again: None };
    let mut ledger = Ledger::default();
    loop {
        ledger.take(look.everywhere(control).await?);
        // What a stopped look left out is not known to be well.
        if stop.is_cancelled() {
            return Err(InspectionError::Interrupted);
        }
        let Some(wanted) = ledger.wanted() else { break };
        look.again = Some(wanted);
        tokio::time::sleep(PAUSE).await;
    }
    let mut inspected = ledger.end();
    record::spare(&mut inspected.report);
    Ok(inspected)
}

impl Look<'_> {
    async fn everywhere(&self, control: &mut PgConnection) -> Result<Observed, InspectionError> {
        let only = self.request.cluster.as_deref();
        if let Some(name) = only {
            self.on.placement.find_cluster(control, name).await?;
        }
        let mut clusters = self.on.placement.read_clusters(control).await?;
        clusters.retain(|view| only.is_none_or(|name| name == view.name));
        if self.again.is_none() {
            let total = clusters.iter().map(|view| u64::try_from(view.tenants).unwrap_or(0)).sum();
            self.progress.event(Event::Total(total));
        }
        let mut observed = Observed::default();
        for view in &clusters {
            let place = Location::Cluster(view.name.clone());
            if self.goes_to(&place) {
                let mut seen = server::look(self, control, view).await?;
                record::spare_unmanaged(control, &place, &mut seen).await?;
                observed.add(&place, seen);
            }
        }
        for view in self.on.placement.read_stores(control).await? {
            let place = Location::Store(view.name.clone());
            if self.goes_to(&place) {
                let mut seen = buckets::look(self, control, &view).await?;
                record::spare_unmanaged(control, &place, &mut seen).await?;
                observed.add(&place, seen);
            }
        }
        if self.goes_to(&Location::Control) {
            let mut findings = Vec::from_iter(record::own_age(control).await?);
            if self.whole_stores() {
                findings.extend(self.sealed_orphans(control).await?);
                findings.extend(record::examine_record(self.on, control, self.caller).await?.findings);
            }
            observed.add(&Location::Control, Observed { findings, ..Observed::default() });
        }
        Ok(observed)
    }

    /// Sealed values of tenants that are gone.
    async fn sealed_orphans(&self, control: &mut PgConnection) -> Result<Vec<Finding>, InspectionError> {
        let holders = self.on.secrets.holders(control).await?;
        let changing = self.changing(control).await?;
        let all = tenants::read_selected(control, self.caller, &there()).await?;
        let known: HashSet<TenantId> = all.into_iter().map(|(id, _)| id).collect();
        let lost = holders.into_iter().filter(|id| !known.contains(id) && !changing.contains_key(id));
        let of = |id: TenantId| {
            let object = format!("sealed credentials of tenant {id}");
            let finding =
                Finding::new("sealed_orphan", None, &Location::Control, object, "the tenant is gone");
            finding.of(Some(id)).with(Remedy::Erase(id))
        };
        Ok(lost.map(of).collect())
    }
}
