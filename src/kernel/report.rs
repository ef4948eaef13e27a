//! What a comparison came to, and how it ends: what could not be looked at is not well.

use super::{ErrorKind, Finding, Severity};

/// All that was found.
#[derive(Debug, Clone)]
pub struct Report<Extra = ()> {
    pub findings: Vec<Finding<Extra>>,
}

/// How a comparison ends: well only where everything was looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was looked at, and nothing is wrong.
    Well,
    /// Nothing is wrong where it was looked, and some could not be looked at.
    Unchecked { unchecked: usize },
    /// Something is wrong.
    Faulty {
        /// What sort of failure the worst of it is.
        kind: ErrorKind,
        faults: usize,
        /// How many could not be looked at.
        unchecked: usize,
    },
}

impl Verdict {
    /// Of so many faults of keys or data, and so many that could not be looked at.
    #[must_use]
    pub fn of(faults: usize, unchecked: usize) -> Self {
        let kind = ErrorKind::Integrity;
        match (faults, unchecked) {
            (0, 0) => Self::Well,
            (0, unchecked) => Self::Unchecked { unchecked },
            (faults, unchecked) => Self::Faulty { kind, faults, unchecked },
        }
    }
}

impl<Extra> Report<Extra> {
    /// How it ends.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        let count = |is: fn(&Finding<Extra>) -> bool| self.findings.iter().filter(|it| is(it)).count();
        match Verdict::of(count(Finding::is_fault), count(Finding::is_unchecked)) {
            Verdict::Faulty { faults, unchecked, .. } => {
                Verdict::Faulty { kind: self.worst(), faults, unchecked }
            }
            other => other,
        }
    }

    /// Keys and data before what is down, that before settings. Any other kind means that something
    /// which is needed cannot be used.
    fn worst(&self) -> ErrorKind {
        let mut kinds = self.findings.iter().filter_map(|it| match it.severity {
            Severity::Error(kind) => Some(kind),
            Severity::Unchecked => Some(ErrorKind::Unavailable),
            Severity::Ok | Severity::Skipped | Severity::Notice | Severity::Warning => None,
        });
        if kinds.clone().any(|kind| kind == ErrorKind::Integrity) {
            ErrorKind::Integrity
        } else if kinds.all(|kind| kind == ErrorKind::Invalid) {
            ErrorKind::Invalid
        } else {
            ErrorKind::Unavailable
        }
    }
}

impl<Extra> Default for Report<Extra> {
    fn default() -> Self {
        Self { findings: Vec::new() }
    }
}

impl<Extra> From<Vec<Finding<Extra>>> for Report<Extra> {
    fn from(findings: Vec<Finding<Extra>>) -> Self {
        Self { findings }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Subject;
    use super::*;
    use ErrorKind::{Busy, Integrity, Invalid, Unavailable};
    use Severity::{Error, Notice, Ok, Skipped, Unchecked, Warning};

    fn verdict(severities: &[Severity]) -> Verdict {
        let finding = |severity: &Severity| Finding {
            code: "c".into(),
            severity: *severity,
            subject: Subject::default(),
            detail: String::new(),
            fix: Vec::new(),
            extra: (),
        };
        Report::from(severities.iter().map(finding).collect::<Vec<_>>()).verdict()
    }

    #[test]
    fn what_could_not_be_looked_at_is_not_well() {
        assert_eq!(verdict(&[Ok, Skipped, Notice, Warning]), Verdict::Well);
        assert_eq!(verdict(&[Ok, Unchecked]), Verdict::Unchecked { unchecked: 1 });
        let faulty = Verdict::Faulty { kind: Integrity, faults: 2, unchecked: 1 };
        assert_eq!(verdict(&[Error(Invalid), Unchecked, Error(Integrity)]), faulty);
    }

    #[test]
    fn keys_and_data_are_worse_than_what_is_down_and_that_is_worse_than_settings() {
        let worst = |kinds: &[ErrorKind]| match verdict(&kinds.iter().copied().map(Error).collect::<Vec<_>>())
        {
            Verdict::Faulty { kind, .. } => kind,
            other => panic!("{other:?}"),
        };
        assert_eq!(worst(&[Invalid]), Invalid);
        assert_eq!(worst(&[Invalid, Busy]), Unavailable);
        assert_eq!(worst(&[Unavailable, Integrity, Invalid]), Integrity);
        let faulty = Verdict::Faulty { kind: Unavailable, faults: 1, unchecked: 1 };
        assert_eq!(verdict(&[Error(Invalid), Unchecked]), faulty);
    }
}
