//! The youngest change of an installation that a server has seen, kept on the server itself: a
//! control database that has not got so far was restored from an older backup.
//!
//! In the maintenance database, which lets no tenant in: it tells how much there is to do.

use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Row};
use uuid::Uuid;

use super::ClusterError;
use crate::infra::db::{DbError, PgConnection, literal};

/// The highest fence of each installation that this server has seen.
///
/// # Errors
/// When the statement fails; a server that has seen none has no table of them.
pub async fn high_waters(admin: &mut PgConnection) -> Result<Vec<(Uuid, i64)>, ClusterError> {
    let statement = "select installation, fence from nexus_world.high_water";
    let rows = sqlx::raw_sql(statement).fetch_all(admin).await.map_err(DbError::from);
    match rows {
        Ok(rows) => {
            let read = rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?)));
            Ok(read.collect::<Result<_, sqlx::Error>>()?)
        }
        Err(error) if is_absent(&error) => Ok(Vec::new()),
        Err(error) => Err(error.into()),
    }
}

/// Which server it is, and what it has seen of one installation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerState {
    /// Its identifier (manual, chapter 9.28.12), which it keeps until it is made anew or upgraded.
    pub system_id: String,
    /// The highest fence that it has seen; 0: none.
    pub high_water: i64,
}

/// Asks a server which it is and what it has seen of an installation. One round trip; two where it has
/// seen nothing of any.
pub async fn server_state(admin: &mut PgConnection, installation: Uuid) -> Result<ServerState, ClusterError> {
    let asked = sqlx::raw_sql(AssertSqlSafe(state_statement(installation))).fetch_one(&mut *admin).await;
    let row = match asked.map_err(DbError::from) {
        Err(error) if is_absent(&error) => {
            let statement = "select system_identifier::text as system_id, 0::bigint as high_water
                             from pg_control_system()";
            sqlx::raw_sql(statement).fetch_one(admin).await?
        }
        other => other?,
    };
    Ok(state_of(&row)?)
}

/// The statement of [`server_state`], which can travel with others.
pub(super) fn state_statement(installation: Uuid) -> String {
    format!(
        "select system_identifier::text as system_id,
                coalesce((select max(fence) from nexus_world.high_water
                          where installation = '{installation}'), 0) as high_water
         from pg_control_system()"
    )
}

/// What [`state_statement`] answered.
pub(super) fn state_of(row: &PgRow) -> Result<ServerState, sqlx::Error> {
    Ok(ServerState { system_id: row.try_get("system_id")?, high_water: row.try_get("high_water")? })
}

/// Makes the table, where it is not there.
pub async fn prepare_high_water(admin: &mut PgConnection) -> Result<(), ClusterError> {
    let statements = "select pg_advisory_xact_lock(hashtext('nexus_world'));
        create schema if not exists nexus_world;
        create table if not exists nexus_world.high_water (installation uuid primary key, fence bigint not null);
        revoke all on schema nexus_world from public;
        revoke all on nexus_world.high_water from public";
    sqlx::raw_sql(statements).execute(admin).await?;
    Ok(())
}

/// Gives this session another name in `pg_stat_activity` for a change, and notes the change's fence.
/// One round trip; not waited for on the disk, because an older number only notices less.
pub async fn begin_change(
    admin: &mut PgConnection,
    application: &str,
    (installation, fence): (Uuid, i64),
) -> Result<(), ClusterError> {
    match note(admin, application, (installation, fence)).await {
        Err(error) if is_absent(&error) => {
            prepare_high_water(admin).await?;
            Ok(note(admin, application, (installation, fence)).await?)
        }
        other => Ok(other?),
    }
}

async fn note(admin: &mut PgConnection, application: &str, change: (Uuid, i64)) -> Result<(), DbError> {
    let statements = format!(
        "set application_name to {}; set local synchronous_commit to off; {}",
        literal(application),
        note_statement(change)
    );
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(admin).await?;
    Ok(())
}

/// The statement that notes a change's fence, which can travel with others.
pub(super) fn note_statement((installation, fence): (Uuid, i64)) -> String {
    format!(
        "insert into nexus_world.high_water as seen (installation, fence) values ('{installation}', {fence})
         on conflict (installation) do update set fence = excluded.fence where seen.fence < excluded.fence"
    )
}

/// 3F000: no such schema; 42P01: no such table.
pub(super) fn is_absent(error: &DbError) -> bool {
    matches!(error.state(), Some("3F000" | "42P01"))
}
