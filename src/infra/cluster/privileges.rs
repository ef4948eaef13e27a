//! Who may do what on a server and inside a tenant's database.

use std::fmt::Write as _;

use sqlx::AssertSqlSafe;

use super::{ClusterError, Database};
use crate::infra::db::{History, PgConnection, identifier};

/// SQLSTATE of "tuple concurrently updated", which two changes of one database's privileges at
/// the same moment get.
const CONCURRENT_UPDATE: &str = "XX000";

/// Takes PUBLIC's right to connect and to make temporary tables away from the databases that
/// belong to nobody. By default any login may use them (manual, chapter 5.7).
///
/// # Errors
/// When a statement fails.
pub async fn close_maintenance_databases(
    admin: &mut PgConnection,
    ours: &[&str],
) -> Result<(), ClusterError> {
    for attempt in 0.. {
        let open: Vec<String> = sqlx::query_scalar(
            "select datname::text from pg_database
             where (datname in ('postgres', 'template1') or datname = any($1::text[]))
               and (datacl is null or exists (select from aclexplode(datacl) where grantee = 0))",
        )
        .bind(ours)
        .fetch_all(&mut *admin)
        .await?;
        if open.is_empty() {
            return Ok(());
        }
        let statements: Vec<String> = open
            .iter()
            .map(|name| format!("revoke all on database {} from public", identifier(name)))
            .collect();
        match sqlx::raw_sql(AssertSqlSafe(statements.join(";")))
            .execute(&mut *admin)
            .await
            .map_err(ClusterError::from)
        {
            Err(ClusterError::Db(error)) if error.state() == Some(CONCURRENT_UPDATE) && attempt < 20 => {}
            other => {
                other?;
            }
        }
    }
    Ok(())
}

/// What the app role may do in the realm: read roles and permissions, change the settings. Never an
/// administrator's work.
fn realm_grants(app: &str) -> String {
    let app = identifier(app);
    format!(
        "grant usage on schema nexus to {app};
         grant select on nexus.roles, nexus.permissions, nexus.role_permissions, nexus.user_roles to {app};
         grant select (id, email, name, state, created_at, updated_at) on nexus.users to {app};
         grant select, insert, update, delete on nexus.settings to {app}"
    )
}

/// Inside a database that was there before Nexus: what [`grant_inside`] grants in the realm. What
/// the login may do with the app's own tables is left as it is.
///
/// # Errors
/// When a statement fails.
pub async fn grant_realm(admin: &mut PgConnection, app: &str) -> Result<(), ClusterError> {
    sqlx::raw_sql(AssertSqlSafe(realm_grants(app))).execute(admin).await?;
    Ok(())
}

/// Whether [`grant_realm`] was done.
///
/// # Errors
/// When a statement fails, e.g. because the realm's tables are not there.
pub async fn realm_granted(admin: &mut PgConnection, app: &str) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar(
        "select has_schema_privilege($1, 'nexus', 'usage') and has_table_privilege($1, 'nexus.roles', 'select')
            and has_table_privilege($1, 'nexus.settings', 'insert')",
    )
    .bind(app)
    .fetch_one(admin)
    .await?)
}

/// Inside a clone of the template: gives everything to the owner role, and lets the app role read
/// the realm, change the settings, and read and write the apps' tables, now and in the future; of
/// the apps' histories of migrations it may only read.
///
/// # Errors
/// When a statement fails.
pub async fn grant_inside(
    admin: &mut PgConnection,
    database: Database<'_>,
    template_owner: &str,
    histories: &[String],
) -> Result<(), ClusterError> {
    let (owner, app) = (identifier(database.owner), identifier(database.app));
    // What the template has of the apps' tables is older than the default privileges below.
    let mut born_with = String::new();
    if !histories.is_empty() {
        born_with = format!(
            "; grant select, insert, update, delete on all tables in schema public to {app};
             grant usage, select, update on all sequences in schema public to {app}"
        );
        for history in histories {
            let table = History::new(history);
            let _ = write!(born_with, "; revoke insert, update, delete on {} from {app}", table.quoted());
        }
    }
    let statements = format!(
        "reassign owned by {template_owner} to {owner};
         grant usage on schema public to {app};
         {realm};
         alter default privileges for role {owner} in schema public
             grant select, insert, update, delete on tables to {app};
         alter default privileges for role {owner} in schema public
             grant usage, select, update on sequences to {app}{born_with}",
        template_owner = identifier(template_owner),
        realm = realm_grants(database.app),
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Whether [`grant_inside`] was done: the owner role owns the realm, the app role has its rights,
/// PUBLIC has none.
///
/// # Errors
/// When a statement fails, e.g. because the realm's tables are not there.
pub async fn granted_inside(admin: &mut PgConnection, database: Database<'_>) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar(
        "select (select nspowner = to_regrole($1) from pg_namespace where nspname = 'nexus')
            and not exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                            where nspname = 'nexus' and relowner <> to_regrole($1))
            and has_schema_privilege($2, 'nexus', 'usage') and has_schema_privilege($2, 'public', 'usage')
            and not has_schema_privilege($2, 'public', 'create')
            and has_table_privilege($2, 'nexus.roles', 'select')
            and has_table_privilege($2, 'nexus.settings', 'insert')
            and (select count(*) = 2 from pg_default_acl where defaclrole = to_regrole($1))",
    )
    .bind(database.owner)
    .bind(database.app)
    .fetch_one(admin)
    .await?)
}

/// For the rest of this transaction acts with another role's rights.
///
/// # Errors
/// When the role is not there.
pub async fn become_role(admin: &mut PgConnection, role: &str) -> Result<(), ClusterError> {
    let statement = format!("set local role {}", identifier(role));
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    Ok(())
}
