//! Events that could not be handled: each has a job, and those of the same key wait for it.

use std::collections::BTreeSet;

use super::error::SubscriberError;
use super::model::{Event, Parking, RETRY, RetryPayload, Turn, key_of};
use super::store;
use crate::features::access::{self, rights};
use crate::features::iam::Realm;
use crate::features::jobs::{self, ClaimedJob, NewJob};
use crate::features::outbox;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::infra::failpoint;
use crate::kernel::{Caller, TenantId};

/// Most events of a subscriber that are parked in a realm. Then the others wait: what fails all the time is not the
/// fault of one event.
const MOST_PARKED: usize = 500;

/// A parked event whose job runs.
#[derive(Debug)]
pub(crate) struct Parked {
    payload: RetryPayload,
    tenant: TenantId,
    key: Option<String>,
}

/// The keys of which an event is parked.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn parked_keys(
    control: &mut PgConnection,
    caller: &Caller,
    turn: &Turn,
) -> Result<BTreeSet<String>, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let rows = store::parked(control, (turn.tenant, turn.subscriber.name)).await?;
    Ok(rows.into_iter().map(|row| row.key).collect())
}

/// Parks an event with a job of its own, and goes on after it, in one transaction.
///
/// # Errors
/// As [`parked_keys`]; where the tenant's queue is full.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn park(
    control: &mut PgConnection,
    caller: &Caller,
    (turn, event): (&Turn, &Event),
) -> Result<Parking, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let mut tx = transaction(control).await?;
    if !store::advance(&mut tx, turn, event.position).await? {
        tx.rollback().await.map_err(DbError::from)?;
        return Ok(Parking::Lost);
    }
    let of = (turn.tenant, turn.subscriber.name);
    if store::parked(&mut tx, of).await?.len() >= MOST_PARKED {
        tx.rollback().await.map_err(DbError::from)?;
        return Ok(Parking::Full);
    }
    store::park(&mut tx, of, event).await?;
    let payload = RetryPayload {
        subscriber: turn.subscriber.name.to_owned(),
        position: event.position,
        event: event.id,
    };
    let job = NewJob::new(&RETRY, &payload).once(payload.key(turn.tenant));
    jobs::ensure(&mut tx, turn.tenant, &[job]).await?;
    failpoint::pass(|| "subscriber.park.commit".to_owned()).await;
    tx.commit().await.map_err(DbError::from)?;
    Ok(Parking::Parked)
}

/// The event that a job is about, and whether others of its key are before it. Those count whose job goes on: one that a
/// person took out of the queue, or that failed for good, keeps nobody waiting.
///
/// # Errors
/// As [`parked_keys`].
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn is_behind(
    control: &mut PgConnection,
    caller: &Caller,
    (job, payload): (&ClaimedJob, RetryPayload),
) -> Result<(Parked, bool), SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let rows = store::parked(control, (job.tenant, &payload.subscriber)).await?;
    let key = rows.iter().find(|row| row.position == payload.position).map(|row| row.key.clone());
    let is_before =
        |row: &&store::ParkedRow| row.position < payload.position && Some(&row.key) == key.as_ref();
    let before: Vec<String> = rows
        .iter()
        .filter(is_before)
        .map(|row| key_of(job.tenant, &payload.subscriber, row.position))
        .collect();
    let is_behind = !before.is_empty() && !jobs::alive(control, &before).await?.is_empty();
    Ok((Parked { payload, tenant: job.tenant, key }, is_behind))
}

/// The event, as the realm's log has it; none where it is not kept any more.
///
/// # Errors
/// As [`parked_keys`]; the realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn parked_event(
    realm: &mut Realm,
    caller: &Caller,
    parked: &Parked,
) -> Result<Option<Event>, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let mut tx = realm.anonymous_tx().await?;
    outbox::bound(&mut tx).await?;
    let found = outbox::log_after(&mut tx, parked.payload.position - 1, 1).await?;
    tx.rollback().await.map_err(DbError::from)?;
    Ok(found.into_iter().map(Event::from).find(|event| event.id == parked.payload.event))
}

/// Ends the parking of an event, and of those of its key before it whose jobs ended otherwise; the next one of the key
/// runs.
///
/// # Errors
/// As [`parked_keys`].
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn unpark(
    control: &mut PgConnection,
    caller: &Caller,
    parked: &Parked,
) -> Result<(), SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let Some(key) = &parked.key else { return Ok(()) };
    let (of, position) = ((parked.tenant, parked.payload.subscriber.as_str()), parked.payload.position);
    let mut tx = transaction(control).await?;
    store::unpark(&mut tx, of, (key, position)).await?;
    let rows = store::parked(&mut tx, of).await?;
    if let Some(next) = rows.iter().find(|row| row.key == *key) {
        jobs::run_now(&mut tx, &[key_of(parked.tenant, of.1, next.position)]).await?;
    }
    tx.commit().await.map_err(DbError::from)?;
    Ok(())
}
