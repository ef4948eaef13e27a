//! The youngest change of an installation that a server has seen, kept on the server itself: a
//! control database that has not got so far was restored from an older backup.
//!
//! In the maintenance database, which lets no tenant in: it tells how much there is to do.

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

/// The highest fence of this installation that the server has seen; 0: none.
///
/// # Errors
/// When the statement fails.
pub async fn high_water(admin: &mut PgConnection, installation: Uuid) -> Result<i64, ClusterError> {
    let all = high_waters(admin).await?;
    Ok(all.into_iter().filter(|(id, _)| *id == installation).map(|(_, fence)| fence).max().unwrap_or(0))
}

/// Makes the table, where it is not there.
///
/// # Errors
/// When a statement fails.
pub async fn prepare_high_water(admin: &mut PgConnection) -> Result<(), ClusterError> {
    let statements = "select pg_advisory_xact_lock(hashtext('nexus_world'));
        create schema if not exists nexus_world;
        create table if not exists nexus_world.high_water (installation uuid primary key, fence bigint not null);
        revoke all on schema nexus_world from public;
        revoke all on nexus_world.high_water from public";
    sqlx::raw_sql(statements).execute(admin).await?;
    Ok(())
}

/// Gives this session another name in `pg_stat_activity` for a change, and notes the change's fence;
/// the highest that was noted. One round trip; not waited for on the disk, because an older number
/// only notices less.
///
/// # Errors
/// When a statement fails.
pub async fn begin_change(
    admin: &mut PgConnection,
    application: &str,
    (installation, fence): (Uuid, i64),
) -> Result<i64, ClusterError> {
    match note(admin, application, (installation, fence)).await {
        Err(error) if is_absent(&error) => {
            prepare_high_water(admin).await?;
            Ok(note(admin, application, (installation, fence)).await?)
        }
        other => Ok(other?),
    }
}

async fn note(
    admin: &mut PgConnection,
    application: &str,
    (installation, fence): (Uuid, i64),
) -> Result<i64, DbError> {
    let statements = format!(
        "set application_name to {}; set local synchronous_commit to off;
         insert into nexus_world.high_water as seen (installation, fence) values ('{installation}', {fence})
         on conflict (installation) do update set fence = greatest(seen.fence, excluded.fence)
         returning fence",
        literal(application)
    );
    let row = sqlx::raw_sql(AssertSqlSafe(statements)).fetch_one(admin).await?;
    Ok(row.try_get(0)?)
}

/// 3F000: no such schema; 42P01: no such table.
fn is_absent(error: &DbError) -> bool {
    matches!(error.state(), Some("3F000" | "42P01"))
}
