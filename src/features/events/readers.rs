//! Following events as they come: of each realm that somebody follows one reader looks at the log, however many follow
//! it, and holds a session only while it does.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::sync::{Notify, broadcast};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::error::EventError;
use super::filter::EventFilter;
use super::model::EventView;
use super::service::{EventPage, EventQuery, page};
use crate::features::iam::Realm;
use crate::features::outbox;
use crate::features::relay;
use crate::infra::db::{DbError, LeaseSource};
use crate::kernel::{AnyFailure, Caller, TenantId};

/// How often the control database is asked which realms were relayed, by other processes: all in one statement.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// A realm is looked at in any case after this time.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// When a realm is looked at again that did not answer.
const AFTER_FAILURE: Duration = Duration::from_secs(1);
/// Events that are read at once.
const WINDOW: i64 = 50;
/// How many times as many a follower may be behind before it reads the log by itself. Long events are kept in memory
/// for the slowest.
const BEHIND: usize = 8;

/// Events that follow one another.
pub type EventBatch = Arc<[EventView]>;

/// Opens a realm; none where its tenant is not in use.
type OpenRealm = dyn Fn(TenantId) -> BoxFuture<'static, Result<Option<Realm>, AnyFailure>> + Send + Sync;
/// Waits until realms were relayed by this process, and says which.
type Relayed = dyn Fn() -> BoxFuture<'static, BTreeSet<TenantId>> + Send + Sync;

/// What readers work with.
pub(crate) struct ReaderSources {
    pub(crate) realm: Box<OpenRealm>,
    /// Draws a session in the control database.
    pub(crate) control: LeaseSource,
    pub(crate) relayed: Box<Relayed>,
}

/// The realms whose events somebody follows. Cheap to clone.
#[derive(Clone)]
pub struct Readers(Arc<Shared>);

struct Shared {
    sources: ReaderSources,
    followed: Mutex<Followed>,
}

#[derive(Default)]
struct Followed {
    realms: HashMap<TenantId, Arc<Log>>,
    /// Somebody looks which were relayed.
    is_watched: bool,
}

/// The log of a realm, as far as it was read here.
struct Log {
    realm: TenantId,
    news: broadcast::Sender<EventBatch>,
    reached: Mutex<i64>,
    wake: Notify,
    ended: CancellationToken,
}

/// Somebody who follows a realm's events.
#[derive(Debug)]
pub struct Subscription {
    /// What is new; lagging behind, one reads the log.
    pub updates: broadcast::Receiver<EventBatch>,
    /// Which events are told.
    pub filter: EventFilter,
    /// The position of the last event that was told, or passed over.
    pub seen: i64,
    /// Up to here the log has to be read before what is new can follow.
    behind: i64,
    /// Who may do what was changed.
    rights_changed: bool,
}

impl Readers {
    /// With what they work with.
    #[must_use]
    pub(crate) fn new(sources: ReaderSources) -> Self {
        Self(Arc::new(Shared { sources, followed: Mutex::default() }))
    }

    /// Follows a realm's events from somewhere in its log. With the first page of what there is already.
    ///
    /// # Errors
    /// As [`page`].
    #[tracing::instrument(level = "debug", skip_all)]
    pub async fn follow(
        &self,
        realm: &mut Realm,
        caller: &Caller,
        query: &EventQuery,
    ) -> Result<(Vec<EventView>, Subscription), EventError> {
        let first = page(realm, caller, query).await?;
        let (updates, reached) = self.subscribe(realm.place().id, first.newest);
        let behind = first.newest.max(reached);
        let EventPage { events, reached: seen, filter, .. } = first;
        Ok((events, Subscription { updates, filter, seen, behind, rights_changed: false }))
    }

    /// What is new from here on; and up to where the log was read before.
    fn subscribe(&self, realm: TenantId, newest: i64) -> (broadcast::Receiver<EventBatch>, i64) {
        let mut followed = self.0.followed();
        let log = followed.realms.entry(realm).or_insert_with(|| {
            let log = Arc::new(Log {
                realm,
                news: broadcast::channel(BEHIND).0,
                reached: Mutex::new(newest),
                wake: Notify::new(),
                ended: CancellationToken::new(),
            });
            // Something may have come since the caller looked.
            log.wake.notify_one();
            tokio::spawn(read(Arc::clone(&self.0), Arc::clone(&log)));
            log
        });
        let reached = log.reached();
        let subscribed = (log.news.subscribe(), *reached);
        drop(reached);
        if !std::mem::replace(&mut followed.is_watched, true) {
            tokio::spawn(watch(Arc::clone(&self.0)));
        }
        subscribed
    }
}

impl Subscription {
    /// Whether the log has to be read: from [`Subscription::seen`] on.
    #[must_use]
    pub fn must_read(&self) -> bool {
        self.rights_changed || self.seen < self.behind
    }

    /// Takes over what was read of the log; gives what is to be told.
    pub fn caught_up(&mut self, page: EventPage) -> Vec<EventView> {
        (self.seen, self.filter, self.rights_changed) = (page.reached, page.filter, false);
        self.behind = self.behind.max(page.newest);
        page.events
    }

    /// Takes what is new; gives what is to be told. Where events are missing in between, nothing: the log has to be read.
    pub fn take(&mut self, news: &EventBatch) -> Vec<EventView> {
        let mut told = Vec::new();
        for event in news.iter() {
            if event.position <= self.seen {
                continue;
            }
            if event.position != self.seen + 1 {
                self.lagged();
                break;
            }
            self.seen = event.position;
            // The filter is that of a moment ago.
            self.rights_changed |= ["role.", "group."].iter().any(|own| event.kind.starts_with(own));
            if self.filter.matches(&event.kind, &event.key) {
                told.push(event.clone());
            }
        }
        told
    }

    /// Whether some of what is new is to be told.
    #[must_use]
    pub fn has_some(&self, news: &EventBatch) -> bool {
        news.iter().any(|event| event.position > self.seen && self.filter.matches(&event.kind, &event.key))
    }

    /// What was taken after a position is not told: it has to be read again, with the rights of then.
    pub fn go_back(&mut self, seen: i64) {
        self.seen = self.seen.min(seen);
        self.lagged();
    }

    /// There was more than is kept for those who are behind.
    pub fn lagged(&mut self) {
        self.behind = self.behind.max(self.seen + 1);
    }
}

impl Shared {
    fn followed(&self) -> MutexGuard<'_, Followed> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The realms that somebody still follows; the readers of others end.
    fn realms(&self) -> Vec<TenantId> {
        let mut followed = self.followed();
        followed.realms.retain(|_, log| {
            let is_followed = log.news.receiver_count() > 0;
            if !is_followed {
                log.ended.cancel();
            }
            is_followed
        });
        followed.is_watched = !followed.realms.is_empty();
        followed.realms.keys().copied().collect()
    }

    fn wake(&self, realm: TenantId) {
        if let Some(log) = self.followed().realms.get(&realm) {
            log.wake.notify_one();
        }
    }

    /// Nobody is told anything more of a realm: whoever follows it ends.
    fn end(&self, log: &Arc<Log>) {
        let mut followed = self.followed();
        if followed.realms.get(&log.realm).is_some_and(|other| Arc::ptr_eq(other, log)) {
            followed.realms.remove(&log.realm);
        }
    }

    async fn progress(&self, realms: &[TenantId]) -> Result<Vec<relay::Progress>, EventError> {
        let mut control = (self.sources.control)().await?;
        Ok(relay::progress(&mut control, realms).await?)
    }
}

impl Log {
    fn reached(&self) -> MutexGuard<'_, i64> {
        self.reached.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads what is new; whether the realm can be read on.
    async fn look(&self, sources: &ReaderSources) -> Result<bool, AnyFailure> {
        let Some(mut realm) = (sources.realm)(self.realm).await? else { return Ok(false) };
        loop {
            let reached = *self.reached();
            let mut tx = realm.anonymous_tx().await?;
            let ends = outbox::log_ends(&mut tx).await?;
            // The realm was restored from a backup: positions are given anew.
            if ends.newest < reached {
                return Ok(false);
            }
            if ends.newest == reached {
                return Ok(true);
            }
            let rows = outbox::log_after(&mut tx, reached, WINDOW).await?;
            tx.rollback().await.map_err(DbError::from)?;
            let news: Vec<EventView> = rows.into_iter().map(EventView::from).collect();
            let Some(last) = news.last().map(|event| event.position) else { return Ok(false) };
            // Whoever subscribes is told where the log was read to, and all that follows.
            let mut now = self.reached();
            let _ = self.news.send(news.into());
            *now = last;
        }
    }
}

/// Ends a log with its reader, also where that ends by a bug: otherwise whoever follows it waits for ever.
struct Reader {
    shared: Arc<Shared>,
    log: Arc<Log>,
}

impl Drop for Reader {
    fn drop(&mut self) {
        self.shared.end(&self.log);
    }
}

/// Reads a realm's log whenever there may be something new, until nobody follows it.
async fn read(shared: Arc<Shared>, log: Arc<Log>) {
    let reader = Reader { shared, log };
    let Reader { shared, log } = &reader;
    loop {
        tokio::select! {
            _ = timeout(LONGEST_PAUSE, log.wake.notified()) => {}
            () = log.ended.cancelled() => return,
        }
        match log.look(&shared.sources).await {
            Ok(true) => {}
            Ok(false) => return,
            Err(failure) => {
                tracing::debug!(realm = %log.realm, %failure, "a log could not be read");
                log.wake.notify_one();
                sleep(AFTER_FAILURE).await;
            }
        }
    }
}

/// Wakes the readers of realms that were relayed, until nobody follows any.
async fn watch(shared: Arc<Shared>) {
    let mut known: HashMap<TenantId, relay::Progress> = HashMap::new();
    let mut polls = interval(POLL_INTERVAL);
    polls.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            realms = (shared.sources.relayed)() => realms.into_iter().for_each(|realm| shared.wake(realm)),
            _ = polls.tick() => {
                let realms = shared.realms();
                if realms.is_empty() {
                    return;
                }
                match shared.progress(&realms).await {
                    Ok(found) => {
                        for now in found {
                            // Once more after it was last held: what was marked then is seen now.
                            let before = known.insert(now.tenant_id, now);
                            if now.is_held || before.is_none_or(|it| it.is_held || it.fence != now.fence) {
                                shared.wake(now.tenant_id);
                            }
                        }
                    }
                    Err(error) => tracing::debug!(%error, "cannot read which realms were relayed"),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use time::OffsetDateTime;
    use uuid::Uuid;

    use super::*;

    fn news(events: &[(i64, &str)]) -> EventBatch {
        let event = |&(position, kind): &(i64, &str)| EventView {
            position,
            id: Uuid::nil(),
            kind: kind.to_owned(),
            key: "k".to_owned(),
            at: OffsetDateTime::UNIX_EPOCH,
            actor: "app".to_owned(),
            payload: serde_json::value::RawValue::NULL.to_owned(),
        };
        events.iter().map(event).collect()
    }

    fn subscription(seen: i64) -> Subscription {
        let filter = EventFilter::everything();
        Subscription { updates: broadcast::channel(1).1, filter, seen, behind: seen, rights_changed: false }
    }

    fn positions(events: &[EventView]) -> Vec<i64> {
        events.iter().map(|event| event.position).collect()
    }

    #[test]
    fn what_was_told_is_not_told_again_and_what_is_missing_is_read() {
        let mut log = subscription(4);
        assert_eq!(positions(&log.take(&news(&[(3, "a.b"), (4, "a.b"), (5, "a.b"), (6, "mail.x")]))), [5]);
        assert!(!log.must_read() && log.seen == 6);
        assert_eq!(positions(&log.take(&news(&[(8, "a.b")]))), [0; 0]);
        assert!(log.must_read() && log.seen == 6);
        let page = |reached, newest| EventPage {
            events: news(&[(reached, "a.b")]).to_vec(),
            reached,
            newest,
            filter: EventFilter::everything(),
        };
        // There was more than one page.
        assert_eq!(positions(&log.caught_up(page(7, 9))), [7]);
        assert!(log.must_read());
        log.caught_up(page(9, 9));
        assert!(!log.must_read());
        log.lagged();
        assert!(log.must_read());
    }

    #[test]
    fn what_was_taken_and_not_told_is_read_again() {
        let mut log = subscription(4);
        let coming = news(&[(5, "a.b"), (6, "a.b")]);
        assert!(log.has_some(&coming));
        assert_eq!(positions(&log.take(&coming)), [5, 6]);
        assert!(!log.has_some(&coming) && !log.must_read());
        log.go_back(5);
        assert!(log.must_read() && log.seen == 5);
    }

    #[test]
    fn where_rights_were_changed_the_log_is_read_with_those_of_now() {
        let mut log = subscription(0);
        assert_eq!(positions(&log.take(&news(&[(1, "role.revoked"), (2, "a.b")]))), [1, 2]);
        assert!(log.must_read());
    }
}
