//! What a verification finds.

use serde::Serialize;

use super::super::asking::Wanted;
use crate::features::migrations::Sources;
use crate::features::tenants::Tenant;

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

/// What a finding means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// It is not as it should be.
    Error,
    /// It could not be found out.
    Unasked,
    /// Worth knowing.
    Notice,
}

impl Severity {
    /// The word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Unasked => "unasked",
            Self::Notice => "notice",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A stable word.
    pub code: &'static str,
    pub severity: Severity,
    /// The tenant's slug; none: a whole server.
    pub tenant: Option<String>,
    pub cluster: String,
    /// The set, where it is about one.
    pub set: Option<String>,
    /// What it is about, e.g. `column public.invoices.total`.
    pub object: String,
    /// A sentence.
    pub detail: String,
    /// How it is in the template; only of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub expected: Option<String>,
    /// How it is in the tenant; only of a difference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub found: Option<String>,
}

impl Finding {
    /// Of a tenant.
    pub(super) fn of(
        tenant: &Tenant,
        code: &'static str,
        severity: Severity,
        object: impl Into<String>,
        detail: impl Into<String>,
    ) -> Self {
        Self {
            code,
            severity,
            tenant: Some(tenant.slug.clone()),
            cluster: tenant.cluster.clone(),
            set: None,
            object: object.into(),
            detail: detail.into(),
            expected: None,
            found: None,
        }
    }

    /// The same about a set.
    pub(super) fn in_set(mut self, set: &str) -> Self {
        self.set = Some(set.to_owned());
        self
    }
}

/// What came of a verification.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// What was found: by server, tenant, set.
    pub findings: Vec<Finding>,
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
    pub unasked: usize,
    /// How many are left out by their state.
    pub left_out: usize,
}

impl Verified {
    /// Puts the findings in order.
    pub(super) fn sort(&mut self) {
        self.findings.sort_by_cached_key(|it| {
            (it.cluster.clone(), it.tenant.clone(), it.set.clone(), it.code, it.object.clone())
        });
    }
}
