//! The SQL of operations that workers carry out.

use sqlx::AssertSqlSafe;

use crate::infra::db::{DbError, PgConnection, is_held};
use crate::kernel::OperationId;

/// Operations that a worker may take up now: not tried too often, not tried a moment ago, and nobody at work on
/// them. Each caller's in the order in which they were asked for, after as many turns as are under way already.
pub(super) async fn queued(
    control: &mut PgConnection,
    most_attempts: i16,
    limit: i64,
) -> Result<Vec<OperationId>, DbError> {
    let held = is_held("'nexus:tenant:' || tenant_id::text");
    Ok(sqlx::query_scalar(AssertSqlSafe(format!(
        "with queued as (
             select id, caller, created_at, {held} as held, retry_at is null or retry_at <= now() as due
             from control.operations
             where driven_by = 'worker' and state in ('running', 'stopped', 'rolling_back') and attempts < $1
         ), turns as (
             select id, created_at, held,
                    row_number() over (partition by caller order by held desc, created_at, id) as turn
             from queued where held or due
         )
         select id from turns where not held order by turn, created_at, id limit $2"
    )))
    .bind(most_attempts)
    .bind(limit)
    .fetch_all(control)
    .await?)
}

/// Why a worker's attempt failed.
pub(super) struct Failed<'a> {
    pub(super) code: &'static str,
    pub(super) message: &'a str,
    /// Whether the attempt was counted when it began.
    pub(super) counted: bool,
    pub(super) try_again: bool,
}

/// Records why a worker's attempt failed, unless one of its steps did, and when the next one is; without a next one
/// the operation is left to a person. One that another process is at work on already is left alone.
pub(super) async fn failed(
    control: &mut PgConnection,
    id: OperationId,
    Failed { code, message, counted, try_again }: Failed<'_>,
    most_attempts: i16,
) -> Result<(), DbError> {
    let held = is_held("'nexus:tenant:' || tenant_id::text");
    let statement = format!(
        "with failed as (
             select id, attempts + case when $4 then 0 else 1 end as attempts,
                    jsonb_build_object('code', $2::text, 'message', $3::text) as error
             from control.operations
             where id = $1 and driven_by = 'worker' and state in ('running', 'stopped', 'rolling_back') and not {held}
             for no key update
         )
         update control.operations
         set state = case when state = 'rolling_back' then state else 'stopped' end,
             error = case when $4 then coalesce(operations.error, failed.error) else failed.error end,
             attempts = failed.attempts, updated_at = now(),
             driven_by = case when $5 and failed.attempts < $6 then 'worker' else 'person' end,
             retry_at = case when $5 and failed.attempts < $6 then
                 greatest(retry_at, now() + interval '1 second' * least(60, 2 ^ (failed.attempts - 1))) end
         from failed where operations.id = failed.id"
    );
    sqlx::query(AssertSqlSafe(statement))
        .bind(id)
        .bind(code)
        .bind(message)
        .bind(counted)
        .bind(try_again)
        .bind(most_attempts)
        .execute(control)
        .await?;
    Ok(())
}

/// Makes an operation that is not over one of the workers'. Whether it was not.
pub(super) async fn hand_over(control: &mut PgConnection, id: OperationId) -> Result<bool, DbError> {
    let changed = sqlx::query(
        "update control.operations
         set driven_by = 'worker', planned = true, attempts = 0, retry_at = null, updated_at = now()
         where id = $1 and state in ('running', 'stopped', 'rolling_back')",
    )
    .bind(id)
    .execute(control)
    .await?;
    Ok(changed.rows_affected() > 0)
}
