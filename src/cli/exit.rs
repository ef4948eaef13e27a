//! How a command ends: the only map from a failure's kind to an exit code, and the only place
//! where a failure is put into words for a person or a script.

use std::process::ExitCode;

use serde::Serialize;
use serde_json::Value;

use super::output::Screen;
use super::{CommandResult, hint};
use crate::kernel::brief::bounded;
use crate::kernel::{AnyFailure, ErrorKind, Failure, Verdict};

/// How a command ends. The codes never change within a major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a bug in Nexus.
    Bug,
    /// 2: the request itself is wrong.
    Usage,
    /// 3: refused: a permission, or a confirmation that was not given.
    Refused,
    /// 4: there is no such thing.
    Absent,
    /// 5: it contradicts what is there.
    Conflict,
    /// 6: some of many were done.
    Partial,
    /// 7: somebody else holds the lock.
    Busy,
    /// 8: something that Nexus needs does not answer.
    Unavailable,
    /// 9: a check of data or keys failed.
    Integrity,
    /// 130: the user stopped it (128 and the number of SIGINT, as shells report it).
    Interrupted,
    /// The code of a program that Nexus ran in its own place, e.g. psql.
    Child(u8),
}

impl Exit {
    /// The code.
    #[must_use]
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Bug => 1,
            Self::Usage => 2,
            Self::Refused => 3,
            Self::Absent => 4,
            Self::Conflict => 5,
            Self::Partial => 6,
            Self::Busy => 7,
            Self::Unavailable => 8,
            Self::Integrity => 9,
            Self::Interrupted => 130,
            Self::Child(code) => code,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

impl From<ErrorKind> for Exit {
    fn from(kind: ErrorKind) -> Self {
        match kind {
            ErrorKind::Invalid => Self::Usage,
            ErrorKind::Unauthenticated | ErrorKind::Forbidden => Self::Refused,
            ErrorKind::NotFound => Self::Absent,
            ErrorKind::Conflict => Self::Conflict,
            ErrorKind::Partial => Self::Partial,
            ErrorKind::Busy => Self::Busy,
            ErrorKind::Unavailable => Self::Unavailable,
            ErrorKind::Integrity => Self::Integrity,
            ErrorKind::Interrupted => Self::Interrupted,
            ErrorKind::Internal => Self::Bug,
        }
    }
}

impl From<Verdict> for Exit {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Well => Self::Done,
            Verdict::Unchecked { .. } => Self::Unavailable,
            Verdict::Faulty { kind, .. } => kind.into(),
        }
    }
}

/// The system gives no threads.
#[derive(Debug, thiserror::Error, Failure)]
#[error("cannot start the threads that commands run on: {source}")]
#[failure(Unavailable, "no_threads")]
pub struct NoRuntime {
    /// The system's word.
    pub source: std::io::Error,
}

/// Ends a command: writes what is left to write, reports a failure.
#[must_use]
pub fn conclude(screen: &Screen, result: CommandResult) -> Exit {
    let result = match result {
        Ok(exit) => screen.flush().map(|()| exit).map_err(AnyFailure::from),
        Err(failure) => {
            // What was written before the failure is worth having; the failure is worth more.
            let _ = screen.flush();
            Err(failure)
        }
    };
    if screen.reader_left() {
        // `nexus tenant list | head -1` is done when head is.
        return result.unwrap_or(Exit::Done);
    }
    match result {
        Ok(exit) => {
            screen.release_notes();
            exit
        }
        Err(failure) => {
            report(screen, failure.get());
            failure.kind().into()
        }
    }
}

/// Puts a failure into words: one JSON object, or lines for a person.
pub fn report(screen: &Screen, failure: &dyn Failure) {
    screen.error(&if screen.json() { as_json(screen, failure) } else { as_text(screen, failure) });
}

/// An error as scripts read it. The fields never change within a major version.
#[derive(Serialize)]
struct ErrorObject<'a> {
    error: ErrorFields<'a>,
}

#[derive(Serialize)]
struct ErrorFields<'a> {
    code: &'a str,
    message: &'a str,
    hint: Option<String>,
    details: Value,
    operation: Option<String>,
}

fn as_json(screen: &Screen, failure: &dyn Failure) -> String {
    let mut details = match failure.details() {
        Value::Null => Value::Object(serde_json::Map::new()),
        details => details,
    };
    if let (Some(neighbour), Some(details)) = (neighbour(screen, failure), details.as_object_mut()) {
        details.insert("nearest".to_owned(), neighbour.into());
    }
    let operation = failure.operation().map(|id| id.to_string());
    let message = failure.to_string();
    error_object(failure.code(), &bounded(&message), &hints(screen, failure), short(details), operation)
}

/// One line: an error as scripts read it.
#[must_use]
pub fn error_object(
    code: &str,
    message: &str,
    hints: &[String],
    details: Value,
    operation: Option<String>,
) -> String {
    let hint = (!hints.is_empty()).then(|| hints.join("\n"));
    let object = ErrorObject { error: ErrorFields { code, message, hint, details, operation } };
    // Texts and a JSON value always serialise.
    serde_json::to_string(&object).unwrap_or_default()
}

fn hints(screen: &Screen, failure: &dyn Failure) -> Vec<String> {
    let neighbour = neighbour(screen, failure).map(|name| format!("there is also {name}"));
    neighbour
        .into_iter()
        .chain(failure.hints().iter().map(hint::sentence))
        .map(|hint| screen.hint(&bounded(&hint)))
        .collect()
}

fn neighbour<'a>(screen: &Screen, failure: &'a dyn Failure) -> Option<&'a str> {
    failure.neighbour().filter(|_| screen.reads())
}

/// The same, no text in it longer than can be meant.
fn short(value: Value) -> Value {
    match value {
        Value::String(text) => bounded(&text).into(),
        Value::Array(all) => all.into_iter().map(short).collect(),
        Value::Object(all) => all.into_iter().map(|(name, value)| (name, short(value))).collect(),
        other => other,
    }
}

fn as_text(screen: &Screen, failure: &dyn Failure) -> String {
    let mut lines = vec![screen.tagged("error", &bounded(&failure.to_string()))];
    if screen.verbose() {
        let mut cause = failure.source();
        while let Some(error) = cause {
            lines.push(screen.tagged("cause", &bounded(&error.to_string())));
            cause = error.source();
        }
        lines.push(screen.tagged("code", failure.code()));
    }
    lines.extend(hints(screen, failure).iter().map(|hint| screen.tagged("hint", hint)));
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_code() {
        let codes = [
            (ErrorKind::Internal, 1),
            (ErrorKind::Invalid, 2),
            (ErrorKind::Forbidden, 3),
            (ErrorKind::Unauthenticated, 3),
            (ErrorKind::NotFound, 4),
            (ErrorKind::Conflict, 5),
            (ErrorKind::Partial, 6),
            (ErrorKind::Busy, 7),
            (ErrorKind::Unavailable, 8),
            (ErrorKind::Integrity, 9),
            (ErrorKind::Interrupted, 130),
        ];
        for (kind, code) in codes {
            assert_eq!(Exit::from(kind).code(), code, "{kind:?}");
        }
    }
}
