//! What a check is, and what it finds.

use crate::kernel::hint::PlatformAction;
use crate::kernel::{ErrorKind, Failure, Finding, Hint, Location, Severity, Subject};

/// What a check is about: the first half of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
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
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Settings,
        Self::Programs,
        Self::Local,
        Self::Key,
        Self::Machine,
        Self::Control,
        Self::Tenants,
        Self::Audit,
        Self::Cluster,
        Self::Store,
    ];

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
            Self::Tenants => "tenants",
            Self::Audit => "audit",
            Self::Machine => "machine",
        }
    }

    /// Where what is called so is.
    fn place(self, subject: &str) -> Location {
        match self {
            Self::Settings | Self::Programs | Self::Local | Self::Key | Self::Machine => Location::Machine,
            Self::Control | Self::Tenants | Self::Audit => Location::Control,
            Self::Cluster => Location::Cluster(subject.to_owned()),
            Self::Store => Location::Store(subject.to_owned()),
        }
    }
}

/// A check: its name never changes within a major version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Check {
    pub group: Group,
    /// The second half of its name.
    pub name: &'static str,
}

impl Check {
    /// The whole name, e.g. `key.file`.
    #[must_use]
    pub fn full_name(&self) -> String {
        Self::named(self.group, self.name)
    }

    fn named(group: Group, name: &str) -> String {
        format!("{}.{name}", group.as_str())
    }
}

const fn check(group: Group, name: &'static str) -> Check {
    Check { group, name }
}

/// Every check there is; `docs/doctor.md` says what each looks at.
pub const CHECKS: &[Check] = &[
    check(Group::Settings, "file"),
    check(Group::Settings, "permissions"),
    check(Group::Settings, "context"),
    check(Group::Settings, "secrets"),
    check(Group::Settings, "variables"),
    check(Group::Programs, "psql"),
    check(Group::Programs, "pg_dump"),
    check(Group::Programs, "pg_restore"),
    check(Group::Local, "state"),
    check(Group::Local, "programs"),
    check(Group::Local, "folders"),
    check(Group::Local, "port"),
    check(Group::Key, "file"),
    check(Group::Key, "recorded"),
    check(Group::Machine, "disk"),
    check(Group::Machine, "files"),
    check(Group::Machine, "random"),
    check(Group::Machine, "clock"),
    check(Group::Machine, "completion"),
    check(Group::Control, "reachable"),
    check(Group::Control, "version"),
    check(Group::Control, "rights"),
    check(Group::Control, "tls"),
    check(Group::Control, "migrations"),
    check(Group::Control, "connections"),
    check(Group::Control, "durability"),
    check(Group::Control, "checksums"),
    check(Group::Control, "logging"),
    check(Group::Control, "closed"),
    check(Group::Control, "collation"),
    check(Group::Control, "prepared"),
    check(Group::Control, "locks"),
    check(Group::Control, "slots"),
    check(Group::Control, "wraparound"),
    check(Group::Control, "damaged"),
    check(Group::Control, "files"),
    check(Group::Control, "expiry"),
    check(Group::Control, "age"),
    check(Group::Control, "record"),
    check(Group::Tenants, "operations"),
    check(Group::Tenants, "trash"),
    check(Group::Audit, "head"),
    check(Group::Cluster, "reachable"),
    check(Group::Cluster, "version"),
    check(Group::Cluster, "rights"),
    check(Group::Cluster, "tls"),
    check(Group::Cluster, "connections"),
    check(Group::Cluster, "durability"),
    check(Group::Cluster, "checksums"),
    check(Group::Cluster, "logging"),
    check(Group::Cluster, "passwords"),
    check(Group::Cluster, "closed"),
    check(Group::Cluster, "clock"),
    check(Group::Cluster, "disk"),
    check(Group::Cluster, "template"),
    check(Group::Cluster, "collation"),
    check(Group::Cluster, "prepared"),
    check(Group::Cluster, "locks"),
    check(Group::Cluster, "slots"),
    check(Group::Cluster, "wraparound"),
    check(Group::Cluster, "damaged"),
    check(Group::Cluster, "files"),
    check(Group::Cluster, "expiry"),
    check(Group::Store, "reachable"),
    check(Group::Store, "tls"),
    check(Group::Store, "clock"),
    check(Group::Store, "keys"),
];

/// How findings of checks are made.
impl Finding {
    fn new(group: Group, name: &str, subject: impl Into<String>, severity: Severity, detail: String) -> Self {
        let subject = subject.into();
        let place = group.place(&subject);
        let object = if matches!(group, Group::Cluster | Group::Store) { place.to_string() } else { subject };
        Self {
            code: Check::named(group, name).into(),
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
