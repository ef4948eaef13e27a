//! Texts and data that a command is given in files.

use serde_json::{Map, Value};

use super::super::arguments::Input;
use super::super::text::{InputError, Most, read};
use crate::kernel::{AnyFailure, Failure};

/// Most bytes of a file: more than any part of a notification may have.
const MOST: Most = Most { bytes: 64 << 10, line: 64 << 10 };

/// What was given is no object of JSON.
#[derive(Debug, thiserror::Error, Failure)]
#[error("{name} is no JSON object: {reason}")]
#[failure(Invalid, "data_invalid")]
#[details(name, reason)]
struct NotAnObject {
    name: String,
    reason: String,
}

/// A text.
pub(super) fn text(input: &Input) -> Result<String, InputError> {
    Ok(read(input, MOST)?.1.to_string())
}

/// An object; an empty one where nothing is given.
pub(super) fn object(input: Option<&Input>) -> Result<Map<String, Value>, AnyFailure> {
    let Some(input) = input else { return Ok(Map::new()) };
    let (name, text) = read(input, MOST)?;
    serde_json::from_str(&text).map_err(|error| NotAnObject { name, reason: error.to_string() }.into())
}
