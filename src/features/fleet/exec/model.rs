//! What is run over the fleet, and what comes of it.

use std::time::Duration;

use serde::Serialize;
use serde::ser::Error as _;
use serde_json::Value;
use serde_json::value::RawValue;

use super::super::asking::Wanted;
use super::statement::Statement;

/// What is to be run, and how.
#[derive(Debug, Clone)]
pub struct ExecRequest {
    pub wanted: Wanted,
    pub statement: Statement,
    /// Whether it may write.
    pub write: bool,
    /// In how many at a time on each server.
    pub jobs: usize,
    /// None is begun once so many have failed.
    pub max_failures: Option<MaxFailures>,
    /// How long the statement may take in one tenant.
    pub statement_timeout: Duration,
    /// How long it may wait for one lock there.
    pub lock_timeout: Duration,
}

/// How many may fail.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MaxFailures {
    /// So many.
    Count(usize),
    /// So many of a hundred.
    Percent(u8),
}

impl MaxFailures {
    /// How many of so many.
    #[must_use]
    pub fn of(self, total: usize) -> usize {
        match self {
            Self::Count(count) => count,
            Self::Percent(percent) => (total * usize::from(percent)).div_ceil(100).max(1),
        }
    }
}

impl std::str::FromStr for MaxFailures {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "a number from 1, or a percentage from 1% to 100%";
        match text.strip_suffix('%') {
            Some(percent) => match percent.parse() {
                Ok(percent @ 1..=100) => Ok(Self::Percent(percent)),
                _ => Err(wrong),
            },
            None => match text.parse() {
                Ok(count) if count > 0 => Ok(Self::Count(count)),
                _ => Err(wrong),
            },
        }
    }
}

/// One line of what comes of it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ExecLine {
    pub tenant: String,
    /// What.
    #[serde(flatten)]
    pub outcome: ExecOutcome,
}

/// What a line tells.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecOutcome {
    /// A row, as JSON text.
    #[serde(serialize_with = "as_value")]
    Row(String),
    /// It ended, and gives no rows: so many were changed.
    RowsAffected(u64),
    /// It failed there.
    Error {
        /// The server's code (manual, appendix A); none where it did not answer.
        sqlstate: Option<String>,
        message: String,
    },
    /// It was not run there, for this reason.
    Skipped(String),
}

/// As it is: each number with all its digits, each field in its place.
fn as_value<S: serde::Serializer>(text: &str, serializer: S) -> Result<S::Ok, S::Error> {
    serde_json::from_str::<&RawValue>(text).map_err(S::Error::custom)?.serialize(serializer)
}

impl ExecLine {
    /// The line as JSON, a row's fields in the order of its columns.
    #[must_use]
    pub fn json(&self) -> String {
        match &self.outcome {
            ExecOutcome::Row(row) => {
                format!("{{\"tenant\":{},\"row\":{row}}}", Value::from(self.tenant.as_str()))
            }
            // Texts and numbers always serialise.
            _ => serde_json::to_string(self).unwrap_or_default(),
        }
    }
}

/// A row as the server wrote it, on one line: a line break in JSON stands between values only, where
/// a blank does as well.
pub(super) fn one_line(row: String) -> String {
    let breaks = ['\n', '\r', '\t'];
    if breaks.iter().any(|it| row.contains(*it)) { row.replace(breaks, " ") } else { row }
}

/// A row of values as the server writes them, as JSON: in form like what the server makes itself of
/// truth values, numbers and JSON; all else is text.
pub(super) fn object(names: &[String], kinds: &[&str], cells: Vec<Option<String>>) -> String {
    let field = |((name, kind), cell): ((&String, &&str), Option<String>)| {
        let value = match (*kind, cell) {
            (_, None) => "null".to_owned(),
            ("BOOL", Some(text)) => (text == "t").to_string(),
            ("JSON" | "JSONB", Some(text)) => one_line(text),
            ("INT2" | "INT4" | "INT8" | "FLOAT4" | "FLOAT8" | "NUMERIC", Some(text)) if is_number(&text) => {
                text
            }
            (_, Some(text)) => Value::from(text).to_string(),
        };
        format!("{}:{value}", Value::from(name.as_str()))
    };
    format!("{{{}}}", names.iter().zip(kinds).zip(cells).map(field).collect::<Vec<_>>().join(","))
}

/// Infinity, and what is not a number, are none in JSON (RFC 8259, section 6).
fn is_number(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit() || b"+-.e".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_by_their_types() {
        let columns = ["BOOL", "INT8", "NUMERIC", "FLOAT8", "JSONB", "INT4", "TEXT", "UUID"];
        let names: Vec<_> = columns.iter().map(|kind| kind.to_lowercase()).collect();
        let cells = ["t", "-7", "12.50", "-Infinity", "{\"k\": [1]}", "", "a\"b", "x"];
        let cells = cells.iter().map(|text| (!text.is_empty()).then(|| (*text).to_owned())).collect();
        assert_eq!(
            object(&names, &columns, cells),
            r#"{"bool":true,"int8":-7,"numeric":12.50,"float8":"-Infinity","jsonb":{"k": [1]},"int4":null,"text":"a\"b","uuid":"x"}"#
        );
    }

    #[test]
    fn a_limit_is_a_number_or_a_share() {
        assert_eq!("3".parse(), Ok(MaxFailures::Count(3)));
        assert_eq!("5%".parse::<MaxFailures>().map(|it| it.of(50)), Ok(3));
        assert_eq!("1%".parse::<MaxFailures>().map(|it| it.of(10)), Ok(1));
        for wrong in ["0", "0%", "101%", "-1", "x", ""] {
            assert!(wrong.parse::<MaxFailures>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_line_is_one_line() {
        let line = |outcome| ExecLine { tenant: "acme".to_owned(), outcome }.json();
        assert_eq!(
            line(ExecOutcome::Row(one_line("{\"b\":1e400,\"a\":{\n},\"a\":1.10}".to_owned()))),
            r#"{"tenant":"acme","row":{"b":1e400,"a":{ },"a":1.10}}"#
        );
        assert_eq!(line(ExecOutcome::RowsAffected(3)), r#"{"tenant":"acme","rows_affected":3}"#);
        assert_eq!(
            line(ExecOutcome::Error { sqlstate: Some("42P01".to_owned()), message: "no".to_owned() }),
            r#"{"tenant":"acme","error":{"sqlstate":"42P01","message":"no"}}"#
        );
    }
}
