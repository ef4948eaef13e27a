//! Counts the requests of tenants, and tells the control database every second or two.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use time::OffsetDateTime;
use tokio::time::Instant;

use super::{App, Shared};
use crate::features::business::{self, BusinessError, OwnUsageView, Reach};
use crate::features::tenants::{Tenant, TenantRef};
use crate::features::usage::{self, Counted, Month, UsageView};
use crate::infra::db::{Follower, PgConnection};
use crate::kernel::{AnyFailure, Caller};

/// How often counts are added to those of other servers: a process that is killed loses as much.
const PERIOD: Duration = Duration::from_secs(1);

/// Adds up counts, in a task of its own: what has been sent is never given up for being slow, since it may arrive.
pub(super) struct Settlements {
    app: Arc<Shared>,
    last: Mutex<Instant>,
    /// One at a time.
    turn: Arc<tokio::sync::Mutex<()>>,
}

impl Settlements {
    pub(super) fn new(app: &Arc<Shared>) -> Self {
        Self { app: Arc::clone(app), last: Mutex::new(Instant::now()), turn: Arc::default() }
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
    async fn refresh(&self, _: &mut PgConnection) -> Result<(), AnyFailure> {
        if self.is_due()
            && let Ok(turn) = Arc::clone(&self.turn).try_lock_owned()
        {
            let app = App(Arc::clone(&self.app));
            tokio::spawn(async move {
                if let Err(failure) = app.settle_requests().await {
                    tracing::warn!(%failure, "requests of tenants could not be added up");
                }
                drop(turn);
            });
        }
        Ok(())
    }
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
        let settling = self.shared().meter.settle();
        if settling.counts().is_empty() {
            return Ok(());
        }
        let mut control = self.control().await?;
        match usage::add(&mut control, &Caller::System, settling.counts()).await {
            Ok(now) => settling.done(&now),
            Err(error) => {
                if error.may_have_arrived() {
                    settling.lost();
                }
                return Err(error.into());
            }
        }
        Ok(())
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

/// The same for the tenant's own people, and what its files and its database take.
///
/// # Errors
/// As [`business::usage`].
pub async fn own_usage_now(at: &impl Reach, caller: &Caller) -> Result<OwnUsageView, BusinessError> {
    business::usage(at, caller, this_month()).await
}

fn this_month() -> Month {
    Month::of(OffsetDateTime::now_utc())
}
