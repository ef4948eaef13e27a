//! Why a text is no selector.

use serde_json::{Value, json};

use crate::kernel::label::LabelError;
use crate::kernel::{ErrorKind, Failure};

/// A selector that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SelectorError {
    /// Nothing between two commas, or nothing at all.
    #[error("a condition is missing: one is written KEY=VALUE, several are separated by commas")]
    Empty,
    /// A word that is neither one of the keys nor marked as a label.
    #[error(
        "{key:?} is nothing to select by: one of state, cluster, store, slug, name, created, reason, suspended, suspended_by, or label.KEY"
    )]
    Key {
        /// What was written.
        key: String,
        /// What was probably meant.
        nearest: Vec<String>,
    },
    /// A key without an operator.
    #[error("{0} wants a value, as in {0}=VALUE")]
    NoValue(String),
    /// An operator that does not go with the key.
    #[error("{key} goes with {allowed}, not with {operator:?}")]
    Operator {
        /// The key.
        key: String,
        /// What was written.
        operator: &'static str,
        /// What can be.
        allowed: &'static str,
    },
    /// A word that is no state.
    #[error("{word:?} is no state of a tenant")]
    State {
        /// What was written.
        word: String,
        /// What was probably meant.
        nearest: Option<&'static str>,
    },
    /// A text that is no time.
    #[error("{0:?} is no time: a date (2026-01-31), an RFC 3339 time, or an age (30m, 12h, 7d, 4w)")]
    Time(String),
    /// A label's key or value that can be none.
    #[error(transparent)]
    Label(#[from] LabelError),
}

impl Failure for SelectorError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Invalid
    }

    fn code(&self) -> &'static str {
        "selector_invalid"
    }

    fn hints(&self) -> Vec<String> {
        match self {
            Self::Key { nearest, .. } if !nearest.is_empty() => {
                vec![format!("did you mean {}?", nearest.join(" or "))]
            }
            Self::State { nearest: Some(nearest), .. } => vec![format!("did you mean {nearest}?")],
            _ => Vec::new(),
        }
    }

    fn details(&self) -> Value {
        match self {
            Self::Key { key, nearest } => json!({ "key": key, "nearest": nearest }),
            _ => Value::Null,
        }
    }
}
