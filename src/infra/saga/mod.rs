//! The step engine: one recorded, resumable change made of steps that can each be repeated.
//!
//! Intent is written before an effect and the outcome after it, in `control.operations` and
//! `control.operation_steps`. A record tells a person where work stood; what a repair does is
//! decided by a step's [`Step::probe`], which looks at the world. So only the first record (the
//! intent, with every name that will be used) and the last must survive a power cut; those in
//! between are committed without waiting for the disk.
//!
//! Knows no tenant, no database, no bucket. Start reading at [`Step`], then `engine.rs`.

mod engine;
mod journal;

pub use engine::{backward, forward};
pub use journal::{Journal, StepRecord, StepState, steps, steps_of};

use async_trait::async_trait;

use crate::infra::db::DbError;
use crate::kernel::Failure;

/// What a probe finds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// The effect is not there, or only in part.
    Absent,
    /// The effect is there, whole.
    Done,
}

/// The work was asked to stop; it did so between two steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("interrupted")]
pub struct Interrupted;

/// What an error of a step must be able to hold.
pub trait StepError: Failure + From<DbError> + From<Interrupted> {}
impl<E: Failure + From<DbError> + From<Interrupted>> StepError for E {}

/// One step of a change. `C` is what all steps of the change share.
#[async_trait]
pub trait Step<C, E>: Send + Sync {
    /// The step's name: stable, as records hold it.
    fn name(&self) -> &'static str;

    /// The steps that must be done before this one; others may run at the same time.
    fn after(&self) -> &'static [&'static str] {
        &[]
    }

    /// Whether the effect is there already.
    async fn probe(&self, context: &C) -> Result<Probe, E>;

    /// Brings the effect about. May be repeated after any partial effect of itself.
    async fn apply(&self, context: &C) -> Result<(), E>;

    /// The statement in the control database that is all that the step does, where that can be done in
    /// the transaction that records the operation's end. It is right to repeat it.
    fn at_the_end(&self, _context: &C) -> Option<String> {
        None
    }

    /// Takes the effect back. May be repeated, and finds nothing to do where there was no effect.
    async fn undo(&self, context: &C) -> Result<(), E>;
}
