//! What a tenant has that is not what was given.

use std::fmt;

use crate::kernel::Labels;

/// One of a tenant's settings that is not what was given.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub what: &'static str,
    pub is: String,
    pub given: String,
}

impl Difference {
    pub(super) fn of(what: &'static str, given: Option<&str>, is: &str) -> Option<Self> {
        let given = given.filter(|given| *given != is)?;
        Some(Self { what, is: is.to_owned(), given: given.to_owned() })
    }

    /// Labels that were not given are nobody's matter.
    pub(super) fn of_labels(given: &Labels, is: &Labels) -> Option<Self> {
        let differ = given.iter().any(|(key, value)| is.get(key) != Some(value));
        let text = |labels: &Labels| {
            let pairs: Vec<_> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            pairs.join(",")
        };
        differ.then(|| Self { what: "labels", is: text(is), given: text(given) })
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { what, is, given } = self;
        let verb = if *what == "labels" { "are" } else { "is" };
        let is = if is.is_empty() { "not set".to_owned() } else { format!("{is:?}") };
        write!(f, "its {what} {verb} {is}, not {given:?}")
    }
}
