//! Relays the events of realms: at once those that this process wrote, and those that others wrote once the realm's
//! database shows that it was written to.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::app::{App, EventCarrier, PUBLISHER, Repeated, Writings};
use crate::features::relay::Relayed;
use crate::features::subscribers::{Announcement, Subscriber};
use crate::kernel::{AnyFailure, TenantId};
use crate::worker::registry::Registry;

/// Realms that are relayed at once.
const AT_ONCE: usize = 4;
/// How often servers are asked which databases were written to; less often where asking takes more than a twentieth of
/// that time, as it does with thousands of databases.
const LOOK_INTERVAL: Duration = Duration::from_millis(100);
const LOOK_SHARE: u32 = 20;
/// How often the platform's own realm is looked into: its database is written to all the time, and only by processes that
/// say so.
const OWN_INTERVAL: Duration = Duration::from_secs(1);
/// How many looks in a second may find nothing, of all realms together: databases are written to for other reasons, too.
/// So many may be made at once after a pause.
const EMPTY_LOOKS: f64 = 25.0;
/// How long a realm waits for a look at most, however many others wait.
const LONGEST_WAIT: Duration = Duration::from_secs(5);
/// How long a realm that may have events waits for those that have some: then it is its turn before what came later.
const LONGEST_BEHIND: Duration = Duration::from_millis(250);
/// When a realm is tried again that another process is at.
const AFTER_BUSY: Duration = Duration::from_millis(250);
/// When a realm is tried again that failed: after twice as long each time.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const LONGEST_AFTER_FAILURE: Duration = Duration::from_mins(1);

static FAILED: LazyLock<Repeated> =
    LazyLock::new(|| Repeated::new("events are not relayed", Duration::from_mins(1)));

/// Relays events until it is told to stop.
pub async fn run(app: App, registry: Registry, stop: CancellationToken) {
    let (found, mut written) = mpsc::channel::<Vec<TenantId>>(1);
    let _looking = AbortOnDropHandle::new(tokio::spawn(look(app.clone(), found)));
    let (owner, mut turns) = (Uuid::now_v7(), Turns::new(Instant::now()));
    let recipients = Arc::new(Recipients::of(&app, &registry));
    let (mut tasks, mut under_way) = (JoinSet::<Ended>::new(), HashMap::<Id, TenantId>::new());
    while !stop.is_cancelled() {
        while tasks.len() < AT_ONCE
            && let Some(realm) = turns.begin(Instant::now())
        {
            let (app, recipients) = (app.clone(), Arc::clone(&recipients));
            let task =
                tasks.spawn(async move { relay_one(&app, realm, owner, recipients.announcement()).await });
            under_way.insert(task.id(), realm);
        }
        let next = turns.next().filter(|_| tasks.len() < AT_ONCE);
        tokio::select! {
            woken = app.woken_realms() => for realm in woken { turns.woken(realm, Instant::now()) },
            Some(realms) = written.recv() => for realm in realms { turns.written(realm, Instant::now()) },
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => {
                let (id, ended) = match ended {
                    Ok(ended) => ended,
                    Err(error) => (error.id(), Ended::Failed),
                };
                if let Some(realm) = under_way.remove(&id) {
                    turns.ended(realm, ended, Instant::now());
                }
            }
            () = sleep_until(next) => {}
            () = stop.cancelled() => {}
        }
    }
    // Transactions that are under way are few and short.
    while tasks.join_next().await.is_some() {}
}

/// Who is told of events, and who by a job: all where PostgreSQL alone carries events; else what publishes them, which
/// the others hear of them by.
struct Recipients {
    all: Vec<&'static Subscriber>,
    by_job: Vec<&'static Subscriber>,
}

impl Recipients {
    fn of(app: &App, registry: &Registry) -> Self {
        let mut all = registry.subscribers();
        match app.event_carrier() {
            EventCarrier::Postgres => Self { by_job: all.clone(), all },
            EventCarrier::Nats { .. } => {
                all.push(&PUBLISHER);
                Self { all, by_job: vec![&PUBLISHER] }
            }
        }
    }

    fn announcement(&self) -> Announcement<'_> {
        Announcement { all: &self.all, by_job: &self.by_job }
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Looks for realms that others wrote to, and at the platform's own, whose database is written to all the time.
async fn look(app: App, found: mpsc::Sender<Vec<TenantId>>) {
    let (mut writings, mut own) = (Writings::of(&app), None::<Instant>);
    loop {
        let began = Instant::now();
        let mut realms = writings.look().await;
        let took = began.elapsed();
        if own.is_none_or(|at| at.elapsed() >= OWN_INTERVAL) {
            realms.push(TenantId::PLATFORM);
            own = Some(began);
        }
        if found.send(realms).await.is_err() {
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL.max(took * LOOK_SHARE)).await;
    }
}

async fn relay_one(app: &App, realm: TenantId, owner: Uuid, to: Announcement<'_>) -> Ended {
    let relayed: Result<Relayed, AnyFailure> = app.relay(realm, owner, to).await;
    match relayed {
        Ok(Relayed::Events(0)) => Ended::Nothing,
        Ok(Relayed::Events(_)) => {
            app.wake_workers();
            app.wake_readers(realm);
            Ended::Relayed
        }
        Ok(Relayed::More(_)) => {
            app.wake_workers();
            app.wake_readers(realm);
            Ended::More
        }
        Ok(Relayed::Busy) => Ended::Busy,
        Err(failure) => {
            let code = failure.get().code();
            if FAILED.is_new(code, failure.to_string()) {
                tracing::warn!(%realm, code, "events are not relayed for now: {failure}");
            }
            Ended::Failed
        }
    }
}

/// What came of a realm's turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    Relayed,
    /// More events wait there.
    More,
    Nothing,
    /// Another process is at it, or was, and died.
    Busy,
    Failed,
}

/// When each realm's turn is.
#[derive(Debug)]
struct Turns {
    realms: HashMap<TenantId, Turn>,
    /// Looks that may find nothing now.
    looks: f64,
    /// When that was counted.
    counted: Instant,
}

#[derive(Debug, Default)]
struct Turn {
    /// When it is relayed next.
    due: Option<Due>,
    under_way: bool,
    /// In a row.
    failures: u32,
    /// After a failure nothing is tried before.
    not_before: Option<Instant>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Due {
    at: Instant,
    /// Whether it is only known that something was written there.
    is_guess: bool,
}

impl Turns {
    fn new(now: Instant) -> Self {
        Self { realms: HashMap::new(), looks: EMPTY_LOOKS, counted: now }
    }

    fn due(&mut self, realm: TenantId, due: Due) {
        let turn = self.realms.entry(realm).or_default();
        turn.due = Some(match turn.due {
            Some(known) => Due { at: known.at.min(due.at), is_guess: known.is_guess && due.is_guess },
            None => due,
        });
    }

    /// Events were written there. After a failure that hastens nothing.
    fn woken(&mut self, realm: TenantId, now: Instant) {
        let failed = self.realms.get(&realm).filter(|turn| turn.failures > 0);
        let not_before = failed.and_then(|turn| turn.not_before);
        self.due(realm, Due { at: not_before.map_or(now, |at| at.max(now)), is_guess: false });
    }

    /// Somebody wrote something there.
    fn written(&mut self, realm: TenantId, now: Instant) {
        let not_before = self.realms.get(&realm).and_then(|turn| turn.not_before);
        self.due(realm, Due { at: not_before.map_or(now, |at| at.max(now)), is_guess: true });
    }

    /// When a turn may begin, where it was due at a moment.
    fn start(&self, due: Due) -> Instant {
        if !due.is_guess || self.looks >= 1.0 {
            return due.at;
        }
        let room = self.counted + Duration::from_secs_f64((1.0 - self.looks) / EMPTY_LOOKS);
        due.at.max(room.min(due.at + LONGEST_WAIT))
    }

    /// Begins the turn of a realm that is due, the longest first; what may have nothing comes after what has events, for
    /// a moment.
    fn begin(&mut self, now: Instant) -> Option<TenantId> {
        let grown = now.duration_since(self.counted).as_secs_f64() * EMPTY_LOOKS;
        (self.looks, self.counted) = ((self.looks + grown).min(EMPTY_LOOKS), now);
        let starts = |turn: &Turn| turn.due.filter(|due| !turn.under_way && self.start(*due) <= now);
        let ready = self.realms.iter().filter_map(|(realm, turn)| Some((*realm, starts(turn)?)));
        let is_behind = |due: &Due| due.is_guess && now < due.at + LONGEST_BEHIND;
        let (realm, due) = ready.min_by_key(|(_, due)| (is_behind(due), due.at))?;
        if due.is_guess {
            self.looks = (self.looks - 1.0).max(0.0);
        }
        let turn = self.realms.entry(realm).or_default();
        (turn.due, turn.under_way) = (None, true);
        Some(realm)
    }

    /// When the next one begins.
    fn next(&self) -> Option<Instant> {
        let waiting = self.realms.values().filter(|turn| !turn.under_way).filter_map(|turn| turn.due);
        waiting.map(|due| self.start(due)).min()
    }

    fn ended(&mut self, realm: TenantId, ended: Ended, now: Instant) {
        let turn = self.realms.entry(realm).or_default();
        turn.under_way = false;
        let mut again = None;
        match ended {
            Ended::Nothing | Ended::Relayed => turn.failures = 0,
            Ended::More => (turn.failures, again) = (0, Some(Duration::ZERO)),
            Ended::Busy => again = Some(AFTER_BUSY),
            Ended::Failed => {
                again =
                    Some((AFTER_FAILURE * 2_u32.saturating_pow(turn.failures)).min(LONGEST_AFTER_FAILURE));
                turn.failures += 1;
            }
        }
        turn.not_before = again.filter(|_| ended != Ended::More).map(|pause| now + pause);
        if matches!(ended, Ended::More | Ended::Failed) {
            // What was said of it meanwhile hastens nothing: others that wait come first, or the pause.
            turn.due = None;
        }
        if matches!(ended, Ended::Relayed | Ended::More) {
            // It found something: it was no guess.
            self.looks = (self.looks + 1.0).min(EMPTY_LOOKS);
        }
        if let Some(pause) = again {
            self.due(realm, Due { at: now + pause, is_guess: false });
        }
        // What is quiet is forgotten.
        self.realms.retain(|_, turn| turn.under_way || turn.due.is_some() || turn.failures > 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn milliseconds(count: u64) -> Duration {
        Duration::from_millis(count)
    }

    #[test]
    fn what_this_process_wrote_is_relayed_at_once_and_a_realm_by_one_at_a_time() {
        let (now, realm) = (Instant::now(), TenantId::new());
        let mut turns = Turns::new(now);
        turns.woken(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
        // Another event, while the first is relayed.
        turns.woken(realm, now);
        assert_eq!((turns.begin(now), turns.next()), (None, None));
        turns.ended(realm, Ended::Relayed, now);
        assert_eq!(turns.begin(now), Some(realm));
        turns.ended(realm, Ended::Nothing, now);
        assert_eq!(turns.begin(now + LONGEST_WAIT), None);
    }

    /// How many looks were made in a minute into realms that are written to all the time, and how long one waited at most.
    fn looks(realms: usize) -> (usize, Duration) {
        let (start, realms): (_, Vec<TenantId>) =
            (Instant::now(), (0..realms).map(|_| TenantId::new()).collect());
        let (mut turns, mut now, mut looks) = (Turns::new(start), start, 0);
        let (mut since, mut longest) = (HashMap::<TenantId, Instant>::new(), Duration::ZERO);
        while now < start + Duration::from_mins(1) {
            for realm in &realms {
                turns.written(*realm, now);
                since.entry(*realm).or_insert(now);
            }
            while let Some(realm) = turns.begin(now) {
                looks += 1;
                longest = longest.max(since.remove(&realm).map_or(Duration::ZERO, |at| now - at));
                turns.ended(realm, Ended::Nothing, now);
                assert!(!turns.written_again(&realm), "it is looked into once for what was written before");
            }
            now += milliseconds(100);
        }
        (looks, longest)
    }

    impl Turns {
        fn written_again(&self, realm: &TenantId) -> bool {
            self.realms.contains_key(realm)
        }
    }

    #[test]
    fn a_database_that_is_written_to_all_the_time_is_looked_into_at_once_where_there_are_few() {
        let (looks, longest) = looks(2);
        assert!(looks <= 1_300 && longest <= milliseconds(100), "{looks} looks, {longest:?}");
    }

    #[test]
    fn many_databases_that_are_written_to_all_the_time_cost_no_more_looks_and_wait_in_turn() {
        let (made, longest) = looks(100);
        assert!(
            (1_400..1_700).contains(&made) && longest < Duration::from_secs(5),
            "{made} looks, {longest:?}"
        );
        // Nobody waits for longer than this: then there are more looks.
        let (made, longest) = looks(1_000);
        assert!(made < 14_000 && longest <= LONGEST_WAIT + milliseconds(200), "{made} looks, {longest:?}");
    }

    #[test]
    fn what_is_known_to_have_events_does_not_wait_for_those_that_may_have_some() {
        let now = Instant::now();
        let mut turns = Turns::new(now);
        for _ in 0..100 {
            turns.written(TenantId::new(), now);
        }
        while let Some(realm) = turns.begin(now) {
            turns.ended(realm, Ended::Nothing, now);
        }
        let realm = TenantId::new();
        turns.woken(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
    }

    #[test]
    fn realms_that_always_have_more_keep_no_other_waiting() {
        let mut now = Instant::now();
        let mut turns = Turns::new(now);
        let busy: Vec<TenantId> = (0..20).map(|_| TenantId::new()).collect();
        let (guessed, since) = (TenantId::new(), now);
        turns.written(guessed, since);
        for realm in &busy {
            turns.woken(*realm, now + milliseconds(1));
        }
        loop {
            now += milliseconds(20);
            let realm = turns.begin(now).unwrap();
            if realm == guessed {
                break;
            }
            // Its events are said while they are relayed, too.
            turns.woken(realm, now);
            turns.ended(realm, Ended::More, now + milliseconds(10));
            assert!(now < since + LONGEST_BEHIND + milliseconds(20), "it waits behind realms that have more");
        }
        // Of those that have more each has its turn.
        turns.ended(guessed, Ended::Nothing, now);
        let mut begun = std::collections::HashSet::new();
        for _ in &busy {
            now += milliseconds(20);
            let realm = turns.begin(now).unwrap();
            assert!(begun.insert(realm), "another one waits for longer");
            turns.woken(realm, now);
            turns.ended(realm, Ended::More, now + milliseconds(10));
        }
    }

    #[test]
    fn what_failed_waits_whatever_is_said_of_it() {
        let (realm, now) = (TenantId::new(), Instant::now());
        let mut turns = Turns::new(now);
        turns.woken(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
        turns.woken(realm, now);
        turns.ended(realm, Ended::Failed, now);
        turns.woken(realm, now + milliseconds(1));
        assert_eq!((turns.begin(now + milliseconds(2)), turns.next()), (None, Some(now + AFTER_FAILURE)));
        assert_eq!(turns.begin(now + AFTER_FAILURE), Some(realm));
        turns.ended(realm, Ended::Nothing, now + AFTER_FAILURE);
        assert!(turns.realms.is_empty(), "a failure that is over is remembered");
    }

    #[test]
    fn what_failed_is_tried_again_and_what_is_quiet_is_forgotten() {
        let (realm, now) = (TenantId::new(), Instant::now());
        let mut turns = Turns::new(now);
        for (ended, after) in [(Ended::Failed, AFTER_FAILURE), (Ended::Busy, AFTER_BUSY)] {
            turns.woken(realm, now);
            assert_eq!(turns.begin(now), Some(realm));
            turns.ended(realm, ended, now);
            // That something is written there hastens nothing.
            turns.written(realm, now);
            let soon = turns.begin(now + after - milliseconds(1));
            assert_eq!((soon, turns.next()), (None, Some(now + after)));
            assert_eq!(turns.begin(now + after), Some(realm));
            turns.ended(realm, Ended::Relayed, now + after);
            assert!(turns.realms.is_empty());
        }
    }
}
