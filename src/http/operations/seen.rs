//! What a client knows of an operation: the ids of events. They say it themselves, so that every server
//! understands those of another, and none has to keep what it told.

use std::fmt;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

use super::super::Api;
use super::super::problem::Problem;
use super::super::streams;
use crate::features::provisioning::{OperationView, StepRecord, StepState};

/// How far a client knows an operation: its state, and a letter for the state of each step.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Seen {
    state: String,
    steps: String,
}

/// Something that a client does not know.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum News<'a> {
    Step(&'a StepRecord),
    State,
}

impl Seen {
    /// All there is to know.
    pub(super) fn of(view: &OperationView) -> Self {
        Self { state: view.state.clone(), steps: view.steps.iter().map(letter).collect() }
    }

    /// What is new, each with what is known then. Of steps that were only planned nobody is told.
    pub(super) fn news<'a>(&self, view: &'a OperationView) -> Vec<(News<'a>, Self)> {
        let mut now = Self { state: self.state.clone(), steps: view.steps.iter().map(|_| 'p').collect() };
        if self.steps.len() == now.steps.len() {
            now.steps.clone_from(&self.steps);
        }
        let mut news = Vec::new();
        for (at, step) in view.steps.iter().enumerate() {
            let letter = letter(step);
            if !now.steps[at..].starts_with(letter) {
                now.steps.replace_range(at..=at, letter.encode_utf8(&mut [0; 4]));
                news.push((News::Step(step), now.clone()));
            }
        }
        if now.state != view.state {
            now.state.clone_from(&view.state);
            news.push((News::State, now));
        }
        news
    }

    /// What an id says; one that is none of ours says that nothing is known.
    fn parse(text: &str) -> Self {
        let known = text.split_once('.').filter(|(state, steps)| {
            state.bytes().all(|c| c.is_ascii_lowercase() || c == b'_')
                && steps.bytes().all(|c| b"psdu".contains(&c))
        });
        known.map_or_else(Self::default, |(state, steps)| Self {
            state: state.to_owned(),
            steps: steps.to_owned(),
        })
    }
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.state, self.steps)
    }
}

fn letter(step: &StepRecord) -> char {
    match step.state {
        StepState::Planned => 'p',
        StepState::Started => 's',
        StepState::Done => 'd',
        StepState::Undone => 'u',
    }
}

/// What a client knows that comes again (`Last-Event-ID`).
pub(super) struct LastEventId(pub(super) Seen);

impl FromRequestParts<Api> for LastEventId {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Api) -> Result<Self, Problem> {
        let sent = parts.headers.get(streams::LAST_EVENT_ID).and_then(|value| value.to_str().ok());
        Ok(Self(sent.map_or_else(Seen::default, Seen::parse)))
    }
}

impl IntoParams for LastEventId {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        vec![streams::last_event_id()]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_what_its_client_knows() {
        let seen = Seen { state: "running".to_owned(), steps: "ddsp".to_owned() };
        assert_eq!(seen.to_string(), "running.ddsp");
        assert_eq!(Seen::parse("running.ddsp"), seen);
        for other in ["", "17", "running", "running.xyz", "Running.d", "é.d"] {
            assert_eq!(Seen::parse(other), Seen::default(), "{other}");
        }
    }
}
