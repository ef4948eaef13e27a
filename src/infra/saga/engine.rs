//! Runs the steps of an operation, forward or back.

use futures_util::future::BoxFuture;
use futures_util::stream::FuturesUnordered;
use futures_util::{FutureExt, StreamExt};
use tokio_util::sync::CancellationToken;

use super::{Interrupted, Journal, Probe, Step, StepError, StepState};
use crate::infra::db::DbError;
use crate::infra::failpoint;
use crate::kernel::{Event, Progress};

type Steps<C, E> = [Box<dyn Step<C, E>>];

/// Runs every step whose predecessors are done, at the same time where they allow it, until all
/// are done. A failure or an interruption lets the steps under way end first. Gives the statements
/// that record the end: they go with what lets the subject go.
///
/// `fresh` says that this process wrote the operation's intent a moment ago: the first steps are
/// recorded as begun, and no step needs to look whether an earlier attempt got that far.
///
/// That a step begins is recorded while it begins: whoever lost the session that records, and with it
/// the right to go on, learns it before the next one. Until then it is stopped by what every effect
/// is fenced with: its session on the server was ended, its fence at the store is an old one.
///
/// # Errors
/// The first step's error, or [`Interrupted`]; what was done is recorded.
pub async fn forward<C: Sync, E: StepError>(
    steps: &Steps<C, E>,
    context: &C,
    journal: &Journal,
    fresh: bool,
    (subject, progress): (&str, &dyn Progress),
    stop: &CancellationToken,
) -> Result<String, E> {
    let mut left: Vec<&dyn Step<C, E>> = steps.iter().map(|step| &**step).collect();
    let mut under_way = UnderWay::new(journal);
    let mut recorded = fresh;
    loop {
        if stop.is_cancelled() && !left.is_empty() {
            under_way.failure.get_or_insert_with(|| Interrupted.into());
        }
        let mut ready: Vec<_> = left.extract_if(.., |step| under_way.may_begin(&**step)).collect();
        if ready.is_empty() && under_way.running.is_empty() && under_way.is_well().await {
            return Ok(journal.end("done", &under_way.ended, None));
        }
        let last = ready.first().and_then(|step| step.at_the_end(context));
        if let Some(last) = last.filter(|_| left.is_empty() && ready.len() == 1)
            && under_way.running.is_empty()
            && under_way.is_well().await
        {
            let name = ready[0].name();
            progress.event(Event::Step { subject: subject.to_owned(), step: name });
            failpoint::pass(|| format!("{}.{name}.before", journal.kind())).await;
            failpoint::pass(|| format!("{}.{name}.after", journal.kind())).await;
            under_way.ended.push(name);
            return Ok(journal.end("done", &under_way.ended, Some(&last)));
        }
        // What ended is recorded with what begins next, or with the end: nobody waits for that alone.
        if !std::mem::take(&mut recorded) && !ready.is_empty() {
            under_way.record(ready.iter().map(|step| step.name()).collect()).await;
        }
        for step in ready.drain(..).filter(|_| under_way.failure.is_none()) {
            progress.event(Event::Step { subject: subject.to_owned(), step: step.name() });
            let running = async move { (step.name(), run(step, context, journal.kind(), fresh).await) };
            under_way.running.push(running.boxed());
        }
        under_way.wait().await;
        if let Some(error) = under_way.failed() {
            let _ = journal.record(&under_way.ended, StepState::Done, &[]).await;
            let _ = journal.stopped(&error).await;
            return Err(error);
        }
    }
}

/// A step's name, and how it ended.
type Ended<E> = (&'static str, Result<(), E>);

/// The steps that run, and what is recorded of them.
struct UnderWay<'a, E> {
    journal: &'a Journal,
    running: FuturesUnordered<BoxFuture<'a, Ended<E>>>,
    /// One record at a time; it may wait for a session that one of the steps holds.
    recording: Option<BoxFuture<'a, Result<(), DbError>>>,
    done: Vec<&'static str>,
    /// Those that are done and not yet recorded so.
    ended: Vec<&'static str>,
    failure: Option<E>,
}

impl<'a, E: StepError> UnderWay<'a, E> {
    fn new(journal: &'a Journal) -> Self {
        let (done, ended) = (Vec::new(), Vec::new());
        Self { journal, running: FuturesUnordered::new(), recording: None, done, ended, failure: None }
    }

    fn may_begin<C>(&self, step: &dyn Step<C, E>) -> bool {
        self.failure.is_none() && step.after().iter().all(|name| self.done.contains(name))
    }

    /// Begins to record what ended and what begins, once the record before that is written.
    async fn record(&mut self, begun: Vec<&'static str>) {
        if self.is_well().await {
            let (journal, ended) = (self.journal, std::mem::take(&mut self.ended));
            let record = async move { journal.record(&ended, StepState::Done, &begun).await };
            self.recording = Some(record.boxed());
        }
    }

    /// Whether nothing failed, and all that was to be recorded is.
    async fn is_well(&mut self) -> bool {
        while self.recording.is_some() {
            self.next().await;
        }
        self.failure.is_none()
    }

    /// Waits until a step ends, if one runs.
    async fn wait(&mut self) {
        let running = self.running.len();
        while running > 0 && self.running.len() == running {
            self.next().await;
        }
    }

    /// The error, once nothing runs any more.
    fn failed(&mut self) -> Option<E> {
        if self.running.is_empty() && self.recording.is_none() { self.failure.take() } else { None }
    }

    /// Waits for a step's end or a record, whichever comes first.
    async fn next(&mut self) {
        let Self { running, recording, .. } = self;
        let recorded = async {
            match recording {
                Some(record) => record.await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            recorded = recorded => {
                self.recording = None;
                if let Err(error) = recorded {
                    self.failure.get_or_insert(error.into());
                }
            }
            Some((name, result)) = running.next(), if !running.is_empty() => match result {
                Ok(()) => {
                    self.done.push(name);
                    self.ended.push(name);
                }
                Err(error) => {
                    self.failure.get_or_insert(error);
                }
            },
        }
    }
}

async fn run<C: Sync, E>(step: &dyn Step<C, E>, context: &C, kind: &str, fresh: bool) -> Result<(), E> {
    if fresh || step.probe(context).await? == Probe::Absent {
        failpoint::pass(|| format!("{kind}.{}.before", step.name())).await;
        step.apply(context).await?;
        failpoint::pass(|| format!("{kind}.{}.after", step.name())).await;
    }
    Ok(())
}

/// Takes every step back, the last first. Each looks at the world again, whatever was recorded: an
/// effect may have come about after its record failed. Gives what [`forward`] does.
///
/// # Errors
/// The first step's error, or [`Interrupted`]; what was taken back is recorded.
pub async fn backward<C: Sync, E: StepError>(
    steps: &Steps<C, E>,
    context: &C,
    journal: &Journal,
    stop: &CancellationToken,
) -> Result<String, E> {
    for step in steps.iter().rev() {
        if stop.is_cancelled() {
            return Err(Interrupted.into());
        }
        failpoint::pass(|| format!("{}.{}.undo.before", journal.kind(), step.name())).await;
        if let Err(error) = step.undo(context).await {
            let _ = journal.stopped(&error).await;
            return Err(error);
        }
        failpoint::pass(|| format!("{}.{}.undo.after", journal.kind(), step.name())).await;
        journal.record(&[step.name()], StepState::Undone, &[]).await?;
    }
    Ok(journal.end("rolled_back", &[], None))
}
