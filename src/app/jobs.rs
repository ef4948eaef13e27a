//! The queue of jobs, for those who run them.

use uuid::Uuid;

use super::App;
use crate::features::jobs::{self, ClaimedJob, Settlement};
use crate::kernel::{AnyFailure, Caller, JobId};

impl App {
    /// Says to the worker of this process that there are jobs. Those of others look for themselves.
    pub fn ring_for_jobs(&self) {
        self.shared().jobs.notify_one();
    }

    /// Until somebody in this process says that there are jobs.
    pub async fn rung_for_jobs(&self) {
        self.shared().jobs.notified().await;
    }

    /// Makes jobs ready that became due; how many.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn wake_jobs(&self) -> Result<usize, AnyFailure> {
        Ok(jobs::wake(&mut *self.control().await?, &Caller::System).await?)
    }

    /// Takes up to so many jobs of these kinds.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn claim_jobs(
        &self,
        owner: Uuid,
        (most, kinds): (usize, &[&str]),
    ) -> Result<Vec<ClaimedJob>, AnyFailure> {
        Ok(jobs::claim(&mut *self.control().await?, &Caller::System, owner, (most, kinds)).await?)
    }

    /// Holds jobs for longer; gives those that are still held.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn renew_jobs(&self, owner: Uuid, held: &[(JobId, i64)]) -> Result<Vec<JobId>, AnyFailure> {
        Ok(jobs::renew(&mut *self.control().await?, &Caller::System, (owner, held)).await?)
    }

    /// Records what came of jobs; gives those of which it is recorded.
    ///
    /// # Errors
    /// When the control database does not answer: then nothing is recorded.
    pub async fn settle_jobs(&self, ended: &[Settlement]) -> Result<Vec<JobId>, AnyFailure> {
        Ok(jobs::settle(&mut *self.control().await?, &Caller::System, ended).await?)
    }
}
