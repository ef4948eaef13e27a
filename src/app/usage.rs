//! Counts the requests of tenants, and tells the control database every second or two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{App, Shared};
use crate::features::tenants::{Tenant, TenantRef};
use crate::features::usage::{self, Counted, Month, UsageView};
use crate::infra::db::{Follower, PgConnection};
use crate::kernel::{AnyFailure, Caller};

/// How often counts are added to those of other servers: a process that is killed loses as much.
const PERIOD: Duration = Duration::from_secs(1);

/// Adds up counts.
pub(super) struct Settlements {
    app: Arc<Shared>,
    last: Mutex<Instant>,
}

impl Settlements {
    pub(super) fn new(app: &Arc<Shared>) -> Self {
        Self { app: Arc::clone(app), last: Mutex::new(Instant::now()) }
    }

    fn is_due(&self) -> bool {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let is_due = last.elapsed() >= PERIOD;
        if is_due {
            *last = Instant::now();
        }
        is_due
    }
}

#[async_trait]
impl Follower for Settlements {
    async fn refresh(&self, control: &mut PgConnection) -> Result<(), AnyFailure> {
        if self.is_due() { settle(&self.app, control).await } else { Ok(()) }
    }
}

async fn settle(app: &Shared, control: &mut PgConnection) -> Result<(), AnyFailure> {
    let settling = app.meter.settle();
    if !settling.counts().is_empty() {
        let now = usage::add(control, &Caller::System, settling.counts()).await?;
        settling.done(&now);
    }
    Ok(())
}

impl App {
    /// Counts a request of a tenant's user.
    ///
    /// # Errors
    /// [`usage::UsageError::Requests`] where the tenant has made all that it may make this month; when its count is
    /// not known here and the control database does not answer.
    pub async fn count_request(&self, tenant: &Tenant) -> Result<(), AnyFailure> {
        let (meter, month) = (&self.shared().meter, this_month());
        if meter.count(tenant, month)? {
            return Ok(());
        }
        let name = TenantRef::Id(tenant.id);
        let used = usage::of(&mut *self.control().await?, &Caller::System, &name, month).await?;
        meter.know(Counted { tenant: tenant.id, month, requests: used.requests });
        meter.count(tenant, month)?;
        Ok(())
    }

    /// Tells the control database what was counted and is not there yet.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn settle_requests(&self) -> Result<(), AnyFailure> {
        settle(self.shared(), &mut *self.control().await?).await
    }
}

/// What a tenant uses in this month.
///
/// # Errors
/// As [`usage::of`].
pub async fn usage_now(
    control: &mut PgConnection,
    caller: &Caller,
    tenant: &TenantRef,
) -> Result<UsageView, usage::UsageError> {
    usage::of(control, caller, tenant, this_month()).await
}

fn this_month() -> Month {
    Month::of(OffsetDateTime::now_utc())
}
