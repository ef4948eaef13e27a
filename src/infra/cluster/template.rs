//! The template database: a realm at the newest version, which nobody can enter, so that nothing
//! ever stands in the way of cloning it (a session in a template makes `CREATE DATABASE` wait and
//! fail).

use sqlx::{AssertSqlSafe, PgConnection};

use super::{ClusterError, Database, DatabaseFound, database, drop_database, fence};
use crate::infra::db::{DbError, History, MigrationSet, Script, ServerAddress, identifier, literal};

/// Builds a template, from the start when an earlier attempt was cut short: a realm's tables, then
/// what `more` leads to.
///
/// Its objects belong to a role of its own, so that a clone's can be given to the clone's owner;
/// the database itself ends up with the administrator.
///
/// # Errors
/// [`ClusterError::Foreign`] when something of this name is there that is not ours.
pub async fn build_template(
    admin: &mut PgConnection,
    server: &ServerAddress,
    template: Database<'_>,
    migrations: MigrationSet,
    more: &[(History, Script<'_>)],
) -> Result<(), ClusterError> {
    let application = format!("nexus:template:{}", template.name);
    fence(admin, &application).await?;
    drop_database(admin, template).await?;
    make_owner(admin, template).await?;
    let (name, owner) = (identifier(template.name), identifier(template.owner));
    let create = format!("create database {name} template template0 owner {owner}");
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut *admin).await?;
    let close = format!("revoke all on database {name} from public");
    sqlx::raw_sql(AssertSqlSafe(close)).execute(&mut *admin).await?;

    let mut inside = server.database(template.name).connect(&application).await?;
    sqlx::raw_sql(AssertSqlSafe(format!("set role {owner}"))).execute(&mut inside).await?;
    migrations.apply(&mut inside).await?;
    for (history, script) in more {
        history.make(&mut inside, &[]).await?;
        let applied = history.apply(&mut inside, *script).await;
        applied.map_err(|error| ClusterError::File {
            file: format!("{}_{}", script.version, script.description.replace(' ', "_")),
            message: DbError::from(error.error).to_string(),
        })?;
    }
    let tidy = "reset role; revoke all on schema public from public";
    sqlx::raw_sql(tidy).execute(&mut inside).await?;
    sqlx::Connection::close(inside).await?;

    let finish = format!(
        "comment on database {name} is {};
         alter database {name} owner to current_user;
         alter database {name} allow_connections false is_template true",
        literal(template.mark),
    );
    sqlx::raw_sql(AssertSqlSafe(finish)).execute(&mut *admin).await?;
    Ok(())
}

/// Drops a template and its owner role, where they are there and ours.
///
/// # Errors
/// [`ClusterError::Foreign`] when something of this name is there that is not ours.
pub async fn drop_template(admin: &mut PgConnection, template: Database<'_>) -> Result<(), ClusterError> {
    if database(admin, template).await? != DatabaseFound::Absent {
        let open = format!("alter database {} is_template false", identifier(template.name));
        sqlx::raw_sql(AssertSqlSafe(open)).execute(&mut *admin).await?;
    }
    drop_database(admin, template).await?;
    if owner_is_ours(admin, template).await? == Some(true) {
        let drop = format!("drop role {}", identifier(template.owner));
        sqlx::raw_sql(AssertSqlSafe(drop)).execute(admin).await?;
    }
    Ok(())
}

/// Whether the owner role bears our mark; `None` when it is not there.
async fn owner_is_ours(
    admin: &mut PgConnection,
    template: Database<'_>,
) -> Result<Option<bool>, ClusterError> {
    let mark: Option<Option<String>> =
        sqlx::query_scalar("select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1")
            .bind(template.owner)
            .fetch_optional(admin)
            .await?;
    Ok(mark.map(|mark| mark.as_deref() == Some(template.mark)))
}

async fn make_owner(admin: &mut PgConnection, template: Database<'_>) -> Result<(), ClusterError> {
    match owner_is_ours(admin, template).await? {
        Some(true) => Ok(()),
        Some(false) => Err(ClusterError::Foreign { what: format!("role {}", template.owner) }),
        None => {
            let owner = identifier(template.owner);
            let make =
                format!("create role {owner} nologin; comment on role {owner} is {}", literal(template.mark));
            sqlx::raw_sql(AssertSqlSafe(make)).execute(admin).await?;
            Ok(())
        }
    }
}
