//! From events to jobs: what the relay asks and writes in its transaction.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;
use uuid::Uuid;

use super::error::WebhookError;
use super::model::{DELIVER, MOST_WAITING, MOST_WAITING_UNPROVED, TOO_MANY_WAIT};
use super::pattern::{EventPattern, is_sendable};
use super::room;
use super::store::{self, NewDelivery};
use crate::features::jobs::{self, JobError, NewJob, Priority};
use crate::features::outbox::Waiting;
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::ids::is_turn_to_forget;
use crate::kernel::{TenantId, WebhookId};

/// Most deliveries of one statement.
const BATCH: usize = 500;
/// Where so many are written, some are forgotten each time.
const MANY: usize = 128;

/// What a job is about.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Payload {
    pub(super) webhook: WebhookId,
    pub(super) event: Uuid,
}

impl Payload {
    /// The same event is in the queue once for each webhook.
    pub(super) fn key(self) -> String {
        format!("{}:{}:{}", DELIVER.name, self.webhook, self.event)
    }

    pub(super) fn job(self) -> NewJob {
        NewJob::new(&DELIVER, &self).once(self.key())
    }

    /// What is for a webhook that took nothing yet, or failed last, comes after what is for others: those that do not
    /// answer keep nobody waiting.
    fn job_of(self, is_healthy: bool) -> NewJob {
        if is_healthy { self.job() } else { self.job().with_priority(Priority::Low) }
    }
}

/// An event that a webhook is to be sent.
#[derive(Debug, Clone)]
pub(in crate::features) struct Wanted {
    webhook: WebhookId,
    pub(in crate::features) event: Uuid,
    kind: String,
    at: OffsetDateTime,
    is_healthy: bool,
}

impl Wanted {
    fn row(&self) -> NewDelivery<'_> {
        NewDelivery { webhook: self.webhook, event: self.event, kind: &self.kind, at: self.at }
    }
}

/// Which of these events are sent to which webhooks of a tenant.
pub(in crate::features) async fn wanted(
    control: &mut PgConnection,
    tenant: TenantId,
    events: &[Waiting],
) -> Result<Vec<Wanted>, DbError> {
    // Most batches are messages to people alone.
    if tenant == TenantId::PLATFORM || !events.iter().any(|event| is_sendable(&event.kind)) {
        return Ok(Vec::new());
    }
    let mut found = Vec::new();
    for webhook in store::active(control, tenant).await? {
        found.extend(of((webhook.id, webhook.is_healthy), &patterns(&webhook.events), events));
    }
    Ok(found)
}

/// Those that were written to the control database: what cannot be read matches nothing.
pub(super) fn patterns(texts: &[String]) -> Vec<EventPattern> {
    texts.iter().filter_map(|text| text.parse().ok()).collect()
}

/// Which of these events one webhook is sent.
pub(super) fn of(
    (webhook, is_healthy): (WebhookId, bool),
    patterns: &[EventPattern],
    events: &[Waiting],
) -> Vec<Wanted> {
    let is_wanted = |event: &&Waiting| patterns.iter().any(|pattern| pattern.matches(&event.kind));
    let wanted = |event: &Waiting| {
        let (kind, at) = (event.kind.clone(), event.at);
        Wanted { webhook, event: event.id, kind, at, is_healthy }
    };
    events.iter().filter(is_wanted).map(wanted).collect()
}

/// Writes the deliveries and jobs of these; what is written already is left as it is. How many are new. Those for which
/// there is no room have failed, and can be replayed: nothing else waits for them.
pub(in crate::features) async fn enqueue(
    control: &mut PgConnection,
    tenant: TenantId,
    wanted: &[Wanted],
) -> Result<usize, WebhookError> {
    if wanted.is_empty() {
        return Ok(0);
    }
    let waiting = room::count_waiting(control, tenant, MOST_WAITING).await?;
    let (fit, missed) = by_room(wanted, waiting);
    // First: whoever records an attempt locks the webhook before the delivery, too.
    note_missed(control, tenant, missed.iter().map(|it| it.webhook)).await?;
    for batch in missed.chunks(BATCH) {
        let rows: Vec<NewDelivery<'_>> = batch.iter().map(Wanted::row).collect();
        room::put_failed(control, tenant, (&rows, TOO_MANY_WAIT)).await?;
    }
    let mut count = 0;
    for batch in fit.chunks(BATCH) {
        let (new, jobs) = put_waiting(control, tenant, (batch, false)).await?;
        match jobs::ensure(control, tenant, &jobs).await {
            Ok(()) => count += new.len(),
            Err(JobError::QueueFull { .. }) => {
                note_missed(control, tenant, new.iter().map(|it| it.0)).await?;
                room::fail_all(control, (&new, TOO_MANY_WAIT)).await?;
            }
            Err(error) => return Err(error.into()),
        }
    }
    forget(control, wanted.len()).await?;
    Ok(count)
}

/// Those for which there is room, and those for which there is none, where so many wait already.
fn by_room(wanted: &[Wanted], mut waiting: i64) -> (Vec<Wanted>, Vec<Wanted>) {
    wanted.iter().cloned().partition(|it| {
        let has_room = waiting < if it.is_healthy { MOST_WAITING } else { MOST_WAITING_UNPROVED };
        waiting += i64::from(has_room);
        has_room
    })
}

async fn note_missed(
    control: &mut PgConnection,
    tenant: TenantId,
    webhooks: impl Iterator<Item = WebhookId>,
) -> Result<(), DbError> {
    let webhooks: Vec<Uuid> = webhooks.map(WebhookId::uuid).collect::<BTreeSet<_>>().into_iter().collect();
    if webhooks.is_empty() {
        return Ok(());
    }
    tracing::warn!(%tenant, webhooks = webhooks.len(), "events are not sent to webhooks: {TOO_MANY_WAIT}");
    room::note_missed(control, &webhooks).await
}

/// Writes the deliveries and jobs of these, also of those that failed. How many are sent.
pub(super) async fn put_again(
    control: &mut PgConnection,
    tenant: TenantId,
    wanted: &[Wanted],
) -> Result<usize, WebhookError> {
    let more = i64::try_from(wanted.len()).unwrap_or(i64::MAX);
    if room::count_waiting(control, tenant, MOST_WAITING).await?.saturating_add(more) > MOST_WAITING {
        return Err(JobError::QueueFull { tenant, limit: MOST_WAITING }.into());
    }
    let mut count = 0;
    for batch in wanted.chunks(BATCH) {
        let (new, jobs) = put_waiting(control, tenant, (batch, true)).await?;
        jobs::ensure(control, tenant, &jobs).await?;
        count += new.len();
    }
    forget(control, wanted.len()).await?;
    Ok(count)
}

/// Writes deliveries; gives those that wait from here on, and their jobs.
async fn put_waiting(
    control: &mut PgConnection,
    tenant: TenantId,
    (batch, again): (&[Wanted], bool),
) -> Result<(Vec<(WebhookId, Uuid)>, Vec<NewJob>), WebhookError> {
    let rows: Vec<NewDelivery<'_>> = batch.iter().map(Wanted::row).collect();
    let new = store::put_waiting(control, tenant, (&rows, again)).await?;
    let healthy: BTreeSet<WebhookId> = batch.iter().filter(|it| it.is_healthy).map(|it| it.webhook).collect();
    let payloads = new.iter().map(|(webhook, event)| Payload { webhook: *webhook, event: *event });
    let jobs = payloads.map(|it| it.job_of(healthy.contains(&it.webhook))).collect();
    Ok((new, jobs))
}

/// Forgets some of the oldest: on average twice as many as were written, whatever events tenants have.
async fn forget(control: &mut PgConnection, written: usize) -> Result<(), DbError> {
    let most = match written {
        0 => return Ok(()),
        MANY.. => written * 2,
        // Once in 128 times.
        _ if is_turn_to_forget(Uuid::now_v7()) => (written * 2 * MANY).max(BATCH),
        _ => return Ok(()),
    };
    store::forget_old(control, most).await
}

/// Forgets what there is of a tenant, in the transaction that erases its secrets.
pub(in crate::features) async fn forget_tenant(
    control: &mut PgConnection,
    tenant: TenantId,
) -> Result<(), DbError> {
    store::forget_tenant(control, tenant).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn webhooks_that_fail_have_half_of_the_room_and_those_that_answer_all_of_it() {
        let wanted = |is_healthy| Wanted {
            webhook: WebhookId::new(),
            event: Uuid::now_v7(),
            kind: "order.shipped".to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            is_healthy,
        };
        let fit = |wanted: &[Wanted], waiting| by_room(wanted, waiting).0.len();
        let (good, bad) = (vec![wanted(true); 3], vec![wanted(false); 3]);
        assert_eq!((fit(&bad, MOST_WAITING_UNPROVED - 2), fit(&good, MOST_WAITING_UNPROVED - 2)), (2, 3));
        assert_eq!((fit(&bad, MOST_WAITING - 1), fit(&good, MOST_WAITING - 1)), (0, 1));
    }
}
