//! Logins that live as long as a migration: each may act as one owner of a database and has no
//! other right, so that whatever was planted in that database finds nothing to gain in its session.
//!
//! `SET ROLE` in an administrator's session would not do: what runs there can say `RESET ROLE`.
use std::fmt::Write as _;

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::high_water::{ServerState, is_absent, prepare_high_water, state_of, state_statement};
use super::{APP_ROLE, ClusterError, Database, sessions};
use crate::infra::crypto::random::{self, RandomError};
use crate::infra::crypto::scram;
use crate::infra::db::{DbError, PgConnection, ServerAddress, identifier, literal};

/// For how long a login is good, should it stay behind.
const GOOD_FOR: &str = "30 minutes";
/// SQLSTATE `dependent_objects_still_exist`.
const DEPENDED_ON: &str = "2BP01";

/// A login, and the role that it may act as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MigratorLogin {
    pub name: String,
    pub owner: String,
}

impl MigratorLogin {
    /// A name that nobody has, for this owner.
    ///
    /// # Errors
    /// When the operating system gives no random bytes.
    pub fn new(owner: &str) -> Result<Self, RandomError> {
        let mut bytes = [0; 12];
        random::fill(&mut bytes)?;
        Ok(Self { name: format!("nexus_m_{}", hex::encode(bytes)), owner: owner.to_owned() })
    }
}

/// An owner that a migration is to act as.
#[derive(Debug, Clone, FromRow)]
pub struct OwnerFound {
    pub owner: String,
    pub database: String,
    /// What it may do beyond its own database, e.g. `superuser`: nothing of a tenant may run so.
    pub powers: Vec<String>,
    /// The app's rights are those of the role for all apps, and none is its login's alone.
    pub app_is_ready: bool,
}

/// What these roles are, each with its database and its app's login; those that are not there are left
/// out. With it which server it is and what it has seen of the installation: one round trip, but for a
/// server that has seen nothing of any. Without views and with operators between one type: a new session
/// pays for each.
pub async fn owners(
    admin: &mut PgConnection,
    installation: Uuid,
    asked: &[Database<'_>],
) -> Result<(ServerState, Vec<OwnerFound>), ClusterError> {
    let of = |name: fn(&Database<'_>) -> String| {
        let names: Vec<String> = asked.iter().map(|it| literal(&name(it))).collect();
        format!("array[{}]::text[]", names.join(", "))
    };
    let batch = format!(
        "{}; select role.rolname::text as owner, asked.database,
                array_remove(array[case when role.rolsuper then 'superuser' end,
                    case when role.rolcreaterole then 'createrole' end,
                    case when role.rolreplication then 'replication' end], null)
                || array(select 'member of ' || other.rolname::text from pg_authid as other
                         where other.oid <> role.oid and not role.rolsuper
                           and (other.rolsuper or other.rolcreaterole
                                or other.rolname in ('pg_execute_server_program', 'pg_read_server_files',
                                                     'pg_write_server_files'))
                           and pg_has_role(role.oid, other.oid, 'member')) as powers,
                app.rolinherit is true
                and exists (select from pg_auth_members where roleid = to_regrole({})::oid and member = app.oid)
                and not exists (select from pg_shdepend
                        where refclassid = 'pg_authid'::regclass::oid and refobjid = app.oid and deptype = 'a'
                          and dbid = (select oid from pg_database where datname = asked.database)) as app_is_ready
         from unnest({}, {}, {}) as asked (owner, app, database)
         join pg_authid as role on role.rolname = asked.owner
         left join pg_authid as app on app.rolname = asked.app",
        state_statement(installation),
        literal(APP_ROLE),
        of(|it| it.owner.to_owned()),
        of(|it| it.app.to_owned()),
        of(|it| it.name.to_owned()),
    );
    let mut answer =
        sqlx::raw_sql(AssertSqlSafe(batch.clone())).fetch_all(&mut *admin).await.map_err(DbError::from);
    if answer.as_ref().is_err_and(is_absent) {
        prepare_high_water(admin).await?;
        answer = sqlx::raw_sql(AssertSqlSafe(batch)).fetch_all(admin).await.map_err(DbError::from);
    }
    let rows = answer?;
    let (first, owners) = rows.split_first().ok_or(sqlx::Error::RowNotFound)?;
    let owners: Result<_, sqlx::Error> = owners.iter().map(OwnerFound::from_row).collect();
    Ok((state_of(first)?, owners?))
}

/// Makes logins, all with one password, in one transaction that does not wait for the disk. The
/// password reaches the server as a verifier only.
pub async fn make_migrators(
    admin: &mut PgConnection,
    logins: &[MigratorLogin],
    verifier: &SecretString,
    mark: &str,
) -> Result<(), ClusterError> {
    if logins.is_empty() {
        return Ok(());
    }
    // The server's clock decides when it is over.
    let until: String = sqlx::query_scalar("select (now() + $1::interval)::text")
        .bind(GOOD_FOR)
        .fetch_one(&mut *admin)
        .await?;
    let (mark, verifier, until) = (literal(mark), literal(verifier.expose_secret()), literal(&until));
    let mut statements = String::from("set local synchronous_commit to off;");
    for login in logins {
        let (name, owner) = (identifier(&login.name), identifier(&login.owner));
        let _ = write!(
            statements,
            "create role {name} login inherit nosuperuser nocreatedb nocreaterole noreplication nobypassrls
                 connection limit 3 valid until {until} password {verifier};
             comment on role {name} is {mark}; grant {owner} to {name};"
        );
    }
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// Drops logins that [`make_migrators`] made; those that are gone are no error.
///
/// # Errors
/// When a statement fails; [`ClusterError::InUse`] when one owns something: see [`hand_over`].
pub async fn drop_migrators(admin: &mut PgConnection, names: &[&str]) -> Result<(), ClusterError> {
    if names.is_empty() {
        return Ok(());
    }
    let list: Vec<String> = names.iter().map(|name| identifier(name)).collect();
    let statements = format!("set local synchronous_commit to off; drop role if exists {}", list.join(", "));
    match sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await.map_err(ClusterError::from) {
        Err(ClusterError::Db(error)) if error.state() == Some(DEPENDED_ON) => {
            Err(ClusterError::InUse { what: "a migration's login".to_owned(), by: error.to_string() })
        }
        other => other.map(|_| ()),
    }
}

/// Gives what a login made in its own name, after a file said `RESET ROLE`, to the owner that it
/// acted as, in a session of the login's own.
pub async fn hand_over(
    server: &ServerAddress,
    login: &MigratorLogin,
    application: &str,
) -> Result<(), ClusterError> {
    let mut session = server.connect_acting(application, &login.owner).await?;
    let (name, owner) = (identifier(&login.name), identifier(&login.owner));
    let statements = format!("set role none; reassign owned by {name} to {owner}; drop owned by {name}");
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut session).await?;
    let _ = session.close().await;
    Ok(())
}

/// Works in a session of a login that is there for this alone and acts as an owner.
///
/// # Errors
/// When the login cannot be made, or what `work` says.
pub async fn acting_as<T>(
    admin: &mut PgConnection,
    server: &ServerAddress,
    (owner, application, mark): (&str, &str, &str),
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<T, ClusterError>,
) -> Result<T, ClusterError> {
    let login = MigratorLogin::new(owner).map_err(no_random)?;
    let password = random::role_password().map_err(no_random)?;
    let verifier = scram::verifier_of_random(&password).map_err(no_random)?;
    make_migrators(admin, std::slice::from_ref(&login), &verifier, mark).await?;
    let server = server.login(&login.name, password);
    let worked = match server.connect_acting(application, owner).await {
        Ok(mut session) => {
            let worked = work(&mut session).await;
            let _ = session.close().await;
            worked
        }
        Err(error) => Err(error.into()),
    };
    if let Err(error) = drop_migrators(admin, &[&login.name]).await {
        // Where the work failed for the same reason, e.g. a server that is gone, that is what is said.
        let handed_over = hand_over(&server, &login, application).await;
        let dropped = drop_migrators(admin, &[&login.name]).await;
        if worked.is_ok() && (handed_over.is_err() || dropped.is_err()) {
            return Err(error);
        }
    }
    worked
}

fn no_random(error: impl std::error::Error + Send + Sync + 'static) -> ClusterError {
    ClusterError::Db(DbError::Unexpected(sqlx::Error::Io(std::io::Error::other(error))))
}

/// Drops every login that bears a mark, one by one; how many could not be dropped.
///
/// # Errors
/// When a statement fails for another reason than that a login owns something.
pub async fn drop_marked_migrators(admin: &mut PgConnection, mark: &str) -> Result<usize, ClusterError> {
    let names: Vec<String> = sqlx::query_scalar(
        "select rolname::text from pg_roles
         where starts_with(rolname::text, 'nexus_m_') and shobj_description(oid, 'pg_authid') = $1",
    )
    .bind(mark)
    .fetch_all(&mut *admin)
    .await?;
    let mut left = 0;
    for name in names {
        match drop_migrators(admin, &[&name]).await {
            Err(ClusterError::InUse { .. }) => left += 1,
            other => other?,
        }
    }
    Ok(left)
}

/// Lets a database that is closed take sessions, where nobody but its migration's login could come
/// in; the logins that could are the answer, and then it stays closed.
pub async fn open_for_migration(
    admin: &mut PgConnection,
    database: &str,
    login: &str,
) -> Result<Vec<String>, ClusterError> {
    let others: Vec<String> = sqlx::query_scalar(
        "select role.rolname::text from pg_roles as role, pg_database as db
         where db.datname = $1 and role.rolcanlogin and not role.rolsuper and role.rolname <> $2
           and has_database_privilege(role.oid, db.oid, 'connect')",
    )
    .bind(database)
    .bind(login)
    .fetch_all(&mut *admin)
    .await?;
    if others.is_empty() {
        let open = format!("alter database {} allow_connections true", identifier(database));
        sqlx::raw_sql(AssertSqlSafe(open)).execute(admin).await?;
    }
    Ok(others)
}

/// Closes it again, and ends the sessions in it.
///
/// # Errors
/// [`ClusterError::StillOpen`] when they do not end in 20 seconds.
pub async fn close_after_migration(
    admin: &mut PgConnection,
    database: &str,
    app: &str,
) -> Result<(), ClusterError> {
    let close = format!("alter database {} allow_connections false", identifier(database));
    match sqlx::raw_sql(AssertSqlSafe(close)).execute(&mut *admin).await.map_err(ClusterError::from) {
        // 3D000: it is gone.
        Err(ClusterError::Db(error)) if error.state() == Some("3D000") => Ok(()),
        Err(error) => Err(error),
        Ok(_) => sessions::end_sessions(admin, database, app).await,
    }
}
