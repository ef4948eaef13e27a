//! Sessions on a server: ending those of a dead process before a repair decides, and those of a
//! tenant that goes.

use std::time::Duration;

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::held;
use super::high_water::{is_absent, note_statement, prepare_high_water};
use super::{ClusterError, Database, Roles};
use crate::infra::db::{DbError, PgConnection, identifier, in_one_batch, literal};

/// How long a session may take to end after it was told to.
const SESSION_END_TIMEOUT: Duration = Duration::from_secs(20);

/// Ends every other session that bears this application name, and waits until none is left: what
/// a dead process had under way on the server (killing a client does not stop its
/// `CREATE DATABASE`) has then either come about or never will.
///
/// # Errors
/// [`ClusterError::StillAtWork`] when some would not end in 20 seconds.
pub async fn fence(admin: &mut PgConnection, application: &str) -> Result<(), ClusterError> {
    let until = tokio::time::Instant::now() + SESSION_END_TIMEOUT;
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

/// Lets no new session of the tenant in, and ends those that there are, until none is left: the
/// database takes no connections, the app role cannot log in. Two switches, of which neither holds
/// anything else: whatever limits and settings were made stay as they are. Finding either gone is
/// no error. Gives this session another name first and notes the change's fence, as [`begin_change`].
/// All of it is one round trip where the sessions end at once. The database is closed first, by a
/// transaction of its own: a session inside may hold the role's row, and is ended then.
///
/// [`begin_change`]: super::begin_change
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there that is not ours, [`ClusterError::StillOpen`] when
/// sessions do not end in 20 seconds, [`ClusterError::HeldUp`] when a prepared transaction keeps the
/// role as it is; the database is closed then.
pub async fn close_logins(
    admin: &mut PgConnection,
    (application, change): (&str, (Uuid, i64)),
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let batch = format!(
        "set application_name to {}; begin; set local synchronous_commit to off; {}; commit;
         {}; {}; {}",
        literal(application),
        note_statement(change),
        held::impatiently(&close(roles, database)),
        held::impatiently(&login_statement(roles.app, false)),
        end_and_look((database.name, roles.app)),
    );
    let mut ended = in_one_batch(admin, batch.clone()).await;
    if ended.as_ref().is_err_and(is_absent) {
        prepare_high_water(admin).await?;
        ended = in_one_batch(admin, batch).await;
    }
    let rows = match ended {
        Err(error) if held::is_held_up(&error) => {
            let switches = [close(roles, database), login_statement(roles.app, false)];
            let closed = held::change_held(admin, (database.name, roles.app), &switches).await;
            closed.map_err(or_foreign)?;
            return end_sessions(admin, database.name, roles.app).await;
        }
        other => other.map_err(|error| or_foreign(error.into()))?,
    };
    // The second look finds whom the first one did not end.
    if counted(&rows)? == 0 {
        return Ok(());
    }
    end_sessions(admin, database.name, roles.app).await
}

/// SQLSTATE of our own (class `NX` is nobody's): something bears the name and not the mark.
const FOREIGN: &str = "NX001";

fn or_foreign(error: ClusterError) -> ClusterError {
    match error {
        ClusterError::Db(DbError::Refused { state, message, .. }) if state == FOREIGN => {
            ClusterError::Foreign { what: message }
        }
        other => other,
    }
}

/// The block that lets nobody into the database any more, or says what is not ours.
fn close(roles: Roles<'_>, database: Database<'_>) -> String {
    format!(
        "do $nexus$
         declare other text;
         begin
             select 'role ' || rolname into other from pg_authid
             where rolname in ({owner}, {app}) and coalesce(shobj_description(oid, 'pg_authid') not in ({mark}), true);
             if other is null then
                 select 'database ' || datname into other
                 from pg_database as db join pg_authid as role on role.oid = datdba
                 where datname = {name} and coalesce(shobj_description(db.oid, 'pg_database') not in ({mark}), true)
                   and not (shobj_description(db.oid, 'pg_database') is null and rolname = {owner}
                            and coalesce(shobj_description(role.oid, 'pg_authid') in ({mark}), false));
             end if;
             if other is not null then
                 raise exception using errcode = '{FOREIGN}', message = other;
             end if;
             if exists (select from pg_database
                        where datname = {name} and datconnlimit <> -2 and datallowconn) then
                 alter database {database} allow_connections false;
             end if;
         end $nexus$",
        owner = literal(roles.owner),
        app = literal(roles.app),
        mark = roles.mark.texts().map(literal).join(", "),
        name = literal(database.name),
        database = identifier(database.name),
    )
}

/// The block that says whether a role can log in, where that is not so already.
pub(super) fn login_statement(app: &str, on: bool) -> String {
    format!(
        "do $nexus$
         begin
             if exists (select from pg_authid where rolname = {} and rolcanlogin <> {on}) then
                 alter role {} {};
             end if;
         end $nexus$",
        literal(app),
        identifier(app),
        if on { "login" } else { "nologin" },
    )
}

/// Ends the sessions in a database that is closed, and those of its app role, until none is left.
pub(super) async fn end_sessions(
    admin: &mut PgConnection,
    database: &str,
    app: &str,
) -> Result<(), ClusterError> {
    let until = tokio::time::Instant::now() + SESSION_END_TIMEOUT;
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

/// Whether the app role can log in or the database takes connections. What is not there, or not
/// ours, lets nobody in.
pub async fn lets_in(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: Database<'_>,
) -> Result<bool, ClusterError> {
    match switches(admin, roles, database).await {
        Ok((login, connectable)) => Ok(login.unwrap_or(false) || connectable.unwrap_or(false)),
        Err(ClusterError::Foreign { .. }) => Ok(false),
        Err(error) => Err(error),
    }
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
    let open = format!("alter database {} allow_connections true", identifier(database.name));
    held::change(admin, (database.name, roles.app), &[login_statement(roles.app, true), open]).await
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
pub(super) async fn sessions(
    admin: &mut PgConnection,
    names: (&str, &str),
    end: bool,
) -> Result<i64, ClusterError> {
    let statement = AssertSqlSafe(sessions_statements(names, end));
    counted(&sqlx::raw_sql(statement).fetch_all(admin).await?)
}

/// The sum of the two counts of the last look.
fn counted(rows: &[PgRow]) -> Result<i64, ClusterError> {
    let counts = rows.iter().rev().filter(|row| row.try_column("sessions").is_ok()).take(2);
    let counts: Result<Vec<i64>, sqlx::Error> = counts.map(|row| row.try_get("sessions")).collect();
    Ok(counts?.into_iter().sum())
}

/// The statements that count them.
///
/// A session that is just beginning cannot be seen in `pg_stat_activity`. But it holds a lock on
/// its database from before the server looks whether the database takes connections until after it
/// can be seen. So the locks are looked at first: once the database is closed, whoever is in
/// neither list is refused. A transaction keeps the list that it read first, unless told not to
/// (manual, chapter 28.2.2).
fn sessions_statements((database, app): (&str, &str), end: bool) -> String {
    let (database, app) = (literal(database), literal(app));
    let counted = if end { "pg_terminate_backend(pid) is not null" } else { "true" };
    format!(
        "select pg_stat_clear_snapshot();
         select count(*) filter (where {counted}) as sessions
         from pg_locks where locktype = 'object' and mode = 'RowExclusiveLock' and classid = 'pg_database'::regclass
             and objid = (select oid from pg_database where datname = {database}) and pid <> pg_backend_pid()
             and pid not in (select pid from pg_stat_activity where backend_type <> 'client backend');
         select pg_stat_clear_snapshot();
         select count(*) filter (where {counted}) as sessions
         from pg_stat_activity where (datname = {database} or usename = {app}) and pid <> pg_backend_pid()
             and backend_type in ('client backend', 'walsender')"
    )
}

/// The same twice, with a moment in between where somebody was told to end.
fn end_and_look((database, app): (&str, &str)) -> String {
    let look = sessions_statements((database, app), true);
    format!(
        "{look}; select pg_sleep(0.005) where exists (
             select from pg_stat_activity where (datname = {} or usename = {}) and pid <> pg_backend_pid());
         {look}",
        literal(database),
        literal(app),
    )
}
