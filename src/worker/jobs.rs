//! Runs jobs. Every process does; which of them takes a job is settled by the claim, and another takes it over once its
//! lease is no longer renewed.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, Id, JoinError, JoinSet};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::registry::Registry;
use crate::app::{App, failpoint};
use crate::features::jobs::{ClaimedJob, JobEnd, Settlement};
use crate::kernel::{AnyFailure, JobId};

/// Jobs that one process runs at once.
const AT_ONCE: usize = 16;
/// How often it looks for jobs that others wrote, or left behind.
const POLL_INTERVAL: Duration = Duration::from_secs(1);
/// Where so many became due at once, more may have.
const MANY_WOKEN: usize = 500;
/// How often leases are renewed: they last three times as long.
const RENEW_INTERVAL: Duration = Duration::from_secs(10);
/// How long jobs that are running may take to their end once the process is told to stop.
const STOP_TIMEOUT: Duration = Duration::from_secs(20);
/// How often is recorded meanwhile what came of them.
const DRAIN_INTERVAL: Duration = Duration::from_millis(500);
/// When a job that was cut short by a stop is run again.
const AFTER_STOP: Duration = Duration::ZERO;
/// The pause of a kind that this version does not know.
const UNKNOWN_PAUSE: Duration = Duration::from_mins(1);

/// Runs jobs until it is told to stop. Then no more are claimed, and those that do not end in time are given back.
pub async fn run(app: App, registry: Registry, stop: CancellationToken) {
    let mut crew = Crew::new(app, registry);
    let mut failed = false;
    while !stop.is_cancelled() {
        let turn = crew.turn().await;
        if let Err(failure) = &turn
            && !failed
        {
            tracing::warn!(code = failure.get().code(), "cannot look for jobs: {failure}");
        }
        failed = turn.is_err();
        tokio::select! {
            Some(ended) = crew.tasks.join_next_with_id(), if !crew.tasks.is_empty() => crew.note(ended),
            () = crew.app.rung_for_jobs(), if !failed => {}
            () = tokio::time::sleep(POLL_INTERVAL) => {}
            () = stop.cancelled() => {}
        }
    }
    crew.drain().await;
}

/// The jobs that this process runs.
struct Crew {
    app: App,
    registry: Arc<Registry>,
    /// The kinds that this process can run.
    runnable: Vec<&'static str>,
    /// This process, in leases.
    owner: Uuid,
    tasks: JoinSet<JobEnd>,
    held: HashMap<Id, Held>,
    /// What came of jobs and is not recorded yet.
    ended: Vec<Settlement>,
    renewed: Instant,
    woken: Option<Instant>,
}

/// A job that runs.
struct Held {
    job: ClaimedJob,
    task: AbortHandle,
}

impl Crew {
    fn new(app: App, registry: Registry) -> Self {
        Self {
            app,
            runnable: registry.runnable(),
            registry: Arc::new(registry),
            owner: Uuid::now_v7(),
            tasks: JoinSet::new(),
            held: HashMap::new(),
            ended: Vec::new(),
            renewed: Instant::now(),
            woken: None,
        }
    }

    /// Records what ended, renews leases, and begins as many jobs as there is room for.
    async fn turn(&mut self) -> Result<(), AnyFailure> {
        while let Some(ended) = self.tasks.try_join_next_with_id() {
            self.note(ended);
        }
        let (renewed, settled) = (self.renew().await, self.settle().await);
        renewed.and(settled)?;
        if self.woken.is_none_or(|at| at.elapsed() >= POLL_INTERVAL / 2) {
            let woken = self.app.wake_jobs().await?;
            self.woken = (woken < MANY_WOKEN).then(Instant::now);
        }
        let room = AT_ONCE.saturating_sub(self.held.len());
        if room > 0 && !self.runnable.is_empty() {
            let claimed = self.app.claim_jobs(self.owner, (room, &self.runnable)).await?;
            failpoint::pass(|| format!("jobs.claimed.{}", claimed.len())).await;
            for job in claimed {
                self.begin(job);
            }
        }
        Ok(())
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
        let pause =
            Registry::kind(&job.kind).map_or(UNKNOWN_PAUSE, |kind| kind.backoff.after(job.id, job.attempt));
        say(&job, &end);
        self.ended.push(Settlement { id: job.id, fence: job.fence, end, pause });
    }

    /// What cannot be recorded now is recorded later: until then its lease is renewed.
    async fn settle(&mut self) -> Result<(), AnyFailure> {
        if self.ended.is_empty() {
            return Ok(());
        }
        failpoint::pass(|| "jobs.settle.before".to_owned()).await;
        let settled = self.app.settle_jobs(&self.ended).await?;
        failpoint::pass(|| "jobs.settle.after".to_owned()).await;
        for lost in self.ended.drain(..).filter(|it| !settled.contains(&it.id)) {
            tracing::warn!(job = %lost.id, "another process took a job over before its end was recorded");
        }
        Ok(())
    }

    async fn renew(&mut self) -> Result<(), AnyFailure> {
        if self.renewed.elapsed() < RENEW_INTERVAL {
            return Ok(());
        }
        let running = self.held.values().map(|it| (it.job.id, it.job.fence));
        let held: Vec<(JobId, i64)> = running.chain(self.ended.iter().map(|it| (it.id, it.fence))).collect();
        if !held.is_empty() {
            let kept = self.app.renew_jobs(self.owner, &held).await?;
            let lost: Vec<Id> =
                self.held.iter().filter(|(_, it)| !kept.contains(&it.job.id)).map(|(id, _)| *id).collect();
            for id in lost {
                if let Some(Held { job, task }) = self.held.remove(&id) {
                    task.abort();
                    tracing::warn!(job = %job.id, "another process took a job over: it is stopped here");
                }
            }
        }
        self.renewed = Instant::now();
        Ok(())
    }

    /// Waits for what runs, and gives back what does not end in time. What ended is recorded at once, and leases are
    /// renewed: whoever told the process to stop may have less patience.
    async fn drain(&mut self) {
        let until = Instant::now() + STOP_TIMEOUT;
        while !self.tasks.is_empty() && Instant::now() < until {
            if let Ok(Some(ended)) =
                tokio::time::timeout(DRAIN_INTERVAL, self.tasks.join_next_with_id()).await
            {
                self.note(ended);
            }
            // What fails is tried again, and said at the end.
            let _ = (self.renew().await, self.settle().await);
        }
        self.tasks.abort_all();
        for (_, Held { job, .. }) in self.held.drain() {
            let end =
                JobEnd::Postpone { why: "the process that ran it was stopped".to_owned(), pause: AFTER_STOP };
            self.ended.push(Settlement { id: job.id, fence: job.fence, end, pause: AFTER_STOP });
        }
        // None of them runs when others may begin it.
        while self.tasks.join_next().await.is_some() {}
        if let Err(failure) = self.settle().await {
            tracing::warn!(
                code = failure.get().code(),
                "what came of the last jobs is not recorded: {failure}"
            );
        }
    }
}

/// Runs one, within the time of its kind.
async fn run_one(app: &App, registry: &Registry, job: &ClaimedJob) -> JobEnd {
    let timeout = Registry::kind(&job.kind).map_or(UNKNOWN_PAUSE, |kind| kind.timeout);
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
        JobEnd::Retry { why } => {
            tracing::warn!(job = %id, kind, attempt, "a job failed, and is tried again: {why}");
        }
        JobEnd::GiveUp { why } => tracing::warn!(job = %id, kind, attempt, "a job failed for good: {why}"),
    }
}
