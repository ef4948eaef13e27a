//! What a check is, and what it finds.

use serde::Serialize;

use crate::kernel::hint::PlatformAction;
use crate::kernel::{ErrorKind, Failure, Hint};

/// What a check is about: the first half of its name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What is set, and where.
    Settings,
    /// The client programs of PostgreSQL.
    Programs,
    /// The embedded stack.
    Local,
    /// The master key.
    Key,
    /// The control database and its server.
    Control,
    /// The servers of tenants' databases.
    Cluster,
    /// The object stores.
    Store,
    /// Unfinished work.
    Tenants,
    /// The audit log.
    Audit,
    /// This machine.
    Machine,
}

impl Group {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 10] = [
        Self::Settings,
        Self::Programs,
        Self::Local,
        Self::Key,
        Self::Control,
        Self::Cluster,
        Self::Store,
        Self::Tenants,
        Self::Audit,
        Self::Machine,
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
        format!("{}.{}", self.group.as_str(), self.name)
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
    check(Group::Tenants, "operations"),
    check(Group::Tenants, "trash"),
    check(Group::Audit, "head"),
    check(Group::Machine, "disk"),
    check(Group::Machine, "files"),
    check(Group::Machine, "random"),
    check(Group::Machine, "clock"),
    check(Group::Machine, "completion"),
];

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckOutcome {
    /// As it should be.
    Ok,
    /// It works, and should not stay so.
    Warning,
    /// It does not work, or is not safe.
    Problem,
    /// Not looked at; what was found says why.
    Skipped,
}

impl CheckOutcome {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Problem => "problem",
            Self::Skipped => "skipped",
        }
    }
}

/// What one check found on one subject.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub check: String,
    pub group: Group,
    /// What was looked at: a file, a server, a program.
    pub subject: String,
    pub result: CheckOutcome,
    /// What was found; never a secret.
    pub found: String,
    /// What mends it: an action, or a line for a shell; words say what else there is to know.
    pub fix: Option<Hint>,
    /// What sort of failure a problem is.
    #[serde(skip)]
    pub kind: Option<ErrorKind>,
}

impl Finding {
    fn new(
        group: Group,
        name: &str,
        subject: impl Into<String>,
        result: CheckOutcome,
        found: String,
    ) -> Self {
        let check = format!("{}.{name}", group.as_str());
        Self { check, group, subject: subject.into(), result, found, fix: None, kind: None }
    }

    /// As it should be.
    pub(super) fn ok(group: Group, name: &str, subject: impl Into<String>, found: impl Into<String>) -> Self {
        Self::new(group, name, subject, CheckOutcome::Ok, found.into())
    }

    /// It works, and should not stay so.
    pub(super) fn warning(
        group: Group,
        name: &str,
        subject: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        Self::new(group, name, subject, CheckOutcome::Warning, found.into())
    }

    /// Not looked at, and why.
    pub(super) fn skipped(
        group: Group,
        name: &str,
        subject: impl Into<String>,
        why: impl Into<String>,
    ) -> Self {
        Self::new(group, name, subject, CheckOutcome::Skipped, why.into())
    }

    /// It does not work, or is not safe.
    pub(super) fn problem(
        (group, name): (Group, &str),
        kind: ErrorKind,
        subject: impl Into<String>,
        found: impl Into<String>,
    ) -> Self {
        let finding = Self::new(group, name, subject, CheckOutcome::Problem, found.into());
        Self { kind: Some(kind), ..finding }
    }

    /// It could not be looked at, and nothing else says why: not known to be well.
    pub(super) fn unseen(place: (Group, &str), subject: impl Into<String>, why: &str) -> Self {
        let found = format!("could not be checked: {why}");
        Self::problem(place, ErrorKind::Unavailable, subject, found)
            .fix(Hint::new("again", PlatformAction::Examine))
    }

    /// What a failure says, as a problem; its first hint is the mend.
    pub(super) fn failure(place: (Group, &str), subject: impl Into<String>, failure: &dyn Failure) -> Self {
        let finding = Self::problem(place, failure.kind(), subject, failure.to_string());
        Self { fix: failure.hints().into_iter().next(), ..finding }
    }

    /// As a problem of another kind.
    pub(super) fn kind(self, kind: ErrorKind) -> Self {
        Self { kind: Some(kind), ..self }
    }

    /// With what mends it.
    pub(super) fn fix(self, hint: impl Into<Hint>) -> Self {
        Self { fix: Some(hint.into()), ..self }
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
        let named = |name: &String| *name == finding.check || *name == finding.group.as_str();
        self.0.is_empty() || self.0.iter().any(named)
    }
}

/// The worst kind of problem, `None` where there is none: keys and data before what is down, that
/// before settings. Any other kind means that something which is needed cannot be used.
#[must_use]
pub fn worst(findings: &[Finding]) -> Option<ErrorKind> {
    let kinds: Vec<ErrorKind> = findings.iter().filter_map(|finding| finding.kind).collect();
    match &kinds[..] {
        [] => None,
        kinds if kinds.contains(&ErrorKind::Integrity) => Some(ErrorKind::Integrity),
        kinds if kinds.iter().all(|kind| *kind == ErrorKind::Invalid) => Some(ErrorKind::Invalid),
        _ => Some(ErrorKind::Unavailable),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problem(kind: ErrorKind) -> Finding {
        Finding::problem((Group::Key, "file"), kind, "", "")
    }

    #[test]
    fn keys_and_data_are_worse_than_what_is_down_and_that_is_worse_than_settings() {
        let worst_of = |kinds: &[ErrorKind]| worst(&kinds.iter().copied().map(problem).collect::<Vec<_>>());
        assert_eq!(worst_of(&[]), None);
        assert_eq!(worst_of(&[ErrorKind::Invalid]), Some(ErrorKind::Invalid));
        assert_eq!(worst_of(&[ErrorKind::Invalid, ErrorKind::Busy]), Some(ErrorKind::Unavailable));
        let all = [ErrorKind::Unavailable, ErrorKind::Integrity, ErrorKind::Invalid];
        assert_eq!(worst_of(&all), Some(ErrorKind::Integrity));
    }

    #[test]
    fn a_group_or_a_check_can_be_asked_for() {
        let only = Only::new(vec!["key.file".to_owned(), "store".to_owned()]);
        assert!(only.group(Group::Key) && only.group(Group::Store) && !only.group(Group::Local));
        assert!(only.wants(&problem(ErrorKind::Integrity)));
        assert!(!only.wants(&Finding::ok(Group::Key, "recorded", "", "")));
    }
}
