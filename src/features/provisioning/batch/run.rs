//! The one loop over the members of a batch: some at a time, the result of each as it comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::super::error::ProvisioningError;
use super::super::worker::{Provisioning, Worker};
use super::error::BatchError;
use super::report::{BatchReport, Effect};
use crate::kernel::{AnyFailure, BatchId, Caller, Event, Progress};

/// How a batch is worked through.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchOptions {
    /// How many at a time.
    pub parallel: usize,
    /// No more are begun once this many have failed.
    pub max_failures: Option<usize>,
    /// Only find out what would be done.
    pub dry_run: bool,
}

impl BatchOptions {
    #[must_use]
    pub fn new(parallel: u16, max_failures: Option<u32>, dry_run: bool) -> Self {
        let max_failures = max_failures.map(|most| usize::try_from(most).unwrap_or(usize::MAX));
        Self { parallel: parallel.into(), max_failures, dry_run }
    }
}

/// What came of one member of a batch.
#[derive(Debug)]
pub struct BatchRow<T> {
    /// Which of those that were asked for, from 0.
    pub position: usize,
    /// Its slug; what was asked for, where there is no such tenant.
    pub slug: String,
    pub attempt: Attempt<T>,
    /// The batch, where it is a part of it now.
    pub batch: Option<BatchId>,
}

/// How far one member came.
#[derive(Debug)]
pub enum Attempt<T> {
    Done(T),
    Failed(ProvisioningError),
    /// It stays as somebody made it since.
    Skipped(ProvisioningError),
    /// Nobody began it.
    NotTried,
}

/// Who takes the rows, as they come.
pub(super) type Take<'a, T> = &'a mut (dyn FnMut(BatchRow<T>) -> Result<(), AnyFailure> + Send);

/// Who looks on, and what stops a batch: no member is begun then, and those under way end at the edge of
/// their next step.
pub(super) type Watch = (Arc<dyn Progress>, CancellationToken);

/// What a worker has for a member.
#[derive(Clone)]
pub(super) struct Desk {
    pub(super) provisioning: Provisioning,
    pub(super) worker: Worker,
    pub(super) caller: Caller,
    pub(super) progress: Arc<dyn Progress>,
    pub(super) stop: CancellationToken,
    pub(super) dry_run: bool,
}

/// The members that nobody began, and what keeps them from being begun.
struct Queue<I> {
    left: Mutex<VecDeque<(usize, String, I)>>,
    failed: AtomicUsize,
    max_failures: usize,
    /// The others would fail in the same way.
    over: AtomicBool,
    stop: CancellationToken,
}

impl<I> Queue<I> {
    async fn next(&self) -> Option<(usize, String, I)> {
        let over = self.stop.is_cancelled()
            || self.over.load(Ordering::Relaxed)
            || self.failed.load(Ordering::Relaxed) >= self.max_failures;
        if over { None } else { self.left.lock().await.pop_front() }
    }

    fn note(&self, effect: Effect) {
        match effect {
            Effect::Failed => {
                self.failed.fetch_add(1, Ordering::Relaxed);
            }
            Effect::Ends => self.over.store(true, Ordering::Relaxed),
            _ => {}
        }
    }
}

/// A batch that is about to be worked through.
pub(super) struct Run<'a> {
    pub(super) provisioning: Provisioning,
    pub(super) worker: &'a Worker,
    pub(super) caller: &'a Caller,
    pub(super) options: BatchOptions,
    pub(super) watch: Watch,
    pub(super) report: BatchReport,
}

impl Run<'_> {
    /// Does the same to each of these. A member's slug is beside what `apply` needs to know of it.
    pub(super) async fn each<I, T, F, R>(
        mut self,
        members: Vec<(String, I)>,
        apply: F,
        effect: fn(&T) -> Effect,
        take: Take<'_, T>,
    ) -> Result<BatchReport, BatchError>
    where
        I: Send + 'static,
        T: Send + 'static,
        F: Fn(Desk, I) -> R + Clone + Send + Sync + 'static,
        R: Future<Output = Result<T, ProvisioningError>> + Send + 'static,
    {
        self.watch.0.event(Event::Total(members.len() as u64));
        let parallel = self.options.parallel.min(members.len());
        let queue = Arc::new(Queue {
            left: Mutex::new(
                members.into_iter().enumerate().map(|(at, (slug, it))| (at, slug, it)).collect(),
            ),
            failed: AtomicUsize::new(self.report.failed),
            max_failures: self.options.max_failures.unwrap_or(usize::MAX),
            over: AtomicBool::new(false),
            stop: self.watch.1.clone(),
        });
        let (results, mut incoming) = mpsc::channel(parallel.max(1) * 2);
        let mut workers = JoinSet::new();
        for number in 0..parallel {
            let (queue, apply, results, alone) =
                (Arc::clone(&queue), apply.clone(), results.clone(), self.report.is_of_rows_alone());
            let desk = self.desk(number == 0);
            workers.spawn(async move {
                let desk = desk.await?;
                while let Some((position, slug, item)) = queue.next().await {
                    let result = apply(desk.clone(), item).await;
                    let effect = Effect::of(alone, &result, effect);
                    queue.note(effect);
                    desk.progress.event(Event::Done { subject: slug.clone(), ok: !effect.is_failure() });
                    if results.send((position, slug, result, effect)).await.is_err() {
                        break;
                    }
                }
                Ok::<(), ProvisioningError>(())
            });
        }
        drop(results);
        let mut taken = Ok(());
        while let Some((position, slug, result, effect)) = incoming.recv().await {
            taken = take(self.report.add(position, slug, result, effect));
            if taken.is_err() {
                // Nobody reads: the workers find out by sending, and end what they are at.
                incoming.close();
                break;
            }
        }
        while let Some(ended) = workers.join_next().await {
            match ended {
                Ok(Ok(())) => {}
                Ok(Err(error)) => drop(self.report.ended_by.get_or_insert(error)),
                Err(error) => self.report.panicked = error.try_into_panic().ok().or(self.report.panicked),
            }
        }
        taken.map_err(BatchError::Taking)?;
        for (position, slug, _) in queue.left.lock().await.drain(..) {
            take(self.report.not_tried(position, slug)).map_err(BatchError::Taking)?;
        }
        self.report.interrupted = self.watch.1.is_cancelled();
        Ok(self.report)
    }

    /// What a worker has: the first has the connections that there are, others get their own.
    fn desk(&self, first: bool) -> impl Future<Output = Result<Desk, ProvisioningError>> + Send + use<> {
        let (provisioning, caller) = (self.provisioning.clone(), self.caller.clone());
        let own = first.then(|| self.worker.clone());
        let ((progress, stop), dry_run) = (self.watch.clone(), self.options.dry_run);
        async move {
            let worker = match own {
                Some(worker) => worker,
                None => provisioning.another_worker().await?,
            };
            Ok(Desk { provisioning, worker, caller, progress, stop, dry_run })
        }
    }
}
