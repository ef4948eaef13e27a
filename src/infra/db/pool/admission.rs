//! Who may use sessions of a pool at once, first come, first served. A server works on few statements at a time:
//! of many that are asked at once all get slow, and a key that has one session gets a share of it that is too small.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

/// How many work at once.
const AT_ONCE: usize = 32;
/// Who has taken longer does not count any more: they wait for a lock, or for a slow statement, and keep nobody.
const COUNTS: Duration = Duration::from_millis(50);

/// The queue in front of a pool.
#[derive(Debug)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    admitted: Mutex<HashMap<u64, (Instant, OwnedSemaphorePermit)>>,
    next: AtomicU64,
}

/// Leave to work. Dropped, it is the next one's.
#[derive(Debug)]
pub(super) struct Ticket {
    admission: Arc<Admission>,
    number: u64,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            permits: Arc::new(Semaphore::new(AT_ONCE)),
            admitted: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }
}

impl Admission {
    /// Leave to work, if it comes until then.
    pub(super) async fn admit(self: &Arc<Self>, until: Instant) -> Option<Ticket> {
        if self.permits.available_permits() == 0 {
            self.forget_slow();
        }
        let mut waiting = pin!(Arc::clone(&self.permits).acquire_owned());
        let permit = loop {
            let end = until.min(Instant::now() + COUNTS);
            match tokio::time::timeout_at(end, &mut waiting).await {
                Ok(permit) => break permit.ok()?,
                Err(_) if end == until => return None,
                Err(_) => self.forget_slow(),
            }
        };
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.admitted().insert(number, (Instant::now(), permit));
        Some(Ticket { admission: Arc::clone(self), number })
    }

    fn forget_slow(&self) {
        self.admitted().retain(|_, (since, _)| since.elapsed() < COUNTS);
    }

    fn admitted(&self) -> MutexGuard<'_, HashMap<u64, (Instant, OwnedSemaphorePermit)>> {
        self.admitted.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.admission.admitted().remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(9)
    }

    #[tokio::test]
    async fn so_many_work_at_once_and_the_next_waits_until_one_is_done() {
        let admission = Arc::new(Admission::default());
        let mut working = Vec::new();
        for _ in 0..AT_ONCE {
            working.extend(admission.admit(soon()).await);
        }
        assert_eq!(working.len(), AT_ONCE);
        assert!(admission.admit(Instant::now()).await.is_none());
        drop(working.pop());
        assert!(admission.admit(Instant::now()).await.is_some());
    }

    #[tokio::test]
    async fn who_works_for_long_keeps_nobody_waiting() {
        let admission = Arc::new(Admission::default());
        let mut slow = Vec::new();
        for _ in 0..AT_ONCE {
            slow.extend(admission.admit(soon()).await);
        }
        let next = admission.admit(soon()).await;
        assert!(next.is_some());
        drop(slow);
        assert_eq!(admission.permits.available_permits(), AT_ONCE - 1);
    }
}
