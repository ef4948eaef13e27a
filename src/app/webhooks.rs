//! Webhooks: what sends them, and how many are sent at once.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use time::OffsetDateTime;
use uuid::Uuid;

use super::App;
use crate::features::jobs::{ClaimedJob, JobEnd, with_jitter};
use crate::features::tenants::{self, TenantRef};
use crate::features::webhooks::{self, Planning, Written};
use crate::infra::db::LazyLease;
use crate::infra::outbound::{Outbound, Policy};
use crate::kernel::{AnyFailure, Caller, TenantId, WebhookId};
use crate::settings::Settings;

/// Events that a process sends at once to webhooks that have taken none yet, or failed last: of one tenant, so that one
/// that does not answer costs its own tenant's others no more than that; and of all, so that others have room among those
/// of the kind. To each of them one goes at a time.
const MOST_UNHEALTHY_OF_TENANT: usize = 2;
const MOST_UNHEALTHY: usize = 48;
/// When a job is looked at again for which there was no room: the later, the longer it has waited.
const NO_ROOM: Duration = Duration::from_secs(5);
const NO_ROOM_LONGEST: Duration = Duration::from_mins(1);
/// When those of a tenant that is not in use are looked at again.
const NOT_IN_USE: Duration = Duration::from_mins(5);

/// What sends to addresses that tenants choose.
pub(super) struct Sender {
    outbound: Outbound,
    limiter: Arc<DeliveryLimiter>,
}

impl Sender {
    pub(super) fn of(settings: &Settings) -> Self {
        Self { outbound: Outbound::new(Policy::new(&settings.outbound)), limiter: Arc::default() }
    }
}

/// Counts what is sent at once to webhooks that do not answer for sure. Of the others the limits of the kind count.
#[derive(Debug, Default)]
struct DeliveryLimiter(Mutex<BTreeSet<(TenantId, WebhookId)>>);

/// A permit to send one event, until it is dropped.
#[derive(Debug)]
struct DeliveryPermit {
    limiter: Arc<DeliveryLimiter>,
    webhook: (TenantId, WebhookId),
}

impl DeliveryLimiter {
    fn try_enter(self: &Arc<Self>, webhook: (TenantId, WebhookId)) -> Option<DeliveryPermit> {
        let mut taken = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_tenant = taken.iter().filter(|(tenant, _)| *tenant == webhook.0).count();
        let has_room = of_tenant < MOST_UNHEALTHY_OF_TENANT && taken.len() < MOST_UNHEALTHY;
        (has_room && taken.insert(webhook)).then(|| DeliveryPermit { limiter: Arc::clone(self), webhook })
    }
}

impl Drop for DeliveryPermit {
    fn drop(&mut self) {
        self.limiter.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.webhook);
    }
}

/// Half of the time that a job has waited, which its id tells.
fn no_room(job: &ClaimedJob, now: OffsetDateTime) -> Duration {
    let made = job.id.uuid().get_timestamp().map_or(0, |made| made.to_unix().0);
    let waited = u64::try_from(now.unix_timestamp()).unwrap_or_default().saturating_sub(made);
    let pause = Duration::from_secs(waited / 2).clamp(NO_ROOM, NO_ROOM_LONGEST);
    with_jitter(pause, Uuid::now_v7(), job.attempt)
}

impl App {
    /// What sends to addresses that tenants choose.
    #[must_use]
    pub fn outbound(&self) -> Outbound {
        self.shared().webhooks.outbound.clone()
    }

    /// Sends the event of a job to its webhook.
    ///
    /// # Errors
    /// When a server of ours does not answer.
    pub async fn deliver_webhook(&self, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        let mut control = LazyLease::new(self.control_source());
        let planned = match webhooks::plan(control.get().await?, &Caller::System, job).await? {
            Planning::Send(planned) => planned,
            Planning::Ended(end) => return Ok(end),
        };
        control.give_back();
        let Some(tenant) = self.tenant(&TenantRef::Id(job.tenant)).await? else {
            return self.not_in_use(job.tenant).await;
        };
        let limiter = &self.shared().webhooks.limiter;
        let permit = if planned.is_healthy() {
            None
        } else {
            let Some(permit) = limiter.try_enter((job.tenant, planned.webhook())) else {
                let why = "as many events are being sent to webhooks that fail as may be at once".to_owned();
                return Ok(JobEnd::Postpone { why, pause: no_room(job, OffsetDateTime::now_utc()) });
            };
            Some(permit)
        };
        let written = {
            let mut realm = self.realm(Some(&tenant)).await?;
            webhooks::write_planned(&mut realm, &Caller::System, planned).await?
        };
        let end = match written {
            Written::Message(message) => {
                let outbound = &self.shared().webhooks.outbound;
                webhooks::send_written(&mut control, &Caller::System, outbound, &message).await?
            }
            Written::Ended(end) => end,
        };
        drop(permit);
        Ok(end)
    }

    /// Publishes in the tenant's realm what a job says of a webhook.
    ///
    /// # Errors
    /// When a server of ours does not answer.
    pub async fn publish_webhook_event(&self, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        let Some(mut realm) = self.realm_of(job.tenant).await? else {
            return self.not_in_use(job.tenant).await;
        };
        let end = webhooks::publish(&mut realm, &Caller::System, job).await?;
        self.wake_relay(job.tenant);
        Ok(end)
    }

    /// What is about a tenant that is not in use waits; what is about one that is gone is forgotten.
    pub(super) async fn not_in_use(&self, id: TenantId) -> Result<JobEnd, AnyFailure> {
        let mut control = self.control().await?;
        let found = tenants::find(&mut control, &Caller::System, &TenantRef::Id(id)).await?;
        let Some(tenant) = found else { return Ok(JobEnd::Done) };
        Ok(match tenant.in_use() {
            Ok(_) => JobEnd::Postpone { why: "the tenant is not in use".to_owned(), pause: NOT_IN_USE },
            Err(_) => JobEnd::Done,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::JobId;

    #[test]
    fn to_a_webhook_that_fails_one_event_goes_at_a_time_and_two_of_a_tenant() {
        let (limiter, acme, birch) = (Arc::<DeliveryLimiter>::default(), TenantId::new(), TenantId::new());
        let dead = WebhookId::new();
        let first = limiter.try_enter((acme, dead)).unwrap();
        assert!(limiter.try_enter((acme, dead)).is_none());
        let second = limiter.try_enter((acme, WebhookId::new())).unwrap();
        assert!(limiter.try_enter((acme, WebhookId::new())).is_none());
        assert!(limiter.try_enter((birch, WebhookId::new())).is_some());
        drop((first, second));
        assert!(limiter.try_enter((acme, dead)).is_some());
    }

    #[test]
    fn those_of_all_tenants_leave_room_for_webhooks_that_answer() {
        let limiter = Arc::<DeliveryLimiter>::default();
        let dead: Vec<DeliveryPermit> =
            (0..99).filter_map(|_| limiter.try_enter((TenantId::new(), WebhookId::new()))).collect();
        assert_eq!(dead.len(), MOST_UNHEALTHY);
        assert!(webhooks::DELIVER.limits.at_once > MOST_UNHEALTHY);
    }

    #[test]
    fn the_pause_of_what_finds_no_room_grows_from_five_seconds_to_a_minute() {
        let job = ClaimedJob {
            id: JobId::new(),
            kind: webhooks::DELIVER.name.to_owned(),
            tenant: TenantId::new(),
            payload: serde_json::Value::Null,
            attempt: 1,
            fence: 1,
            asked_again: false,
        };
        for (waited, pause) in [(0, 5.0), (40, 20.0), (3600, 60.0)] {
            let now = OffsetDateTime::now_utc() + Duration::from_secs(waited);
            let found = no_room(&job, now).as_secs_f64();
            assert!((0.75..=1.25).contains(&(found / pause)), "after {waited} s: {found} s");
        }
    }
}
