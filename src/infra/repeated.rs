//! Warnings that come again and again. A cause is said at once, and then with a count once in a period for as long as it
//! lasts: whoever brings it about, or a thousand tenants on one broken server, could fill the log otherwise.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;

/// Most causes of one code that are counted each for itself; more count as one.
const MOST: usize = 8;

/// Why something is warned of.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Cause {
    code: String,
    /// Empty for all for which there is no room.
    text: String,
}

/// What lasts of one kind of warnings, and how often each came since it was logged. One in a process for each kind.
#[derive(Debug)]
pub struct Repeated {
    what: &'static str,
    period: Duration,
    counts: Mutex<HashMap<Cause, u64>>,
}

impl Repeated {
    /// Of warnings that begin with these words, where they are counted; `period` is how often that is.
    #[must_use]
    pub fn new(what: &'static str, period: Duration) -> Self {
        Self { what, period, counts: Mutex::default() }
    }

    /// Counts one. Whether it is to be logged now, because its cause is new.
    pub fn is_new(&'static self, code: &str, text: String) -> bool {
        let Some(cause) = self.count(code, text) else { return false };
        match Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(self.follow(cause))),
            Err(_) => drop(self.again(&cause)),
        }
        true
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<Cause, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one. Its cause, where that is new.
    fn count(&self, code: &str, text: String) -> Option<Cause> {
        let mut counts = self.counts();
        let mut cause = Cause { code: code.to_owned(), text };
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

    async fn follow(&'static self, cause: Cause) {
        loop {
            tokio::time::sleep(self.period).await;
            let Some(count) = self.again(&cause) else { return };
            tracing::warn!(code = %cause.code, count, "{}: {}", self.what, cause.text);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_is_new_once_and_counted_until_it_is_over() {
        let refusals = Repeated::new("requests are refused", Duration::from_secs(1));
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
        let refusals = Repeated::new("requests are refused", Duration::from_secs(1));
        let new = (0..1000).filter_map(|at| refusals.count("down", format!("server {at}"))).count();
        assert_eq!((new, refusals.counts().len()), (MOST + 1, MOST + 1));
        assert!(refusals.count("busy", String::from("x")).is_some(), "another code has room of its own");
    }
}
