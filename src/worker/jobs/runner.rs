//! The jobs that one process runs.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue_calls::{QueueCall, QueueCalls};
use super::slots::Slots;
use crate::app::{App, Repeated};
use crate::features::jobs::{ClaimedJob, JobEnd, Settlement};
use crate::kernel::{AnyFailure, JobId};
use crate::worker::registry::Registry;

/// How often it looks for jobs that others wrote, or left behind.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Where so many became due at once, more may have.
const MANY_WOKEN: usize = 500;
/// How often leases are renewed: they last three times as long.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// A claim that looks at all tenants is made again after so many times as long as it took.
const DEEP_SHARE: u32 = 9;
/// How long what came of a job may wait for others', so that one statement records many; and how many at most.
const SETTLE_DELAY: Duration = Duration::from_millis(2);
const MOST_SETTLED: usize = 200;
/// How long jobs that are running may take to their end once the process is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often is looked meanwhile whether leases are to be renewed.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
/// When a job that was cut short by a stop is run again.
const AFTER_STOP: Duration = Duration::ZERO;
/// The pause of a kind that this version does not know.
const UNKNOWN_PAUSE: Duration = Duration::from_mins(1);

static FAILED: LazyLock<Repeated> = LazyLock::new(|| Repeated::new("jobs fail", Duration::from_mins(1)));

/// The jobs that this process runs.
pub(super) struct JobRunner {
    app: App,
    registry: Arc<Registry>,
    /// This process, in leases.
    owner: Uuid,
    tasks: JoinSet<JobEnd>,
    held: HashMap<Id, Held>,
    slots: Slots,
    /// What came of jobs and is not recorded yet, and since when.
    ended: Vec<Settlement>,
    ended_since: Option<Instant>,
    queue_calls: QueueCalls,
    /// There may be jobs to claim.
    may_claim: bool,
    /// Jobs were left at the last claim because there was no room for them.
    was_limited: bool,
    may_wake: bool,
    renewed: Instant,
    woken: Instant,
    polled: Instant,
    /// No claim looks at all tenants before.
    deep: Instant,
    /// The last statement failed: none is tried before.
    pause: Option<Instant>,
}

/// A job that runs.
struct Held {
    job: ClaimedJob,
    task: AbortHandle,
}

impl JobRunner {
    pub(super) fn new(app: App, registry: Registry) -> Self {
        let now = Instant::now();
        let slots = Slots::new(&registry.runnable());
        Self {
            app,
            registry: Arc::new(registry),
            owner: Uuid::now_v7(),
            tasks: JoinSet::new(),
            held: HashMap::new(),
            slots,
            ended: Vec::new(),
            ended_since: None,
            queue_calls: QueueCalls::default(),
            may_claim: true,
            was_limited: false,
            may_wake: true,
            renewed: now,
            woken: now,
            polled: now,
            deep: now,
            pause: None,
        }
    }

    /// Begins what can begin: jobs, and statements about them.
    pub(super) fn act(&mut self) {
        let now = Instant::now();
        while let Some(job) = self.slots.begin() {
            self.begin(job);
        }
        for job in self.slots.overdue(now) {
            self.give_back(&job);
        }
        if now.duration_since(self.polled) >= POLL_INTERVAL {
            (self.polled, self.may_wake, self.may_claim) = (now, true, true);
        }
        if self.pause.is_some_and(|until| now < until) {
            return;
        }
        self.settle(now, false);
        self.renew(now);
        if self.may_wake && !self.queue_calls.is_waking {
            (self.may_wake, self.woken) = (false, now);
            self.queue_calls.wake(&self.app);
        }
        while self.may_claim
            && self.ended.len() < MOST_SETTLED
            && self.queue_calls.claims < self.slots.claims()
        {
            let before = self.queue_calls.claims;
            self.claim(now);
            if self.queue_calls.claims == before {
                break;
            }
        }
    }

    fn claim(&mut self, now: Instant) {
        let runnable = self.registry.runnable();
        let Some(claim) = self.slots.claim(&runnable, self.queue_calls.asked, now) else { return };
        // A second one beside it is worth it only where there are many.
        self.may_claim = self.queue_calls.claims == 0 && self.slots.claims() > 1;
        self.was_limited = claim.is_limited;
        let are_all_kinds = self.registry.runs_all() && claim.kinds.len() == runnable.len();
        let looks_deep = now >= self.deep;
        self.queue_calls.claim(&self.app, self.owner, claim, (are_all_kinds, looks_deep));
    }

    /// What cannot be recorded now is recorded later: until then its lease is renewed.
    fn settle(&mut self, now: Instant, at_once: bool) {
        let is_worth_it = self.held.is_empty()
            || self.ended.len() >= MOST_SETTLED / 4
            || self.ended_since.is_some_and(|since| now.duration_since(since) >= SETTLE_DELAY);
        if self.ended.is_empty() || !self.queue_calls.settling.is_empty() || !(at_once || is_worth_it) {
            return;
        }
        let rest = self.ended.split_off(self.ended.len().min(MOST_SETTLED));
        let ended = std::mem::replace(&mut self.ended, rest);
        self.ended_since = (!self.ended.is_empty()).then_some(now);
        self.queue_calls.settle(&self.app, ended);
    }

    fn renew(&mut self, now: Instant) {
        if now.duration_since(self.renewed) < RENEW_INTERVAL || self.queue_calls.is_renewing {
            return;
        }
        self.renewed = now;
        let running = self.held.values().map(|it| (it.job.id, it.job.fence));
        let waiting = self.slots.waiting().map(|job| (job.id, job.fence));
        let ended = self.ended.iter().chain(&self.queue_calls.settling).map(|it| (it.id, it.fence));
        let held: Vec<(JobId, i64)> = running.chain(waiting).chain(ended).collect();
        if !held.is_empty() {
            self.queue_calls.renew(&self.app, self.owner, held);
        }
    }

    /// Waits until there may be something to do.
    pub(super) async fn wait(&mut self, stop: &CancellationToken) {
        let moment = self.next_moment().into();
        tokio::select! {
            Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => {
                self.note(ended);
                while let Some(ended) = self.tasks.try_join_next_with_id() {
                    self.note(ended);
                }
            }
            Some(call) = self.queue_calls.next(), if !self.queue_calls.is_empty() => self.take(call),
            () = self.app.workers_woken() => {
                self.may_claim = true;
                self.may_wake |= self.woken.elapsed() >= POLL_INTERVAL / 2;
            }
            () = tokio::time::sleep_until(moment) => {}
            () = stop.cancelled() => {}
        }
    }

    fn next_moment(&self) -> Instant {
        let mut next = self.polled + POLL_INTERVAL;
        if let (Some(since), true) = (self.ended_since, self.queue_calls.settling.is_empty()) {
            next = next.min(since + SETTLE_DELAY);
        }
        if let Some(overdue) = self.slots.next_overdue() {
            next = next.min(overdue);
        }
        self.pause.map_or(next, |until| next.max(until))
    }

    fn begin(&mut self, job: ClaimedJob) {
        let (app, registry, running) = (self.app.clone(), Arc::clone(&self.registry), job.clone());
        let task = self.tasks.spawn(async move { run_one(&app, &registry, &running).await });
        self.held.insert(task.id(), Held { job, task });
    }

    /// Notes what came of a job. One that is not held any more belongs to somebody else.
    fn note(&mut self, ended: Result<(Id, JobEnd), JoinError>) {
        let (id, end) = match ended {
            Ok(ended) => ended,
            Err(error) if error.is_cancelled() => return,
            Err(error) => (error.id(), JobEnd::Retry { why: "a bug ended it".to_owned() }),
        };
        let Some(Held { job, .. }) = self.held.remove(&id) else { return };
        self.slots.end(&job);
        self.may_claim |= self.was_limited;
        say(&job, &end);
        self.record(&job, end);
    }

    fn record(&mut self, job: &ClaimedJob, end: JobEnd) {
        let pause =
            self.registry.kind(&job.kind).map_or(UNKNOWN_PAUSE, |it| it.backoff.after(job.id, job.attempt));
        self.ended.push(Settlement { id: job.id, fence: job.fence, end, pause });
        self.ended_since.get_or_insert_with(Instant::now);
    }

    fn give_back(&mut self, job: &ClaimedJob) {
        self.record(job, JobEnd::Postpone { why: String::new(), pause: Duration::ZERO });
    }

    fn take(&mut self, call: QueueCall) {
        match call {
            QueueCall::Claimed(claimed, (_, took)) => {
                if Instant::now() >= self.deep {
                    self.deep = Instant::now() + took * DEEP_SHARE;
                }
                if let Some(jobs) = self.taken(claimed) {
                    // What was left may be others'.
                    self.may_claim |= !jobs.is_empty();
                    self.slots.add(jobs, Instant::now());
                }
            }
            QueueCall::Settled(ended, settled) => {
                if let Some(settled) = self.taken(settled) {
                    for lost in ended.iter().filter(|it| !settled.contains(&it.id)) {
                        tracing::warn!(job = %lost.id, "another process took a job over before its end was recorded");
                    }
                } else {
                    self.ended.extend(ended);
                    self.ended_since.get_or_insert_with(Instant::now);
                }
            }
            QueueCall::Renewed(asked, kept) => {
                if let Some(kept) = self.taken(kept) {
                    // One that was settled meanwhile and claimed again has another fence, and was not asked for.
                    self.lose(|held| asked.contains(held) && !kept.contains(held));
                }
            }
            QueueCall::Woken(woken) => {
                let woken = self.taken(woken).unwrap_or_default();
                self.may_claim |= woken > 0;
                self.may_wake |= woken >= MANY_WOKEN;
            }
        }
    }

    /// What a statement gave. Where it failed, the next one waits; the first failure of several is said.
    fn taken<T>(&mut self, result: Result<T, AnyFailure>) -> Option<T> {
        match result {
            Ok(value) => {
                self.pause = None;
                Some(value)
            }
            Err(failure) => {
                if self.pause.is_none() {
                    tracing::warn!(code = failure.get().code(), "cannot look for jobs: {failure}");
                }
                self.pause = Some(Instant::now() + POLL_INTERVAL);
                None
            }
        }
    }

    /// Jobs belong to somebody else now.
    fn lose(&mut self, is_lost: impl Fn(&(JobId, i64)) -> bool) {
        let is_lost = |job: &ClaimedJob| is_lost(&(job.id, job.fence));
        self.slots.forget(is_lost);
        let lost: Vec<Id> = self.held.iter().filter(|(_, it)| is_lost(&it.job)).map(|(id, _)| *id).collect();
        for id in lost {
            if let Some(Held { job, task }) = self.held.remove(&id) {
                task.abort();
                self.slots.end(&job);
                tracing::warn!(job = %job.id, "another process took a job over: it is stopped here");
            }
        }
    }

    /// Waits for what runs, and gives back what does not end in time, and what was not begun. What ended is recorded at
    /// once, and leases are renewed: whoever told the process to stop may have less patience.
    pub(super) async fn drain(&mut self) {
        let until = Instant::now() + STOP_TIMEOUT;
        while (!self.tasks.is_empty() || self.queue_calls.claims > 0) && Instant::now() < until {
            self.give_back_waiting();
            if self.pause.is_none_or(|until| Instant::now() >= until) {
                self.settle(Instant::now(), true);
                self.renew(Instant::now());
            }
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id(), if !self.tasks.is_empty() => self.note(ended),
                Some(call) = self.queue_calls.next(), if !self.queue_calls.is_empty() => self.take(call),
                () = tokio::time::sleep(DRAIN_INTERVAL) => {}
            }
        }
        self.tasks.abort_all();
        for (_, Held { job, .. }) in self.held.drain().collect::<Vec<_>>() {
            let end =
                JobEnd::Postpone { why: "the process that ran it was stopped".to_owned(), pause: AFTER_STOP };
            self.record(&job, end);
        }
        // None of them runs when others may begin it.
        while self.tasks.join_next().await.is_some() {}
        while let Some(call) = self.queue_calls.next().await {
            self.take(call);
        }
        self.give_back_waiting();
        if self.ended.is_empty() {
            return;
        }
        if let Err(failure) = self.app.settle_jobs(&self.ended).await {
            tracing::warn!(
                code = failure.get().code(),
                "what came of the last jobs is not recorded: {failure}"
            );
        }
    }

    fn give_back_waiting(&mut self) {
        for job in self.slots.take_waiting() {
            self.give_back(&job);
        }
    }
}

/// Runs one, within the time of its kind.
async fn run_one(app: &App, registry: &Registry, job: &ClaimedJob) -> JobEnd {
    let timeout = registry.kind(&job.kind).map_or(UNKNOWN_PAUSE, |kind| kind.timeout);
    match tokio::time::timeout(timeout, registry.run(app, job)).await {
        Ok(Ok(end)) => end,
        Ok(Err(failure)) => JobEnd::Retry { why: failure.to_string() },
        Err(_) => JobEnd::Retry { why: format!("it took longer than {} s", timeout.as_secs()) },
    }
}

/// What failed is said once, here.
fn say(job: &ClaimedJob, end: &JobEnd) {
    let (id, kind, attempt) = (job.id, job.kind.as_str(), job.attempt);
    match end {
        JobEnd::Done => tracing::debug!(job = %id, kind, attempt, "a job is done"),
        JobEnd::Postpone { why, .. } => tracing::debug!(job = %id, kind, "a job waits: {why}"),
        JobEnd::Retry { why } if FAILED.is_new(kind, why.clone()) => {
            tracing::warn!(job = %id, kind, attempt, "a job failed, and is tried again: {why}");
        }
        JobEnd::GiveUp { why } if FAILED.is_new(kind, why.clone()) => {
            tracing::warn!(job = %id, kind, attempt, "a job failed for good: {why}");
        }
        JobEnd::Retry { why } | JobEnd::GiveUp { why } => {
            tracing::debug!(job = %id, kind, attempt, "a job failed: {why}");
        }
        // Who has pauses of its own has a record of its own.
        JobEnd::RetryAfter { why, .. } => {
            tracing::debug!(job = %id, kind, attempt, "a job failed, and is tried again: {why}");
        }
    }
}
