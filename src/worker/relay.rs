//! Relays the events of realms: at once those that this process wrote, and those that others wrote once the realm's
//! database shows that it was written to.

use std::collections::HashMap;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::{Id, JoinSet};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;
use uuid::Uuid;

use crate::app::{App, Writings};
use crate::features::relay::Relayed;
use crate::kernel::{AnyFailure, TenantId};

/// Realms that are relayed at once.
const AT_ONCE: usize = 4;
/// How often servers are asked which databases were written to.
const LOOK_INTERVAL: Duration = Duration::from_millis(250);
/// How long a realm is left alone where nothing was found though its database was written to: at first, and at most.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// When a realm is tried again that failed: after twice as long each time.
const AFTER_FAILURE: Duration = Duration::from_secs(2);
const LONGEST_AFTER_FAILURE: Duration = Duration::from_mins(1);

/// Relays events until it is told to stop.
pub async fn run(app: App, stop: CancellationToken) {
    let (found, mut written) = mpsc::channel::<Vec<TenantId>>(1);
    let _looking = AbortOnDropHandle::new(tokio::spawn(look(app.clone(), found)));
    let (owner, mut turns) = (Uuid::now_v7(), Turns::default());
    let (mut tasks, mut under_way) = (JoinSet::<Ended>::new(), HashMap::<Id, TenantId>::new());
    while !stop.is_cancelled() {
        while tasks.len() < AT_ONCE
            && let Some(realm) = turns.begin(Instant::now())
        {
            let app = app.clone();
            let task = tasks.spawn(async move { relay_one(&app, realm, owner).await });
            under_way.insert(task.id(), realm);
        }
        let next = turns.next().filter(|_| tasks.len() < AT_ONCE);
        tokio::select! {
            rung = app.rung() => for realm in rung { turns.rung(realm, Instant::now()) },
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

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Looks for realms that others wrote to, and at the platform's own, whose database is written to all the time.
async fn look(app: App, found: mpsc::Sender<Vec<TenantId>>) {
    let mut writings = Writings::of(&app);
    loop {
        let mut realms = writings.look().await;
        realms.push(TenantId::PLATFORM);
        if found.send(realms).await.is_err() {
            return;
        }
        tokio::time::sleep(LOOK_INTERVAL).await;
    }
}

async fn relay_one(app: &App, realm: TenantId, owner: Uuid) -> Ended {
    let relayed: Result<Relayed, AnyFailure> = app.relay(realm, owner).await;
    match relayed {
        Ok(Relayed::Events(0)) => Ended::Nothing,
        Ok(Relayed::Events(_)) => {
            app.ring_for_jobs();
            Ended::Relayed
        }
        Ok(Relayed::More(_)) => {
            app.ring_for_jobs();
            Ended::More
        }
        Ok(Relayed::Busy) => Ended::Busy,
        Err(failure) => {
            let code = failure.get().code();
            tracing::warn!(%realm, code, "events are not relayed for now: {failure}");
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
#[derive(Debug, Default)]
struct Turns(HashMap<TenantId, Turn>);

#[derive(Debug)]
struct Turn {
    /// When it is relayed next.
    due: Option<Instant>,
    under_way: bool,
    /// A database that is written to for other reasons is not looked into before.
    quiet_until: Instant,
    pause: Duration,
    /// In a row.
    failures: u32,
}

impl Turns {
    fn of(&mut self, realm: TenantId, now: Instant) -> &mut Turn {
        let new = Turn { due: None, under_way: false, quiet_until: now, pause: Duration::ZERO, failures: 0 };
        self.0.entry(realm).or_insert(new)
    }

    /// This process wrote an event there.
    fn rung(&mut self, realm: TenantId, now: Instant) {
        self.of(realm, now).due = Some(now);
    }

    /// Somebody wrote something there.
    fn written(&mut self, realm: TenantId, now: Instant) {
        let turn = self.of(realm, now);
        let at = turn.quiet_until.max(now);
        turn.due = Some(turn.due.map_or(at, |due| due.min(at)));
    }

    /// Begins the turn of a realm that is due, the longest first.
    fn begin(&mut self, now: Instant) -> Option<TenantId> {
        let ready = |turn: &Turn| turn.due.filter(|due| !turn.under_way && *due <= now);
        let (realm, _) =
            self.0.iter().filter_map(|(realm, turn)| Some((*realm, ready(turn)?))).min_by_key(|it| it.1)?;
        let turn = self.of(realm, now);
        (turn.due, turn.under_way) = (None, true);
        Some(realm)
    }

    /// When the next one is due.
    fn next(&self) -> Option<Instant> {
        self.0.values().filter(|turn| !turn.under_way).filter_map(|turn| turn.due).min()
    }

    fn ended(&mut self, realm: TenantId, ended: Ended, now: Instant) {
        let turn = self.of(realm, now);
        turn.under_way = false;
        let mut again =
            |after: Duration| turn.due = Some(turn.due.map_or(now + after, |due| due.min(now + after)));
        match ended {
            Ended::Relayed => (turn.pause, turn.failures) = (Duration::ZERO, 0),
            Ended::More => again(Duration::ZERO),
            Ended::Nothing => turn.pause = (turn.pause * 2).clamp(FIRST_PAUSE, LONGEST_PAUSE),
            Ended::Busy => again(FIRST_PAUSE),
            Ended::Failed => {
                let pause = (AFTER_FAILURE * 2_u32.saturating_pow(turn.failures)).min(LONGEST_AFTER_FAILURE);
                again(pause);
                (turn.pause, turn.failures) = (pause, turn.failures + 1);
            }
        }
        turn.quiet_until = now + turn.pause;
        // What is quiet is forgotten.
        self.0.retain(|_, turn| turn.under_way || turn.due.is_some() || turn.quiet_until > now);
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
        let (mut turns, realm, now) = (Turns::default(), TenantId::new(), Instant::now());
        turns.rung(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
        // Another event, while the first is relayed.
        turns.rung(realm, now);
        assert_eq!((turns.begin(now), turns.next()), (None, None));
        turns.ended(realm, Ended::Relayed, now);
        assert_eq!(turns.begin(now), Some(realm));
        turns.ended(realm, Ended::Nothing, now);
        assert_eq!(turns.begin(now + LONGEST_PAUSE), None);
    }

    #[test]
    fn a_database_that_is_written_to_for_other_reasons_is_looked_into_less_and_less_often() {
        let (mut turns, realm, start) = (Turns::default(), TenantId::new(), Instant::now());
        let (mut now, mut looks) = (start, Vec::new());
        while now < start + Duration::from_mins(1) {
            turns.written(realm, now);
            if turns.begin(now).is_some() {
                looks.push(now);
                turns.ended(realm, Ended::Nothing, now);
            }
            now += milliseconds(50);
        }
        assert!((12..22).contains(&looks.len()), "{} looks in a minute", looks.len());
        // What is written in a pause is looked at after it; what this process writes, at once.
        turns.rung(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
        turns.ended(realm, Ended::Relayed, now);
        turns.written(realm, now);
        assert_eq!(turns.begin(now), Some(realm));
    }

    #[test]
    fn what_failed_is_tried_again_and_what_is_quiet_is_forgotten() {
        let (mut turns, realm, now) = (Turns::default(), TenantId::new(), Instant::now());
        for (ended, after) in [(Ended::Failed, AFTER_FAILURE), (Ended::Busy, FIRST_PAUSE)] {
            turns.rung(realm, now);
            assert_eq!(turns.begin(now), Some(realm));
            turns.ended(realm, ended, now);
            assert_eq!((turns.begin(now), turns.next()), (None, Some(now + after)));
        }
        assert_eq!(turns.begin(now + FIRST_PAUSE), Some(realm));
        turns.ended(realm, Ended::Relayed, now + FIRST_PAUSE);
        assert!(turns.0.is_empty());
    }
}
