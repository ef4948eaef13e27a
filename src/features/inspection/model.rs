//! What an inspection finds.

use std::collections::HashMap;

use serde::{Serialize, Serializer};

use super::codes::entry_of;
use super::error::InspectionError;
use crate::features::tenants::{Selector, Tenant};
use crate::kernel::{self, ErrorKind, Location, Severity, Subject, TenantId, Verdict};

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

/// What an inspection has to say of a finding beside.
#[derive(Debug, Clone, Serialize)]
pub struct Details {
    pub meaning: &'static str,
    /// How the inspection fixes it; whether it does, where it is shown.
    #[serde(rename = "fixable", serialize_with = "is_some")]
    pub(super) remedy: Remedy,
    /// The name of what the control database is too old to know.
    #[serde(skip)]
    pub(super) newer: Option<String>,
    /// The place whose look made it, where that is another than the subject's.
    #[serde(skip)]
    pub(super) seen_at: Option<Location>,
}

fn is_some<S: Serializer>(remedy: &Remedy, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bool(*remedy != Remedy::None)
}

/// One finding.
pub type Finding = kernel::Finding<Details>;

/// Findings, by place and tenant.
pub type Report = kernel::Report<Details>;

/// A place and, where only one tenant's part of it is meant, whose.
pub(super) type Scope = (Location, Option<TenantId>);

/// What one look came to.
#[derive(Debug, Default)]
pub(super) struct Observed {
    /// What was found, and what could not be looked at: nothing is known of the scope of that.
    pub(super) findings: Vec<Finding>,
    /// How many tenants were looked at, by the place that was asked for them.
    pub(super) tenants: HashMap<Location, usize>,
    /// The youngest change that a place has seen.
    pub(super) world: i64,
}

impl Observed {
    /// Takes in what a look at a place came to.
    pub(super) fn add(&mut self, place: &Location, other: Self) {
        self.findings.extend(other.findings.into_iter().map(|mut finding| {
            finding.extra.seen_at = Some(place.clone());
            finding
        }));
        self.tenants.extend(other.tenants);
        self.world = other.world.max(self.world);
    }
}

/// How the inspection fixes a finding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Remedy {
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

impl Remedy {
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
        let subject = Subject {
            place: place.clone(),
            tenant: tenant.map(|tenant| tenant.slug.clone()),
            tenant_id: tenant.map(|tenant| tenant.id),
            object: object.into(),
        };
        let entry = entry_of(code);
        Self {
            code: code.into(),
            severity: entry.map_or(Severity::Error(ErrorKind::Internal), |entry| entry.severity),
            fix: entry
                .map_or_else(|| vec!["report this as a bug".into()], |entry| entry.cure.hints(&subject)),
            subject,
            detail: detail.into(),
            extra: Details {
                meaning: entry.map_or("", |entry| entry.meaning),
                remedy: if entry.is_some_and(|entry| entry.cure.is_repair()) {
                    Remedy::Repair
                } else {
                    Remedy::None
                },
                newer: None,
                seen_at: None,
            },
        }
    }

    /// The same, fixed in this way.
    pub(super) fn with(mut self, remedy: Remedy) -> Self {
        self.extra.remedy = remedy;
        self
    }

    /// The same, of this tenant by id, whose row may be gone.
    pub(super) fn of(mut self, tenant: Option<TenantId>) -> Self {
        self.subject.tenant_id = tenant;
        self
    }

    /// What makes it the same finding at another look.
    pub(super) fn key(&self) -> (String, Location, String, Option<TenantId>) {
        let Subject { place, object, tenant_id, .. } = self.subject.clone();
        (self.code.to_string(), place, object, tenant_id)
    }

    /// Where another look would see it again.
    pub(super) fn scope(&self) -> Scope {
        let place = self.extra.seen_at.as_ref().unwrap_or(&self.subject.place);
        (place.clone(), self.subject.tenant_id)
    }
}

impl Report {
    /// That the control database is older than the world, if it is.
    #[must_use]
    pub fn older(&self) -> Option<&Finding> {
        self.findings.iter().find(|it| it.code == RECORD_OLDER)
    }

    /// How it ends.
    ///
    /// # Errors
    /// [`InspectionError::Faults`], [`InspectionError::Unchecked`].
    pub fn conclude(&self) -> Result<(), InspectionError> {
        match self.verdict() {
            Verdict::Well => Ok(()),
            Verdict::Unchecked { unchecked } => Err(InspectionError::Unchecked { unchecked }),
            Verdict::Faulty { faults, unchecked, .. } => {
                let fixable = |it: &&Finding| it.is_fault() && it.extra.remedy != Remedy::None;
                let fixable = self.findings.iter().filter(fixable).count();
                Err(InspectionError::Faults { faults, unchecked, fixable })
            }
        }
    }
}

/// What an inspection came to.
#[derive(Debug, Default)]
pub struct Inspected {
    pub report: Report,
    /// Tenants that were looked at.
    pub tenants: usize,
    /// Servers and stores that were asked.
    pub places: usize,
    /// The youngest change that any of them has seen.
    pub(super) world: i64,
}
