//! How long a store is waited for: once it has been silent, not for as long again a moment later.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long one request may take before the store counts as down.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// The same, where the last request to it found it down: a command that goes on to tidy up, or to the
/// next tenant, is not held up by each.
const TIMEOUT_AFTER_SILENCE: Duration = Duration::from_secs(1);
/// For how long that holds.
const FRESH: Duration = Duration::from_secs(20);

static SILENT: LazyLock<Mutex<HashMap<String, Instant>>> = LazyLock::new(Mutex::default);

/// Scheme, host and port: what follows may be signed.
fn place(url: &str) -> &str {
    let host = url.find("://").map_or(0, |at| at + 3);
    &url[..url[host..].find('/').map_or(url.len(), |at| host + at)]
}

/// How long the next request may take.
pub(super) fn patience(endpoint: &str) -> Duration {
    let silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner);
    let fresh = silent.get(place(endpoint)).is_some_and(|since| since.elapsed() < FRESH);
    if fresh { TIMEOUT_AFTER_SILENCE } else { REQUEST_TIMEOUT }
}

/// Something came from it, or not.
pub(super) fn answered(endpoint: &str, answered: bool) {
    let mut silent = SILENT.lock().unwrap_or_else(PoisonError::into_inner);
    if answered {
        silent.remove(place(endpoint));
    } else {
        silent.insert(place(endpoint).to_owned(), Instant::now());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_was_silent_is_waited_for_a_second_until_it_answers() {
        let endpoint = "http://patience.test";
        assert_eq!(patience(endpoint), REQUEST_TIMEOUT);
        answered(endpoint, false);
        assert_eq!(patience(endpoint), TIMEOUT_AFTER_SILENCE);
        assert_eq!(patience("http://patience.test/bucket?signature=x"), TIMEOUT_AFTER_SILENCE);
        assert_eq!(patience("http://another.test"), REQUEST_TIMEOUT);
        answered(endpoint, true);
        assert_eq!(patience(endpoint), REQUEST_TIMEOUT);
    }
}
