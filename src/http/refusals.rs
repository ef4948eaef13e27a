//! Refusals in the log. That a server is busy or down is said at once, and then once a second with a count for as
//! long as it lasts: whoever causes them could fill the log otherwise.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// How often a cause is logged.
const PERIOD: Duration = Duration::from_secs(1);
/// Most causes of one code that are counted each for itself; more count as one.
const MOST: usize = 8;

/// Those of this process.
static REFUSALS: LazyLock<Refusals> = LazyLock::new(Refusals::default);

/// Why requests are refused.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Cause {
    code: &'static str,
    /// Empty for all for which there is no room.
    text: String,
}

/// What is being refused, and how often since it was logged.
#[derive(Debug, Default)]
struct Refusals(Mutex<HashMap<Cause, u64>>);

impl Refusals {
    fn counts(&self) -> MutexGuard<'_, HashMap<Cause, u64>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a refusal. Its cause, where that is not being refused yet.
    fn count(&self, code: &'static str, text: String) -> Option<Cause> {
        let mut counts = self.counts();
        let mut cause = Cause { code, text };
        let of_code = || counts.keys().filter(|known| known.code == code).count();
        if !counts.contains_key(&cause) && of_code() >= MOST {
            cause.text.clear();
        }
        if let Some(count) = counts.get_mut(&cause) {
            *count += 1;
            return None;
        }
        counts.insert(cause.clone(), 0);
        Some(cause)
    }

    /// How many there were since the last time; `None`, and it is forgotten, where there were none.
    fn again(&self, cause: &Cause) -> Option<u64> {
        let mut counts = self.counts();
        let count = counts.get_mut(cause).map(std::mem::take).filter(|count| *count > 0);
        if count.is_none() {
            counts.remove(cause);
        }
        count
    }

    async fn follow(&self, cause: Cause) {
        loop {
            tokio::time::sleep(PERIOD).await;
            let Some(count) = self.again(&cause) else { return };
            tracing::warn!(code = cause.code, count, "requests are refused: {}", cause.text);
        }
    }
}

/// Logs that a request is refused.
pub(super) fn log(code: &'static str, text: String) {
    let Some(cause) = REFUSALS.count(code, text) else { return };
    tracing::warn!(code, "{}", cause.text);
    match Handle::try_current() {
        Ok(runtime) => drop(runtime.spawn(REFUSALS.follow(cause))),
        Err(_) => drop(REFUSALS.again(&cause)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_new_once_and_counted_until_it_is_over() {
        let refusals = Refusals::default();
        let refuse = || refusals.count("busy", "all are in use".to_owned());
        let cause = refuse().unwrap();
        assert!((0..3).all(|_| refuse().is_none()));
        assert_eq!(refusals.again(&cause), Some(3));
        assert!(refuse().is_none());
        assert_eq!(refusals.again(&cause), Some(1));
        assert_eq!(refusals.again(&cause), None);
        assert!(refuse().is_some(), "it is over, and begins again");
    }

    #[test]
    fn causes_are_bounded() {
        let refusals = Refusals::default();
        let new = (0..1000).filter_map(|at| refusals.count("down", format!("server {at}"))).count();
        assert_eq!((new, refusals.counts().len()), (MOST + 1, MOST + 1));
        assert!(refusals.count("busy", String::from("x")).is_some(), "another code has room of its own");
    }
}
