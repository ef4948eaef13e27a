//! What PostgreSQL says beside its answers, e.g. `RAISE WARNING`. The driver has it as events of the log,
//! without a word of whose statement it was: they are heard here, in the task that waits for the answer.

use std::cell::RefCell;
use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// The events of the log that are what PostgreSQL said.
pub const NOTICES: &str = "sqlx::postgres::notice";
/// Most of them that are kept of one piece of work.
const KEPT: usize = 20;
/// Most characters of each that are kept.
const CHARACTERS: usize = 500;

/// Something that PostgreSQL said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Notice {
    /// `warning`, `notice` or `info`.
    pub level: String,
    pub text: String,
}

/// What was said during a piece of work: the first ones, and how many there were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Notices {
    pub first: Vec<Notice>,
    pub count: usize,
}

tokio::task_local! {
    static HEARD: RefCell<Notices>;
}

/// Does a piece of work, and keeps what PostgreSQL says meanwhile. Needs [`NoticeLayer`] in the log.
pub async fn hearing<T>(work: impl Future<Output = T>) -> (T, Notices) {
    HEARD
        .scope(RefCell::default(), async {
            let done = work.await;
            (done, HEARD.with(RefCell::take))
        })
        .await
}

/// Hears what PostgreSQL says.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoticeLayer;

impl<S: Subscriber> Layer<S> for NoticeLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() != NOTICES {
            return;
        }
        // Where nobody listens, nothing is kept.
        let _ = HEARD.try_with(|heard| {
            let Ok(mut heard) = heard.try_borrow_mut() else { return };
            heard.count += 1;
            if heard.first.len() < KEPT {
                let mut text = Text::default();
                event.record(&mut text);
                heard.first.push(Notice { level: level(*event.metadata().level()).to_owned(), text: text.0 });
            }
        });
    }
}

/// As the driver maps severities to levels.
fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warning",
        Level::INFO => "notice",
        _ => "info",
    }
}

/// The sentence of an event.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "message" {
            self.0 = value.chars().take(CHARACTERS).collect();
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.0 = format!("{value:?}").chars().take(CHARACTERS).collect();
        }
    }
}

#[cfg(test)]
mod tests {
    use tracing_subscriber::layer::SubscriberExt;

    use super::*;

    #[tokio::test]
    async fn what_is_said_is_heard_by_who_waits_for_the_answer_and_bounded() {
        let _log = tracing::subscriber::set_default(tracing_subscriber::registry().with(NoticeLayer));
        tracing::warn!(target: NOTICES, "nobody listens");
        let ((), heard) = hearing(async {
            for number in 0..KEPT + 5 {
                tracing::warn!(target: NOTICES, "{number}");
            }
            tracing::warn!("something else");
        })
        .await;
        assert_eq!((heard.first.len(), heard.count), (KEPT, KEPT + 5));
        assert_eq!(heard.first[0], Notice { level: "warning".into(), text: "0".into() });
    }
}
