//! The SQL of a rehearsal.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use crate::infra::db::{DbError, PgConnection};
use crate::kernel::TenantId;

/// Tenants whose schema was unlike most others' when it was last verified.
pub(super) async fn unlike(
    control: &mut PgConnection,
    tenants: &[TenantId],
) -> Result<Vec<TenantId>, DbError> {
    Ok(sqlx::query_scalar(
        "select tenant_id from control.seen_schemas
         where tenant_id = any($1)
           and digest <> (select mode() within group (order by digest) from control.seen_schemas
                          where tenant_id = any($1))
         order by tenant_id",
    )
    .bind(tenants)
    .fetch_all(control)
    .await?)
}

/// Has this transaction look for names in these schemas, and no statement of it take longer; none: as
/// long as it takes.
pub(super) async fn limit(tx: &mut PgConnection, path: &str, time: Option<Duration>) -> Result<(), DbError> {
    let milliseconds = time.unwrap_or_default().as_millis().to_string();
    sqlx::query(
        "select pg_catalog.set_config('statement_timeout', $1, true), pg_catalog.set_config('search_path', $2, true)",
    )
        .bind(milliseconds)
        .bind(path)
        .execute(tx)
        .await?;
    Ok(())
}

/// Runs the statements of a file.
pub(super) async fn run(session: &mut PgConnection, text: &str) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(session).await?;
    Ok(())
}
