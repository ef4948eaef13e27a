//! What an answer means: for the delivery, and for the webhook.

use std::time::Duration;

use super::model::{LONGEST_PAUSE, PAUSES};
use crate::features::jobs::with_jitter;
use crate::infra::outbound::{Answer, OutboundError};
use crate::kernel::JobId;

/// Most characters of why an attempt failed.
const LONGEST_ERROR: usize = 500;
/// The receiver wants nothing any more (RFC 9110, section 15.5.11).
const GONE: u16 = 410;
/// The receiver is busy, or not there for now: it may say until when.
const BUSY: [u16; 4] = [429, 502, 503, 504];

/// What an attempt came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttemptResult {
    pub(super) is_success: bool,
    /// The receiver is gone for good.
    pub(super) is_gone: bool,
    pub(super) status: Option<u16>,
    pub(super) error: Option<String>,
    /// The beginning of the answer's body.
    pub(super) response: Option<String>,
    /// The receiver asked to be left alone for so long.
    pub(super) pause: Option<Duration>,
}

impl AttemptResult {
    pub(super) fn of(answer: &Result<Answer, OutboundError>) -> Self {
        match answer {
            Ok(answer) => {
                let status = answer.status;
                let is_success = (200..300).contains(&status);
                let pause = answer.retry_after.filter(|_| BUSY.contains(&status));
                Self {
                    is_success,
                    is_gone: status == GONE,
                    status: Some(status),
                    error: (!is_success).then(|| in_words(status)),
                    response: Some(text(&answer.body)),
                    pause: pause.map(|pause| pause.min(LONGEST_PAUSE)),
                }
            }
            Err(error) => Self {
                is_success: false,
                is_gone: false,
                status: None,
                error: Some(error.to_string().chars().take(LONGEST_ERROR).collect()),
                response: None,
                pause: None,
            },
        }
    }

    /// How long after an attempt, counted from 1, the next one is; `None`: there is none.
    pub(super) fn next(&self, job: JobId, attempt: i32) -> Option<Duration> {
        let index = usize::try_from(attempt - 1).unwrap_or_default();
        let usual = with_jitter(*PAUSES.get(index)?, job.uuid(), attempt);
        Some(self.pause.map_or(usual, |pause| pause.max(usual)))
    }
}

fn in_words(status: u16) -> String {
    match status {
        300..=399 => format!("the answer was {status}: redirects are not followed"),
        GONE => "the answer was 410: the receiver is gone".to_owned(),
        _ => format!("the answer was {status}"),
    }
}

/// The body of an answer is anybody's text: without what a database or a terminal would trip over.
fn text(body: &[u8]) -> String {
    let lines = |c: &char| !c.is_control() || *c == '\n' || *c == '\t';
    String::from_utf8_lossy(body).chars().filter(lines).take(1_024).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, retry_after: Option<u64>) -> AttemptResult {
        let retry_after = retry_after.map(Duration::from_secs);
        AttemptResult::of(&Ok(Answer { status, retry_after, body: b"a\0\x1b[1mb\n".to_vec() }))
    }

    #[test]
    fn only_2xx_is_success() {
        for status in [200, 201, 202, 204, 299] {
            assert!(answer(status, None).is_success, "{status}");
        }
        for status in [100, 101, 199, 300, 301, 302, 304, 307, 400, 404, 410, 429, 500, 503, 599, 999] {
            let result = answer(status, None);
            assert!(!result.is_success && result.error.is_some(), "{status}");
            assert_eq!(result.is_gone, status == 410);
        }
        assert_eq!(answer(200, None).response.unwrap(), "a[1mb\n");
    }

    #[test]
    fn tries_come_after_the_pauses_of_the_standard_and_then_no_more() {
        let result = answer(500, None);
        let hours: f64 = PAUSES.iter().map(Duration::as_secs_f64).sum::<f64>() / 3_600.0;
        assert!((75.0..76.0).contains(&hours), "{hours}");
        for (index, pause) in PAUSES.iter().enumerate() {
            let attempt = i32::try_from(index).unwrap() + 1;
            let next = result.next(JobId::new(), attempt).unwrap().as_secs_f64();
            assert!((0.8..=1.2).contains(&(next / pause.as_secs_f64())), "attempt {attempt}: {next}");
        }
        assert_eq!(result.next(JobId::new(), 10), None);
    }

    #[test]
    fn who_is_busy_is_left_alone_for_as_long_as_they_ask_up_to_a_day() {
        let next = |status, seconds| answer(status, Some(seconds)).next(JobId::new(), 1).unwrap();
        for status in BUSY {
            assert_eq!(next(status, 900), Duration::from_mins(15), "{status}");
            assert_eq!(next(status, 10_000_000), LONGEST_PAUSE, "{status}");
            assert!(next(status, 0) >= Duration::from_secs(4), "{status}");
        }
        assert!(next(500, 900) < Duration::from_mins(1));
    }
}
