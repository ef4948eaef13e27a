//! Jobs that are due again and again, each once, however many processes run. Start reading at [`run_due_schedules`].

mod store;

use std::str::FromStr;

use serde::Serialize;
use serde_json::json;
use sqlx::FromRow;
use time::{Duration, OffsetDateTime};

use super::error::JobError;
use super::model::{JobKind, NewJob};
use super::service;
use crate::features::access::{self, About, rights};
use crate::infra::db::{DbError, PgConnection, transaction};
use crate::infra::failpoint;
use crate::kernel::{Caller, Cron, TenantId, Zone};

/// A job whose moment passed by so long ago was missed: no process ran.
const MISSED_AFTER: Duration = Duration::MINUTE;
/// A schedule whose moment passed by so long ago needs a person: nobody writes its jobs.
const LATE_AFTER: Duration = Duration::minutes(2);

/// A schedule of the code.
#[derive(Debug)]
pub struct Schedule {
    /// Its name: words with dots between them. Never used again for another.
    pub name: &'static str,
    pub kind: &'static JobKind,
    /// Five fields, or `every 15m`.
    pub expression: &'static str,
    /// The time zone that the fields are read in.
    pub time_zone: &'static str,
    pub missed_runs: Missed,
}

/// What becomes of the moments at which no process ran.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missed {
    /// They are over: the next one counts.
    Skip,
    /// One job makes up for all of them.
    Once,
}

impl Missed {
    fn as_str(self) -> &'static str {
        match self {
            Self::Skip => "skip",
            Self::Once => "once",
        }
    }
}

/// A schedule as doors show it.
#[derive(Debug, Clone, FromRow, Serialize)]
pub struct ScheduleView {
    pub name: String,
    /// Of the jobs that are written.
    pub kind: String,
    pub expression: String,
    /// The time zone that it is read in.
    pub time_zone: String,
    /// What becomes of missed runs: `skip`, or `once`: one makes up for all of them.
    pub missed_runs: String,
    #[serde(with = "time::serde::rfc3339")]
    pub next_at: OffsetDateTime,
    /// The last run that a job was written for.
    #[serde(with = "time::serde::rfc3339::option")]
    pub last_at: Option<OffsetDateTime>,
    /// Whether the next run is overdue by more than two minutes: no process writes its job.
    pub is_late: bool,
}

/// A schedule whose moment has come.
#[derive(Debug, FromRow)]
struct Due {
    name: String,
    next_at: OffsetDateTime,
    /// The control database's clock.
    now: OffsetDateTime,
    /// Whether a job of its kind is not done yet.
    is_under_way: bool,
}

impl Schedule {
    /// What it says, read.
    fn read(&self) -> Option<(Cron, Zone)> {
        let read = (Cron::from_str(self.expression), self.time_zone.parse::<Zone>());
        let (Ok(cron), Ok(zone)) = read else {
            tracing::error!(
                schedule = self.name,
                "the expression or the time zone of a schedule cannot be read"
            );
            return None;
        };
        Some((cron, zone))
    }

    /// When it is due next.
    #[must_use]
    pub fn next(&self, after: OffsetDateTime) -> Option<OffsetDateTime> {
        let (cron, zone) = self.read()?;
        cron.next(after, &zone)
    }
}

/// Makes known what schedules there are. One that is new, or says something else than before, is due at its next
/// moment.
///
/// # Errors
/// For all but who holds the platform's credentials; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn register_schedules(
    control: &mut PgConnection,
    caller: &Caller,
    schedules: &[&'static Schedule],
) -> Result<(), JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    let now = store::now(control).await?;
    for schedule in schedules {
        if let Some(next) = schedule.next(now) {
            store::register(control, schedule, next).await?;
        }
    }
    Ok(())
}

/// Writes the jobs of schedules that are due, each in the transaction that sets its next moment: whoever comes second
/// finds nothing. How many were written, and in how long the next one is due.
///
/// # Errors
/// As [`register_schedules`].
#[tracing::instrument(level = "debug", skip_all)]
pub async fn run_due_schedules(
    control: &mut PgConnection,
    caller: &Caller,
    schedules: &[&'static Schedule],
) -> Result<(usize, Option<Duration>), JobError> {
    access::authorize_machine(caller, &rights::RUN_JOBS)?;
    let names: Vec<&str> = schedules.iter().map(|schedule| schedule.name).collect();
    let mut written = 0;
    let wait = store::next_wait(control, &names).await?;
    if wait.is_none_or(|seconds| seconds > 0.0) {
        return Ok((0, wait.map(Duration::seconds_f64)));
    }
    let mut tx = transaction(control).await?;
    for due in store::due(&mut tx, &names).await? {
        let Some(schedule) = schedules.iter().find(|schedule| schedule.name == due.name) else { continue };
        written += usize::from(run_one(&mut tx, schedule, &due).await?);
    }
    failpoint::pass(|| "schedule.commit.before".to_owned()).await;
    tx.commit().await.map_err(DbError::from)?;
    failpoint::pass(|| "schedule.commit.after".to_owned()).await;
    Ok((written, store::next_wait(control, &names).await?.map(Duration::seconds_f64)))
}

/// Writes the job of one that is due, and sets its next moment; whether there was something to write.
async fn run_one(tx: &mut PgConnection, schedule: &'static Schedule, due: &Due) -> Result<bool, JobError> {
    let Some(next) = schedule.next(due.now) else { return Ok(false) };
    let is_missed = due.now - due.next_at > MISSED_AFTER;
    let is_wanted = !(due.is_under_way || is_missed && schedule.missed_runs == Missed::Skip);
    if is_wanted {
        let moment = due.next_at.unix_timestamp();
        let job = NewJob::new(schedule.kind, &json!({ "due": moment }))
            .once(format!("schedule:{}:{moment}", schedule.name));
        service::enqueue(tx, TenantId::PLATFORM, &[job]).await?;
    } else {
        let why = if due.is_under_way { "the job before is not done" } else { "no process ran at its time" };
        tracing::warn!(schedule = schedule.name, "a run is skipped: {why}");
    }
    store::advance(tx, schedule.name, (next, is_wanted.then_some(due.next_at))).await?;
    Ok(is_wanted)
}

/// All schedules, by name.
///
/// # Errors
/// Without `job:read`; the control database's.
#[tracing::instrument(level = "debug", skip_all)]
pub async fn list_schedules(
    control: &mut PgConnection,
    caller: &Caller,
) -> Result<Vec<ScheduleView>, JobError> {
    access::authorize(control, caller, &rights::JOB_READ, About::Platform).await?;
    Ok(store::list(control, LATE_AFTER.whole_seconds()).await?)
}
