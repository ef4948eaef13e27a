//! Databases: cloned from a template, closed to everyone until their privileges are set.

use sqlx::{AssertSqlSafe, FromRow};

use super::{ClusterError, Mark, collation};
use crate::infra::db::{PgConnection, ServerAddress, identifier, literal};

/// SQLSTATE `duplicate_database`.
const DUPLICATE_DATABASE: &str = "42P04";

/// A database's name, its owner, and the mark that it bears as a comment.
#[derive(Debug, Clone, Copy)]
pub struct Database<'a> {
    pub name: &'a str,
    pub owner: &'a str,
    /// The only role that may connect.
    pub app: &'a str,
    /// Marks it as ours. The comment comes after the creation, so until then the owner, which is
    /// marked, marks it.
    pub mark: Mark<'a>,
}

/// What is there of a database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DatabaseFound {
    /// Nothing.
    Absent,
    /// It is there, and nobody can connect yet.
    Closed,
    /// It is there, with its privileges set.
    Open,
}

#[derive(FromRow)]
struct Found {
    owner: String,
    owner_mark: Option<String>,
    mark: Option<String>,
    connectable: bool,
    half_dropped: bool,
    privileges_set: bool,
}

async fn find(admin: &mut PgConnection, database: Database<'_>) -> Result<Option<Found>, ClusterError> {
    let found: Option<Found> = sqlx::query_as(
        "select role.rolname::text as owner, shobj_description(role.oid, 'pg_authid') as owner_mark,
                shobj_description(db.oid, 'pg_database') as mark, db.datallowconn as connectable,
                db.datconnlimit = -2 as half_dropped,
                coalesce((select bool_and(acl.grantee <> 0) and bool_or(grantee.rolname = $2)
                          from aclexplode(db.datacl) as acl left join pg_roles as grantee on grantee.oid = acl.grantee),
                         false) as privileges_set
         from pg_database as db join pg_roles as role on role.oid = db.datdba where db.datname = $1",
    )
    .bind(database.name)
    .bind(database.app)
    .fetch_optional(admin)
    .await?;
    match &found {
        Some(it) if database.mark.fits(it.mark.as_deref()) => Ok(found),
        Some(it)
            if it.mark.is_none()
                && it.owner == database.owner
                && database.mark.fits(it.owner_mark.as_deref()) =>
        {
            Ok(found)
        }
        Some(_) => Err(ClusterError::Foreign { what: format!("database {}", database.name) }),
        None => Ok(None),
    }
}

/// Looks at the database.
///
/// # Errors
/// [`ClusterError::Foreign`] when one of this name is there that is not ours.
pub async fn database(
    admin: &mut PgConnection,
    database: Database<'_>,
) -> Result<DatabaseFound, ClusterError> {
    Ok(match find(admin, database).await? {
        None => DatabaseFound::Absent,
        // A drop that was cut short leaves a wreck that can only be dropped (PostgreSQL 15.4 and newer).
        Some(it) if it.half_dropped => DatabaseFound::Absent,
        Some(it) if it.connectable && it.privileges_set && it.mark.is_some() => DatabaseFound::Open,
        Some(_) => DatabaseFound::Closed,
    })
}

/// Whether the database takes connections. `None` where it is not there, or only its wreck.
///
/// # Errors
/// [`ClusterError::Foreign`] when one of this name is there that is not ours.
pub(super) async fn connectable(
    admin: &mut PgConnection,
    database: Database<'_>,
) -> Result<Option<bool>, ClusterError> {
    let found = find(admin, database).await?.filter(|it| !it.half_dropped);
    Ok(found.map(|it| it.connectable))
}

/// Clones the template. Nobody can connect until [`open_database`]: a new database's privileges
/// let every login of the server in.
///
/// `fresh` says that the name was made a moment ago: it is looked at only where it is taken.
///
/// # Errors
/// [`ClusterError::Foreign`] when one of this name is there that is not ours.
pub async fn create_database(
    admin: &mut PgConnection,
    server: &ServerAddress,
    database: Database<'_>,
    (template, fresh): (&str, bool),
) -> Result<(), ClusterError> {
    if !fresh && find(admin, database).await?.is_some_and(|it| it.half_dropped) {
        drop_database(admin, database).await?;
    }
    let statement = format!(
        "create database {} template {} owner {} allow_connections false",
        identifier(database.name),
        identifier(template),
        identifier(database.owner),
    );
    match collation::clone(admin, Some(server), (&statement, template)).await {
        Err(ClusterError::Db(error)) if error.state() == Some(DUPLICATE_DATABASE) => {
            find(admin, database).await?;
            Err(error.into())
        }
        other => other,
    }
}

/// Takes PUBLIC's rights away, lets the app role connect, and opens the database, all at once.
pub async fn open_database(admin: &mut PgConnection, database: Database<'_>) -> Result<(), ClusterError> {
    let name = identifier(database.name);
    // What is granted inside, which comes next, waits for the disk for both.
    let statements = format!(
        "set local synchronous_commit to off;
         revoke all on database {name} from public;
         grant connect on database {name} to {};
         comment on database {name} is {};
         alter database {name} allow_connections true",
        identifier(database.app),
        literal(database.mark.text),
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Drops the database, where it is there and ours, ending its sessions.
///
/// # Errors
/// [`ClusterError::Foreign`] when one of this name is there that is not ours.
pub async fn drop_database(admin: &mut PgConnection, database: Database<'_>) -> Result<(), ClusterError> {
    if find(admin, database).await?.is_none() {
        return Ok(());
    }
    let statement = format!("drop database if exists {} with (force)", identifier(database.name));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}
