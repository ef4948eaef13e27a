//! Sessions on a server: ending those of a dead process before a repair decides, and those of a
//! tenant that goes.

use std::time::Duration;

use sqlx::{AssertSqlSafe, PgConnection};

use super::{ClusterError, Database, DatabaseFound, Roles};
use crate::infra::db::{identifier, literal};

/// How long a session may take to end after it was told to.
const PATIENCE: Duration = Duration::from_secs(20);

/// Ends every other session that bears this application name, and waits until none is left: what
/// a dead process had under way on the server (killing a client does not stop its
/// `CREATE DATABASE`) has then either come about or never will.
///
/// # Errors
/// [`ClusterError::StillAtWork`] when some would not end in 20 seconds.
pub async fn fence(admin: &mut PgConnection, application: &str) -> Result<(), ClusterError> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let count: i64 = sqlx::query_scalar(
            "select count(pg_terminate_backend(pid)) from pg_stat_activity
             where application_name = $1 and pid <> pg_backend_pid()",
        )
        .bind(application)
        .fetch_one(&mut *admin)
        .await?;
        if count == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(ClusterError::StillAtWork { count });
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Gives this session another name in `pg_stat_activity`.
///
/// # Errors
/// When the connection is broken.
pub async fn name_session(admin: &mut PgConnection, application: &str) -> Result<(), ClusterError> {
    let statement = format!("set application_name to {}", literal(application));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}

/// Ends the tenant's sessions and lets no new one in: the app role cannot log in, the database
/// takes no connections. Finding either gone is no error.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there that is not ours.
pub async fn close_logins(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let there = super::roles::exists(admin, roles).await?;
    if there.iter().any(|name| name == roles.app) {
        let statement = format!("alter role {} nologin", identifier(roles.app));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
    }
    if super::database(admin, database).await? != DatabaseFound::Absent {
        let statement = format!("alter database {} allow_connections false", identifier(database.name));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
    }
    sqlx::query("select pg_terminate_backend(pid) from pg_stat_activity where datname = $1 and pid <> pg_backend_pid()")
        .bind(database.name)
        .execute(admin)
        .await?;
    Ok(())
}
