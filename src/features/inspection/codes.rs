//! Everything that an inspection can find: one entry a code, which the handbook repeats.

mod fixes;
mod list;

use crate::kernel::hint::FsckAction;
use crate::kernel::{Hint, Severity, Subject};

pub use list::CODES;

/// What fixes a finding.
#[derive(Debug, Clone, Copy)]
pub enum FixKind {
    /// A recorded repair of the tenant, which the inspection's own fixes include.
    Repair,
    /// What the inspection's own fixes do, in these words.
    Fix(&'static str),
    /// The same, of what is only dropped where that is asked for.
    Drop(&'static str),
    /// A person does.
    Hand(fn(&Subject) -> Hint),
    /// A person does, in several steps.
    Steps(fn(&Subject) -> Vec<Hint>),
}

/// A kind of finding.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub code: &'static str,
    pub severity: Severity,
    pub meaning: &'static str,
    pub cure: FixKind,
}

/// The entry of a code.
#[must_use]
pub fn entry_of(code: &str) -> Option<&'static Entry> {
    CODES.iter().find(|entry| entry.code == code)
}

impl FixKind {
    /// What to do, in order; the subject is empty where codes are explained.
    #[must_use]
    pub fn hints(&self, subject: &Subject) -> Vec<Hint> {
        match self {
            Self::Repair => vec![Hint::new("repair the tenant", FsckAction::Fix)],
            Self::Fix(words) => vec![Hint::new(*words, FsckAction::Fix)],
            Self::Drop(words) => vec![Hint::new(*words, FsckAction::DropOrphans)],
            Self::Hand(hint) => vec![hint(subject)],
            Self::Steps(hints) => hints(subject),
        }
    }

    /// Whether a repair of the tenant is how to fix it.
    #[must_use]
    pub fn is_repair(&self) -> bool {
        matches!(self, Self::Repair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_stands_once() {
        let mut codes: Vec<_> = CODES.iter().map(|entry| entry.code).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), CODES.len());
    }
}
