//! What came of a change of one of many tenants, as a row.

use serde::Serialize;

use super::super::hint;
use super::super::output::{Column, Row};
use crate::features::provisioning::{Changed, Member, Prospect, ProvisioningError};
use crate::features::tenants::TenantState;
use crate::kernel::{BatchId, Failure, OperationId, TenantId};

/// What came of a change of one tenant.
#[derive(Debug, Serialize)]
pub(in super::super) struct ChangedView {
    /// Its slug; what was typed, where there is no such tenant.
    pub(super) slug: String,
    /// What came of it, `failed` or `skipped`.
    pub(super) outcome: &'static str,
    /// Where in its life it is now.
    state: Option<TenantState>,
    /// Its id.
    id: Option<TenantId>,
    /// The operation.
    operation: Option<OperationId>,
    /// Why it failed: a stable code.
    code: Option<&'static str>,
    /// Why it failed, in words.
    error: Option<String>,
    /// What to do about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) hint: Option<String>,
    /// The batch that it is a part of.
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<BatchId>,
}

impl From<Changed> for ChangedView {
    fn from(changed: Changed) -> Self {
        Self {
            slug: changed.tenant.slug,
            outcome: changed.outcome.as_str(),
            state: Some(changed.tenant.state),
            id: Some(changed.tenant.id),
            operation: changed.operation,
            code: None,
            error: None,
            hint: None,
            batch: None,
        }
    }
}

impl ChangedView {
    /// The same, as a part of a batch.
    pub(super) fn part_of(self, batch: Option<BatchId>) -> Self {
        Self { batch, ..self }
    }

    pub(super) fn without(slug: String, outcome: &'static str) -> Self {
        Self {
            slug,
            outcome,
            state: None,
            id: None,
            operation: None,
            code: None,
            error: None,
            hint: None,
            batch: None,
        }
    }

    pub(super) fn failed(slug: String, error: &ProvisioningError) -> Self {
        Self {
            operation: error.operation(),
            code: Some(error.code()),
            error: Some(error.to_string()),
            hint: error.hints().first().map(hint::sentence),
            ..Self::without(slug, if is_skip(error) { "skipped" } else { "failed" })
        }
    }

    /// Whether it is counted as not done.
    pub(super) fn is_failed(&self) -> bool {
        self.outcome == "failed"
    }

    /// A row for what only would be done.
    pub(super) fn planned(member: &Member) -> Self {
        let (slug, id) = (member.slug.clone(), Some(member.tenant));
        match member.prospect {
            Prospect::ChangedSince | Prospect::InProgress => {
                Self { id, ..Self::failed(slug, &member.why_not()) }
            }
            Prospect::Unchanged => Self { id, ..Self::without(slug, "unchanged") },
            Prospect::Planned => Self { id, ..Self::without(slug, "planned") },
        }
    }
}

impl Row for ChangedView {
    const COLUMNS: &'static [Column] = &[
        Column::text("slug"),
        Column::text("outcome"),
        Column::text("state"),
        Column::text("id"),
        Column::text("operation"),
        Column::text("code"),
        Column::text("error"),
    ];

    fn cells(&self) -> Vec<String> {
        vec![
            self.slug.clone(),
            self.outcome.to_owned(),
            self.state.map(|state| state.as_str().to_owned()).unwrap_or_default(),
            self.id.map(|id| id.to_string()).unwrap_or_default(),
            self.operation.map(|id| id.to_string()).unwrap_or_default(),
            self.code.unwrap_or_default().to_owned(),
            self.error.clone().unwrap_or_default(),
        ]
    }

    fn id(&self) -> String {
        self.slug.clone()
    }
}

/// Whether a failure only says that a tenant is left as somebody made it since.
pub(super) fn is_skip(error: &ProvisioningError) -> bool {
    matches!(error, ProvisioningError::ChangedSince { .. })
}
