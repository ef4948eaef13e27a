//! What a verification finds.

use serde::Serialize;

use super::super::asking::Wanted;
use crate::features::migrations::Sources;
use crate::features::tenants::Tenant;
use crate::kernel::hint::{MigrateAction, PlaceAction, PlaceKind};
use crate::kernel::{self, ErrorKind, Hint, Location, Report, Severity, Subject};

/// What is to be verified, and how.
#[derive(Debug, Clone)]
pub struct VerifyRequest {
    pub wanted: Wanted,
    /// Where the files of sets are.
    pub sources: Sources,
    /// How many are asked at a time on each server.
    pub jobs: usize,
    /// Every difference of a schema is told, not only how many there are; and who is behind.
    pub differences: bool,
    /// Every schema is read in full, whether or not its catalogue changed since it was last read.
    pub full: bool,
}

/// What a verification has to say of a finding beside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Comparison {
    /// The set, where it is about one.
    pub set: Option<String>,
    /// How it is in the template; only of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// How it is in the tenant; only of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

/// One thing that was found.
pub type Finding = kernel::Finding<Comparison>;

/// That something is not as it should be.
pub(super) const ERROR: Severity = Severity::Error(ErrorKind::Integrity);

impl Finding {
    /// Of a tenant.
    pub(super) fn of(
        tenant: &Tenant,
        code: &'static str,
        severity: Severity,
        object: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        let subject = Subject {
            place: Location::Cluster(tenant.cluster.clone()),
            tenant: Some(tenant.slug.clone()),
            tenant_id: Some(tenant.id),
            object: object.into(),
        };
        let slug = Some(tenant.slug.clone());
        let fix: Option<Hint> = match code {
            "unreachable" => {
                Some(PlaceAction::Check(PlaceKind::Cluster, Some(tenant.cluster.clone())).into())
            }
            "pending" => Some(Hint::new("bring it up to date", MigrateAction::All)),
            "schema_drift" => Some(Hint::new("see what differs", MigrateAction::Verify(slug))),
            _ => None,
        };
        let (fix, extra) = (fix.into_iter().collect(), Comparison::default());
        Self { code: code.into(), severity, subject, detail: detail.into(), fix, extra }
    }

    /// The same about a set.
    pub(super) fn in_set(mut self, set: &str) -> Self {
        self.subject.object = format!("{} of set {set}", self.subject.object);
        self.extra.set = Some(set.to_owned());
        self
    }
}

/// What came of a verification.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// What was found: by server, tenant, set.
    pub report: Report<Comparison>,
    /// How many tenants answered.
    pub asked: usize,
    /// How many of them differ from what they should be.
    pub drifted: usize,
    /// How many are true to their histories, which do not have every file yet.
    pub pending: usize,
    /// How many have other files than the template, so that their schemas were not compared.
    pub uncompared: usize,
    /// How many of those have every file: the template is what lacks some.
    pub ahead: usize,
    /// How many should have answered and did not.
    pub unchecked: usize,
    /// How many are left out by their state.
    pub left_out: usize,
}

impl Verified {
    /// Puts the findings in order.
    pub(super) fn sort(&mut self) {
        self.report.findings.sort_by_cached_key(|it| {
            let Subject { place, tenant, object, .. } = &it.subject;
            (place.cluster(), tenant.clone(), it.extra.set.clone(), it.code.clone(), object.clone())
        });
    }
}
