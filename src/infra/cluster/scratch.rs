//! Databases that are made to be looked into or worked in for a moment, and dropped. They bear a
//! mark of ours, and nobody but the administrator is let in.

use sqlx::AssertSqlSafe;

use super::ClusterError;
use crate::infra::db::{PgConnection, identifier, literal};

/// Makes a scratch database: a clone of another that has no sessions, or an empty one.
///
/// # Errors
/// When the server refuses, e.g. because the other has sessions.
pub async fn create_scratch(
    admin: &mut PgConnection,
    name: &str,
    template: Option<&str>,
    mark: &str,
) -> Result<(), ClusterError> {
    let quoted = identifier(name);
    let source = template.unwrap_or("template0");
    let create = format!("create database {quoted} template {} allow_connections false", identifier(source));
    super::collation::clone(admin, None, (&create, source)).await?;
    let open = format!(
        "revoke all on database {quoted} from public;
         comment on database {quoted} is {mark};
         alter database {quoted} allow_connections true",
        mark = literal(mark),
    );
    sqlx::raw_sql(AssertSqlSafe(open)).execute(admin).await?;
    Ok(())
}

/// Gives a scratch database to a login of its own, which owns nothing else and is let in nowhere
/// else; its name. The password reaches the server as a SCRAM verifier only.
pub async fn create_scratch_login(
    admin: &mut PgConnection,
    database: &str,
    verifier: &str,
    mark: &str,
) -> Result<String, ClusterError> {
    let name = scratch_login(database);
    let statements = format!(
        "create role {role} login inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls
             password {verifier};
         comment on role {role} is {mark};
         alter database {database} owner to {role}",
        role = identifier(&name),
        verifier = literal(verifier),
        mark = literal(mark),
        database = identifier(database),
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(name)
}

/// The name of a scratch database's login.
#[must_use]
pub fn scratch_login(database: &str) -> String {
    format!("{database}_scratch")
}

/// Drops a scratch database with its login, where it is there, ending its sessions. The name is random and was
/// recorded before the database was made, so that one without a mark is ours, too.
///
/// # Errors
/// [`ClusterError::Foreign`] when it bears another mark.
pub async fn drop_scratch(admin: &mut PgConnection, name: &str, mark: &str) -> Result<(), ClusterError> {
    let found: Option<Option<String>> = sqlx::query_scalar(
        "select shobj_description(oid, 'pg_database') from pg_database where datname = $1",
    )
    .bind(name)
    .fetch_optional(&mut *admin)
    .await?;
    match found {
        None => {}
        Some(Some(other)) if other != mark => {
            return Err(ClusterError::Foreign { what: format!("database {name}") });
        }
        Some(_) => {
            let statement = format!("drop database if exists {} with (force)", identifier(name));
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *admin).await?;
        }
    }
    let login: Option<Option<String>> =
        sqlx::query_scalar("select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1")
            .bind(scratch_login(name))
            .fetch_optional(&mut *admin)
            .await?;
    if login.flatten().as_deref() == Some(mark) {
        let statement = format!("drop role {}", identifier(&scratch_login(name)));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    }
    Ok(())
}
