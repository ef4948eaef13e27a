//! The SQL of schedules.

use time::OffsetDateTime;

use super::{Due, Schedule, ScheduleView};
use crate::infra::db::{DbError, PgConnection};

pub(super) async fn now(control: &mut PgConnection) -> Result<OffsetDateTime, DbError> {
    Ok(sqlx::query_scalar("select now()").fetch_one(control).await?)
}

/// Writes a schedule, where it is new or says something else.
pub(super) async fn register(
    control: &mut PgConnection,
    schedule: &Schedule,
    next: OffsetDateTime,
) -> Result<(), DbError> {
    sqlx::query(
        "insert into control.job_schedules as known (name, kind, expression, time_zone, missed_runs, next_at)
         values ($1, $2, $3, $4, $5, $6)
         on conflict (name) do update
             set kind = excluded.kind, expression = excluded.expression, time_zone = excluded.time_zone,
                 missed_runs = excluded.missed_runs,
                 next_at = case when (known.expression, known.time_zone) = (excluded.expression, excluded.time_zone)
                                then known.next_at else excluded.next_at end
             where (known.kind, known.expression, known.time_zone, known.missed_runs)
                   is distinct from (excluded.kind, excluded.expression, excluded.time_zone, excluded.missed_runs)",
    )
    .bind(schedule.name)
    .bind(schedule.kind.name)
    .bind(schedule.expression)
    .bind(schedule.time_zone)
    .bind(schedule.missed_runs.as_str())
    .bind(next)
    .execute(control)
    .await?;
    Ok(())
}

/// In how many seconds the next one of these is due; nothing where there is none.
pub(super) async fn next_wait(control: &mut PgConnection, names: &[&str]) -> Result<Option<f64>, DbError> {
    Ok(sqlx::query_scalar(
        "select extract(epoch from min(next_at) - clock_timestamp())::float8 from control.job_schedules
         where name = any($1)",
    )
    .bind(names)
    .fetch_one(control)
    .await?)
}

/// Those of these that are due, and nobody is at.
pub(super) async fn due(control: &mut PgConnection, names: &[&str]) -> Result<Vec<Due>, DbError> {
    Ok(sqlx::query_as(
        "select name, next_at, clock_timestamp() as now,
                exists (select from control.jobs
                        where jobs.kind = job_schedules.kind and tenant_id = '00000000-0000-0000-0000-000000000000'
                              and state <> 'dead') as is_under_way
         from control.job_schedules where name = any($1) and next_at <= clock_timestamp()
         order by name for update skip locked",
    )
    .persistent(false)
    .bind(names)
    .fetch_all(control)
    .await?)
}

/// Sets when one is due next, and for when its last job was written.
pub(super) async fn advance(
    control: &mut PgConnection,
    name: &str,
    (next, last): (OffsetDateTime, Option<OffsetDateTime>),
) -> Result<(), DbError> {
    sqlx::query(
        "update control.job_schedules set next_at = $2, last_at = coalesce($3, last_at) where name = $1",
    )
    .bind(name)
    .bind(next)
    .bind(last)
    .execute(control)
    .await?;
    Ok(())
}

/// All of them. `late`: after so many seconds.
pub(super) async fn list(control: &mut PgConnection, late: i64) -> Result<Vec<ScheduleView>, DbError> {
    Ok(sqlx::query_as(
        "select name, kind, expression, time_zone, missed_runs, next_at, last_at,
                next_at < now() - make_interval(secs => $1) as is_late
         from control.job_schedules order by name",
    )
    .bind(late)
    .fetch_all(control)
    .await?)
}
