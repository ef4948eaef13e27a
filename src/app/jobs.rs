//! The queue of jobs, for those who run them, and those who watch it.

use std::time::{Duration, Instant};

use uuid::Uuid;

use super::App;
use crate::features::jobs::{self, Backlog, BacklogFilter, ClaimRequest, ClaimedJob, Settlement};
use crate::kernel::{AnyFailure, Caller, JobId};

/// How old a count may be, and how long counting may take.
const COUNT_AGE: Duration = Duration::from_secs(10);
const COUNT_TIMEOUT: Duration = Duration::from_secs(1);

/// How many jobs there were, when that was asked last.
#[derive(Debug, Default)]
pub(super) struct Counted(tokio::sync::Mutex<Option<(Instant, Option<Backlog>)>>);

impl App {
    /// How many jobs that are due are not done, as of some seconds ago; `None` where that is not known.
    pub async fn job_backlog(&self) -> Option<Backlog> {
        let mut counted = self.shared().counted_jobs.0.lock().await;
        if let Some((at, backlog)) = *counted
            && at.elapsed() < COUNT_AGE
        {
            return backlog;
        }
        let counting = async {
            let filter = BacklogFilter { only_due: true, ..BacklogFilter::default() };
            let mut control = self.control().await.ok()?;
            jobs::backlog(&mut control, &Caller::System, &filter).await.ok()
        };
        let backlog = tokio::time::timeout(COUNT_TIMEOUT, counting).await.ok().flatten();
        *counted = Some((Instant::now(), backlog));
        backlog
    }

    /// Wakes the workers of this process and of others, after the commit of jobs.
    pub fn wake_workers(&self) {
        self.shared().jobs.notify_one();
        self.shared().peers.notify_jobs();
    }

    /// Until workers are woken for jobs.
    pub async fn workers_woken(&self) {
        self.shared().jobs.notified().await;
    }

    /// Makes jobs ready that became due; how many.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn wake_jobs(&self) -> Result<usize, AnyFailure> {
        Ok(jobs::wake(&mut *self.control().await?, &Caller::System).await?)
    }

    /// Takes jobs for which there is room.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn claim_jobs(
        &self,
        owner: Uuid,
        wanted: ClaimRequest<'_>,
    ) -> Result<Vec<ClaimedJob>, AnyFailure> {
        Ok(jobs::claim(&mut *self.control().await?, &Caller::System, owner, wanted).await?)
    }

    /// Holds jobs for longer; gives those that are still held.
    ///
    /// # Errors
    /// When the control database does not answer.
    pub async fn renew_jobs(
        &self,
        owner: Uuid,
        held: &[(JobId, i64)],
    ) -> Result<Vec<(JobId, i64)>, AnyFailure> {
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
