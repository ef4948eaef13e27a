//! What came of a change of one of many tenants, as a row.

use serde::Serialize;

use super::super::hint;
use super::super::output::row;
use crate::features::provisioning::{Attempt, BatchRow, Changed, Prospect, ProvisioningError, Reversal};
use crate::features::tenants::TenantState;
use crate::kernel::{BatchId, Failure, OperationId, TenantId};

/// What came of a change of one tenant.
#[derive(Debug, Serialize)]
pub(in super::super) struct ChangedView {
    /// Its slug; what was typed, where there is no such tenant.
    slug: String,
    /// What came of it, `failed` or `skipped`.
    outcome: &'static str,
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
    hint: Option<String>,
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
    pub(super) fn of(row: BatchRow<Changed>) -> Self {
        match row.attempt {
            Attempt::Done(changed) => Self { batch: row.batch, ..changed.into() },
            Attempt::Failed(error) => Self::error(row.slug, "failed", &error),
            Attempt::Skipped(error) => Self::error(row.slug, "skipped", &error),
            Attempt::NotTried => Self::without(row.slug, "skipped"),
        }
    }

    pub(super) fn of_reversal(reversal: Reversal) -> Self {
        let member = match reversal {
            Reversal::Tried(row) => return Self::of(*row),
            Reversal::AsFound(member) => member,
        };
        let (slug, id) = (member.slug.clone(), Some(member.tenant));
        let row = match member.prospect {
            Prospect::ChangedSince => Self::error(slug, "skipped", &member.why_not()),
            Prospect::InProgress => Self::error(slug, "failed", &member.why_not()),
            Prospect::Unchanged => Self::without(slug, "unchanged"),
            Prospect::Planned => Self::without(slug, "planned"),
        };
        Self { id, ..row }
    }

    fn without(slug: String, outcome: &'static str) -> Self {
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

    fn error(slug: String, outcome: &'static str, error: &ProvisioningError) -> Self {
        Self {
            operation: error.operation(),
            code: Some(error.code()),
            error: Some(error.to_string()),
            hint: error.hints().first().map(hint::sentence),
            ..Self::without(slug, outcome)
        }
    }
}

row! { it: ChangedView, it.slug;
    text "slug": it.slug,
    text "outcome": it.outcome,
    text "state": it.state.map(TenantState::as_str),
    text "id": it.id,
    text "operation": it.operation,
    text "code": it.code,
    text "error": it.error,
}
