//! The SQL of lists of operations.

use sqlx::{Postgres, QueryBuilder};

use super::super::queue::MOST_ATTEMPTS;
use super::{OperationFilter, OperationState, OperationView};
use crate::infra::db::{DbError, PgConnection, is_held, push_condition};
use crate::kernel::filter::{Condition, Operator};
use crate::kernel::{OperationId, Page};

/// The part of a list that is wanted: the newest first, or as many as a count needs, in any order.
#[derive(Clone, Copy)]
struct Part {
    is_list: bool,
    limit: Option<i64>,
    offset: i64,
}

impl Part {
    /// Appends it to a statement whose columns begin with a prefix.
    fn push(self, query: &mut QueryBuilder<Postgres>, filter: &OperationFilter, prefix: &str) {
        if let Some((at, id)) = filter.before.filter(|_| self.is_list) {
            query.push(format_args!(" and ({prefix}created_at, {prefix}id) < (")).push_bind(at);
            query.push(", ").push_bind(id).push(")");
        }
        if self.is_list {
            query.push(format_args!(" order by {prefix}created_at desc, {prefix}id desc"));
        }
        query.push(" limit ").push_bind(self.limit).push(" offset ").push_bind(self.offset);
    }
}

/// Whether the rows say alone what a filter lets through, and nobody has to look which processes live.
fn is_recorded(filter: &OperationFilter) -> bool {
    let is_recorded = |state: &str| matches!(state, "stopped" | "done" | "rolled_back");
    let states = filter.conditions.iter().filter(|condition| condition.field == "state");
    filter.state.is_none_or(|state| is_recorded(state.as_str()))
        && states.into_iter().all(|condition| condition.texts().into_iter().all(is_recorded))
}

/// Appends a part of the operations that a filter lets through, as `found`; a running one without a living process is
/// `interrupted`, or `planned` where no process took it up yet. Whether processes live is looked up anew for each row:
/// what the rows say alone is cut before that.
fn push_found(query: &mut QueryBuilder<Postgres>, filter: &OperationFilter, ids: &[OperationId], part: Part) {
    query.push(
        "with operation as (
             select operations.*, tenants.slug
             from control.operations join control.tenants on tenants.id = tenant_id where true ",
    );
    if let Some(tenant) = filter.tenant {
        query.push(" and operations.tenant_id = ").push_bind(tenant);
    }
    if !ids.is_empty() {
        query.push(" and operations.id = any(").push_bind(ids.to_vec()).push(")");
    }
    if let Some(batch) = filter.batch {
        query.push(" and operations.batch_id = ").push_bind(batch);
    }
    if filter.open {
        query.push(" and operations.state in ('running', 'stopped', 'rolling_back')");
    }
    for condition in &filter.conditions {
        match condition.field.as_str() {
            "state" => push_recorded(query, condition),
            "kind" => push_condition(query, "operations.kind", condition),
            "caller" => push_condition(query, "operations.caller", condition),
            "created_at" => push_condition(query, "operations.created_at", condition),
            "finished_at" => push_condition(query, "operations.finished_at", condition),
            // None that the list allows.
            _ => push_condition(query, "null::text", condition),
        }
    }
    let is_recorded = is_recorded(filter);
    if is_recorded {
        if let Some(state) = filter.state {
            query.push(" and operations.state = ").push_bind(state.as_str());
        }
        part.push(query, filter, "operations.");
    }
    let held = is_held("'nexus:tenant:' || tenant_id::text");
    query.push(format_args!(
        "), seen as (
             select operation.*, case
                 when state in ('running', 'rolling_back') and not {held}
                 then case when planned then 'planned' else 'interrupted' end else state end as seen_state
             from operation
         ), found as (
             select seen.*, case when seen_state in ('stopped', 'interrupted') and driven_by = 'worker'
                                  and attempts < {MOST_ATTEMPTS} then retry_at end as tried_again_at
             from seen where true "
    ));
    if let Some(state) = filter.state {
        query.push(" and seen_state = ").push_bind(state.as_str());
    }
    for condition in filter.conditions.iter().filter(|condition| condition.field == "state") {
        push_condition(query, "seen_state", condition);
    }
    if !is_recorded {
        part.push(query, filter, "");
    }
    query.push(") ");
}

/// Appends ` and` that the row's own state is one of those that a state which is asked for is recorded as: it has an
/// index.
fn push_recorded(query: &mut QueryBuilder<Postgres>, condition: &Condition) {
    let words = condition.texts();
    let is_asked = |state: &OperationState| match condition.operator {
        Operator::Ne => !words.contains(&state.as_str()),
        _ => words.contains(&state.as_str()),
    };
    let recorded: Vec<&str> =
        OperationState::ALL.into_iter().filter(is_asked).flat_map(recorded_as).copied().collect();
    query.push(" and operations.state = any(").push_bind(recorded).push(")");
}

/// What an operation in a state is recorded as.
fn recorded_as(state: OperationState) -> &'static [&'static str] {
    match state {
        OperationState::Planned | OperationState::Interrupted => &["running", "rolling_back"],
        OperationState::Running => &["running"],
        OperationState::Stopped => &["stopped"],
        OperationState::RollingBack => &["rolling_back"],
        OperationState::Done => &["done"],
        OperationState::RolledBack => &["rolled_back"],
    }
}

/// Operations, the newest first.
pub(in crate::features::provisioning) async fn list(
    control: &mut PgConnection,
    filter: &OperationFilter,
    page: Page,
) -> Result<Vec<OperationView>, DbError> {
    some(control, filter, filter.id.as_slice(), (i64::from(page.limit), page.offset())).await
}

/// One page of operations, the newest first, and the one after it, where there is one.
pub(super) async fn page(
    control: &mut PgConnection,
    filter: &OperationFilter,
    page: Page,
) -> Result<Vec<OperationView>, DbError> {
    some(control, filter, filter.id.as_slice(), (page.fetched(), page.offset())).await
}

/// Operations by their ids.
pub(super) async fn by_ids(
    control: &mut PgConnection,
    ids: &[OperationId],
) -> Result<Vec<OperationView>, DbError> {
    some(control, &OperationFilter::default(), ids, (i64::MAX, 0)).await
}

/// Of those with these ids, where there are any.
async fn some(
    control: &mut PgConnection,
    filter: &OperationFilter,
    ids: &[OperationId],
    bounds: (i64, i64),
) -> Result<Vec<OperationView>, DbError> {
    let mut rows = once(control, filter, ids, bounds).await?;
    // Which processes live is seen a moment after the rows: one that ended its operation in between is not dead.
    let unsure: Vec<OperationId> = rows
        .iter()
        .filter(|row| row.state == OperationState::Interrupted.as_str())
        .map(|row| row.id)
        .collect();
    if !unsure.is_empty() {
        for newer in once(control, &OperationFilter::default(), &unsure, (i64::MAX, 0)).await? {
            if let Some(row) = rows.iter_mut().find(|row| row.id == newer.id) {
                *row = newer;
            }
        }
    }
    Ok(rows)
}

async fn once(
    control: &mut PgConnection,
    filter: &OperationFilter,
    ids: &[OperationId],
    (limit, offset): (i64, i64),
) -> Result<Vec<OperationView>, DbError> {
    let mut query = QueryBuilder::new("");
    push_found(&mut query, filter, ids, Part { is_list: true, limit: Some(limit), offset });
    query.push(
        "select id, tenant_id, slug, kind, seen_state as state, caller, error, driven_by,
                tried_again_at as retry_at, batch_id, created_at, updated_at, finished_at
         from found order by created_at desc, id desc ",
    );
    Ok(query.build_query_as().fetch_all(control).await?)
}

/// How many operations a filter lets through, wherever a page of them begins; counted up to a limit.
pub(super) async fn count(
    control: &mut PgConnection,
    filter: &OperationFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("");
    push_found(&mut query, filter, filter.id.as_slice(), Part { is_list: false, limit, offset: 0 });
    query.push("select count(*) from found ");
    let rows: i64 = query.build_query_scalar().fetch_one(control).await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}
