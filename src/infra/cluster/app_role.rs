//! The role that what an app may do is granted to. It is the same on every server and in every
//! tenant, so that a migration can name it; a tenant's own login is a member. What keeps tenants
//! apart is who may connect to which database.

use sqlx::{AssertSqlSafe, FromRow};

use super::ClusterError;
use crate::infra::db::{PgConnection, identifier, literal};

/// Its name.
pub const APP_ROLE: &str = "nexus_app";
/// Its comment. Several installations may share a server, and with it the role.
const COMMENT: &str = "Nexus: what apps may do in their tenants' databases";
/// SQLSTATE `duplicate_object`, and `unique_violation`: another process made it at the same moment.
const THERE: [&str; 2] = ["42710", "23505"];
/// SQLSTATE `dependent_objects_still_exist`.
const DEPENDED_ON: &str = "2BP01";

#[derive(FromRow)]
struct Found {
    /// What it is beyond a role without a login, e.g. `superuser`.
    powers: Vec<String>,
}

/// Makes the role where it is not there.
///
/// # Errors
/// [`ClusterError::AppRole`] when one of this name can do what every tenant would then be able to do.
pub async fn ensure_app_role(admin: &mut PgConnection) -> Result<(), ClusterError> {
    if check(admin).await? {
        return Ok(());
    }
    let make = format!(
        "create role {APP_ROLE} nologin inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls;
         comment on role {APP_ROLE} is {}",
        literal(COMMENT)
    );
    match sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *admin).await.map_err(ClusterError::from) {
        Err(ClusterError::Db(error)) if error.state().is_some_and(|state| THERE.contains(&state)) => {
            check(admin).await.map(|_| ())
        }
        other => other.map(|_| ()),
    }
}

/// Whether it is there.
async fn check(admin: &mut PgConnection) -> Result<bool, ClusterError> {
    let found: Option<Found> = sqlx::query_as(
        "select array(select power from
                          (values (rolcanlogin, 'login'), (rolsuper, 'superuser'), (rolcreatedb, 'createdb'),
                                  (rolcreaterole, 'createrole'), (rolreplication, 'replication'),
                                  (rolbypassrls, 'bypassrls')) as attribute (has, power) where has
                      union all
                      select 'membership in ' || other.rolname from pg_auth_members
                      join pg_roles as other on other.oid = roleid where member = role.oid) as powers
         from pg_roles as role where rolname = $1",
    )
    .bind(APP_ROLE)
    .fetch_optional(admin)
    .await?;
    match found {
        Some(found) if !found.powers.is_empty() => {
            Err(ClusterError::AppRole { powers: found.powers.join(", ") })
        }
        found => Ok(found.is_some()),
    }
}

/// Takes away what the role may do beyond being granted rights to.
pub async fn weaken_app_role(admin: &mut PgConnection) -> Result<(), ClusterError> {
    let within: Vec<String> = sqlx::query_scalar(
        "select distinct other.rolname::text from pg_auth_members join pg_roles as other on other.oid = roleid
         where member = to_regrole($1)",
    )
    .bind(APP_ROLE)
    .fetch_all(&mut *admin)
    .await?;
    let mut statements = vec![format!(
        "alter role {APP_ROLE} nologin nosuperuser nocreatedb nocreaterole noreplication nobypassrls"
    )];
    statements
        .extend(within.iter().map(|other| format!("revoke {} from {APP_ROLE} cascade", identifier(other))));
    sqlx::raw_sql(AssertSqlSafe(statements.join("; "))).execute(admin).await?;
    Ok(())
}

/// Drops the role where nobody is in it and nothing is granted to it: no installation uses the server.
pub async fn drop_app_role(admin: &mut PgConnection) -> Result<(), ClusterError> {
    let ours: bool = sqlx::query_scalar(
        "select exists (select from pg_roles as role where rolname = $1
                        and shobj_description(oid, 'pg_authid') = $2
                        and not exists (select from pg_auth_members where roleid = role.oid))",
    )
    .bind(APP_ROLE)
    .bind(COMMENT)
    .fetch_one(&mut *admin)
    .await?;
    if !ours {
        return Ok(());
    }
    let drop = format!("drop role if exists {APP_ROLE}");
    match sqlx::raw_sql(AssertSqlSafe(drop)).execute(admin).await.map_err(ClusterError::from) {
        Err(ClusterError::Db(error)) if error.state() == Some(DEPENDED_ON) => Ok(()),
        other => other.map(|_| ()),
    }
}
