//! Everything that an inspection can find: one entry a code, which the handbook repeats.

mod fixes;
mod list;

use super::model::{Location, Severity};
use crate::kernel::Hint;
use crate::kernel::hint::FsckAction;

pub use list::CODES;

/// What mends a finding.
#[derive(Debug, Clone, Copy)]
pub enum FixKind {
    /// A recorded repair of the tenant, which the inspection's own fixes include.
    Repair,
    /// What the inspection's own fixes do, in these words.
    Fix(&'static str),
    /// The same, of what is only dropped where that is asked for.
    Drop(&'static str),
    /// A person does.
    Hand(fn(&Subject<'_>) -> Hint),
    /// A person does, in several steps.
    Steps(fn(&Subject<'_>) -> Vec<Hint>),
}

/// What a cure is for; nothing of it is known where codes are explained.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The tenant's slug.
    pub tenant: Option<&'a str>,
    pub place: Option<&'a Location>,
}

impl Subject<'_> {
    fn slug(&self) -> Option<String> {
        self.tenant.map(str::to_owned)
    }

    fn cluster(&self) -> Option<String> {
        match self.place {
            Some(Location::Cluster(name)) => Some(name.clone()),
            _ => None,
        }
    }

    fn store(&self) -> Option<String> {
        match self.place {
            Some(Location::Store(name)) => Some(name.clone()),
            _ => None,
        }
    }
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
    /// What to do, in order.
    #[must_use]
    pub fn hints(&self, subject: &Subject<'_>) -> Vec<Hint> {
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
