//! What a check is, and what it finds.

use crate::kernel::hint::PlatformAction;
use crate::kernel::{ErrorKind, Failure, Finding, Hint, Location, Severity, Subject};

/// What a check is about: the first half of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Group {
    /// What is set, and where.
    Settings,
    /// The client programs of PostgreSQL.
    Programs,
    /// The embedded stack.
    Local,
    /// The master key.
    Key,
    /// This machine.
    Machine,
    /// The control database and its server.
    Control,
    /// Unfinished work.
    Tenants,
    /// The audit log.
    Audit,
    /// The servers of tenants' databases.
    Cluster,
    /// The object stores.
    Store,
    /// What carries events.
    Events,
}

impl Group {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Programs => "programs",
            Self::Local => "local",
            Self::Key => "key",
            Self::Control => "control",
            Self::Cluster => "cluster",
            Self::Store => "store",
            Self::Events => "events",
            Self::Tenants => "tenants",
            Self::Audit => "audit",
            Self::Machine => "machine",
        }
    }

    /// Where what is called so is.
    fn place(self, subject: &str) -> Location {
        match self {
            Self::Settings | Self::Programs | Self::Local | Self::Key | Self::Machine | Self::Events => {
                Location::Machine
            }
            Self::Control | Self::Tenants | Self::Audit => Location::Control,
            Self::Cluster => Location::Cluster(subject.to_owned()),
            Self::Store => Location::Store(subject.to_owned()),
        }
    }
}

/// Every check there is, by what it is about. Names never change within a major version;
/// `docs/doctor.md` says what each looks at.
pub const CHECKS: &[(Group, &[&str])] = &[
    (Group::Settings, &["file", "permissions", "context", "secrets", "variables"]),
    (Group::Programs, &["psql", "pg_dump", "pg_restore"]),
    (Group::Local, &["state", "programs", "folders", "port"]),
    (Group::Key, &["file", "recorded"]),
    (Group::Machine, &["disk", "files", "random", "clock", "completion"]),
    (
        Group::Control,
        &[
            "reachable",
            "version",
            "rights",
            "tls",
            "migrations",
            "connections",
            "durability",
            "checksums",
            "logging",
            "closed",
            "collation",
            "prepared",
            "locks",
            "slots",
            "wraparound",
            "damaged",
            "files",
            "expiry",
            "age",
            "record",
        ],
    ),
    (Group::Tenants, &["operations", "jobs", "schedules", "trash"]),
    (Group::Audit, &["head"]),
    (
        Group::Cluster,
        &[
            "reachable",
            "version",
            "rights",
            "tls",
            "connections",
            "durability",
            "checksums",
            "logging",
            "passwords",
            "closed",
            "clock",
            "disk",
            "template",
            "collation",
            "prepared",
            "locks",
            "slots",
            "wraparound",
            "damaged",
            "files",
            "expiry",
        ],
    ),
    (Group::Store, &["reachable", "tls", "clock", "keys"]),
    (Group::Events, &["reachable", "stream"]),
];

/// The whole name of a check, e.g. `key.file`.
fn full_name(group: Group, name: &str) -> String {
    format!("{}.{name}", group.as_str())
}

/// The whole names of all checks, in the order in which they are shown.
pub fn checks() -> impl Iterator<Item = String> {
    CHECKS.iter().flat_map(|(group, names)| names.iter().map(|name| full_name(*group, name)))
}

/// How findings of checks are made.
impl Finding {
    fn new(group: Group, name: &str, subject: impl Into<String>, severity: Severity, detail: String) -> Self {
        let subject = subject.into();
        let place = group.place(&subject);
        let object = if matches!(group, Group::Cluster | Group::Store) { place.to_string() } else { subject };
        Self {
            code: full_name(group, name).into(),
            severity,
            subject: Subject { place, object, ..Subject::default() },
            detail,
            fix: Vec::new(),
            extra: (),
        }
    }

    /// As it should be.
    pub(super) fn ok(group: Group, name: &str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(group, name, subject, Severity::Ok, found.into())
    }

    /// It works, and should not stay so.
    pub(super) fn warning(
        group: Group,
        name: &str,
        subject: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(group, name, subject, Severity::Warning, found.into())
    }

    /// Not looked at, and why.
    pub(super) fn skipped(
        group: Group,
        name: &str,
        subject: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self::new(group, name, subject, Severity::Skipped, why.into())
    }

    /// It does not work, or is not safe.
    pub(super) fn problem(
        (group, name): (Group, &str),
        kind: ErrorKind,
        subject: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(group, name, subject, Severity::Error(kind), found.into())
    }

    /// It could not be looked at, and nothing else says why.
    pub(super) fn unchecked((group, name): (Group, &str), subject: impl Into<String>, why: &str) -> Self {
        let found = format!("could not be checked: {why}");
        Self::new(group, name, subject, Severity::Unchecked, found)
            .fix(Hint::new("repeat it", PlatformAction::Examine))
    }

    /// What a failure says, as a problem; its first hint is the fix.
    pub(super) fn failure(place: (Group, &str), subject: impl Into<String>, failure: &dyn Failure) -> Self {
        let finding = Self::problem(place, failure.kind(), subject, failure.to_string());
        Self { fix: failure.hints().into_iter().take(1).collect(), ..finding }
    }

    /// As a problem of another kind.
    pub(super) fn kind(self, kind: ErrorKind) -> Self {
        Self { severity: Severity::Error(kind), ..self }
    }

    /// With what fixes it.
    pub(super) fn fix(self, hint: impl Into<Hint>) -> Self {
        Self { fix: vec![hint.into()], ..self }
    }

    /// With what fixes it, where nothing does yet.
    pub(super) fn or_fix(self, hint: impl Into<Hint>) -> Self {
        if self.fix.is_empty() { self.fix(hint) } else { self }
    }

    pub(super) fn is_skipped(&self) -> bool {
        self.severity == Severity::Skipped
    }
}

/// Which checks are wanted.
#[derive(Debug, Clone, Default)]
pub struct Only(Vec<String>);

impl Only {
    /// By names of groups and of checks; none: all.
    #[must_use]
    pub fn new(names: Vec<String>) -> Self {
        Self(names)
    }

    /// Whether any check of the group is wanted.
    #[must_use]
    pub fn group(&self, group: Group) -> bool {
        let of_group = |name: &String| name.split('.').next() == Some(group.as_str());
        self.0.is_empty() || self.0.iter().any(of_group)
    }

    /// Whether a finding is wanted.
    #[must_use]
    pub fn wants(&self, finding: &Finding) -> bool {
        let named = |name: &String| {
            finding.code.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.0.is_empty() || self.0.iter().any(named)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: ErrorKind) -> Finding {
        Finding::problem((Group::Key, "file"), kind, "", "")
    }

    #[test]
    fn a_group_or_a_check_can_be_asked_for() {
        let only = Only::new(vec!["key.file".to_owned(), "store".to_owned()]);
        assert!(only.group(Group::Key) && only.group(Group::Store) && !only.group(Group::Local));
        assert!(only.wants(&problem(ErrorKind::Integrity)));
        assert!(!only.wants(&Finding::ok(Group::Key, "recorded", "", "")));
    }
}
