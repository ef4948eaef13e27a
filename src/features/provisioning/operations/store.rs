//! The SQL of lists of operations.

use sqlx::{Postgres, QueryBuilder};

use super::super::queue::MOST_ATTEMPTS;
use super::{OperationFilter, OperationState, OperationView};
use crate::infra::db::{DbError, PgConnection, is_held, push_condition};
use crate::kernel::filter::{Condition, Operator};
use crate::kernel::{OperationId, Page};

/// Appends the operations that a filter lets through, as `found`; a running one without a living process is
/// `interrupted`, or `planned` where no process took it up yet.
fn push_found(query: &mut QueryBuilder<Postgres>, filter: &OperationFilter, ids: &[OperationId]) {
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
    (limit, offset): (i64, i64),
) -> Result<Vec<OperationView>, DbError> {
    let mut query = QueryBuilder::new("");
    push_found(&mut query, filter, ids);
    query.push(
        "select id, tenant_id, slug, kind, seen_state as state, caller, error, driven_by,
                tried_again_at as retry_at, batch_id, created_at, updated_at, finished_at
         from found ",
    );
    if let Some((at, id)) = filter.before {
        query.push("where (created_at, id) < (").push_bind(at).push(", ").push_bind(id).push(")");
    }
    query.push(" order by created_at desc, id desc limit ").push_bind(limit);
    query.push(" offset ").push_bind(offset);
    Ok(query.build_query_as().fetch_all(control).await?)
}

/// How many operations a filter lets through, wherever a page of them begins; counted up to a limit.
pub(super) async fn count(
    control: &mut PgConnection,
    filter: &OperationFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let mut query = QueryBuilder::new("");
    push_found(&mut query, filter, filter.id.as_slice());
    query.push("select count(*) from (select from found limit ").push_bind(limit).push(") as counted");
    let rows: i64 = query.build_query_scalar().fetch_one(control).await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}
