//! Sending again: one event, or all that were missed.

use serde::Serialize;
use serde_json::json;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use super::change::{Noted, end, end_in_realm, lock};
use super::deliveries::WebhookDelivery;
use super::enqueue::{self, Payload};
use super::error::WebhookError;
use super::model::WebhookState;
use super::read::authorize;
use super::store;
use crate::features::iam::{IamError, Realm};
use crate::features::jobs;
use crate::features::outbox;
use crate::infra::db::transaction;
use crate::kernel::{Caller, Expected, WebhookId};

/// How long events are kept after they were relayed.
const KEPT_DAYS: i64 = 7;
/// Events that are read at a time.
const BATCH: i64 = 500;
/// How far the clocks of the realm's server and of the control database's may be apart.
const CLOCKS: Duration = Duration::minutes(5);
/// Most events that one call has sent again.
const MOST_REPLAYED: usize = 10_000;

/// What a replay came to.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Replayed {
    #[schema(value_type = Uuid)]
    pub webhook_id: WebhookId,
    /// Since when events are sent again.
    #[serde(with = "time::serde::rfc3339")]
    pub since: OffsetDateTime,
    /// Whether some that were missed are not kept any more.
    pub incomplete: bool,
    /// How many events are sent.
    pub events: usize,
    /// Whether there are more: the same call has them sent, too.
    pub more: bool,
}

/// Has an event sent again, whatever came of it, with the same `webhook-id` and all of its attempts before it.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`], [`WebhookError::NoDelivery`], [`WebhookError::Disabled`],
/// [`WebhookError::EventExpired`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn redeliver(
    realm: &mut Realm,
    caller: &Caller,
    (webhook, id): (WebhookId, Uuid),
) -> Result<WebhookDelivery, WebhookError> {
    let tenant = realm.place().id;
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let control = work.control().await?;
    let missing = || WebhookError::NoDelivery { id, webhook, at: at.hinted() };
    let found = super::read::find(control, at, webhook).await?;
    let event = store::delivery(control, (webhook, id)).await?.ok_or_else(missing)?.event_id;
    if found.state == WebhookState::Disabled {
        return Err(WebhookError::Disabled { id: webhook, at: at.hinted() });
    }
    let kept = outbox::event(work.session(), event, 0).await.map_err(IamError::of_rows)?;
    if kept.is_none() {
        return Err(WebhookError::EventExpired { event });
    }
    let mut tx = transaction(work.control().await?).await?;
    lock(&mut tx, (at, webhook), &Expected::Any).await?;
    let after = store::send_again(&mut tx, id).await?;
    let payload = Payload { webhook, event };
    jobs::ensure(&mut tx, tenant, &[payload.job()]).await?;
    let detail = json!({ "webhook": webhook, "delivery": id, "event": event });
    let noted = Noted { tenant, action: "webhook.redeliver", detail };
    end(tx, (&proof, is_dry_run), &noted).await?;
    end_in_realm(work, noted).await?;
    Ok(after)
}

/// Has all events sent again that a webhook wants and has not taken: since a moment, or, without one, since it began to
/// miss some. What it took is not sent twice.
///
/// # Errors
/// Without `webhook:update`; [`WebhookError::NotFound`], [`WebhookError::Disabled`], [`WebhookError::MissedNothing`],
/// [`WebhookError::Expired`]; where the tenant's queue is full: what is written by then is sent.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn replay(
    realm: &mut Realm,
    caller: &Caller,
    (id, since): (WebhookId, Option<OffsetDateTime>),
) -> Result<Replayed, WebhookError> {
    let tenant = realm.place().id;
    let mut work = realm.change(caller).await?;
    let at = authorize(&mut work, "webhook:update")?;
    let (is_dry_run, proof) = (work.is_dry_run(), work.proof());
    let mut tx = transaction(work.control().await?).await?;
    let found = lock(&mut tx, (at, id), &Expected::Any).await?;
    if found.state == WebhookState::Disabled {
        return Err(WebhookError::Disabled { id, at: at.hinted() });
    }
    let missed = found.missed_since.map(|moment| moment - CLOCKS);
    let nothing = || WebhookError::MissedNothing { id, at: at.hinted() };
    let wanted = since.or(missed).ok_or_else(nothing)?;
    let (start, incomplete) = store::since_kept(&mut tx, wanted, KEPT_DAYS).await?;
    if incomplete && let Some(since) = since {
        return Err(WebhookError::Expired { days: KEPT_DAYS, since });
    }
    let detail = json!({ "webhook": id, "since": start.unix_timestamp() });
    let noted = Noted { tenant, action: "webhook.replay", detail };
    // What is about to be done, before the first of it is.
    end(tx, (&proof, is_dry_run), &noted).await?;
    let patterns = enqueue::patterns(&found.events);
    let (mut after, mut events, mut more) = (Uuid::nil(), 0, true);
    while more && events < MOST_REPLAYED {
        let batch = outbox::since(work.session(), (start, after), BATCH).await.map_err(IamError::of_rows)?;
        more = i64::try_from(batch.len()).is_ok_and(|rows| rows == BATCH);
        let Some(last) = batch.last() else { break };
        after = last.id;
        let wanted = enqueue::of((id, false), &patterns, &batch);
        let mut tx = transaction(work.control().await?).await?;
        // The webhook before its deliveries: whoever records an attempt locks them in this order, too.
        lock(&mut tx, (at, id), &Expected::Any).await?;
        events += enqueue::put_again(&mut tx, tenant, &wanted).await?;
        if !more {
            store::note_replay(&mut tx, id).await?;
        }
        if is_dry_run { tx.rollback().await? } else { tx.commit().await? }
    }
    end_in_realm(work, noted).await?;
    Ok(Replayed { webhook_id: id, since: start, incomplete, events, more })
}
