//! Small changes that put a server right: what an inspection finds beside its tenants.

use sqlx::AssertSqlSafe;

use super::{ClusterError, Database, held};
use crate::infra::db::{PgConnection, ServerAddress, identifier};

/// Runs the statement that mends a [`super::Drift`].
pub async fn fix(admin: &mut PgConnection, statement: &str) -> Result<(), ClusterError> {
    sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(admin).await?;
    Ok(())
}

/// The same for what is a tenant's, whose sessions are ended where they hold it up.
pub async fn fix_tenant(
    admin: &mut PgConnection,
    database: Database<'_>,
    statement: &str,
) -> Result<(), ClusterError> {
    held::change(admin, (database.name, database.app), &[statement.to_owned()]).await
}

/// Takes all rights at a database away from a role.
pub async fn revoke_database(
    admin: &mut PgConnection,
    database: &str,
    role: &str,
) -> Result<(), ClusterError> {
    let (database, role) = (identifier(database), identifier(role));
    fix(admin, &format!("revoke all on database {database} from {role} cascade")).await
}

/// Closes a template again: no session, no rights for anybody but its owner, ready to be cloned.
pub async fn close_template(admin: &mut PgConnection, name: &str) -> Result<(), ClusterError> {
    let quoted = identifier(name);
    let close = format!(
        "revoke all on database {quoted} from public; alter database {quoted} allow_connections false is_template true"
    );
    fix(admin, &close).await?;
    let others: Vec<String> = sqlx::query_scalar(
        "select distinct role.rolname::text from pg_database as db cross join aclexplode(db.datacl) as acl
         join pg_roles as role on role.oid = acl.grantee where db.datname = $1 and acl.grantee <> db.datdba",
    )
    .bind(name)
    .fetch_all(&mut *admin)
    .await?;
    for role in others {
        revoke_database(admin, name, &role).await?;
    }
    Ok(())
}

/// Ends a session, if it is still the one that was seen.
pub async fn end_session(admin: &mut PgConnection, pid: i32, application: &str) -> Result<(), ClusterError> {
    sqlx::query(
        "select pg_terminate_backend(pid) from pg_stat_activity where pid = $1 and application_name = $2",
    )
    .bind(pid)
    .bind(application)
    .execute(admin)
    .await?;
    Ok(())
}

/// Drops a role that bears this mark and owns nothing any more, with the rights that it has here and
/// there.
///
/// # Errors
/// [`ClusterError::Foreign`] when it bears another; when it owns something still.
pub async fn drop_role(
    admin: &mut PgConnection,
    server: &ServerAddress,
    name: &str,
    mark: &str,
) -> Result<(), ClusterError> {
    let found: Option<Option<String>> =
        sqlx::query_scalar("select shobj_description(oid, 'pg_authid') from pg_roles where rolname = $1")
            .bind(name)
            .fetch_optional(&mut *admin)
            .await?;
    match found {
        None => return Ok(()),
        Some(found) if found.as_deref() == Some(mark) => {}
        Some(_) => return Err(ClusterError::Foreign { what: format!("role {name}") }),
    }
    // DROP OWNED takes away what a role owns, too: only where it owns nothing.
    let rights_only: Vec<String> = sqlx::query_scalar(
        "select db.datname::text from pg_shdepend as it join pg_database as db on db.oid = it.dbid
         where it.refclassid = 'pg_authid'::regclass and it.refobjid = to_regrole(quote_ident($1))
         group by db.datname having bool_and(it.deptype <> 'o')",
    )
    .bind(name)
    .fetch_all(&mut *admin)
    .await?;
    for database in rights_only {
        let mut inside = server.database(&database).connect("nexus:fsck").await?;
        fix(&mut inside, &format!("drop owned by {} restrict", identifier(name))).await?;
        let _ = inside.close().await;
    }
    fix(admin, &format!("drop role {}", identifier(name))).await
}
