//! What is on a server, read in six statements of one snapshot: databases, who may what on them,
//! roles, who is a member of what, who owns something or may do something inside, sessions.

use secrecy::SecretString;
use sqlx::FromRow;

use super::ClusterError;
use crate::infra::db::{DbError, PgConnection, transaction};

/// A database.
#[derive(Debug, Clone, FromRow)]
pub struct FoundDatabase {
    pub name: String,
    pub owner: String,
    /// That role's comment.
    pub owner_mark: Option<String>,
    pub mark: Option<String>,
    /// Whether it takes sessions.
    pub connectable: bool,
    /// Most sessions; -1: not limited, -2: a drop of it was cut short.
    pub connection_limit: i32,
    /// Whether any role with `CREATEDB` may clone it.
    pub template: bool,
    /// What `ALTER DATABASE … SET` set, as `name=value`.
    pub settings: Vec<String>,
}

/// A role.
#[derive(Debug, Clone, FromRow)]
pub struct FoundRole {
    pub name: String,
    pub mark: Option<String>,
    /// The attributes among superuser, createdb, createrole, replication and bypassrls that it has.
    pub powers: Vec<String>,
    /// Whether it can log in.
    pub login: bool,
    /// Whether it has the rights of roles that it is a member of.
    pub inherit: bool,
    /// Most sessions; -1: not limited.
    pub connection_limit: i32,
    /// Whether its password expires.
    pub expires: bool,
    /// Its password's verifier, if it bears one of our marks.
    #[sqlx(try_from = "Option<String>")]
    pub verifier: Verifier,
    /// What `ALTER ROLE … SET` set for all databases, as `name=value`.
    pub settings: Vec<String>,
    /// The same for one database.
    pub settings_in: Vec<String>,
}

/// A verifier, which is a secret still.
#[derive(Debug, Clone)]
pub struct Verifier(pub Option<SecretString>);

impl From<Option<String>> for Verifier {
    fn from(text: Option<String>) -> Self {
        Self(text.map(SecretString::from))
    }
}

/// A right at a database that somebody else than its owner has.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FoundGrant {
    pub database: String,
    /// The role; `None`: PUBLIC.
    pub grantee: Option<String>,
    /// E.g. `CONNECT`.
    pub privilege: String,
}

/// A role in another.
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FoundMember {
    /// The role that is granted.
    pub role: String,
    pub member: String,
    /// That one's comment.
    pub mark: Option<String>,
}

/// A role that owns something in a database, or has rights there. What the server's first superuser
/// owns is not among it (manual, chapter 53.50).
#[derive(Debug, Clone, PartialEq, Eq, FromRow)]
pub struct FoundDependency {
    pub role: String,
    pub role_mark: Option<String>,
    pub database: String,
    /// Its comment; until it has one, its owner's.
    pub database_mark: Option<String>,
    /// Whether it owns something there; else it has rights only.
    pub owns: bool,
}

/// A session with one of our names.
#[derive(Debug, Clone, FromRow)]
pub struct FoundSession {
    pub pid: i32,
    /// Its name, e.g. `nexus:` and an operation's id.
    pub application: String,
    /// How long ago it began, in seconds.
    pub age: i64,
}

/// What is on a server.
#[derive(Debug, Clone, Default)]
pub struct ServerInventory {
    /// Databases.
    pub databases: Vec<FoundDatabase>,
    /// Rights at them.
    pub grants: Vec<FoundGrant>,
    /// Roles, PostgreSQL's own apart.
    pub roles: Vec<FoundRole>,
    /// Memberships.
    pub members: Vec<FoundMember>,
    /// Who has something in a template of ours, and what roles of ours have where nothing is ours.
    pub dependencies: Vec<FoundDependency>,
    /// Sessions whose name begins with `nexus:`.
    pub sessions: Vec<FoundSession>,
}

/// How much is looked at.
#[derive(Debug, Clone, Copy)]
pub enum Scope<'a> {
    /// Everything.
    All,
    /// These databases and roles, and what there is between them and others.
    Named(&'a [&'a str]),
}

/// Looks at a server. Verifiers are read of roles whose mark begins with `marks` only.
pub async fn inventory(
    admin: &mut PgConnection,
    marks: &str,
    scope: Scope<'_>,
) -> Result<ServerInventory, ClusterError> {
    let names = match scope {
        Scope::All => None,
        Scope::Named(names) => Some(names),
    };
    let mut tx = transaction(admin).await?;
    sqlx::raw_sql("set transaction isolation level repeatable read, read only").execute(&mut *tx).await?;
    let found = ServerInventory {
        databases: databases(&mut tx, names).await?,
        grants: grants(&mut tx, names).await?,
        roles: roles(&mut tx, marks, names).await?,
        members: members(&mut tx, names).await?,
        dependencies: if names.is_none() { dependencies(&mut tx, marks).await? } else { Vec::new() },
        sessions: sessions(&mut tx, names).await?,
    };
    tx.commit().await?;
    Ok(found)
}

type Names<'a> = Option<&'a [&'a str]>;

async fn databases(admin: &mut PgConnection, names: Names<'_>) -> Result<Vec<FoundDatabase>, DbError> {
    Ok(sqlx::query_as(
        "select db.datname::text as name, owner.rolname::text as owner,
                shobj_description(owner.oid, 'pg_authid') as owner_mark,
                shobj_description(db.oid, 'pg_database') as mark,
                db.datallowconn as connectable, db.datconnlimit as connection_limit,
                db.datistemplate as template,
                coalesce((select setconfig from pg_db_role_setting
                          where setdatabase = db.oid and setrole = 0), '{}') as settings
         from pg_database as db join pg_roles as owner on owner.oid = db.datdba
         where $1::text[] is null or db.datname = any($1)",
    )
    .bind(names)
    .fetch_all(admin)
    .await?)
}

async fn grants(admin: &mut PgConnection, names: Names<'_>) -> Result<Vec<FoundGrant>, DbError> {
    Ok(sqlx::query_as(
        "select db.datname::text as database, grantee.rolname::text as grantee, acl.privilege_type as privilege
         from pg_database as db
         cross join aclexplode(coalesce(db.datacl, acldefault('d', db.datdba))) as acl
         left join pg_roles as grantee on grantee.oid = acl.grantee
         where acl.grantee <> db.datdba
           and ($1::text[] is null or db.datname = any($1) or grantee.rolname = any($1))",
    )
    .bind(names)
    .fetch_all(admin)
    .await?)
}

async fn roles(admin: &mut PgConnection, marks: &str, names: Names<'_>) -> Result<Vec<FoundRole>, DbError> {
    Ok(sqlx::query_as(
        "select role.rolname::text as name, mark.description as mark,
                array_remove(array[case when rolsuper then 'superuser' end,
                    case when rolcreatedb then 'createdb' end, case when rolcreaterole then 'createrole' end,
                    case when rolreplication then 'replication' end,
                    case when rolbypassrls then 'bypassrls' end], null) as powers,
                rolcanlogin as login, rolinherit as inherit, rolconnlimit as connection_limit,
                coalesce(rolvaliduntil <> 'infinity', false) as expires,
                case when starts_with(mark.description, $1) then rolpassword end as verifier,
                coalesce((select setconfig from pg_db_role_setting
                          where setrole = role.oid and setdatabase = 0), '{}') as settings,
                coalesce((select array_agg(setting || ' in ' || datname)
                          from pg_db_role_setting cross join unnest(setconfig) as setting
                          join pg_database on pg_database.oid = setdatabase
                          where setrole = role.oid), '{}') as settings_in
         from pg_authid as role
         left join pg_shdescription as mark on mark.objoid = role.oid and mark.classoid = 'pg_authid'::regclass
         where not starts_with(role.rolname::text, 'pg_') and ($2::text[] is null or role.rolname = any($2))",
    )
    .bind(marks)
    .bind(names)
    .fetch_all(admin)
    .await?)
}

async fn members(admin: &mut PgConnection, names: Names<'_>) -> Result<Vec<FoundMember>, DbError> {
    Ok(sqlx::query_as(
        "select distinct role.rolname::text as role, member.rolname::text as member,
                shobj_description(member.oid, 'pg_authid') as mark
         from pg_auth_members join pg_roles as role on role.oid = roleid
         join pg_roles as member on member.oid = pg_auth_members.member
         where $1::text[] is null or role.rolname = any($1) or member.rolname = any($1)",
    )
    .bind(names)
    .fetch_all(admin)
    .await?)
}

async fn dependencies(admin: &mut PgConnection, marks: &str) -> Result<Vec<FoundDependency>, DbError> {
    Ok(sqlx::query_as(
        // Nearly all dependencies of a server are in tenants' databases, where none is asked for.
        "with place as materialized (
             select oid, name, mark, mark = $1 || 'template' as is_template
             from (select db.oid, db.datname::text as name,
                          coalesce(shobj_description(db.oid, 'pg_database'),
                                   shobj_description(db.datdba, 'pg_authid')) as mark
                   from pg_database as db) as marked
             where mark is null or mark = $1 || 'template' or not starts_with(mark, 'nexus:')
         )
         select role.rolname::text as role, role_mark.description as role_mark,
                place.name as database, place.mark as database_mark,
                bool_or(it.deptype = 'o' and it.classid not in
                        ('pg_default_acl'::regclass, 'pg_user_mapping'::regclass)) as owns
         from place
         cross join lateral (select * from pg_shdepend where dbid = place.oid
                             and refclassid = 'pg_authid'::regclass and deptype <> 'p' offset 0) as it
         join pg_authid as role on role.oid = it.refobjid
         left join pg_shdescription as role_mark
              on role_mark.objoid = role.oid and role_mark.classoid = 'pg_authid'::regclass
         where is_template or starts_with(role_mark.description, $1)
         group by 1, 2, 3, 4 order by 3, 1",
    )
    .bind(marks)
    .fetch_all(admin)
    .await?)
}

async fn sessions(admin: &mut PgConnection, names: Names<'_>) -> Result<Vec<FoundSession>, DbError> {
    Ok(sqlx::query_as(
        "select pid, application_name as application,
                extract(epoch from clock_timestamp() - backend_start)::bigint as age
         from pg_stat_activity
         where starts_with(application_name, 'nexus:') and pid <> pg_backend_pid() and $1::text[] is null",
    )
    .bind(names)
    .fetch_all(admin)
    .await?)
}
