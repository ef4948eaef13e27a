//! Which tenants are asked, and what with: what the verbs have in common that ask the whole fleet.

use super::error::FleetError;
use crate::features::access::Authorized;
use crate::features::installation::Installation;
use crate::features::placement::{Placement, hold_sessions};
use crate::features::secrets::Secrets;
use crate::features::tenants::{self, Selector, Tenant, TenantFilter, TenantRef, TenantSort, TenantState};
use crate::infra::db::{PgConnection, Slots};

/// What the fleet is reached with.
#[derive(Clone, Copy)]
pub struct Scope<'a> {
    pub placement: &'a Placement,
    pub secrets: &'a Secrets,
    /// Marks what we make.
    pub installation: &'a Installation,
}

/// Which tenants are meant.
#[derive(Debug, Clone)]
pub enum Wanted {
    /// These.
    Named(Vec<TenantRef>),
    /// Those that fit, the ones that are gone left out.
    Matching(Selector),
}

impl Wanted {
    /// Whether it is one, by name.
    #[must_use]
    pub fn is_one(&self) -> bool {
        matches!(self, Self::Named(names) if names.len() == 1)
    }

    /// Their rows, by slug or as they were named; those in a pool or in the trash, too.
    pub(super) async fn tenants(
        &self,
        control: &mut PgConnection,
        caller: &Authorized<'_>,
    ) -> Result<Vec<Tenant>, FleetError> {
        let mut rows: Vec<Tenant> = Vec::new();
        match self {
            Self::Named(names) => {
                for name in names {
                    let tenant = tenants::read(control, caller, name).await?;
                    if rows.iter().all(|other| other.id != tenant.id) {
                        rows.push(tenant);
                    }
                }
            }
            Self::Matching(selector) => {
                let mut take = |tenant: Tenant| {
                    rows.push(tenant);
                    Ok(())
                };
                let there: Vec<_> =
                    TenantState::ALL.into_iter().filter(|it| *it != TenantState::Deleted).collect();
                let selector = Selector::all_of([selector.clone(), Selector::states(&there)]);
                let filter = TenantFilter { selector, search: None };
                let order = (TenantSort::Slug, false);
                tenants::read_each(control, caller, &filter, order, &mut take)
                    .await
                    .map_err(FleetError::Reading)?;
            }
        }
        Ok(rows)
    }
}

/// Sessions on a server, and how many tenants can then be asked at a time beside one session of the
/// administrator's.
pub(super) async fn sessions(
    reach: Scope<'_>,
    control: &mut PgConnection,
    cluster: &str,
    jobs: usize,
) -> Result<(Option<Slots>, usize), FleetError> {
    let budget = reach.placement.find_cluster(control, cluster).await?.connections;
    let slots = hold_sessions(control, (cluster, budget), (2, jobs.max(1) + 1)).await?;
    let jobs = slots.as_ref().map_or(jobs, |slots| slots.count() - 1).max(1);
    Ok((slots, jobs))
}

/// Why a tenant is not asked, by its state; `None`: it is.
#[must_use]
pub(super) fn skip_reason(state: TenantState) -> Option<&'static str> {
    match state {
        TenantState::Active => None,
        TenantState::Suspended => Some("it is suspended: its database takes no sessions"),
        TenantState::Provisioning => Some("it is being created"),
        TenantState::Pooled => Some("it is a spare tenant; the pool is refilled at the newest version"),
        TenantState::Trashed => Some("it is deleted, and kept for a while"),
        TenantState::Deleting => Some("it is being deleted"),
        TenantState::Deleted => Some("it was purged"),
    }
}
