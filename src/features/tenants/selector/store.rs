//! The SQL of a selector: a condition on `control.tenants`, every value bound.

use sqlx::types::Json;
use sqlx::{Postgres, QueryBuilder};

use super::{Condition, Moment, Pattern, Selector, SuspensionField, TextField};
use crate::features::tenants::model::TenantState;
use crate::infra::db::pattern_of_part;
use crate::kernel::Labels;

/// Appends the condition to a statement.
pub(in crate::features::tenants) fn push(query: &mut QueryBuilder<Postgres>, selector: &Selector) {
    // Lets the planner use the indexes, which leave out those that are gone, too.
    query.push(if selector.leaves_out_deleted() { "state <> 'deleted'" } else { "true" });
    if selector.leaves_out_trashed() {
        query.push(" and state <> 'trashed'");
    }
    if selector.leaves_out_pooled() {
        query.push(" and state <> 'pooled'");
    }
    for condition in &selector.conditions {
        query.push(" and ");
        push_condition(query, condition);
    }
}

/// The words of these states, or of all others: what is in some states has an index, and what is in none of some has not.
fn states(not: bool, any: &[TenantState]) -> Vec<&'static str> {
    let is_meant = |state: &TenantState| any.contains(state) != not;
    TenantState::ALL.into_iter().filter(is_meant).map(TenantState::as_str).collect()
}

fn push_condition(query: &mut QueryBuilder<Postgres>, condition: &Condition) {
    match condition {
        Condition::State { not, any } => {
            query.push("state = any(").push_bind(states(*not, any)).push(")");
        }
        Condition::Text { field, not, any } => {
            let column = match field {
                TextField::Cluster => "cluster",
                TextField::Store => "store",
                TextField::Slug => "slug",
                TextField::Name => "name",
                TextField::Tier => "tier",
                TextField::Segment => "segment",
                TextField::BusinessType => "business_type",
            };
            // Who has none has another than these.
            let is_optional = matches!(field, TextField::Tier | TextField::Segment | TextField::BusinessType);
            if *not && is_optional {
                query.push(format_args!("({column} is null or "));
            }
            push_text(query, column, *not, any);
            if *not && is_optional {
                query.push(")");
            }
        }
        Condition::Created { not, from, before } => push_span(query, "created_at", *not, (from, before)),
        Condition::Suspended { not, from, before } => {
            query.push(SUSPENDED);
            push_span(query, "suspended_at", *not, (from, before));
        }
        Condition::Suspension { field, not, any } => {
            let column = match field {
                SuspensionField::Reason => "suspension_reason",
                SuspensionField::By => "suspended_by",
            };
            push_text(query.push(SUSPENDED), column, *not, any);
        }
        Condition::Module { not, any } => {
            query.push(if *not { "not modules && " } else { "modules && " });
            query.push_bind(any.iter().map(ToString::to_string).collect::<Vec<_>>());
        }
        Condition::Present { key, not } => {
            query.push(if *not { "not labels ? " } else { "labels ? " }).push_bind(key.clone());
        }
        Condition::Label { key, not: false, any, .. } => {
            query.push("(false");
            for value in any {
                // Fits the index of labels.
                let label = Labels::from([(key.clone(), value.clone())]);
                query.push(" or labels @> ").push_bind(Json(label));
            }
            query.push(")");
        }
        Condition::Label { key, any, .. } => {
            // Most rows fit, so all are read, and this is quicker for each.
            query.push("coalesce(labels ->> ").push_bind(key.clone()).push(" <> all(");
            query.push_bind(any.clone()).push("), true)");
        }
    }
}

/// A suspension that is over is not asked for: its reason stays in the row.
const SUSPENDED: &str = "(state = 'suspended' or state = 'trashed' and trashed_from = 'suspended') and ";

fn push_span(
    query: &mut QueryBuilder<Postgres>,
    column: &str,
    not: bool,
    (from, before): (&Option<Moment>, &Option<Moment>),
) {
    query.push(if not { "not (true" } else { "(true" });
    for (moment, comparison) in [(from, ">="), (before, "<")] {
        if let Some(moment) = moment {
            push_moment(query.push(format_args!(" and {column} {comparison} ")), *moment);
        }
    }
    query.push(")");
}

fn push_text(query: &mut QueryBuilder<Postgres>, column: &str, not: bool, any: &[Pattern]) {
    query.push(if not { "not (false" } else { "(false" });
    let exact = any.iter().filter_map(|pattern| match pattern {
        Pattern::Exact(text) => Some(text.clone()),
        Pattern::Like(_) | Pattern::Part(_) => None,
    });
    let exact: Vec<_> = exact.collect();
    if !exact.is_empty() {
        query.push(format_args!(" or {column} = any(")).push_bind(exact).push(")");
    }
    for pattern in any {
        match pattern {
            Pattern::Exact(_) => {}
            Pattern::Like(pattern) => {
                query.push(format_args!(" or {column} like ")).push_bind(pattern.clone());
            }
            // The side that folds case is the one that has folded the column.
            Pattern::Part(text) => {
                query.push(format_args!(" or lower({column}) like lower("));
                query.push_bind(pattern_of_part(text)).push(")");
            }
        }
    }
    query.push(")");
}

fn push_moment(query: &mut QueryBuilder<Postgres>, moment: Moment) {
    match moment {
        Moment::At(time) => query.push_bind(time),
        Moment::Ago(seconds) => {
            query.push("now() - interval '1 second' * ").push_bind(seconds).push("::bigint")
        }
    };
}
