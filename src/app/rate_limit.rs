//! Rate limits of which all servers of an installation count the requests together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::App;
use crate::infra::db::{DbError, RateCount, SharedRateLimit, forget_counts};

/// How long a count may take: then the process goes by its own.
const COUNT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long the control database is not asked after it did not answer.
const PAUSE: Duration = Duration::from_secs(5);
/// How often clients are forgotten who have all of their requests again; and after how many counts at the latest.
const SWEEP: Duration = Duration::from_mins(1);
const SWEEP_COUNTS: u32 = 10_000;
/// Most clients that are remembered together. Above that each process goes by its own count.
const MOST: i64 = 100_000;

/// What a process remembers of counting with the others. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct SharedRateLimits(Arc<Mutex<Memory>>);

#[derive(Debug)]
struct Memory {
    /// Until when the control database is not asked.
    pause: Option<Instant>,
    swept: Instant,
    counts: u32,
    is_full: bool,
}

impl Default for SharedRateLimits {
    fn default() -> Self {
        let memory = Memory { pause: None, swept: Instant::now(), counts: 0, is_full: false };
        Self(Arc::new(Mutex::new(memory)))
    }
}

impl SharedRateLimits {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the control database is asked, and whether it is to be swept.
    fn begin(&self) -> (bool, bool) {
        let memory = &mut *self.memory();
        memory.counts += 1;
        let is_due = memory.swept.elapsed() > SWEEP || memory.counts > SWEEP_COUNTS;
        if is_due {
            (memory.swept, memory.counts) = (Instant::now(), 0);
        }
        (!memory.is_full && memory.pause.is_none_or(|until| until < Instant::now()), is_due)
    }
}

impl App {
    /// Counts a request with all servers of the installation; `None` where the control database cannot say.
    pub async fn count_with_others(&self, limit: SharedRateLimit<'_>) -> Option<RateCount> {
        let limits = &self.shared().rate_limits;
        let (is_asked, is_due) = limits.begin();
        if is_due {
            tokio::spawn(self.clone().sweep_counts());
        }
        if !is_asked {
            return None;
        }
        let counted = async { limit.count(&mut *self.control().await?).await };
        let why = match tokio::time::timeout(COUNT_TIMEOUT, counted).await {
            Ok(Ok(counted)) => return Some(counted),
            // All sessions are in use: it is there.
            Ok(Err(DbError::Busy { .. })) => return None,
            Ok(Err(error)) => error.to_string(),
            Err(_) => "it takes too long".to_owned(),
        };
        tracing::warn!(why, "guarded requests are counted by this process alone");
        limits.memory().pause = Some(Instant::now() + PAUSE);
        None
    }

    async fn sweep_counts(self) {
        let swept = async { forget_counts(&mut *self.control().await?, MOST).await };
        match swept.await {
            Ok(count) => self.shared().rate_limits.memory().is_full = count >= MOST,
            Err(error) => tracing::debug!(%error, "counts of requests were not swept"),
        }
    }
}
