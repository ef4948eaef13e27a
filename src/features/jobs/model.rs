//! What jobs are.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sqlx::FromRow;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::kernel::{JobId, TenantId};

/// What is done first: a job of a lower number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Priority {
    /// Somebody waits for it.
    High = 2,
    Normal = 5,
    /// Nobody waits for it.
    Low = 8,
}

/// A sort of job.
#[derive(Debug)]
pub struct JobKind {
    /// Its name: words with dots between them. Never used again for another sort.
    pub name: &'static str,
    pub priority: Priority,
    /// How often it is begun at most.
    pub max_attempts: i32,
    /// How long one attempt may take.
    pub timeout: Duration,
    pub backoff: Backoff,
    pub limits: Limits,
}

/// How many jobs of a kind one process runs at once. Beside it no tenant has more than a process grants to one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of all tenants together.
    pub at_once: usize,
    /// Of one tenant.
    pub of_tenant: usize,
    /// Whether they have places of their own: they mostly wait for others, who may not answer.
    pub are_apart: bool,
}

impl Limits {
    /// As many as a process runs.
    pub const NONE: Self = Self { at_once: usize::MAX, of_tenant: usize::MAX, are_apart: false };
    /// One after the other.
    pub const ONE: Self = Self { at_once: 1, of_tenant: 1, are_apart: false };
}

/// How long is waited after an attempt that failed: twice as long after each, and a fifth more or less, so that jobs
/// that failed together do not come again together.
#[derive(Debug, Clone, Copy)]
pub struct Backoff {
    pub first: Duration,
    pub longest: Duration,
}

impl Backoff {
    /// The pause after an attempt, counted from 1.
    #[must_use]
    pub fn after(&self, job: JobId, attempt: i32) -> Duration {
        let doublings = u32::try_from(attempt.saturating_sub(1)).unwrap_or_default().min(31);
        with_jitter(self.first.saturating_mul(1 << doublings).min(self.longest), job.uuid(), attempt)
    }
}

/// A pause, a fifth more or less.
#[must_use]
pub fn with_jitter(pause: Duration, id: Uuid, attempt: i32) -> Duration {
    // The last bits of an id are random (RFC 9562, section 5.7).
    let turn = u128::from(attempt.unsigned_abs());
    let dice = id.as_u128().wrapping_add(turn.wrapping_mul(0x9E37_79B9)) % 401;
    let per_mille = 800 + u32::try_from(dice).unwrap_or_default();
    pause * per_mille / 1000
}

/// A job that is about to be written.
#[derive(Debug, Clone)]
pub struct NewJob {
    pub(super) kind: &'static JobKind,
    pub(super) priority: Priority,
    pub(super) payload: Value,
    pub(super) run_at: Option<OffsetDateTime>,
    pub(super) dedup_key: Option<String>,
}

impl NewJob {
    /// Of a kind, to be run as soon as its turn comes. The payload holds ids, and nothing that must be secret.
    #[must_use]
    pub fn new(kind: &'static JobKind, payload: &impl Serialize) -> Self {
        let payload = serde_json::to_value(payload).unwrap_or_default();
        Self { kind, priority: kind.priority, payload, run_at: None, dedup_key: None }
    }

    /// The same, not before a moment.
    #[must_use]
    pub fn at(self, run_at: OffsetDateTime) -> Self {
        Self { run_at: Some(run_at), ..self }
    }

    /// The same, with another priority than its kind's.
    #[must_use]
    pub fn with_priority(self, priority: Priority) -> Self {
        Self { priority, ..self }
    }

    /// The same, unless a job with this key is in the queue.
    #[must_use]
    pub fn once(self, dedup_key: String) -> Self {
        Self { dedup_key: Some(dedup_key), ..self }
    }
}

/// What a process wants to claim.
#[derive(Debug, Clone)]
pub struct ClaimRequest<'a> {
    /// So many jobs at most; never more than [`super::MOST_CLAIMED`].
    pub most: usize,
    /// Of these kinds, and of each so many at most.
    pub kinds: &'a [(&'static str, KindCapacity)],
    /// Whether hardly any job is of another kind.
    pub are_all_kinds: bool,
    /// Of a tenant, what it holds counted in.
    pub of_tenant: usize,
    /// Whether to look at the first jobs of each tenant, where those at the front of the queue are not wanted: that takes
    /// the longer, the more tenants have jobs.
    pub looks_deep: bool,
    /// What it holds of each tenant and kind.
    pub held: &'a [(TenantId, String, usize)],
}

/// How many jobs of a kind there is room for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindCapacity {
    /// Of all tenants together.
    pub more: usize,
    /// Of one tenant, what is held counted in.
    pub of_tenant: usize,
}

/// A job that this process holds.
#[derive(Debug, Clone, FromRow)]
pub struct ClaimedJob {
    pub id: JobId,
    pub kind: String,
    /// Whose it is; [`TenantId::PLATFORM`] for the platform's own.
    #[sqlx(rename = "tenant_id")]
    pub tenant: TenantId,
    pub payload: Value,
    /// Which attempt this is, from 1.
    #[sqlx(rename = "attempts")]
    pub attempt: i32,
    /// Tells this claim from earlier ones and later ones.
    pub fence: i64,
    /// Whether a person has asked for it again since it was claimed last.
    pub asked_again: bool,
}

/// What came of an attempt: its handler decides.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobEnd {
    /// There is nothing left to do.
    Done,
    /// It may succeed later. After the last attempt it is left to a person.
    Retry { why: String },
    /// The same, after a pause of the handler's own in place of its kind's.
    RetryAfter { why: String, pause: Duration },
    /// It cannot succeed: it is left to a person.
    GiveUp { why: String },
    /// It could not be tried, through no fault of its own: the attempt does not count. Without a reason the one before is
    /// kept.
    Postpone { why: String, pause: Duration },
}

/// What came of an attempt, for the record.
#[derive(Debug, Clone)]
pub struct Settlement {
    pub id: JobId,
    pub fence: i64,
    pub end: JobEnd,
    /// How long to wait before the next attempt.
    pub pause: Duration,
}

/// How a job stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JobState {
    /// It waits for its moment, or its turn.
    Queued,
    /// A process is at work on it.
    Running,
    /// An attempt failed, and another follows.
    Retrying,
    /// It failed for good, and waits for a person.
    Dead,
}

impl JobState {
    /// All of them, for help and completion.
    pub const ALL: [Self; 4] = [Self::Queued, Self::Running, Self::Retrying, Self::Dead];

    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Retrying => "retrying",
            Self::Dead => "dead",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_doubles_up_to_the_longest_and_varies_by_a_fifth() {
        let backoff = Backoff { first: Duration::from_secs(10), longest: Duration::from_hours(1) };
        let mut pauses = std::collections::BTreeSet::new();
        for _ in 0..200 {
            let job = JobId::new();
            for (attempt, seconds) in
                [(1, 10.0), (2, 20.0), (3, 40.0), (9, 2560.0), (10, 3600.0), (80, 3600.0)]
            {
                let pause = backoff.after(job, attempt).as_secs_f64();
                assert!((0.8..=1.2).contains(&(pause / seconds)), "attempt {attempt}: {pause}");
            }
            pauses.insert(backoff.after(job, 1));
        }
        assert!(pauses.len() > 50, "only {} different pauses", pauses.len());
    }
}
