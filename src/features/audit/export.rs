//! Exports: the rows in order, each with its hash and the one before it, so that an export can be
//! verified without the database.
//!
//! `detail` is a text here, as it is hashed: a program that reads JSON and writes it again may
//! write the same meaning with other bytes.

use std::borrow::Cow;
use std::io::BufRead;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::anchor::Anchor;
use super::chain::{Hash, Record};
use super::error::AuditError;
use super::service::Watch;
use super::views::{ExportFormat, Verified};
use super::walk::Walk;

/// The columns of CSV: the names of [`Line`], in its order.
const COLUMNS: [&str; 10] = [
    "sequence",
    "id",
    "at",
    "caller",
    "action",
    "tenant_id",
    "operation_id",
    "detail",
    "previous_hash",
    "hash",
];

/// A row of an export. What is not one of these fields would not be covered by the hash, so it is
/// refused.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line<'a> {
    sequence: i64,
    id: i64,
    at: Cow<'a, str>,
    caller: Cow<'a, str>,
    action: Cow<'a, str>,
    tenant_id: Option<Cow<'a, str>>,
    operation_id: Option<Cow<'a, str>>,
    detail: Cow<'a, str>,
    previous_hash: Option<Hash>,
    hash: Option<Hash>,
}

impl ExportFormat {
    /// What stands before the first row.
    pub(super) fn head(self) -> String {
        match self {
            Self::JsonLines => String::new(),
            Self::Csv => COLUMNS.join(",") + "\n",
        }
    }

    /// Writes a row, in place of what the buffer held.
    pub(super) fn line(
        self,
        buffer: &mut Vec<u8>,
        record: &Record,
        previous: Option<Hash>,
    ) -> Result<(), String> {
        buffer.clear();
        let id = |id: Option<Uuid>| id.map(|id| Cow::Owned(id.to_string()));
        let line = Line {
            sequence: record.sequence,
            id: record.id,
            at: Cow::Borrowed(&record.at),
            caller: Cow::Borrowed(&record.caller),
            action: Cow::Borrowed(&record.action),
            tenant_id: id(record.tenant_id),
            operation_id: id(record.operation_id),
            detail: Cow::Borrowed(&record.detail),
            previous_hash: previous,
            hash: record.hash,
        };
        match self {
            Self::JsonLines => {
                serde_json::to_writer(&mut *buffer, &line).map_err(|error| error.to_string())?;
                buffer.push(b'\n');
                Ok(())
            }
            Self::Csv => {
                let mut writer = csv::WriterBuilder::new().has_headers(false).from_writer(buffer);
                writer.serialize(&line).map_err(|error| error.to_string())?;
                writer.flush().map_err(|error| error.to_string())
            }
        }
    }
}

/// Verifies an export, with no database. An export of a part says itself what stands before its
/// first row; anchors before that prove nothing, and are not counted.
///
/// # Errors
/// [`AuditError::Tampered`], [`AuditError::Export`], Ctrl-C.
pub fn check_file(
    name: &str,
    reader: &mut dyn BufRead,
    anchors: Vec<Anchor>,
    watch: Watch<'_>,
) -> Result<Verified, AuditError> {
    let mut check = Check { walk: Walk::new(anchors, None), watch, rows: 0 };
    let start = reader.fill_buf().map_err(|error| unreadable(name, 1, &error.to_string()))?;
    if start.first() == Some(&b'{') || start.is_empty() {
        json_lines(name, reader, &mut check)?;
    } else {
        comma_separated(name, reader, &mut check)?;
    }
    // Who wrote into a pipe is stopped by the same Ctrl-C, and what came of it is not all.
    if watch.stop.is_cancelled() {
        return Err(AuditError::Interrupted);
    }
    Ok(check.walk.end()?.into())
}

struct Check<'a> {
    walk: Walk,
    watch: Watch<'a>,
    rows: u64,
}

impl Check<'_> {
    fn line(&mut self, line: Line<'_>) -> Result<(), String> {
        let id = |text: Option<Cow<'_, str>>| match text {
            None => Ok(None),
            // A UUID can be written in many ways, and only one of them is hashed.
            Some(text) => match text.parse::<Uuid>() {
                Ok(id) if id.to_string() == text => Ok(Some(id)),
                _ => Err(format!("{text:?} is no id")),
            },
        };
        let record = Record {
            sequence: line.sequence,
            id: line.id,
            at: line.at.into_owned(),
            caller: line.caller.into_owned(),
            action: line.action.into_owned(),
            tenant_id: id(line.tenant_id)?,
            operation_id: id(line.operation_id)?,
            detail: line.detail.into_owned(),
            hash: line.hash,
        };
        if let (0, Some(previous)) = (self.rows, line.previous_hash) {
            self.walk.begin_at(record.sequence, previous);
        }
        self.rows += 1;
        self.walk.exported_row(&record, line.previous_hash);
        Ok(())
    }
}

fn json_lines(name: &str, reader: &mut dyn BufRead, check: &mut Check<'_>) -> Result<(), AuditError> {
    let mut text = Vec::new();
    for number in 1.. {
        text.clear();
        let failed = |reason: &str| unreadable(name, number, reason);
        let read = reader.read_until(b'\n', &mut text).map_err(|error| failed(&error.to_string()))?;
        if read == 0 {
            break;
        }
        let line = serde_json::from_slice(&text).map_err(|error| failed(&error.to_string()))?;
        check.line(line).map_err(|reason| failed(&reason))?;
        check.watch.stopped(number)?;
    }
    Ok(())
}

fn comma_separated(name: &str, reader: &mut dyn BufRead, check: &mut Check<'_>) -> Result<(), AuditError> {
    let mut lines = csv::Reader::from_reader(reader);
    let header = lines.headers().map_err(|error| unreadable(name, 1, &error.to_string()))?.clone();
    if header != COLUMNS[..] {
        return Err(unreadable(name, 1, "the header is not that of an export"));
    }
    let mut text = csv::StringRecord::new();
    loop {
        let number = lines.position().line();
        let failed = |reason: &str| unreadable(name, number, reason);
        if !lines.read_record(&mut text).map_err(|error| failed(&error.to_string()))? {
            return Ok(());
        }
        let line = text.deserialize(Some(&header)).map_err(|error| failed(&error.to_string()))?;
        check.line(line).map_err(|reason| failed(&reason))?;
        check.watch.stopped(number)?;
    }
}

fn unreadable(name: &str, line: u64, reason: &str) -> AuditError {
    AuditError::Export { file: name.to_owned(), line, reason: reason.to_owned() }
}
