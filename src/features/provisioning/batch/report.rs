//! What came of a batch, in numbers, and what is to be done about it.

use std::any::Any;

use super::super::error::ProvisioningError;
use super::back::{Member, Prospect, opposite};
use super::error::BatchError;
use super::run::{Attempt, BatchRow};
use crate::kernel::hint::OperationAction;
use crate::kernel::{BatchId, ErrorKind, Failure, Hint};

/// Most hints of those that failed.
const MOST_HINTS: usize = 3;

/// What came of a batch.
#[derive(Debug)]
pub struct BatchReport {
    pub(super) verb: &'static str,
    /// It applies the opposite of what an earlier batch did.
    pub(super) reverses: bool,
    /// How many were to be done.
    pub total: usize,
    /// Were changed, or would be.
    pub changed: usize,
    /// Were so already.
    pub unchanged: usize,
    pub failed: usize,
    /// Stay as somebody made them since.
    pub skipped: usize,
    /// Nobody began them.
    pub not_tried: usize,
    batch: Option<BatchId>,
    /// How many are parts of the batch now.
    recorded: usize,
    reasons: Reasons,
    pub(super) interrupted: bool,
    /// What ended it before its end, where that is not to be said of one member.
    pub(super) ended_by: Option<ProvisioningError>,
    /// What a worker panicked with: told by [`BatchReport::verdict`], once all rows are.
    pub(super) panicked: Option<Box<dyn Any + Send>>,
}

/// Why members failed, as far as the way on depends on it.
#[derive(Debug, Default)]
pub(super) struct Reasons {
    pub(super) kinds: Vec<ErrorKind>,
    /// The first that differ.
    pub(super) hints: Vec<Hint>,
    /// How many failed for what may pass, so that repeating the command helps.
    pub(super) passing: usize,
    /// What leads on from the first that repeating does not help.
    pub(super) stuck: Option<Hint>,
    /// Whether an operation stopped half-way.
    pub(super) half_done: bool,
}

/// What an attempt did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// It was so already.
    Unchanged,
    /// It was changed, or would be.
    Changed,
    /// It was changed, as a part of the batch.
    Recorded,
    /// It stays as somebody made it since.
    Skipped,
    Failed,
    /// It failed, and so would all others.
    Ends,
}

impl Effect {
    /// `alone`: nobody but the control database is asked.
    pub(super) fn of<T>(alone: bool, result: &Result<T, ProvisioningError>, done: fn(&T) -> Self) -> Self {
        match result {
            Ok(it) => done(it),
            Err(ProvisioningError::ChangedSince { .. }) => Self::Skipped,
            // The control database is gone.
            Err(error) if alone && error.kind() == ErrorKind::Unavailable => Self::Ends,
            Err(_) => Self::Failed,
        }
    }

    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Failed | Self::Ends)
    }
}

impl BatchReport {
    pub(super) fn new(verb: &'static str, total: usize, batch: Option<BatchId>) -> Self {
        Self {
            verb,
            reverses: false,
            total,
            changed: 0,
            unchanged: 0,
            failed: 0,
            skipped: 0,
            not_tried: 0,
            batch,
            recorded: 0,
            reasons: Reasons::default(),
            interrupted: false,
            ended_by: None,
            panicked: None,
        }
    }

    /// Whether nobody but the control database is asked.
    pub(super) fn is_of_rows_alone(&self) -> bool {
        self.verb == "update" && !self.reverses
    }

    /// Counts what came of a member.
    pub(super) fn add<T>(
        &mut self,
        position: usize,
        slug: String,
        result: Result<T, ProvisioningError>,
        effect: Effect,
    ) -> BatchRow<T> {
        match effect {
            Effect::Unchanged => self.unchanged += 1,
            Effect::Changed | Effect::Recorded => self.changed += 1,
            Effect::Skipped => self.skipped += 1,
            Effect::Failed => self.failed += 1,
            Effect::Ends => {
                self.ended_by = result.err();
                return self.not_tried(position, slug);
            }
        }
        self.recorded += usize::from(effect == Effect::Recorded);
        let batch = self.batch.filter(|_| effect == Effect::Recorded);
        let attempt = match result {
            Ok(done) => Attempt::Done(done),
            Err(error) if effect == Effect::Skipped => Attempt::Skipped(error),
            Err(error) => {
                self.reasons.add(&slug, &error);
                Attempt::Failed(error)
            }
        };
        BatchRow { position, slug, attempt, batch }
    }

    /// Counts a member whose change will not be rolled back, or only would be.
    pub(super) fn add_as_found(&mut self, member: &Member) {
        match member.prospect {
            Prospect::Unchanged => self.unchanged += 1,
            Prospect::ChangedSince => self.skipped += 1,
            Prospect::Planned => {
                self.total += 1;
                self.changed += 1;
            }
            Prospect::InProgress => {
                self.total += 1;
                self.failed += 1;
                self.reasons.add(&member.slug, &member.why_not());
            }
        }
    }

    pub(super) fn not_tried<T>(&mut self, position: usize, slug: String) -> BatchRow<T> {
        self.not_tried += 1;
        BatchRow { position, slug, attempt: Attempt::NotTried, batch: None }
    }

    /// The batch, where it did something that can be undone.
    #[must_use]
    pub fn undoable(&self) -> Option<BatchId> {
        self.recorded_batch().filter(|_| opposite(self.verb).is_some())
    }

    fn recorded_batch(&self) -> Option<BatchId> {
        self.batch.filter(|_| self.recorded > 0)
    }

    /// How it ends.
    ///
    /// # Errors
    /// Where it was stopped, or some failed.
    pub fn verdict(self) -> Result<(), BatchError> {
        let (batch, undoable) = (self.recorded_batch(), self.undoable());
        let alone = self.is_of_rows_alone();
        let Self { changed, failed, total, not_tried: skipped, mut reasons, .. } = self;
        if let Some(panicked) = self.panicked {
            std::panic::resume_unwind(panicked);
        }
        if self.interrupted {
            return Err(match total {
                0 | 1 => ProvisioningError::from(crate::infra::saga::Interrupted).into(),
                _ => BatchError::Stopped { changed, total, batch: undoable },
            });
        }
        if let Some(error) = self.ended_by {
            return Err(error.into());
        }
        if failed == 0 {
            return Ok(());
        }
        Err(match self.verb {
            "create" => BatchError::NotCreated { failed, skipped, total },
            _ if alone => BatchError::NotUpdated { failed, total, batch },
            "repair" => {
                let all_failed = failed == total && !reasons.half_done;
                let alike = reasons.kinds.first().copied().filter(|_| all_failed && reasons.kinds.len() == 1);
                if reasons.half_done {
                    reasons.hints.insert(0, Hint::new("see why", OperationAction::ListOpen));
                }
                BatchError::NotRepaired { failed, total, alike, hints: reasons.hints }
            }
            _ => {
                let hints = reasons.ways_on(failed, skipped, undoable);
                BatchError::NotChanged { failed, skipped, total, hints }
            }
        })
    }
}

impl Reasons {
    fn add(&mut self, slug: &str, error: &ProvisioningError) {
        let (kind, hints) = (error.kind(), error.hints());
        self.half_done |= error.operation().is_some();
        if !self.kinds.contains(&kind) {
            self.kinds.push(kind);
        }
        if matches!(kind, ErrorKind::Unavailable | ErrorKind::Busy) {
            self.passing += 1;
        } else if let (None, Some(hint)) = (&self.stuck, hints.first()) {
            let text = if hint.text.is_empty() { slug.to_owned() } else { format!("{slug}: {}", hint.text) };
            self.stuck = Some(hint.clone().saying(text));
        }
        for hint in hints {
            if self.hints.len() < MOST_HINTS && !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
    }

    fn ways_on(self, failed: usize, not_tried: usize, undoable: Option<BatchId>) -> Vec<Hint> {
        let again = "repeat the command: what is done is left as it is, what was half done is finished";
        let rows = "each row that failed says how to go on (in JSON, its hint)";
        let again = (self.passing > 0 || not_tried > 0).then(|| again.into());
        let stuck = (failed > self.passing).then(|| rows.into());
        again.into_iter().chain(self.stuck).chain(stuck).chain(undoable.map(way_back)).collect()
    }
}

/// How what a batch did is undone.
#[must_use]
pub fn way_back(batch: BatchId) -> Hint {
    Hint::new("to undo what it changed", OperationAction::RollBackBatch(batch))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::features::placement::PlacementError;
    use crate::kernel::OperationId;
    use crate::kernel::hint::PlaceKind;

    fn down() -> ProvisioningError {
        PlacementError::Down { what: PlaceKind::Cluster, name: "eu1".to_owned() }.into()
    }

    fn absent() -> ProvisioningError {
        ProvisioningError::NoOperation { id: OperationId::new() }
    }

    /// A batch of which so many were changed, and whose others failed.
    fn ended(verb: &'static str, changed: usize, failed: Vec<ProvisioningError>) -> BatchReport {
        let mut report = BatchReport::new(verb, changed + failed.len(), Some(BatchId::new()));
        for at in 0..changed {
            report.add(at, "ash".to_owned(), Ok(()), Effect::Recorded);
        }
        for error in failed {
            report.add::<()>(changed, "birch".to_owned(), Err(error), Effect::Failed);
        }
        report
    }

    fn hints(error: &BatchError) -> Vec<String> {
        error.hints().into_iter().map(|hint| hint.text.into_owned()).collect()
    }

    #[test]
    fn a_repair_that_did_nothing_ends_as_all_of_its_members_did() {
        let kind = |report: BatchReport| report.verdict().unwrap_err().kind();
        assert_eq!(kind(ended("repair", 0, vec![absent(), absent()])), ErrorKind::NotFound);
        assert_eq!(kind(ended("repair", 0, vec![absent(), down()])), ErrorKind::Partial);
        assert_eq!(kind(ended("repair", 1, vec![absent()])), ErrorKind::Partial);
    }

    #[test]
    fn only_what_may_pass_is_to_be_repeated() {
        let again = "repeat the command: what is done is left as it is, what was half done is finished";
        let undo = "to undo what it changed";
        let error = ended("suspend", 1, vec![down()]).verdict().unwrap_err();
        assert_eq!(hints(&error), [again, undo]);
        let error = ended("purge", 1, vec![absent()]).verdict().unwrap_err();
        assert_eq!(hints(&error).len(), 2, "what was purged cannot be undone");
        assert_eq!(hints(&error)[0], "birch: see which there are");
    }

    #[test]
    fn a_batch_that_was_stopped_ends_so_whatever_failed() {
        let mut report = ended("suspend", 2, vec![absent()]);
        report.interrupted = true;
        let error = report.verdict().unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string()),
            (ErrorKind::Interrupted, "stopped after 2 of 3 tenants".to_owned())
        );
        assert!(ended("suspend", 2, Vec::new()).verdict().is_ok());
    }

    #[test]
    fn without_the_control_database_no_more_are_updated() {
        let effect = |alone| Effect::of::<()>(alone, &Err(down()), |()| Effect::Changed);
        assert_eq!((effect(true), effect(false)), (Effect::Ends, Effect::Failed));
        let mut report = BatchReport::new("update", 1, None);
        let row = report.add::<()>(0, "ash".to_owned(), Err(down()), Effect::Ends);
        assert!(matches!(row.attempt, Attempt::NotTried));
        assert_eq!(report.verdict().unwrap_err().kind(), ErrorKind::Unavailable);
    }
}
