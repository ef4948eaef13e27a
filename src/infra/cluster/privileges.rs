//! Who may do what on a server and inside a tenant's database.

use sqlx::AssertSqlSafe;

use super::carried::RIGHTS;
use super::{APP_ROLE, Carried, ClusterError, Database, ensure_app_role, limits};
use crate::infra::db::{PgConnection, identifier, in_one_batch};

/// SQLSTATE of "tuple concurrently updated", which two changes of one database's privileges at
/// the same moment get.
const CONCURRENT_UPDATE: &str = "XX000";

/// Takes PUBLIC's right to connect and to make temporary tables away from the databases that
/// belong to nobody. By default any login may use them (manual, chapter 5.7).
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

/// What an app may do in the realm, said whole: read roles and permissions, change the settings, publish events.
/// Never an administrator's work. Whatever else it has there, e.g. by default privileges, goes. A realm of an older
/// version has no function that publishes.
pub const REALM_GRANTS: &str = "revoke all on all tables in schema nexus from nexus_app;
     revoke all on all sequences in schema nexus from nexus_app;
     revoke create on schema nexus from nexus_app;
     grant usage on schema nexus to nexus_app;
     grant select on nexus.roles, nexus.permissions, nexus.role_permissions, nexus.user_roles to nexus_app;
     grant select (id, email, name, state, created_at, updated_at) on nexus.users to nexus_app;
     grant select, insert, update, delete on nexus.settings to nexus_app;
     do $$ begin
         if to_regprocedure('nexus.publish(text, text, jsonb)') is not null then
             grant execute on function nexus.publish(text, text, jsonb) to nexus_app;
         end if;
     end $$;";

/// What apps may do with what a tenant's owner role makes, unless a migration says otherwise. It
/// covers schemas that are made later, too.
pub(super) fn usual_default_rights(owner: &str) -> String {
    let of = format!("alter default privileges for role {}", identifier(owner));
    format!(
        "{of} grant usage on schemas to {APP_ROLE};
         {of} grant select, insert, update, delete on tables to {APP_ROLE};
         {of} grant usage, select, update on sequences to {APP_ROLE};"
    )
}

/// Inside a database that was there before Nexus: what apps may do in the realm, for the login
/// itself, too, which may be one that does not inherit. What it may do with the app's own tables is left
/// as it is.
pub async fn grant_adopted_realm(admin: &mut PgConnection, app: &str) -> Result<(), ClusterError> {
    ensure_app_role(admin).await?;
    let quoted = identifier(app);
    let (_, own) = REALM_GRANTS.split_once("grant ").unwrap_or_default();
    let own = format!("grant {own}").replace(&format!("to {APP_ROLE}"), &format!("to {quoted}"));
    sqlx::raw_sql(AssertSqlSafe(format!("{REALM_GRANTS} {own} grant {APP_ROLE} to {quoted}")))
        .execute(admin)
        .await?;
    Ok(())
}

/// Takes the membership away that [`grant_adopted_realm`] gave; the rights go with the realm.
pub async fn leave_app_role(admin: &mut PgConnection, app: &str) -> Result<(), ClusterError> {
    let there: bool = sqlx::query_scalar(
        "select exists (select from pg_auth_members
                        where roleid = to_regrole($2) and member = to_regrole(quote_ident($1)))",
    )
    .bind(app)
    .bind(APP_ROLE)
    .fetch_one(&mut *admin)
    .await?;
    if there {
        let revoke = format!("revoke {APP_ROLE} from {}", identifier(app));
        sqlx::raw_sql(AssertSqlSafe(revoke)).execute(admin).await?;
    }
    Ok(())
}

/// Whether [`grant_adopted_realm`] was done.
///
/// # Errors
/// When a statement fails, e.g. because the realm's tables are not there.
pub async fn realm_granted(admin: &mut PgConnection, app: &str) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar(
        "select has_schema_privilege($1, 'nexus', 'usage') and has_table_privilege($1, 'nexus.roles', 'select')
            and has_table_privilege($1, 'nexus.settings', 'insert')
            and coalesce(has_table_privilege(to_regrole($2), 'nexus.roles', 'select'), false)
            and exists (select from pg_auth_members
                        where roleid = to_regrole($2) and member = to_regrole(quote_ident($1)))",
    )
    .bind(app)
    .bind(APP_ROLE)
    .fetch_one(admin)
    .await?)
}

/// Inside a new clone of the template: gives everything to the owner role, and what cloning leaves
/// out. What apps may do there the template has already, for the role that their logins are in.
pub async fn grant_inside(
    admin: &mut PgConnection,
    database: Database<'_>,
    template_owner: &str,
    carried: &Carried,
) -> Result<(), ClusterError> {
    let statements = format!(
        "reassign owned by {template_owner} to {owner}; {for_owner} drop owned by {template_owner}; {bound}; {carried}",
        for_owner = carried.for_owner(database.owner),
        template_owner = identifier(template_owner),
        owner = identifier(database.owner),
        bound = limits::bound(database.owner),
        carried = carried.statements(database.name, database.owner),
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Inside a tenant's database that has been in use: what apps may do in the realm, as it should be, and
/// [`bring_rights_along`]. Whatever migrations granted or revoked elsewhere stays.
pub async fn regrant_inside(admin: &mut PgConnection, database: Database<'_>) -> Result<(), ClusterError> {
    sqlx::raw_sql(REALM_GRANTS).execute(&mut *admin).await?;
    bring_rights_along(admin, database).await
}

/// Whether [`grant_inside`] and [`regrant_inside`] were done: the owner role owns the realm, apps have
/// their rights there, and none is the login's alone.
///
/// # Errors
/// When a statement fails, e.g. because the realm's tables are not there.
pub async fn granted_inside(admin: &mut PgConnection, database: Database<'_>) -> Result<bool, ClusterError> {
    let statement = format!(
        "select (select nspowner = to_regrole($1) from pg_namespace where nspname = 'nexus')
            and not exists (select from pg_class join pg_namespace on pg_namespace.oid = relnamespace
                            where nspname = 'nexus' and relowner <> to_regrole($1))
            and coalesce(has_schema_privilege(app, 'nexus', 'usage') and has_table_privilege(app, 'nexus.roles', 'select')
                         and has_table_privilege(app, 'nexus.settings', 'insert'), false)
            and not exists (select from pg_shdepend
                            where refclassid = 'pg_authid'::regclass and refobjid = to_regrole($2) and deptype = 'a'
                              and dbid = (select oid from pg_database where datname = current_database()))
            and {}
         from to_regrole($3) as app",
        limits::is_bound("$4")
    );
    Ok(sqlx::query_scalar(AssertSqlSafe(statement))
        .bind(database.owner)
        .bind(database.app)
        .bind(APP_ROLE)
        .bind(limits::bounded_functions())
        .fetch_one(admin)
        .await?)
}

/// The rights that a login has by itself inside a database, as Nexus granted them before there was
/// a role for all apps: each is granted to that role, and revoked from the login.
const OWN_RIGHTS: &str = "
    select format('grant %1$s%2$s on %3$s %4$s to %5$I%7$s; revoke %1$s%2$s on %3$s %4$s from %6$I cascade;',
                  privilege, part, many, what, $2::text, $1::text, case when further then ' with grant option' else '' end)
    from right_at where grantee = to_regrole(quote_ident($1))
    union all
    select format('alter default privileges for role %1$I%2$s revoke all on %3$s from %4$I;',
                  pg_get_userbyid(defaclrole), case when nspname is null then '' else format(' in schema %I', nspname) end,
                  case defaclobjtype when 'r' then 'tables' when 'S' then 'sequences' when 'f' then 'functions'
                                     when 'T' then 'types' else 'schemas' end, $1::text)
    from pg_default_acl left join pg_namespace on pg_namespace.oid = defaclnamespace
    where exists (select from aclexplode(defaclacl) where grantee = to_regrole(quote_ident($1)))";

/// Gives the rights that a tenant's login has by itself to the role for all apps, and the owner role
/// the usual default privileges, where there are such rights: a version before this one made them.
pub async fn bring_rights_along(
    admin: &mut PgConnection,
    database: Database<'_>,
) -> Result<(), ClusterError> {
    let rights: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("with {RIGHTS} {OWN_RIGHTS}")))
        .bind(database.app)
        .bind(APP_ROLE)
        .fetch_all(&mut *admin)
        .await?;
    if rights.is_empty() {
        return Ok(());
    }
    let by_default = rights.iter().any(|it| it.starts_with("alter default"));
    let usual = if by_default { usual_default_rights(database.owner) } else { String::new() };
    let statements = format!("{} {usual} {REALM_GRANTS}", rights.concat());
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Makes a tenant's login a member of the role for all apps.
///
/// # Errors
/// When a statement fails; as [`ensure_app_role`].
pub async fn put_in_app_role(admin: &mut PgConnection, app: &str) -> Result<(), ClusterError> {
    ensure_app_role(admin).await?;
    let app = identifier(app);
    let statements = format!("alter role {app} inherit; grant {APP_ROLE} to {app}");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Runs a statement with another role's rights and no others, in one round trip.
///
/// # Errors
/// When the role is not there, or the statement fails; nothing was changed then.
pub async fn run_as(admin: &mut PgConnection, role: &str, statement: &str) -> Result<(), ClusterError> {
    let batch = format!("begin; set local role {}; {statement}; commit", identifier(role));
    in_one_batch(admin, batch).await?;
    Ok(())
}
