//! What one look at everything, or a second one at what seemed wrong, is made with.

use std::collections::HashMap;

use time::{Duration, OffsetDateTime};
use tokio_util::sync::CancellationToken;

use super::error::InspectionError;
use super::ledger::Inside;
use super::model::{Finding, Request};
use crate::features::access::Authorized;
use crate::features::provisioning::{OperationFilter, OperationView, Provisioning};
use crate::features::tenants::{self, Selector, Tenant, TenantFilter, TenantSort, TenantState};
use crate::infra::db::PgConnection;
use crate::kernel::{Event, Location, Page, Progress, TenantId};

/// How long an operation may be unfinished, with no living process at work on it, before that is a
/// fault: somebody may be about to finish it.
const RECENT: Duration = Duration::minutes(5);

/// One look. What is on a server or in a store is read before the rows that should explain it: rows
/// are written first and erased last, so whatever was there has a row, or had one.
pub(super) struct Look<'a> {
    pub(super) on: &'a Provisioning,
    pub(super) caller: &'a Authorized<'a>,
    pub(super) request: &'a Request,
    pub(super) progress: &'a dyn Progress,
    pub(super) stop: &'a CancellationToken,
    /// A later look goes to these places, and into the databases of these tenants, only.
    pub(super) again: Option<HashMap<Location, Inside>>,
}

/// Operations that are not over, by tenant.
pub(super) type Changing = HashMap<TenantId, OperationView>;

/// All that are not gone: those in a pool or in the trash, too, which a list leaves out.
pub(super) fn there() -> Selector {
    let states: Vec<_> = TenantState::ALL.into_iter().filter(|it| *it != TenantState::Deleted).collect();
    Selector::states(&states)
}

impl Look<'_> {
    /// Whether this look goes to a place.
    pub(super) fn goes_to(&self, place: &Location) -> bool {
        self.again.as_ref().is_none_or(|places| places.contains_key(place))
    }

    /// Whether this look goes into what is a tenant's at a place.
    pub(super) fn goes_into(&self, place: &Location, tenant: TenantId) -> bool {
        self.again.as_ref().is_none_or(|places| match places.get(place) {
            Some(Inside::All) => true,
            Some(Inside::Of(tenants)) => tenants.contains(&tenant),
            None => false,
        })
    }

    /// Whether whole servers are looked at, not only some tenants.
    pub(super) fn whole_servers(&self) -> bool {
        self.request.selector.is_empty()
    }

    /// Whether whole stores and the control database are looked at.
    pub(super) fn whole_stores(&self) -> bool {
        self.whole_servers() && self.request.cluster.is_none()
    }

    /// The tenants at a place that were asked for, those that are gone left out.
    pub(super) async fn rows(
        &self,
        control: &mut PgConnection,
        at: Selector,
    ) -> Result<Vec<Tenant>, InspectionError> {
        let cluster = self.request.cluster.as_deref().map(Selector::cluster);
        let asked = [self.request.selector.clone(), at, there()];
        let selector = Selector::all_of(asked.into_iter().chain(cluster));
        let filter = TenantFilter { selector, search: None };
        let mut rows = Vec::new();
        let mut take = |tenant: Tenant| {
            rows.push(tenant);
            Ok(())
        };
        let order = (TenantSort::Slug, false);
        tenants::read_each(control, self.caller, &filter, order, &mut take)
            .await
            .map_err(InspectionError::Reading)?;
        Ok(rows)
    }

    /// The tenants that are being changed.
    pub(super) async fn changing(&self, control: &mut PgConnection) -> Result<Changing, InspectionError> {
        let filter = OperationFilter { open: true, ..OperationFilter::default() };
        let page = Page { page: 1, limit: u32::MAX };
        let open = OperationView::read_list(control, &filter, page).await?;
        Ok(open.into_iter().map(|operation| (operation.tenant_id.into(), operation)).collect())
    }

    /// What is said of a tenant that is being changed.
    pub(super) fn of_changing(tenant: &Tenant, operation: &OperationView) -> Finding {
        let living = matches!(operation.state.as_str(), "running" | "rolling_back");
        let old = operation.updated_at + RECENT < OffsetDateTime::now_utc();
        let code = if !living && old { "operation_unfinished" } else { "operation_pending" };
        let detail = format!("{} is {}", operation.kind, operation.state);
        let object = format!("operation {}", operation.id);
        Finding::new(code, Some(tenant), &Location::Control, object, detail)
    }

    /// Tells that a tenant was looked at.
    pub(super) fn done(&self, tenant: &Tenant) {
        if self.again.is_none() {
            self.progress.event(Event::Done { subject: tenant.slug.clone(), ok: true });
        }
    }
}
