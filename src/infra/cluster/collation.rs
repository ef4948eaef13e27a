//! Databases whose recorded collation version is not the operating system's any more, as after an
//! upgrade of its libraries: PostgreSQL clones none of them (manual, `ALTER DATABASE`).

use sqlx::AssertSqlSafe;

use super::ClusterError;
use crate::infra::db::{DbError, PgConnection, ServerAddress, identifier};

/// Runs a `CREATE DATABASE`. Where the server refuses because of the source's collation version, and
/// the source holds nothing but what Nexus put there, or nothing at all, that is put right first.
///
/// # Errors
/// [`ClusterError::Collation`] where the source is somebody's database.
pub(super) async fn clone(
    admin: &mut PgConnection,
    server: Option<&ServerAddress>,
    (statement, source): (&str, &str),
) -> Result<(), ClusterError> {
    let refused = match create(admin, statement).await {
        Ok(()) => return Ok(()),
        Err(error) => error,
    };
    if !is_outdated(admin, source).await.unwrap_or(false) {
        return Err(refused.into());
    }
    match server {
        _ if source == "template0" => refresh(admin, source).await?,
        Some(server) => renew(admin, server, source).await?,
        None => return Err(ClusterError::Collation { database: source.to_owned() }),
    }
    Ok(create(admin, statement).await?)
}

async fn create(admin: &mut PgConnection, statement: &str) -> Result<(), DbError> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(admin).await?;
    Ok(())
}

/// Whether the version that a database was made with is another than the one that there is.
async fn is_outdated(admin: &mut PgConnection, database: &str) -> Result<bool, DbError> {
    let outdated: Option<bool> = sqlx::query_scalar(
        "select datcollversion is not null
                and datcollversion is distinct from pg_database_collation_actual_version(oid)
         from pg_database where datname = $1",
    )
    .bind(database)
    .fetch_optional(admin)
    .await?;
    Ok(outdated.unwrap_or(false))
}

async fn refresh(admin: &mut PgConnection, database: &str) -> Result<(), DbError> {
    create(admin, &format!("alter database {} refresh collation version", identifier(database))).await
}

/// Builds the indexes of a template of ours anew, by the order that counts now, and records its
/// version. Nobody else is let in meanwhile, or clones it.
async fn renew(admin: &mut PgConnection, server: &ServerAddress, template: &str) -> Result<(), ClusterError> {
    let name = identifier(template);
    create(admin, &format!("alter database {name} allow_connections true")).await?;
    let renewed = async {
        let mut inside = server.database(template).connect("nexus:template").await?;
        let renewed = async {
            create(&mut inside, &format!("reindex database {name}")).await?;
            // Collations that columns name by themselves have versions of their own.
            create(&mut inside, COLLATIONS).await
        }
        .await;
        let _ = inside.close().await;
        renewed
    }
    .await;
    create(admin, &format!("alter database {name} allow_connections false")).await?;
    renewed?;
    Ok(refresh(admin, template).await?)
}

const COLLATIONS: &str = "do $$ declare it record; begin
    for it in select oid::regcollation as name from pg_collation
              where collversion is not null and collversion is distinct from pg_collation_actual_version(oid)
    loop execute format('alter collation %s refresh version', it.name); end loop;
end $$";
