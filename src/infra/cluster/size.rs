//! How much is in a database, for who is about to destroy it.

use super::ClusterError;
use crate::infra::db::PgConnection;

/// A database's size on the disk in bytes; `None` where it is not there.
pub async fn database_bytes(admin: &mut PgConnection, name: &str) -> Result<Option<i64>, ClusterError> {
    Ok(sqlx::query_scalar("select pg_database_size(oid) from pg_database where datname = $1")
        .bind(name)
        .fetch_optional(admin)
        .await?)
}

/// How many tables there are besides the realm's, and about how many rows they hold: as counted by
/// the last analysis or since (manual, chapter 28.2), whichever is more.
pub async fn tables_and_rows(inside: &mut PgConnection) -> Result<(i64, i64), ClusterError> {
    Ok(sqlx::query_as(
        "select count(*),
                coalesce(sum(greatest(reltuples::bigint, pg_stat_get_live_tuples(pg_class.oid), 0)), 0)::bigint
         from pg_class join pg_namespace on pg_namespace.oid = relnamespace
         where relkind = 'r' and nspname not in ('nexus', 'information_schema') and nspname not like 'pg\\_%'",
    )
    .fetch_one(inside)
    .await?)
}
