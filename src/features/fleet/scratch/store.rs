//! The SQL of databases that are there for a moment.

use crate::infra::db::{DbError, PgConnection};

pub(super) async fn plan(
    control: &mut PgConnection,
    (name, cluster, purpose): (&str, &str, &str),
) -> Result<(), DbError> {
    sqlx::query("insert into control.scratch_databases (name, cluster, purpose) values ($1, $2, $3)")
        .bind(name)
        .bind(cluster)
        .bind(purpose)
        .execute(control)
        .await?;
    Ok(())
}

pub(super) async fn all(
    control: &mut PgConnection,
    cluster: &str,
    purpose: &str,
) -> Result<Vec<String>, DbError> {
    Ok(sqlx::query_scalar("select name from control.scratch_databases where cluster = $1 and purpose = $2")
        .bind(cluster)
        .bind(purpose)
        .fetch_all(control)
        .await?)
}

pub(super) async fn forget(control: &mut PgConnection, name: &str) -> Result<(), DbError> {
    sqlx::query("delete from control.scratch_databases where name = $1").bind(name).execute(control).await?;
    Ok(())
}
