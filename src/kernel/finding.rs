//! What a comparison of the world with how it should be finds.

use std::borrow::Cow;
use std::fmt;

use serde::{Serialize, Serializer};

use super::{ErrorKind, Hint, TenantId};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    /// As it should be.
    Ok,
    /// Not looked at: it does not apply, or another finding says why.
    Skipped,
    /// Worth knowing; no fault.
    Notice,
    /// It works, and should not stay so.
    Warning,
    /// It could not be looked at: not known to be well.
    Unchecked,
    /// Not as it must be; what sort of failure that is.
    Error(ErrorKind),
}

impl Severity {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Skipped => "skipped",
            Self::Notice => "notice",
            Self::Warning => "warning",
            Self::Unchecked => "unchecked",
            Self::Error(_) => "error",
        }
    }
}

impl Serialize for Severity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// Where something is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "place", content = "name", rename_all = "snake_case")]
pub enum Location {
    /// On this machine.
    Machine,
    /// In the control database.
    #[default]
    Control,
    /// On a PostgreSQL server.
    Cluster(String),
    /// In an object store.
    Store(String),
}

impl Location {
    /// The server's name.
    #[must_use]
    pub fn cluster(&self) -> Option<String> {
        if let Self::Cluster(name) = self { Some(name.clone()) } else { None }
    }

    /// The store's name.
    #[must_use]
    pub fn store(&self) -> Option<String> {
        if let Self::Store(name) = self { Some(name.clone()) } else { None }
    }
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("machine"),
            Self::Control => f.write_str("control"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
            Self::Store(name) => write!(f, "store {name}"),
        }
    }
}

/// What a finding is about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Subject {
    #[serde(flatten)]
    pub place: Location,
    /// Whose, by slug; none: nobody's, or that of a tenant that is gone.
    pub tenant: Option<String>,
    /// Whose, by id.
    pub tenant_id: Option<TenantId>,
    /// What, e.g. `database nx…`.
    pub object: String,
}

/// One finding, with what a feature has to say beside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding<Extra = ()> {
    /// A stable word.
    pub code: Cow<'static, str>,
    pub severity: Severity,
    #[serde(flatten)]
    pub subject: Subject,
    /// What was found; never a secret.
    pub detail: String,
    /// What to do about it, in order.
    #[serde(serialize_with = "in_one")]
    pub fix: Vec<Hint>,
    #[serde(flatten)]
    pub extra: Extra,
}

impl<Extra> Finding<Extra> {
    /// Whether something is not as it must be.
    #[must_use]
    pub fn is_fault(&self) -> bool {
        matches!(self.severity, Severity::Error(_))
    }

    /// Whether it could not be looked at.
    #[must_use]
    pub fn is_unchecked(&self) -> bool {
        self.severity == Severity::Unchecked
    }
}

/// One text, or none where there is nothing to do.
fn in_one<S: Serializer>(fix: &[Hint], serializer: S) -> Result<S::Ok, S::Error> {
    let texts: Vec<&str> = fix.iter().map(|hint| &*hint.text).collect();
    if texts.is_empty() { serializer.serialize_none() } else { serializer.serialize_str(&texts.join("; ")) }
}
