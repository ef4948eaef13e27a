//! Who may use sessions of a pool at once, first come, first served. A server works on few statements at a time:
//! of many that are asked at once all get slow, and a key that has one session gets a share of it that is too small.

use std::collections::HashMap;
use std::pin::pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::PoolKey;

/// How many work at once.
const AT_ONCE: usize = 32;
/// How many of one key do: the others are not kept waiting by what one tenant waits for.
const OF_ONE_KEY: usize = AT_ONCE / 2;
/// Who has taken longer does not count any more: they wait for a lock, or for a slow statement, and keep nobody. Longer
/// than a server takes that is merely busy with so many.
const SLOW: Duration = Duration::from_millis(500);
/// How often who waits looks whether somebody got slow.
const PERIOD: Duration = Duration::from_millis(50);
/// Keys that are remembered before those that nobody uses are forgotten.
const MOST_KEYS: usize = 10_000;

/// The queue in front of a pool.
#[derive(Debug)]
pub(super) struct Admission {
    permits: Arc<Semaphore>,
    keys: Mutex<HashMap<PoolKey, Arc<Semaphore>>>,
    admitted: Mutex<HashMap<u64, Admitted>>,
    next: AtomicU64,
}

#[derive(Debug)]
struct Admitted {
    since: Instant,
    _permits: [OwnedSemaphorePermit; 2],
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
            keys: Mutex::default(),
            admitted: Mutex::default(),
            next: AtomicU64::new(0),
        }
    }
}

impl Admission {
    /// Leave to work with a session of a key, if it comes until then.
    pub(super) async fn admit(self: &Arc<Self>, key: PoolKey, until: Instant) -> Option<Ticket> {
        let of_key = self.acquire(self.of_key(key), until).await?;
        let of_all = self.acquire(Arc::clone(&self.permits), until).await?;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.admitted().insert(number, Admitted { since: Instant::now(), _permits: [of_key, of_all] });
        Some(Ticket { admission: Arc::clone(self), number })
    }

    async fn acquire(&self, permits: Arc<Semaphore>, until: Instant) -> Option<OwnedSemaphorePermit> {
        if permits.available_permits() == 0 {
            self.forget_slow();
        }
        let mut waiting = pin!(permits.acquire_owned());
        loop {
            let end = until.min(Instant::now() + PERIOD);
            match tokio::time::timeout_at(end, &mut waiting).await {
                Ok(permit) => return permit.ok(),
                Err(_) if end == until => return None,
                Err(_) => self.forget_slow(),
            }
        }
    }

    fn of_key(&self, key: PoolKey) -> Arc<Semaphore> {
        let mut keys = self.keys.lock().unwrap_or_else(PoisonError::into_inner);
        if keys.len() >= MOST_KEYS {
            keys.retain(|_, permits| Arc::strong_count(permits) > 1);
        }
        Arc::clone(keys.entry(key).or_insert_with(|| Arc::new(Semaphore::new(OF_ONE_KEY))))
    }

    fn forget_slow(&self) {
        self.admitted().retain(|_, it| it.since.elapsed() < SLOW);
    }

    fn admitted(&self) -> MutexGuard<'_, HashMap<u64, Admitted>> {
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
    use uuid::Uuid;

    use super::*;

    const A: PoolKey = PoolKey::administrator(Uuid::from_u128(1));
    const B: PoolKey = PoolKey::administrator(Uuid::from_u128(2));
    const C: PoolKey = PoolKey::administrator(Uuid::from_u128(3));

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(9)
    }

    async fn working(admission: &Arc<Admission>) -> Vec<Ticket> {
        let mut working = Vec::new();
        for key in [A, B] {
            for _ in 0..OF_ONE_KEY {
                working.extend(admission.admit(key, soon()).await);
            }
        }
        assert_eq!(working.len(), AT_ONCE);
        working
    }

    #[tokio::test]
    async fn so_many_work_at_once_and_the_next_waits_until_one_is_done() {
        let admission = Arc::new(Admission::default());
        let mut working = working(&admission).await;
        assert!(admission.admit(C, Instant::now()).await.is_none());
        drop(working.pop());
        assert!(admission.admit(C, Instant::now()).await.is_some());
    }

    #[tokio::test]
    async fn one_key_has_half_at_most() {
        let admission = Arc::new(Admission::default());
        let mut working = Vec::new();
        for _ in 0..OF_ONE_KEY {
            working.extend(admission.admit(A, soon()).await);
        }
        assert!(admission.admit(A, Instant::now()).await.is_none());
        assert!(admission.admit(B, Instant::now()).await.is_some());
    }

    #[tokio::test]
    async fn who_works_for_long_keeps_nobody_waiting() {
        let admission = Arc::new(Admission::default());
        let slow = working(&admission).await;
        assert!(admission.admit(A, soon()).await.is_some());
        drop(slow);
        assert_eq!(admission.permits.available_permits(), AT_ONCE);
    }
}
