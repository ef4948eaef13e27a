//! The SQL of a rehearsal.

use std::collections::HashMap;

use sqlx::{AssertSqlSafe, PgConnection};

use crate::infra::db::DbError;
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

/// The version of each operators' set in each tenant.
pub(super) async fn versions(
    control: &mut PgConnection,
    tenants: &[TenantId],
) -> Result<HashMap<(TenantId, String), i64>, DbError> {
    let rows: Vec<(TenantId, String, i64)> = sqlx::query_as(
        "select tenant_id, set_name, version from control.tenant_versions where tenant_id = any($1)",
    )
    .bind(tenants)
    .fetch_all(control)
    .await?;
    Ok(rows.into_iter().map(|(tenant, set, version)| ((tenant, set), version)).collect())
}

/// Runs the statements of a file.
pub(super) async fn run(session: &mut PgConnection, text: &str) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(text.to_owned())).execute(session).await?;
    Ok(())
}
