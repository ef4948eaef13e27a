//! Statements about jobs, each beside the jobs that run.

use std::time::{Duration, Instant};

use tokio::task::JoinSet;
use uuid::Uuid;

use super::slots::Claim;
use crate::app::{App, failpoint};
use crate::features::jobs::{ClaimRequest, ClaimedJob, Settlement};
use crate::kernel::{AnyFailure, JobId};

/// What came of a statement.
pub(super) enum QueueCall {
    /// With how many were asked for, and how long it took.
    Claimed(Result<Vec<ClaimedJob>, AnyFailure>, (usize, Duration)),
    /// What was to be recorded, and what is.
    Settled(Vec<Settlement>, Result<Vec<JobId>, AnyFailure>),
    /// Whose leases were to be renewed, and whose are.
    Renewed(Vec<(JobId, i64)>, Result<Vec<(JobId, i64)>, AnyFailure>),
    Woken(Result<usize, AnyFailure>),
}

/// Statements that are under way: of claims at most two, of the others one of each sort.
#[derive(Default)]
pub(super) struct QueueCalls {
    tasks: JoinSet<QueueCall>,
    pub(super) claims: usize,
    /// How many jobs they ask for.
    pub(super) asked: usize,
    pub(super) is_renewing: bool,
    pub(super) is_waking: bool,
    /// What is being recorded.
    pub(super) settling: Vec<Settlement>,
}

impl QueueCalls {
    pub(super) fn is_empty(&self) -> bool {
        self.tasks.is_empty()
    }

    pub(super) fn claim(&mut self, app: &App, owner: Uuid, claim: Claim, looks: (bool, bool)) {
        let (are_all_kinds, looks_deep) = looks;
        self.claims += 1;
        self.asked += claim.most;
        let app = app.clone();
        self.tasks.spawn(async move {
            let Claim { most, kinds, of_tenant, held, .. } = &claim;
            let (most, of_tenant) = (*most, *of_tenant);
            let wanted = ClaimRequest { most, kinds, are_all_kinds, of_tenant, looks_deep, held };
            let began = Instant::now();
            let claimed = app.claim_jobs(owner, wanted).await;
            let took = began.elapsed();
            if let Ok(jobs) = &claimed {
                failpoint::pass(|| format!("jobs.claimed.{}", jobs.len())).await;
            }
            QueueCall::Claimed(claimed, (most, took))
        });
    }

    pub(super) fn settle(&mut self, app: &App, ended: Vec<Settlement>) {
        self.settling.clone_from(&ended);
        let app = app.clone();
        self.tasks.spawn(async move {
            failpoint::pass(|| "jobs.settle.before".to_owned()).await;
            let settled = app.settle_jobs(&ended).await;
            if settled.is_ok() {
                failpoint::pass(|| "jobs.settle.after".to_owned()).await;
            }
            QueueCall::Settled(ended, settled)
        });
    }

    pub(super) fn renew(&mut self, app: &App, owner: Uuid, held: Vec<(JobId, i64)>) {
        self.is_renewing = true;
        let app = app.clone();
        self.tasks.spawn(async move {
            let kept = app.renew_jobs(owner, &held).await;
            QueueCall::Renewed(held, kept)
        });
    }

    pub(super) fn wake(&mut self, app: &App) {
        self.is_waking = true;
        let app = app.clone();
        self.tasks.spawn(async move { QueueCall::Woken(app.wake_jobs().await) });
    }

    /// The next one that ended. One that panicked is not counted as under way any more either.
    pub(super) async fn next(&mut self) -> Option<QueueCall> {
        match self.tasks.join_next().await? {
            Ok(call) => {
                match &call {
                    QueueCall::Claimed(_, (most, _)) => {
                        self.claims = self.claims.saturating_sub(1);
                        self.asked = self.asked.saturating_sub(*most);
                    }
                    QueueCall::Settled(..) => self.settling.clear(),
                    QueueCall::Renewed(..) => self.is_renewing = false,
                    QueueCall::Woken(_) => self.is_waking = false,
                }
                Some(call)
            }
            Err(error) => {
                tracing::error!("a statement about jobs ended by a bug: {error}");
                // Which one it was is not known: all may be begun again.
                (self.claims, self.asked) = (0, 0);
                (self.is_renewing, self.is_waking) = (false, false);
                self.settling.clear();
                None
            }
        }
    }
}
