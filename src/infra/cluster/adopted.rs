//! Databases that were there before Nexus. Nothing on the server bears a mark of ours: what is
//! changed are switches and rights, each of which can be put back, and what is made inside is
//! schema `nexus` alone, which bears the mark.

use std::time::Duration;

use super::{ClusterError, REALM_GRANTS, acting_as, drop_marked_migrators, ensure_app_role, held, sessions};
use crate::infra::db::{
    DbError, History, MigrationSet, PgConnection, Script, ServerAddress, identifier, literal, transaction,
};
use sqlx::{AssertSqlSafe, FromRow};

/// SQLSTATE `dependent_objects_still_exist`.
const DEPENDED_ON: &str = "2BP01";

/// A database that was there before Nexus, and the login that its app uses.
#[derive(Debug, Clone, Copy)]
pub struct Adopted<'a> {
    pub database: &'a str,
    pub app: &'a str,
}

/// A database as the server has it.
#[derive(Debug, Clone, FromRow)]
pub struct Found {
    pub owner: String,
    /// What its comment, its owner's or its login's says, where that is a mark of Nexus.
    pub mark: Option<String>,
    /// It is cloned by others.
    pub is_template: bool,
    /// PUBLIC may connect.
    pub public_connect: bool,
    /// The login may connect because PUBLIC may, and for no other reason.
    pub app_by_public: bool,
    /// What the login is beyond an ordinary one, e.g. `superuser`.
    pub powers: Vec<String>,
    /// Other logins that may connect and are no superusers.
    pub others: Vec<String>,
    /// Those of them that may because PUBLIC may, and for no other reason.
    pub others_by_public: Vec<String>,
    /// Other databases that the login may connect to.
    pub elsewhere: Vec<String>,
}

/// Looks at a database and its login. `None` where either is not there.
pub async fn examine(admin: &mut PgConnection, it: Adopted<'_>) -> Result<Option<Found>, ClusterError> {
    Ok(sqlx::query_as(
        "with it as (
             select db.oid, db.datdba, db.datistemplate, app.oid as app, app.rolname as app_name,
                    coalesce(db.datacl, acldefault('d', db.datdba)) as acl
             from pg_database as db, pg_roles as app where db.datname = $1 and app.rolname = $2
         ), granted as (
             select grantee from it, aclexplode(it.acl) where privilege_type = 'CONNECT'
         ), logins as (
             select role.oid, role.rolname::text as name,
                    not exists (select from granted where grantee <> 0
                                and pg_has_role(role.oid, grantee, 'usage')) as by_public
             from pg_roles as role, it
             where role.rolcanlogin and not role.rolsuper and has_database_privilege(role.oid, it.oid, 'connect')
         )
         select pg_get_userbyid(it.datdba)::text as owner,
                coalesce(case when shobj_description(it.oid, 'pg_database') like 'nexus:%'
                              then shobj_description(it.oid, 'pg_database') end,
                         (select shobj_description(oid, 'pg_authid') from pg_roles
                          where oid in (it.datdba, it.app)
                            and shobj_description(oid, 'pg_authid') like 'nexus:%' limit 1)) as mark,
                it.datistemplate as is_template,
                exists (select from granted where grantee = 0) as public_connect,
                coalesce((select by_public from logins where oid = it.app), false) as app_by_public,
                array(select power from pg_roles as role,
                          lateral (values (rolsuper, 'superuser'), (rolcreatedb, 'createdb'),
                                          (rolcreaterole, 'createrole'), (rolreplication, 'replication'),
                                          (rolbypassrls, 'bypassrls')) as attribute (has, power)
                      where role.oid = it.app and has
                      union all
                      select 'member of ' || role.rolname from pg_roles as role
                      where role.oid <> it.app and not (select rolsuper from pg_roles where oid = it.app)
                        and pg_has_role(it.app, role.oid, 'member')
                        and (role.rolsuper or role.rolcreatedb or role.rolcreaterole or role.rolbypassrls
                             or role.rolname in ('pg_execute_server_program', 'pg_read_server_files',
                                                 'pg_write_server_files'))) as powers,
                array(select name from logins where oid <> it.app order by name) as others,
                array(select name from logins where oid <> it.app and by_public order by name) as others_by_public,
                array(select db.datname::text from pg_database as db
                      where db.oid <> it.oid and db.datallowconn and not db.datistemplate
                        and has_database_privilege(it.app, db.oid, 'connect') order by 1) as elsewhere
         from it",
    )
    .bind(it.database)
    .bind(it.app)
    .fetch_optional(admin)
    .await?)
}

/// Whether a session of this name is on this server: a copy of a server calls itself the same.
pub async fn has_session(admin: &mut PgConnection, application: &str) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar("select exists (select from pg_stat_activity where application_name = $1)")
        .bind(application)
        .fetch_one(admin)
        .await?)
}

/// Whether the login may log in and the database takes connections; `None` for what is not there.
async fn switches(
    admin: &mut PgConnection,
    it: Adopted<'_>,
) -> Result<(Option<bool>, Option<bool>), ClusterError> {
    Ok(sqlx::query_as(
        "select (select rolcanlogin from pg_roles where rolname = $2),
                (select datallowconn from pg_database where datname = $1)",
    )
    .bind(it.database)
    .bind(it.app)
    .fetch_one(admin)
    .await?)
}

/// Whether the login and the database are there.
pub async fn is_there(admin: &mut PgConnection, it: Adopted<'_>) -> Result<bool, ClusterError> {
    let (login, connectable) = switches(admin, it).await?;
    Ok(login.is_some() && connectable.is_some())
}

/// As `close_logins`, by name.
///
/// # Errors
/// [`ClusterError::StillOpen`] when sessions do not end in 20 seconds.
pub async fn close(admin: &mut PgConnection, it: Adopted<'_>) -> Result<(), ClusterError> {
    let (login, connectable) = switches(admin, it).await?;
    let closed =
        connectable.map(|_| format!("alter database {} allow_connections false", identifier(it.database)));
    let role = login.map(|_| sessions::login_statement(it.app, false));
    let statements: Vec<String> = closed.into_iter().chain(role).collect();
    held::change(admin, (it.database, it.app), &statements).await?;
    sessions::end_sessions(admin, it.database, it.app).await
}

/// Whether [`close`] was done, and nobody is inside.
pub async fn is_closed(admin: &mut PgConnection, it: Adopted<'_>) -> Result<bool, ClusterError> {
    let (login, connectable) = switches(admin, it).await?;
    let shut = !login.unwrap_or(false) && !connectable.unwrap_or(false);
    Ok(shut && sessions::sessions(admin, (it.database, it.app), false).await? == 0)
}

/// Whether the login may log in and the database takes connections.
pub async fn is_open(admin: &mut PgConnection, it: Adopted<'_>) -> Result<bool, ClusterError> {
    Ok(switches(admin, it).await? == (Some(true), Some(true)))
}

/// Whether the login may log in or the database takes connections.
pub async fn lets_in(admin: &mut PgConnection, it: Adopted<'_>) -> Result<bool, ClusterError> {
    let (login, connectable) = switches(admin, it).await?;
    Ok(login.unwrap_or(false) || connectable.unwrap_or(false))
}

/// Takes back what [`close`] did, the sessions that it ended apart.
///
/// # Errors
/// [`ClusterError::Missing`] when the login or the database is gone.
pub async fn open(admin: &mut PgConnection, it: Adopted<'_>) -> Result<(), ClusterError> {
    let missing = |what: String| ClusterError::Missing { what };
    let (login, connectable) = switches(admin, it).await?;
    login.ok_or_else(|| missing(format!("role {}", it.app)))?;
    connectable.ok_or_else(|| missing(format!("database {}", it.database)))?;
    let open = format!("alter database {} allow_connections true", identifier(it.database));
    held::change(admin, (it.database, it.app), &[sessions::login_statement(it.app, true), open]).await
}

/// Whether PUBLIC may connect.
pub async fn lets_public_in(admin: &mut PgConnection, it: Adopted<'_>) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar(
        "select exists (select from pg_database, aclexplode(coalesce(datacl, acldefault('d', datdba)))
                        where datname = $1 and grantee = 0 and privilege_type = 'CONNECT')",
    )
    .bind(it.database)
    .fetch_one(admin)
    .await?)
}

/// Takes PUBLIC's right to connect away, and gives it to the login where it had none of its own.
pub async fn isolate(
    admin: &mut PgConnection,
    it: Adopted<'_>,
    login_by_public: bool,
) -> Result<(), ClusterError> {
    let (database, app) = (identifier(it.database), identifier(it.app));
    let login = if login_by_public {
        format!("grant connect on database {database} to {app};")
    } else {
        String::new()
    };
    let statements = format!("{login} revoke connect on database {database} from public");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Takes back what [`isolate`] did.
pub async fn undo_isolation(
    admin: &mut PgConnection,
    it: Adopted<'_>,
    login_by_public: bool,
) -> Result<(), ClusterError> {
    if !is_there(admin, it).await? {
        return Ok(());
    }
    let (database, app) = (identifier(it.database), identifier(it.app));
    let login = if login_by_public {
        format!("; revoke connect on database {database} from {app}")
    } else {
        String::new()
    };
    let statements = format!("grant connect on database {database} to public{login}");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Schema `nexus` as a database has it.
#[derive(Debug, Clone, FromRow)]
pub struct Realm {
    pub owner: String,
    pub mark: Option<String>,
    /// It has a history of migrations, as only a realm has.
    pub has_history: bool,
}

/// Looks for schema `nexus`.
pub async fn realm(inside: &mut PgConnection) -> Result<Option<Realm>, ClusterError> {
    Ok(sqlx::query_as(
        "select pg_get_userbyid(nspowner)::text as owner, obj_description(oid, 'pg_namespace') as mark,
                to_regclass('nexus._sqlx_migrations') is not null as has_history
         from pg_namespace where nspname = 'nexus'",
    )
    .fetch_optional(inside)
    .await?)
}

/// A thing in schema `nexus`: what it is and is called, and how it is made.
#[derive(Debug, Clone, PartialEq, Eq, Hash, FromRow)]
pub struct RealmPart {
    /// E.g. `function may(text)`.
    pub what: String,
    /// It runs when others work with the realm.
    pub runs: bool,
    pub made: String,
}

/// What schema `nexus` of a database holds.
pub async fn realm_parts(inside: &mut PgConnection) -> Result<Vec<RealmPart>, ClusterError> {
    Ok(sqlx::query_as(
        "with relation as (select * from pg_class where relnamespace = to_regnamespace('nexus'))
         select 'relation ' || relname as what, relkind in ('v', 'm', 'f') as runs,
                relkind::text || coalesce(pg_get_viewdef(oid), '') as made
         from relation where relkind in ('r', 'p', 'v', 'm', 'f', 'S')
         union all
         select 'function ' || proname || '(' || pg_get_function_identity_arguments(oid) || ')', true,
                md5(prosrc || coalesce(pg_get_function_sqlbody(oid), '')) || prosecdef
         from pg_proc where pronamespace = to_regnamespace('nexus')
         union all
         select 'trigger ' || tgname || ' on ' || relname, true, pg_get_triggerdef(pg_trigger.oid)
         from pg_trigger join relation on relation.oid = tgrelid where not tgisinternal
         union all
         select 'rule ' || rulename || ' on ' || relname, true, pg_get_ruledef(pg_rewrite.oid)
         from pg_rewrite join relation on relation.oid = ev_class where rulename <> '_RETURN'
         union all
         select 'policy ' || polname || ' on ' || relname, true, coalesce(pg_get_expr(polqual, polrelid), '')
         from pg_policy join relation on relation.oid = polrelid
         union all
         select 'default of ' || relname || '.' || attname, true, pg_get_expr(adbin, adrelid)
         from pg_attrdef join relation on relation.oid = adrelid
         join pg_attribute on attrelid = adrelid and attnum = adnum",
    )
    .fetch_all(inside)
    .await?)
}

/// Whether this is the control database of an installation.
pub async fn is_control(inside: &mut PgConnection) -> Result<bool, ClusterError> {
    Ok(sqlx::query_scalar("select to_regclass('control.installation') is not null").fetch_one(inside).await?)
}

/// Makes schema `nexus`, empty and marked.
///
/// # Errors
/// When a statement fails, e.g. because it is there.
pub async fn make_realm(inside: &mut PgConnection, owner: &str, mark: &str) -> Result<(), ClusterError> {
    let statements = format!(
        "create schema nexus authorization {}; comment on schema nexus is {}",
        identifier(owner),
        literal(mark)
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(inside).await?;
    Ok(())
}

/// Applies the realm's migrations as the role that owns the schema, in a session of a login that has no
/// other power: whatever is in the database runs with that role's rights, never with ours.
///
/// # Errors
/// When a migration fails.
pub async fn fill_realm(
    admin: &mut PgConnection,
    server: &ServerAddress,
    (owner, application, mark): (&str, &str, &str),
    migrations: MigrationSet,
) -> Result<(), ClusterError> {
    ensure_app_role(admin).await?;
    drop_marked_migrators(admin, mark).await?;
    acting_as(admin, server, (owner, application, mark), async |inside| {
        let history = History::new(&migrations.history());
        history.make(inside, &[]).await?;
        let held = migrations.recognise(inside).await?;
        for script in realm_scripts(migrations, owner) {
            if !held.has(script.version) {
                let script = Script { another_follows: true, ..script };
                history.apply(inside, script).await.map_err(|error| DbError::from(error.error))?;
            }
        }
        Ok(())
    })
    .await
}

/// The files of the realm as they run everywhere: with what apps may do there said anew after each.
pub(super) fn realm_scripts(migrations: MigrationSet, owner: &str) -> Vec<Script<'_>> {
    let script = |(version, description, checksum, text)| Script {
        version,
        description,
        checksum,
        text,
        in_transaction: true,
        search_path: "pg_catalog, pg_temp",
        lock_timeout: Duration::ZERO,
        statement_timeout: Duration::ZERO,
        owner,
        at_its_end: REALM_GRANTS,
        another_follows: false,
    };
    migrations.all().map(script).collect()
}

/// Drops schema `nexus` with all that is in it, where it bears the mark. With `only_try` nothing is
/// dropped, but what stands in the way is found.
///
/// # Errors
/// [`ClusterError::InUse`] when something outside the schema depends on it, which then stays whole.
pub async fn drop_realm(inside: &mut PgConnection, mark: &str, only_try: bool) -> Result<(), ClusterError> {
    if realm(inside).await?.is_none_or(|realm| realm.mark.as_deref() != Some(mark)) {
        return Ok(());
    }
    let mut tx = transaction(inside).await?;
    sqlx::raw_sql("set local lock_timeout to '5s'").execute(&mut *tx).await?;
    // One kind after another, never CASCADE: that would reach into the app's own schemas.
    for (list, drop) in [
        (RELATIONS_OF_KIND_V, "drop view"),
        (RELATIONS_OF_KIND_R, "drop table"),
        (ROUTINES, "drop routine"),
        (RELATIONS_OF_KIND_S, "drop sequence"),
        (TYPES, "drop type"),
    ] {
        let names: Vec<String> = sqlx::query_scalar(list).fetch_all(&mut *tx).await?;
        if !names.is_empty() {
            let statement = format!("{drop} {} restrict", names.join(", "));
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *tx).await.map_err(in_use)?;
        }
    }
    sqlx::raw_sql("drop schema nexus restrict").execute(&mut *tx).await.map_err(in_use)?;
    if only_try {
        tx.rollback().await?;
    } else {
        tx.commit().await?;
    }
    Ok(())
}

/// The session's search path names no schema of a tenant, so these names come qualified.
const RELATIONS_OF_KIND_V: &str = "select oid::regclass::text from pg_class
    where relnamespace = to_regnamespace('nexus') and relkind = 'v'";
const RELATIONS_OF_KIND_R: &str = "select oid::regclass::text from pg_class
    where relnamespace = to_regnamespace('nexus') and relkind in ('r', 'p') and not relispartition";
const RELATIONS_OF_KIND_S: &str = "select oid::regclass::text from pg_class
    where relnamespace = to_regnamespace('nexus') and relkind = 'S'";
const ROUTINES: &str =
    "select oid::regprocedure::text from pg_proc where pronamespace = to_regnamespace('nexus')";
const TYPES: &str = "select oid::regtype::text from pg_type
    where typnamespace = to_regnamespace('nexus') and typrelid = 0 and typelem = 0 and typtype in ('e', 'd', 'r')";

/// What depends on the realm, in the server's words: names of objects, no rows.
fn in_use(error: sqlx::Error) -> ClusterError {
    let refusal = error.as_database_error().filter(|refusal| refusal.code().as_deref() == Some(DEPENDED_ON));
    let detail = refusal
        .and_then(|refusal| refusal.try_downcast_ref::<sqlx::postgres::PgDatabaseError>())
        .and_then(|refusal| refusal.detail().map(str::to_owned));
    match (refusal.is_some(), detail) {
        (true, detail) => {
            ClusterError::InUse { what: "schema nexus".to_owned(), by: detail.unwrap_or_default() }
        }
        (false, _) => ClusterError::Db(DbError::from(error)),
    }
}
