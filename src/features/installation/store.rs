//! The SQL of the installation.

use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, FromRow};
use uuid::Uuid;

use crate::features::record::STATE;
use crate::infra::db::{DbError, PgConnection, identifier};

/// What the control database says of itself.
#[derive(Debug, FromRow)]
pub(super) struct Facts {
    pub(super) id: Option<Uuid>,
    pub(super) control_version: Option<i64>,
    pub(super) realm_version: Option<i64>,
    pub(super) state: Option<String>,
}

/// Reads the installation's facts, and runs `first` before, which gives no rows; `None` where the
/// tables are not there.
pub(super) async fn facts(
    control: &mut PgConnection,
    first: Option<&SecretString>,
) -> Result<Option<Facts>, DbError> {
    match ask(control, first, STATE).await {
        Ok(facts) => Ok(Some(facts)),
        // 42703: no such column, because the tables are of an older version.
        Err(error) if error.state() == Some("42703") => Ok(Some(ask(control, first, "null::text").await?)),
        // 3F000: no such schema; 42P01: no such table.
        Err(error) if matches!(error.state(), Some("3F000" | "42P01")) => Ok(None),
        Err(error) => Err(error),
    }
}

async fn ask(
    control: &mut PgConnection,
    first: Option<&SecretString>,
    state: &str,
) -> Result<Facts, DbError> {
    // As text it needs one round trip, bound two: it is asked once.
    let statements = format!(
        "{}; select (select id from control.installation) as id,
                (select max(version) from control._sqlx_migrations) as control_version,
                (select max(version) from nexus._sqlx_migrations) as realm_version,
                {state} as state",
        first.map_or("", |first| first.expose_secret())
    );
    let facts = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_one(control).await;
    Ok(facts.and_then(|row| Facts::from_row(&row))?)
}

/// Has changes in the platform's own realm stamp the control database, too.
pub(super) async fn stamp_realm(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select control.stamp_realm()").execute(control).await?;
    Ok(())
}

/// Puts the platform's permissions and built-in roles into its realm, those that were not put there yet.
pub(super) async fn seed_realm(control: &mut PgConnection) -> Result<(), DbError> {
    sqlx::query("select control.seed_platform_realm()").execute(control).await?;
    Ok(())
}

/// Whether the installation's row bears a checksum: then all rows should.
pub(super) async fn is_sealed(control: &mut PgConnection) -> Result<bool, DbError> {
    let statement = "select checksum is not null from control.installation for update";
    Ok(sqlx::query_scalar(statement).fetch_one(control).await?)
}

/// Names the installation.
pub(super) async fn insert(control: &mut PgConnection, id: Uuid) -> Result<(), DbError> {
    sqlx::query("insert into control.installation (id) values ($1)").bind(id).execute(control).await?;
    Ok(())
}

/// Makes the control database, unless it is there.
pub(super) async fn create_database(admin: &mut PgConnection, name: &str) -> Result<(), DbError> {
    let there: bool = sqlx::query_scalar("select exists (select from pg_database where datname = $1)")
        .bind(name)
        .fetch_one(&mut *admin)
        .await?;
    if there {
        return Ok(());
    }
    let statement = format!("create database {} template template0", identifier(name));
    match sqlx::raw_sql(AssertSqlSafe(statement)).execute(admin).await.map_err(DbError::from) {
        // 42P04: there is one; 23505: someone makes it at this moment.
        Err(error) if matches!(error.state(), Some("42P04" | "23505")) => Ok(()),
        other => other.map(|_| ()),
    }
}
