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

/// Leaves an operation that stopped to a person.
pub(super) async fn leave_to_person(control: &mut PgConnection, id: OperationId) -> Result<(), DbError> {
    sqlx::query(
        "update control.operations set driven_by = 'person', retry_at = null
         where id = $1 and driven_by = 'worker' and state in ('running', 'stopped', 'rolling_back')",
    )
    .bind(id)
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
