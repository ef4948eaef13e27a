//! Sessions on a server: ending those of a dead process before a repair decides, and those of a
//! tenant that goes.

use std::time::Duration;

use sqlx::AssertSqlSafe;

use super::{ClusterError, Database, Roles};
use crate::infra::db::{PgConnection, identifier, literal};

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

/// Lets no new session of the tenant in, and ends those that there are, until none is left: the app
/// role cannot log in, the database takes no connections. Two switches, of which neither holds
/// anything else: whatever limits and settings were made stay as they are. Finding either gone is
/// no error.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there that is not ours, [`ClusterError::StillOpen`] when
/// sessions do not end in 20 seconds.
pub async fn close_logins(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let (login, connectable) = switches(admin, roles, database).await?;
    let role = login.map(|_| format!("alter role {} nologin", identifier(roles.app)));
    let closed =
        connectable.map(|_| format!("alter database {} allow_connections false", identifier(database.name)));
    let statements: Vec<String> = role.into_iter().chain(closed).collect();
    sqlx::raw_sql(AssertSqlSafe(statements.join(";"))).execute(&mut *admin).await?;
    end_sessions(admin, database.name, roles.app).await
}

/// Ends the sessions in a database that is closed, and those of its app role, until none is left.
pub(super) async fn end_sessions(
    admin: &mut PgConnection,
    database: &str,
    app: &str,
) -> Result<(), ClusterError> {
    let until = tokio::time::Instant::now() + PATIENCE;
    loop {
        let count = sessions(admin, (database, app), true).await?;
        if count == 0 {
            return Ok(());
        }
        if tokio::time::Instant::now() >= until {
            return Err(ClusterError::StillOpen { database: database.to_owned(), count });
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Whether [`close_logins`] was done, and nobody is inside.
///
/// # Errors
/// [`ClusterError::Foreign`] when a role or the database is there that is not ours.
pub async fn logins_closed(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<bool, ClusterError> {
    let (login, connectable) = switches(admin, roles, database).await?;
    let shut = !login.unwrap_or(false) && !connectable.unwrap_or(false);
    Ok(shut && sessions(admin, (database.name, roles.app), false).await? == 0)
}

/// Takes back what [`close_logins`] did, the sessions that it ended apart.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there that is not ours, [`ClusterError::Missing`] when
/// one is gone.
pub async fn open_logins(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let missing = |what: String| ClusterError::Missing { what };
    let (login, connectable) = switches(admin, roles, database).await?;
    login.ok_or_else(|| missing(format!("role {}", roles.app)))?;
    connectable.ok_or_else(|| missing(format!("database {}", database.name)))?;
    let statements = format!(
        "alter role {} login; alter database {} allow_connections true",
        identifier(roles.app),
        identifier(database.name)
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Whether both switches are on; `None` where there is nothing to switch.
async fn switches(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(Option<bool>, Option<bool>), ClusterError> {
    let login = super::roles::login(admin, roles).await?;
    Ok((login, super::database::connectable(admin, database).await?))
}

/// How many sessions there are in a database or of its app role; asks them to end where `end` is
/// set.
///
/// A session that is just beginning cannot be seen in `pg_stat_activity`. But it holds a lock on
/// its database from before the server looks whether the database takes connections until after it
/// can be seen. So the locks are looked at first: once the database is closed, whoever is in
/// neither list is refused.
pub(super) async fn sessions(
    admin: &mut PgConnection,
    (database, app): (&str, &str),
    end: bool,
) -> Result<i64, ClusterError> {
    let beginning: i64 = sqlx::query_scalar(
        "select count(case when $2 then pg_terminate_backend(pid) end) + count(*) filter (where not $2)
         from pg_locks where locktype = 'object' and mode = 'RowExclusiveLock' and classid = 'pg_database'::regclass
             and objid = (select oid from pg_database where datname = $1) and pid <> pg_backend_pid()
             and pid not in (select pid from pg_stat_activity where backend_type <> 'client backend')",
    )
    .bind(database)
    .bind(end)
    .fetch_one(&mut *admin)
    .await?;
    let inside: i64 = sqlx::query_scalar(
        "select count(case when $3 then pg_terminate_backend(pid) end) + count(*) filter (where not $3)
         from pg_stat_activity where (datname = $1 or usename = $2) and pid <> pg_backend_pid()
             and backend_type in ('client backend', 'walsender')",
    )
    .bind(database)
    .bind(app)
    .bind(end)
    .fetch_one(admin)
    .await?;
    Ok(beginning + inside)
}
