//! What an inspection finds.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

use super::codes::{self, FixKind, Subject};
use crate::features::tenants::{Selector, Tenant};
use crate::kernel::{Hint, TenantId, Verdict};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Something is not as it must be.
    Error,
    /// Worth knowing; no fault.
    Notice,
}

impl Severity {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Notice => "notice",
        }
    }
}

/// The code of the finding that the control database is older than a place.
pub(super) const RECORD_OLDER: &str = "record_older";

/// The code of the finding that another server answers than was registered.
pub(super) const SWAPPED: &str = "cluster_swapped";

/// What is looked at.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// These tenants; with any condition, servers and stores themselves are left out.
    pub selector: Selector,
    /// This server alone, and its tenants.
    pub cluster: Option<String>,
    /// How many databases at a time.
    pub jobs: usize,
}

/// Where a finding is.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(tag = "place", content = "name", rename_all = "snake_case")]
pub enum Location {
    /// In the control database.
    Control,
    /// On a PostgreSQL server.
    Cluster(String),
    /// In an object store.
    Store(String),
}

impl std::fmt::Display for Location {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control => f.write_str("control"),
            Self::Cluster(name) => write!(f, "cluster {name}"),
            Self::Store(name) => write!(f, "store {name}"),
        }
    }
}

/// One finding.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    pub code: &'static str,
    pub severity: Severity,
    /// Whose, by slug; `null`: nobody's, or that of a tenant that is gone.
    pub tenant: Option<String>,
    /// Whose, by id.
    pub tenant_id: Option<TenantId>,
    /// Where.
    #[serde(flatten)]
    pub place: Location,
    /// What, e.g. `database nx…`.
    pub object: String,
    pub detail: String,
    pub meaning: &'static str,
    /// What to do, in order; one text where it is shown.
    #[serde(serialize_with = "in_one")]
    pub fix: Vec<Hint>,
    /// Whether the inspection can mend it.
    pub fixable: bool,
    /// How the inspection mends it.
    #[serde(skip)]
    pub(super) remedy: Fix,
    /// The name of what the control database is too old to know.
    #[serde(skip)]
    pub(super) newer: Option<String>,
    /// The place whose look made it, where that is another than [`Finding::place`].
    #[serde(skip)]
    pub(super) seen_at: Option<Location>,
}

fn in_one<S: Serializer>(hints: &[Hint], serializer: S) -> Result<S::Ok, S::Error> {
    let texts: Vec<&str> = hints.iter().map(|hint| &*hint.text).collect();
    serializer.serialize_str(&texts.join("; "))
}

/// A place and, where only one tenant's part of it is meant, whose.
pub(super) type Scope = (Location, Option<TenantId>);

/// What one look came to: what was found, and what could not be looked at.
#[derive(Debug, Default)]
pub(super) struct Observed {
    pub(super) findings: Vec<Finding>,
    /// Each says what was not seen, and why; nothing is known of its scope.
    pub(super) unseen: Vec<Finding>,
    /// How many tenants were looked at, by the place that was asked for them.
    pub(super) tenants: HashMap<Location, usize>,
    /// The youngest change that a place has seen.
    pub(super) world: i64,
}

impl Observed {
    /// Of a place that could not be looked at.
    pub(super) fn nothing(why: Finding) -> Self {
        Self { unseen: vec![why], ..Self::default() }
    }

    /// Takes in what a look at a place came to.
    pub(super) fn add(&mut self, place: &Location, other: Self) {
        let at = |mut finding: Finding| {
            finding.seen_at = Some(place.clone());
            finding
        };
        self.findings.extend(other.findings.into_iter().map(at));
        self.unseen.extend(other.unseen.into_iter().map(at));
        self.tenants.extend(other.tenants);
        self.world = other.world.max(self.world);
    }
}

/// How the inspection mends a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fix {
    /// Not at all.
    None,
    /// By a repair of the tenant.
    Repair,
    /// The key gets its scope by being made anew.
    ReplaceKey(String),
    /// A further key is deleted.
    DeleteKey(String),
    /// The tenant's key is turned on or off.
    SwitchKey { id: String, bucket: String, enabled: bool },
    /// The row gets the version that the database has.
    Version(i64),
    /// PUBLIC loses its rights at databases that belong to nobody.
    CloseMaintenance,
    /// A role loses its rights at a database that belongs to nobody.
    Revoke { database: String, role: String },
    /// The templates of the server are built anew.
    RebuildTemplates,
    /// A template is closed.
    CloseTemplate(String),
    /// The role for all apps loses what it may do itself.
    WeakenAppRole,
    /// Sealed values of a tenant that is gone are erased.
    Erase(TenantId),
    /// A session is ended.
    EndSession { pid: i32, application: String },
    /// A database that nobody has is dropped.
    DropDatabase { name: String, owner: String, mark: String, template: bool },
    /// A role that nobody has is dropped.
    DropRole { name: String, mark: String },
    /// A bucket that nobody has is deleted.
    DropBucket { name: String, mark: String },
    /// A key that nobody has is deleted.
    DropKey { id: String, mark: String },
}

impl Fix {
    /// Whether data goes with it.
    pub(super) fn destroys(&self) -> bool {
        matches!(self, Self::DropDatabase { .. } | Self::DropBucket { .. })
    }
}

impl Finding {
    /// Of a code that the table has.
    pub(super) fn new(
        code: &'static str,
        tenant: Option<&Tenant>,
        place: &Location,
        object: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let entry = codes::entry_of(code);
        let slug = tenant.map(|tenant| tenant.slug.clone());
        let cure = entry.map_or(FixKind::Hand(|_| "report this as a bug".into()), |entry| entry.cure);
        let remedy = if cure.is_repair() { Fix::Repair } else { Fix::None };
        Self {
            code,
            severity: entry.map_or(Severity::Error, |entry| entry.severity),
            meaning: entry.map_or("", |entry| entry.meaning),
            fix: cure.hints(&Subject { tenant: slug.as_deref(), place: Some(place) }),
            tenant: slug,
            tenant_id: tenant.map(|tenant| tenant.id),
            place: place.clone(),
            object: object.into(),
            detail: detail.into(),
            fixable: cure.is_repair(),
            remedy,
            newer: None,
            seen_at: None,
        }
    }

    /// The same, mended in this way.
    pub(super) fn with(mut self, remedy: Fix) -> Self {
        self.fixable = remedy != Fix::None;
        self.remedy = remedy;
        self
    }

    /// The same, of this tenant by id, whose row may be gone.
    pub(super) fn of(mut self, tenant: Option<TenantId>) -> Self {
        self.tenant_id = tenant;
        self
    }

    /// What makes it the same finding at another look.
    pub(super) fn key(&self) -> (&'static str, Location, String, Option<TenantId>) {
        (self.code, self.place.clone(), self.object.clone(), self.tenant_id)
    }

    /// Where another look would see it again.
    pub(super) fn scope(&self) -> Scope {
        (self.seen_at.clone().unwrap_or_else(|| self.place.clone()), self.tenant_id)
    }
}

/// What an inspection found.
#[derive(Debug, Default)]
pub struct Report {
    /// The findings, by place and tenant; what could not be looked at is among them.
    pub findings: Vec<Finding>,
    /// How many of them say that something could not be looked at.
    pub unseen: usize,
    /// Tenants that were looked at.
    pub tenants: usize,
    /// Servers and stores that were asked.
    pub places: usize,
    /// The youngest change that any of them has seen.
    pub(super) world: i64,
}

impl Report {
    /// How many findings are faults, what could not be looked at apart.
    #[must_use]
    pub fn errors(&self) -> usize {
        self.findings.iter().filter(|it| it.severity == Severity::Error).count() - self.unseen
    }

    /// That the control database is older than the world, if it is.
    #[must_use]
    pub fn older(&self) -> Option<&Finding> {
        self.findings.iter().find(|it| it.code == RECORD_OLDER)
    }

    /// How it ends.
    #[must_use]
    pub fn verdict(&self) -> Verdict {
        Verdict::of(self.errors(), self.unseen)
    }
}
