//! A tenant's two roles: one that owns its database and cannot log in, one that logs in and owns
//! nothing.

use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use super::high_water::{is_absent, note_statement, prepare_high_water};
use super::{APP_ROLE, ClusterError, TEMP_FILE_LIMIT, held};
use crate::infra::db::{PgConnection, identifier, in_one_batch, literal};

/// SQLSTATE `duplicate_object`.
const DUPLICATE_OBJECT: &str = "42710";

/// The names of both roles, and the mark that they bear as a comment.
#[derive(Debug, Clone, Copy)]
pub struct Roles<'a> {
    /// Owns the database; never logs in.
    pub owner: &'a str,
    /// Logs in; owns nothing.
    pub app: &'a str,
    /// Marks them as ours.
    pub mark: Mark<'a>,
}

/// A comment that marks something as ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark<'a> {
    pub text: &'a str,
    /// What earlier versions wrote, which is ours, too; empty: nothing.
    pub former: &'a str,
}

impl<'a> Mark<'a> {
    /// Whether a comment is this mark.
    #[must_use]
    pub fn fits(self, comment: Option<&str>) -> bool {
        comment.is_some_and(|comment| comment == self.text || self.is_former(Some(comment)))
    }

    /// The texts that are this mark: two, which may be the same.
    #[must_use]
    pub(super) fn texts(self) -> [&'a str; 2] {
        [self.text, if self.former.is_empty() { self.text } else { self.former }]
    }

    /// Whether a comment is what earlier versions wrote.
    #[must_use]
    pub fn is_former(self, comment: Option<&str>) -> bool {
        !self.former.is_empty() && self.former != self.text && comment == Some(self.former)
    }
}

impl<'a> From<&'a str> for Mark<'a> {
    fn from(text: &'a str) -> Self {
        Self { text, former: "" }
    }
}

/// A role as the server has it.
#[derive(Debug, FromRow)]
struct Found {
    name: String,
    mark: Option<String>,
    login: bool,
    connection_limit: i32,
    verifier: Option<String>,
    /// Whether something bounds its temporary files.
    bounded: bool,
}

/// What is there of the two roles.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct RolesFound {
    /// The owner role is there, with the attributes that it should have.
    pub owner: bool,
    /// The app role is there, with the attributes that it should have, its right to log in apart.
    pub app: bool,
    pub login: bool,
    /// The app role's SCRAM verifier, as stored.
    pub verifier: Option<String>,
}

async fn find(admin: &mut PgConnection, roles: Roles<'_>) -> Result<Vec<Found>, ClusterError> {
    let (ours, foreign) = ours_and_foreign(admin, roles).await?;
    foreign.map_or(Ok(ours), Err)
}

/// Those that bear our mark, and what is to be said when one does not.
async fn ours_and_foreign(
    admin: &mut PgConnection,
    roles: Roles<'_>,
) -> Result<(Vec<Found>, Option<ClusterError>), ClusterError> {
    let found: Vec<Found> = sqlx::query_as(
        "select rolname::text as name, shobj_description(oid, 'pg_authid') as mark, rolcanlogin as login,
                rolconnlimit as connection_limit, rolpassword as verifier,
                exists (select from pg_db_role_setting cross join unnest(setconfig) as setting
                        where setrole = pg_authid.oid and setdatabase = 0
                          and setting like 'temp_file_limit=%' and setting <> 'temp_file_limit=-1') as bounded
         from pg_authid where rolname = any($1::text[])",
    )
    .bind([roles.owner, roles.app].as_slice())
    .fetch_all(admin)
    .await?;
    let (ours, others): (Vec<Found>, Vec<Found>) =
        found.into_iter().partition(|role| roles.mark.fits(role.mark.as_deref()));
    let foreign = others.first().map(|role| ClusterError::Foreign { what: format!("role {}", role.name) });
    Ok((ours, foreign))
}

/// Whether the app role can log in. `None` where it is not there.
pub(super) async fn login(admin: &mut PgConnection, roles: Roles<'_>) -> Result<Option<bool>, ClusterError> {
    let found = find(admin, roles).await?;
    Ok(found.into_iter().find(|role| role.name == roles.app).map(|role| role.login))
}

/// The names of those roles that are there, all of them ours.
pub(super) async fn exists(admin: &mut PgConnection, roles: Roles<'_>) -> Result<Vec<String>, ClusterError> {
    Ok(find(admin, roles).await?.into_iter().map(|role| role.name).collect())
}

/// Looks at both roles.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there without our mark.
pub async fn roles(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    connection_limit: i32,
) -> Result<RolesFound, ClusterError> {
    let mut answer = RolesFound::default();
    for role in find(admin, roles).await? {
        if role.name == roles.owner {
            answer.owner = !role.login;
        } else {
            answer.app = role.connection_limit == connection_limit && role.bounded;
            answer.login = role.login;
            answer.verifier = role.verifier;
        }
    }
    Ok(answer)
}

/// Makes both roles, or mends those that are there, in one transaction. The owner inherits, because
/// what a database's owner may do in schema public comes to it through `pg_database_owner`
/// (manual, chapter 22.5); the app role because its rights are those of [`APP_ROLE`]. The password reaches the
/// server as a SCRAM verifier only: a statement's text can end in the server's log. `login` says
/// whether the app role may log in.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there without our mark.
pub async fn create_roles(
    admin: &mut PgConnection,
    roles: Roles<'_>,
    database: &str,
    verifier: &str,
    limits: (i32, bool),
) -> Result<(), ClusterError> {
    let there = exists(admin, roles).await?;
    held::change(admin, (database, roles.app), &[statements(roles, &there, verifier, limits)]).await
}

/// The same under names that were made a moment ago, which are looked at only where they are taken.
/// Notes the change's fence first, as [`begin_change`]; all of it is one round trip.
///
/// [`begin_change`]: super::begin_change
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there without our mark.
pub async fn create_new_roles(
    admin: &mut PgConnection,
    change: (Uuid, i64),
    roles: Roles<'_>,
    verifier: &str,
    limits: (i32, bool),
) -> Result<(), ClusterError> {
    let batch = format!(
        "begin; set local synchronous_commit to off; {}; commit; {}",
        note_statement(change),
        held::impatiently(&statements(roles, &[], verifier, limits)),
    );
    let mut made = in_one_batch(admin, batch.clone()).await;
    if made.as_ref().is_err_and(is_absent) {
        prepare_high_water(admin).await?;
        made = in_one_batch(admin, batch).await;
    }
    match made {
        Err(error) if error.state() == Some(DUPLICATE_OBJECT) => {
            find(admin, roles).await?;
            Err(error.into())
        }
        other => Ok(other.map(|_| ())?),
    }
}

fn statements(
    roles: Roles<'_>,
    there: &[String],
    verifier: &str,
    (connection_limit, login): (i32, bool),
) -> String {
    let verb = |name: &str| if there.iter().any(|role| role == name) { "alter" } else { "create" };
    let plain = "nosuperuser nocreatedb nocreaterole noreplication nobypassrls";
    let (owner, app, mark) = (identifier(roles.owner), identifier(roles.app), literal(roles.mark.text));
    // CREATE DATABASE, which comes next in making a tenant, waits for the disk for both.
    format!(
        "set local synchronous_commit to off;
         {} role {owner} nologin inherit {plain};
         comment on role {owner} is {mark};
         {} role {app} {login} inherit {plain} connection limit {connection_limit} password {};
         comment on role {app} is {mark};
         grant {APP_ROLE} to {app};
         alter role {app} set search_path to public, pg_temp;
         alter role {app} set idle_in_transaction_session_timeout to '5min';
         alter role {app} set temp_file_limit to '{TEMP_FILE_LIMIT}'",
        verb(roles.owner),
        verb(roles.app),
        literal(verifier),
        login = if login { "login" } else { "nologin" },
    )
}

/// Drops both roles, where they are there and ours. Their database must be gone.
///
/// # Errors
/// [`ClusterError::Foreign`] when one is there without our mark; it stays, ours is dropped.
pub async fn drop_roles(admin: &mut PgConnection, roles: Roles<'_>) -> Result<(), ClusterError> {
    let (ours, foreign) = ours_and_foreign(admin, roles).await?;
    if !ours.is_empty() {
        let names: Vec<String> = ours.iter().map(|role| identifier(&role.name)).collect();
        let statement = format!("drop role {}", names.join(", "));
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await?;
    }
    foreign.map_or(Ok(()), Err)
}
