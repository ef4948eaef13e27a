//! The relay: events that wait in the outbox of a realm become jobs in the control database, for messages to people and
//! for webhooks, at least once each, and in the end once. Jobs are written before the event is marked; an event whose
//! jobs are written is known by its id. With the mark an event gets its position in the realm's log, which readers go by.
//!
//! A process feature. One process at a time relays a realm: it holds a lease whose fence is checked in the transaction
//! that writes the jobs. Start reading at [`relay`]; which realms have events is found by [`tenants_of`].

mod error;
mod store;

use sqlx::FromRow;
use std::collections::BTreeSet;

use uuid::Uuid;

pub use error::RelayError;

use crate::features::access::{self, rights};
use crate::features::iam::Realm;
use crate::features::jobs::{self, NewJob};
use crate::features::messages;
use crate::features::outbox::{self, Entry, Waiting};
use crate::features::subscribers::{self, Announcement};
use crate::features::webhooks;
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::infra::failpoint;
use crate::kernel::ids::is_turn_to_forget;
use crate::kernel::{Caller, TenantId};

/// Most events of one transaction.
const BATCH: i64 = 200;
/// Most transactions of one turn: then it is the turn of other realms.
const MOST_BATCHES: usize = 10;

/// How far a realm is relayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromRow)]
pub(in crate::features) struct Progress {
    pub(in crate::features) tenant_id: TenantId,
    /// Another each time that it is relayed.
    pub(in crate::features) fence: i64,
    /// Somebody is at it, or was a moment ago and has not said that they are done.
    pub(in crate::features) is_held: bool,
}

/// What a relay came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Relayed {
    /// So many events were relayed, and none waits.
    Events(usize),
    /// So many events were relayed, and more may wait.
    More(usize),
    /// Another process is at it.
    Busy,
}

/// Relays the events that wait in a realm, the oldest first, and not more than some thousand at a time.
///
/// # Errors
/// For all but who holds the platform's credentials; where the queue of the tenant is full: its events wait then; the
/// realm's and the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn relay(
    realm: &mut Realm,
    caller: &Caller,
    (owner, to): (Uuid, Announcement<'_>),
) -> Result<Relayed, RelayError> {
    access::authorize_machine(caller, &rights::RELAY)?;
    let tenant = realm.place().id;
    let mut fence = None;
    let (mut relayed, mut batches) = (0, 0);
    let ended = loop {
        let (events, numbering) = waiting(realm).await?;
        if events.is_empty() {
            break Relayed::Events(relayed);
        }
        if batches == MOST_BATCHES {
            break Relayed::More(relayed);
        }
        batches += 1;
        let held = match fence {
            Some(fence) => Some(fence),
            None => store::take(realm.control().await?, tenant, owner).await?,
        };
        let Some(held) = held else { break Relayed::Busy };
        fence = Some(held);
        failpoint::pass(|| "relay.lease.taken".to_owned()).await;
        match write_jobs(realm.control().await?, (tenant, held), &events, to).await {
            Ok(true) => {}
            // It took so long that another process took the realm over.
            Ok(false) => return Ok(Relayed::Busy),
            Err(error) => {
                store::release(realm.control().await?, tenant, held).await?;
                return Err(error);
            }
        }
        failpoint::pass(|| "relay.jobs.written".to_owned()).await;
        mark(realm, &events, numbering).await?;
        failpoint::pass(|| "relay.events.marked".to_owned()).await;
        relayed += events.len();
    };
    if let Some(fence) = fence {
        store::release(realm.control().await?, tenant, fence).await?;
    }
    Ok(ended)
}

/// Whether the rows of a realm are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Log,
    /// Its schema is of a version that has no log.
    None,
}

/// Events that are not marked.
async fn waiting(realm: &mut Realm) -> Result<(Vec<Waiting>, Numbering), DbError> {
    let mut tx = realm.anonymous_tx().await?;
    outbox::bound(&mut tx).await?;
    let events = match outbox::waiting(&mut tx, BATCH).await {
        // 42P01: the realm's schema is of a version that has no outbox.
        Err(error) if error.state() == Some("42P01") => (Vec::new(), Numbering::None),
        // 42703: it has one without a log.
        Err(error) if error.state() == Some("42703") => {
            tx.rollback().await?;
            let mut tx = realm.anonymous_tx().await?;
            outbox::bound(&mut tx).await?;
            let events = outbox::waiting_unnumbered(&mut tx, BATCH).await?;
            tx.rollback().await?;
            return Ok((events, Numbering::None));
        }
        events => (events?, Numbering::Log),
    };
    tx.rollback().await?;
    Ok(events)
}

/// Writes the jobs of the events that have none, in one transaction; `false` where the lease is lost.
async fn write_jobs(
    control: &mut PgConnection,
    (tenant, fence): (TenantId, i64),
    events: &[Waiting],
    to: Announcement<'_>,
) -> Result<bool, RelayError> {
    let of_messages = events.iter().filter(|event| messages::is_asked_by(&event.kind));
    let entries: Vec<Entry> = of_messages.filter_map(|event| readable(tenant, event)).collect();
    let wanted: Vec<(Uuid, NewJob)> =
        entries.iter().filter_map(|entry| Some((entry.id, messages::job(tenant, entry)?))).collect();
    let mut tx = transaction(control).await?;
    if !store::hold(&mut tx, tenant, fence).await? {
        tx.rollback().await.map_err(DbError::from)?;
        return Ok(false);
    }
    let mut to_webhooks = webhooks::wanted(&mut tx, tenant, events).await?;
    let of_messages = wanted.iter().map(|(id, _)| *id);
    let ids: BTreeSet<Uuid> = of_messages.chain(to_webhooks.iter().map(|it| it.event)).collect();
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let new: BTreeSet<Uuid> = store::note(&mut tx, tenant, &ids).await?.into_iter().collect();
    let jobs: Vec<NewJob> = wanted.into_iter().filter(|(id, _)| new.contains(id)).map(|it| it.1).collect();
    jobs::enqueue(&mut tx, tenant, &jobs).await?;
    to_webhooks.retain(|it| new.contains(&it.event));
    webhooks::enqueue(&mut tx, tenant, &to_webhooks).await?;
    subscribers::announce(&mut tx, tenant, (to, events)).await?;
    if ids.iter().copied().any(is_turn_to_forget) {
        store::forget_old(&mut tx).await?;
    }
    failpoint::pass(|| "relay.commit.before".to_owned()).await;
    tx.commit().await.map_err(DbError::from)?;
    Ok(true)
}

/// An event that asks for nothing that can be read is said once, and passed over: others wait behind it.
fn readable(tenant: TenantId, event: &Waiting) -> Option<Entry> {
    let entry = event.entry();
    if entry.is_none() {
        tracing::warn!(%tenant, event = %event.id, "an event is passed over: its payload is too long, or cannot be read");
    }
    entry
}

/// Marks events as relayed, gives them their positions, and forgets those that were relayed a week ago.
async fn mark(realm: &mut Realm, events: &[Waiting], numbering: Numbering) -> Result<(), DbError> {
    let ids: Vec<Uuid> = events.iter().map(|event| event.id).collect();
    let mut tx = realm.anonymous_tx().await?;
    outbox::bound(&mut tx).await?;
    match numbering {
        Numbering::Log => outbox::number(&mut tx, &ids).await?,
        Numbering::None => outbox::mark_handed_over(&mut tx, &ids).await?,
    }
    failpoint::pass(|| "relay.mark.before".to_owned()).await;
    if numbering == Numbering::Log && ids.iter().copied().any(is_turn_to_forget) {
        outbox::forget_published(&mut tx).await?;
    }
    Ok(tx.commit().await?)
}

/// How far realms are relayed, of those that ever were: whoever reads their logs looks where that changes.
pub(in crate::features) async fn progress(
    control: &mut PgConnection,
    realms: &[TenantId],
) -> Result<Vec<Progress>, DbError> {
    store::progress(control, realms).await
}

/// The active tenants of these databases of a server.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn tenants_of(
    control: &mut PgConnection,
    caller: &Caller,
    (cluster, databases): (&str, &[String]),
) -> Result<Vec<TenantId>, RelayError> {
    access::authorize_machine(caller, &rights::RELAY)?;
    Ok(store::tenants_of(control, cluster, databases).await?)
}
