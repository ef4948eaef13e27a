//! The SQL of what a tenant's database is like, by the login of its apps.

use sqlx::{AssertSqlSafe, FromRow};

use super::views::SchemaView;
use crate::infra::db::{DbError, History, PgConnection, literal};

/// What the login sees.
#[derive(FromRow)]
pub(super) struct Seen {
    /// Of the whole database.
    pub(super) bytes: i64,
    /// Those of the sets whose history it may read.
    pub(super) readable: Vec<String>,
}

/// How large the database is, and which of these histories, each with the name of its set, the login may read.
pub(super) async fn seen(
    database: &mut PgConnection,
    histories: &[(String, History)],
) -> Result<Seen, DbError> {
    let sets: Vec<&str> = histories.iter().map(|(set, _)| set.as_str()).collect();
    let (schemas, tables): (Vec<&str>, Vec<&str>) = histories.iter().map(|(_, it)| it.parts()).unzip();
    Ok(sqlx::query_as(
        "select pg_database_size(current_database()) as bytes,
                array(select set from unnest($1::text[], $2::text[], $3::text[]) as given (set, place, history)
                      join pg_namespace on nspname = place
                      join pg_class on relnamespace = pg_namespace.oid and relname = history
                      where relkind = 'r' and has_schema_privilege(pg_namespace.oid, 'usage')
                        and has_table_privilege(pg_class.oid, 'select')) as readable",
    )
    .bind(sets)
    .bind(schemas)
    .bind(tables)
    .fetch_one(database)
    .await?)
}

/// The newest version that each of these sets has, by name.
pub(super) async fn versions(
    database: &mut PgConnection,
    histories: &[&(String, History)],
) -> Result<Vec<SchemaView>, DbError> {
    let one = |(set, history): &&(String, History)| {
        format!(
            "select {} as set, max(version)::bigint as version from {} where success",
            literal(set),
            history.quoted()
        )
    };
    let all: Vec<String> = histories.iter().map(one).collect();
    let statement = format!("{} order by 1", all.join(" union all "));
    Ok(sqlx::query_as(AssertSqlSafe(statement)).persistent(false).fetch_all(database).await?)
}
