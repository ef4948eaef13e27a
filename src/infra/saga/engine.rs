//! Runs the steps of an operation, forward or back.

use std::pin::pin;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio_util::sync::CancellationToken;

use super::{Interrupted, Journal, Probe, Step, StepError, StepState};
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
    let mut done: Vec<&'static str> = Vec::with_capacity(steps.len());
    let mut left: Vec<&dyn Step<C, E>> = steps.iter().map(|step| &**step).collect();
    let mut running = FuturesUnordered::new();
    let mut arrived = Vec::new();
    let mut ended: Vec<&'static str> = Vec::new();
    let mut failure: Option<E> = None;
    let mut recorded = fresh;
    loop {
        if failure.is_none() && stop.is_cancelled() && !left.is_empty() {
            failure = Some(Interrupted.into());
        }
        let is_free = |step: &&dyn Step<C, E>| step.after().iter().all(|name| done.contains(name));
        let may_begin = failure.is_none();
        let mut ready: Vec<_> = left.extract_if(.., |step| may_begin && is_free(&&**step)).collect();
        if running.is_empty() && ready.is_empty() && failure.is_none() {
            return Ok(journal.end("done", &ended));
        }
        let names: Vec<&str> = ready.iter().map(|step| step.name()).collect();
        // What ended is recorded with what begins next, or with the end: nobody waits for that alone.
        let known = std::mem::take(&mut recorded) || names.is_empty();
        if !known {
            let record = journal.record(&ended, StepState::Done, &names);
            if let Err(error) = meanwhile(record, &mut running, &mut arrived).await {
                failure.get_or_insert(error.into());
                ready.clear();
            }
            ended.clear();
        }
        for step in ready {
            progress.event(Event::Step { subject: subject.to_owned(), step: step.name() });
            running.push(async move { (step.name(), run(step, context, journal.kind(), fresh).await) });
        }
        if arrived.is_empty() {
            arrived.extend(running.next().await);
        }
        if arrived.is_empty()
            && let Some(error) = failure
        {
            let _ = journal.record(&ended, StepState::Done, &[]).await;
            let _ = journal.stopped(&error).await;
            return Err(error);
        }
        for (name, result) in arrived.drain(..) {
            match result {
                Ok(()) => {
                    done.push(name);
                    ended.push(name);
                }
                Err(error) => {
                    failure.get_or_insert(error);
                }
            }
        }
    }
}

/// Waits for a record while the steps under way go on: one of them may hold the session that the
/// record is waiting for.
async fn meanwhile<T, F: Future>(
    record: impl Future<Output = T>,
    running: &mut FuturesUnordered<F>,
    arrived: &mut Vec<F::Output>,
) -> T {
    let mut record = pin!(record);
    loop {
        tokio::select! {
            result = &mut record => return result,
            Some(end) = running.next(), if !running.is_empty() => arrived.push(end),
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
    Ok(journal.end("rolled_back", &[]))
}
