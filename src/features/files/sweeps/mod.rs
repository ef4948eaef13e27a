//! Which tenants have files to be swept: known in the control database, so that nobody looks into every realm.
//!
//! It is known there before the realm has the row ([`expect_sweep`]). Of several servers one takes a tenant up
//! ([`claim_sweeps`]), and says when it is due again ([`settle_sweep`]).
//!
//! A server of an older version does not make it known. So once a day all that made requests in this month, or in the
//! last two days, are looked at: 200 tenants a minute for the whole installation, of which those that are in use get a
//! row. A row that leads to nothing goes away with the look.

mod store;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use time::OffsetDateTime;

use super::error::FilesError;
use crate::features::access::{self, About, rights};
use crate::features::iam::IamError;
use crate::infra::db::PgConnection;
use crate::kernel::{Caller, TenantId};

/// How long a process remembers that it said so of a tenant. Where nothing is due, the row stays twice as long.
const REMEMBERED: Duration = Duration::from_hours(1);

/// Tenants of which this process has said that something will have to be swept.
#[derive(Debug, Default)]
pub struct ExpectedSweeps(Mutex<HashMap<TenantId, Instant>>);

impl ExpectedSweeps {
    /// Whether the control database knows it of the tenant.
    #[must_use]
    pub fn is_known(&self, tenant: TenantId) -> bool {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(&tenant).is_some_and(|since| since.elapsed() < REMEMBERED)
    }

    /// Remembers that it was written; `since`: a moment before it was.
    pub fn know(&self, tenant: TenantId, since: Instant) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, since| since.elapsed() < REMEMBERED);
        known.insert(tenant, since);
    }
}

/// What a sweep of a tenant's files came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SweepOutcome {
    /// What is left is due then; `None`: nothing is left.
    Swept { next: Option<OffsetDateTime> },
    /// The tenant is not in use: it keeps what it has.
    NotInUse,
}

/// Says that something of a tenant's files will have to be swept. To be called before it is written in the realm.
///
/// # Errors
/// Without `tenant:update`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn expect_sweep(
    control: &mut PgConnection,
    caller: &Caller,
    tenant: TenantId,
) -> Result<(), FilesError> {
    authorize(control, caller).await?;
    Ok(store::expect(control, tenant).await.map_err(IamError::from)?)
}

/// Takes up some tenants whose files are due to be looked at, those of the day's round among them. If that comes to
/// nothing, they are due again in an hour.
///
/// # Errors
/// Without `tenant:update`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn claim_sweeps(control: &mut PgConnection, caller: &Caller) -> Result<Vec<TenantId>, FilesError> {
    authorize(control, caller).await?;
    store::expect_missed(control).await.map_err(IamError::from)?;
    Ok(store::claim(control).await.map_err(IamError::from)?)
}

/// Says when the files of a tenant that was taken up are due again.
///
/// # Errors
/// Without `tenant:update`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn settle_sweep(
    control: &mut PgConnection,
    caller: &Caller,
    tenant: TenantId,
    outcome: SweepOutcome,
) -> Result<(), FilesError> {
    authorize(control, caller).await?;
    let settled = match outcome {
        SweepOutcome::Swept { next: Some(next) } => store::set_due(control, tenant, next).await,
        SweepOutcome::Swept { next: None } => store::forget(control, tenant).await,
        SweepOutcome::NotInUse => store::retry_tomorrow(control, tenant).await,
    };
    Ok(settled.map_err(IamError::from)?)
}

async fn authorize(control: &mut PgConnection, caller: &Caller) -> Result<(), FilesError> {
    let authorized = access::authorize(control, caller, &rights::TENANT_UPDATE, About::Platform).await;
    Ok(authorized.map(drop).map_err(IamError::from)?)
}
