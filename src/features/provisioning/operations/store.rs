//! The SQL of lists of operations.

use sqlx::postgres::PgArguments;
use sqlx::query::{QueryAs, QueryScalar};
use sqlx::{AssertSqlSafe, Postgres};

use super::super::queue::MOST_ATTEMPTS;
use super::{OperationFilter, OperationState, OperationView};
use crate::infra::db::{DbError, PgConnection, is_held};
use crate::kernel::{OperationId, Page};

/// The operations that a filter lets through, as `found`; a running one without a living process is
/// `interrupted`, or `planned` where no process took it up yet.
fn found() -> String {
    let held = is_held("'nexus:tenant:' || tenant_id::text");
    format!(
        "with operation as (
             select operations.*, tenants.slug
             from control.operations join control.tenants on tenants.id = tenant_id
             where ($1::uuid is null or tenant_id = $1) and ($2::uuid[] is null or operations.id = any($2))
               and ($3::uuid is null or batch_id = $3) and ($4::text is null or kind = $4)
               and (not $5 or operations.state in ('running', 'stopped', 'rolling_back'))
         ), seen as (
             select operation.*, case
                 when state in ('running', 'rolling_back') and not {held}
                 then case when planned then 'planned' else 'interrupted' end else state end as seen_state
             from operation
         ), found as (
             select seen.*, case when seen_state in ('stopped', 'interrupted') and driven_by = 'worker'
                                  and attempts < {MOST_ATTEMPTS} then retry_at end as tried_again_at
             from seen where $6::text is null or seen_state = $6
         )"
    )
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
    let query: QueryAs<'_, Postgres, OperationView, PgArguments> = sqlx::query_as(AssertSqlSafe(format!(
        "{} select id, tenant_id, slug, kind, seen_state as state, caller, error, driven_by,
                   tried_again_at as retry_at, batch_id, created_at, updated_at, finished_at
            from found where $7::timestamptz is null or (created_at, id) < ($7, $8)
            order by created_at desc, id desc limit $9 offset $10",
        found()
    )));
    Ok(query
        .bind(filter.tenant)
        .bind((!ids.is_empty()).then_some(ids))
        .bind(filter.batch)
        .bind(filter.kind)
        .bind(filter.open)
        .bind(filter.state.map(OperationState::as_str))
        .bind(filter.before.map(|(at, _)| at))
        .bind(filter.before.map(|(_, id)| id))
        .bind(limit)
        .bind(offset)
        .fetch_all(control)
        .await?)
}

/// How many operations a filter lets through, wherever a page of them begins; counted up to a limit.
pub(super) async fn count(
    control: &mut PgConnection,
    filter: &OperationFilter,
    limit: Option<i64>,
) -> Result<u64, DbError> {
    let query: QueryScalar<'_, Postgres, i64, PgArguments> = sqlx::query_scalar(AssertSqlSafe(format!(
        "{} select count(*) from (select from found limit $7) as counted",
        found()
    )));
    let rows = query
        .bind(filter.tenant)
        .bind(filter.id.map(|id| vec![id]))
        .bind(filter.batch)
        .bind(filter.kind)
        .bind(filter.open)
        .bind(filter.state.map(OperationState::as_str))
        .bind(limit)
        .fetch_one(control)
        .await?;
    Ok(u64::try_from(rows).unwrap_or_default())
}
