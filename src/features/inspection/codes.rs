//! Everything that an inspection can find: one entry a code, which the handbook's table repeats.

mod list;

use super::model::Severity;

pub use list::CODES;

/// What mends a finding, in the words of the handbook.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cure {
    /// `--fix` does, through a recorded repair of the tenant.
    Repair,
    /// `--fix` does, by what these words say.
    Fix(&'static str),
    /// `--fix --drop-orphans` does.
    Drop(&'static str),
    /// A person does, by what these words say; `{tenant}` stands for the slug.
    Hand(&'static str),
}

/// A kind of finding.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    pub code: &'static str,
    pub severity: Severity,
    pub meaning: &'static str,
    pub cure: Cure,
}

/// The entry of a code.
#[must_use]
pub fn entry_of(code: &str) -> Option<&'static Entry> {
    CODES.iter().find(|entry| entry.code == code)
}

impl Cure {
    /// What to type or do.
    #[must_use]
    pub fn words(&self, tenant: Option<&str>) -> String {
        match self {
            Self::Repair => "nexus fsck --fix repairs the tenant".to_owned(),
            Self::Fix(words) => format!("nexus fsck --fix {words}"),
            Self::Drop(words) => format!("nexus fsck --fix --drop-orphans {words}"),
            Self::Hand(words) => words.replace("{tenant}", tenant.unwrap_or("SLUG")),
        }
    }
}

/// The handbook's table, one line an entry.
#[must_use]
pub fn table() -> String {
    let mut lines = vec![
        "| code | severity | what it means | how to fix it |".to_owned(),
        "|---|---|---|---|".to_owned(),
    ];
    for entry in CODES {
        let (severity, mend) = (entry.severity.as_str(), entry.cure.words(None));
        lines.push(format!("| `{}` | {severity} | {} | {mend} |", entry.code, entry.meaning));
    }
    lines.join("\n") + "\n"
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
