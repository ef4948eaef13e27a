//! Why a text is no selector.

use crate::kernel::Failure;
use crate::kernel::label::LabelError;
use crate::kernel::word::WordError;

impl SelectorError {
    /// The word that may have been meant.
    #[must_use]
    pub fn nearest(&self) -> Option<String> {
        match self {
            Self::Key { nearest, .. } => nearest.first().cloned(),
            Self::State { nearest, .. } => nearest.map(str::to_owned),
            Self::Word(error) => error.nearest(),
            _ => None,
        }
    }
}

/// A selector that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error, Failure)]
pub enum SelectorError {
    /// Nothing between two commas, or nothing at all.
    #[error("a condition is missing: one is written KEY=VALUE, several are separated by commas")]
    #[failure(Invalid, "selector_invalid")]
    Empty,
    /// A word that is neither one of the keys nor marked as a label.
    #[error(
        "tenants cannot be selected by {key:?}: use one of state, cluster, store, slug, name, created, reason, suspended, suspended_by, tier, segment, business_type, module, or label.KEY"
    )]
    #[failure(Invalid, "selector_invalid")]
    #[hint(if !nearest.is_empty(), "did you mean {}?", nearest.join(" or "))]
    #[details(key, nearest)]
    Key { key: String, nearest: Vec<String> },
    /// A key without an operator.
    #[error("{0} needs a value, as in {0}=VALUE")]
    #[failure(Invalid, "selector_invalid")]
    NoValue(String),
    /// An operator that does not go with the key.
    #[error("{key} takes {allowed}, not {operator:?}")]
    #[failure(Invalid, "selector_invalid")]
    Operator { key: String, operator: &'static str, allowed: &'static str },
    /// A word that is not a state.
    #[error("{word:?} is not a state of a tenant")]
    #[failure(Invalid, "selector_invalid")]
    #[hint(if let Some(nearest) = nearest, "did you mean {nearest}?")]
    State { word: String, nearest: Option<&'static str> },
    /// A text that is not a time.
    #[error("{0:?} is not a time: a date (2026-01-31), an RFC 3339 time, or an age (30m, 12h, 7d, 4w)")]
    #[failure(Invalid, "selector_invalid")]
    Time(String),
    /// A text that is no word, or finds nothing for its case.
    #[error(transparent)]
    #[failure(Invalid, "selector_invalid")]
    #[hint(if let Some(nearest) = _0.nearest(), "did you mean {nearest}?")]
    Word(#[from] WordError),
    /// An invalid label key or value.
    #[error(transparent)]
    #[failure(Invalid, "selector_invalid")]
    Label(#[from] LabelError),
}
