//! A subscription: who holds it, what follows, and how far it is.

use uuid::Uuid;

use super::error::SubscriberError;
use super::model::{Event, EventPage, Subscriber, Taken, Turn};
use super::store;
use crate::features::access::{self, rights};
use crate::features::iam::Realm;
use crate::features::jobs::{self, JobError};
use crate::features::outbox::{self, LogEnds};
use crate::infra::db::{DbError, PgConnection};
use crate::kernel::{Caller, TenantId};

/// Rows of the log that are read at once.
const WINDOW: i64 = 50;
/// Realms that are read at once.
const REALMS: i64 = 500;
/// Rows without a position that are looked at.
const NOT_NUMBERED: i64 = 200;

/// Has the events of a realm handed to a subscriber by a job.
///
/// # Errors
/// For all but who holds the platform's credentials; where the tenant's queue is full; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn submit(
    control: &mut PgConnection,
    caller: &Caller,
    (tenant, subscriber): (TenantId, &'static Subscriber),
) -> Result<(), SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    Ok(jobs::ensure(control, tenant, &[subscriber.job(tenant)]).await?)
}

/// Has the events of all realms handed to a subscriber by jobs: what told it of them was lost, perhaps. How many realms.
///
/// # Errors
/// As [`submit`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn submit_all(
    control: &mut PgConnection,
    caller: &Caller,
    subscriber: &'static Subscriber,
) -> Result<usize, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let mut realms = Vec::new();
    if store::is_known(control, (TenantId::PLATFORM, subscriber.name)).await? {
        realms.push(TenantId::PLATFORM);
    }
    let mut count = 0;
    loop {
        let after = realms.last().copied().unwrap_or(TenantId::PLATFORM);
        for realm in &realms {
            match jobs::ensure(control, *realm, &[subscriber.job(*realm)]).await {
                // Its next event is told of.
                Ok(()) | Err(JobError::QueueFull { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        count += realms.len();
        // The nil UUID, the platform's own realm, is before all others.
        realms = store::realms(control, (subscriber.name, after), REALMS).await?;
        if realms.is_empty() {
            return Ok(count);
        }
    }
}

/// Takes a subscription for half a minute, where no other process holds it.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn take(
    control: &mut PgConnection,
    caller: &Caller,
    (tenant, subscriber): (TenantId, &'static Subscriber),
    owner: Uuid,
) -> Result<Taken, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let of = (tenant, subscriber.name);
    if let Some((fence, first_event, position)) = store::take(control, of, owner).await? {
        return Ok(Taken::Turn(Turn { tenant, subscriber, fence, first_event, position }));
    }
    Ok(if store::is_known(control, of).await? { Taken::Busy } else { Taken::Nothing })
}

/// What follows in the realm's log.
///
/// # Errors
/// As [`take`]; the realm's.
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn next_page(
    realm: &mut Realm,
    caller: &Caller,
    turn: &mut Turn,
) -> Result<EventPage, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    let mut tx = realm.anonymous_tx().await?;
    outbox::bound(&mut tx).await?;
    let page = read(&mut tx, turn).await;
    let page = match page {
        // 42P01, 42703: the realm's schema is of a version that has no log.
        Err(error) if matches!(error.state(), Some("42P01" | "42703")) => EventPage::End,
        page => page?,
    };
    tx.rollback().await.map_err(DbError::from)?;
    Ok(page)
}

async fn read(realm: &mut PgConnection, turn: &mut Turn) -> Result<EventPage, DbError> {
    let ends = outbox::log_ends(realm).await?;
    let Some(position) = begin(realm, turn, ends).await? else { return Ok(EventPage::NotNumbered) };
    turn.position = Some(position);
    let rows = outbox::log_after(realm, position, WINDOW).await?;
    if let Some(last) = rows.last() {
        let (reached, wanted) =
            (last.position, rows.into_iter().filter(|row| turn.subscriber.wants(&row.kind)));
        return Ok(EventPage::Events(wanted.map(Event::from).collect(), reached));
    }
    let waiting = outbox::waiting(realm, NOT_NUMBERED).await?;
    let is_numbered = !waiting.iter().any(|event| turn.subscriber.wants(&event.kind));
    Ok(if is_numbered { EventPage::End } else { EventPage::NotNumbered })
}

/// After which position it goes on; none where its first event has no position yet.
async fn begin(
    realm: &mut PgConnection,
    turn: &Turn,
    LogEnds { oldest, newest }: LogEnds,
) -> Result<Option<i64>, DbError> {
    let (tenant, subscriber) = (turn.tenant, turn.subscriber.name);
    let Some(position) = turn.position else {
        return Ok(match outbox::position_of(realm, turn.first_event).await? {
            Some(Some(first)) => Some(first - 1),
            Some(None) => None,
            // It is not kept any more.
            None => Some(oldest - 1),
        });
    };
    if position > newest {
        tracing::warn!(%tenant, subscriber, "a database was restored from a backup: its events are read from now on");
        return Ok(Some(newest));
    }
    if position < oldest - 1 {
        let missed = oldest - 1 - position;
        tracing::warn!(%tenant, subscriber, missed, "events are not kept any more that were not handled");
        return Ok(Some(oldest - 1));
    }
    Ok(Some(position))
}

/// Records up to where events were handled, and holds the subscription for longer; whether it is still held.
///
/// # Errors
/// As [`take`].
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn record_position(
    control: &mut PgConnection,
    caller: &Caller,
    (turn, position): (&Turn, i64),
) -> Result<bool, SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    Ok(store::advance(control, turn, position).await?)
}

/// Gives a subscription back.
///
/// # Errors
/// As [`take`].
#[tracing::instrument(level = "debug", skip_all)]
pub(crate) async fn end_turn(
    control: &mut PgConnection,
    caller: &Caller,
    turn: &Turn,
) -> Result<(), SubscriberError> {
    access::authorize_machine(caller, &rights::HANDLE_EVENTS)?;
    Ok(store::release(control, turn).await?)
}
