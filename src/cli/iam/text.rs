//! The text of a file that a command is given.

use std::io::Read;

use zeroize::Zeroizing;

use super::super::arguments::Input;
use super::super::interrupt::Stdin;
use crate::kernel::{ErrorKind, Failure};

/// Most bytes of a file.
const MAX_BYTES: u64 = 256 << 20;

/// Why a file was refused.
#[derive(Debug, thiserror::Error)]
pub(crate) enum InputError {
    /// It cannot be read.
    #[error("cannot read {name}: {source}")]
    Unreadable { name: String, source: std::io::Error },
    /// It asks for nothing.
    #[error("{0} asks for no user")]
    Empty(String),
    /// Some of its lines are wrong.
    #[error("{count} line(s) of {name} are wrong, and nothing was made:\n{}", shown.join("\n"))]
    Lines { name: String, count: usize, shown: Vec<String> },
}

impl Failure for InputError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "input_unreadable",
            Self::Empty(_) => "input_empty",
            Self::Lines { .. } => "input_invalid",
        }
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Unreadable { .. } => Vec::new(),
            _ => vec!["see the fields that a line has: nexus user create --help".to_owned()],
        }
    }

    fn details(&self) -> serde_json::Value {
        match self {
            Self::Lines { shown, count, .. } => serde_json::json!({ "count": count, "lines": shown }),
            _ => serde_json::Value::Null,
        }
    }
}

/// Reads a file, or standard input: its name for messages, and its text, which may hold passwords.
pub(crate) fn read(input: &Input) -> Result<(String, Zeroizing<String>), InputError> {
    let name = match input {
        Input::Stdin => "standard input".to_owned(),
        Input::File(path) => path.display().to_string(),
    };
    let mut text = Zeroizing::new(String::new());
    let read = match input {
        Input::Stdin => Stdin.take(MAX_BYTES).read_to_string(&mut text),
        Input::File(path) => {
            std::fs::File::open(path).and_then(|file| file.take(MAX_BYTES).read_to_string(&mut text))
        }
    };
    match read {
        Ok(_) => Ok((name, text)),
        Err(source) => Err(InputError::Unreadable { name, source }),
    }
}
