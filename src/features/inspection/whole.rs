//! A tenant that should be whole, for those who compare what there is of it.

use super::look::Look;
use super::model::{Finding, Remedy};
use crate::features::tenants::Tenant;
use crate::infra::cluster::{Database, Drift, DriftFix, Mark};
use crate::kernel::Location;

/// A tenant that should be whole, and what marks things on servers as its own.
pub(super) struct Whole<'a> {
    pub(super) tenant: &'a Tenant,
    mark: String,
    /// As earlier versions wrote it.
    former: String,
    pub(super) open: bool,
}

impl<'a> Whole<'a> {
    pub(super) fn new(look: &Look<'_>, tenant: &'a Tenant, open: bool) -> Self {
        let it = &look.on.installation;
        Self { tenant, mark: it.server_mark(tenant.id), former: it.mark(tenant.id), open }
    }

    pub(super) fn database(&self) -> Database<'_> {
        let names = &self.tenant.resources;
        Database {
            name: &names.database_name,
            owner: &names.owner_role,
            app: &names.app_role,
            mark: self.mark(),
        }
    }

    /// What marks things as its own on the server.
    pub(super) fn mark(&self) -> Mark<'_> {
        Mark { text: &self.mark, former: &self.former }
    }
}

/// A difference as a finding. What no repair can fix has no remedy.
pub(super) fn of_drift(drift: Drift, it: &Whole<'_>, place: &Location) -> Finding {
    let found = Finding::new(drift.code, Some(it.tenant), place, drift.object, drift.detail);
    match drift.fix {
        DriftFix::ByHand => found.with(Remedy::None),
        DriftFix::Statement(_) | DriftFix::Remake => found,
    }
}
