//! A queue with very many jobs that are not due, dead or of many tenants; a reader that holds an old snapshot; jobs that
//! fail.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::app::App;
use nexus::features::jobs::{self, ClaimRequest, ClaimedJob, JobEnd, JobKind, KindCapacity, NewJob};
use nexus::infra::db::PgConnection;
use nexus::kernel::{AnyFailure, Caller, TenantId};
use nexus::worker;
use nexus::worker::registry::{Handler, Registry};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Bench, Failure, NOTHING, Scale, fill, quantile, rate, round, tenants};

/// Claims that are measured.
const CLAIMS: usize = 200;

pub(super) async fn measure(bench: &Bench, scale: Scale) -> Result<Value, Failure> {
    let mut control = bench.session().await?;
    let empty = claims(&mut control, &tenants(50)).await?;
    let Scale { future, dead, tenants: count, .. } = scale;
    for (count, state, due) in [(future, "scheduled", "now() + interval '1 day'"), (dead, "dead", "null")] {
        let text = format!(
            "insert into control.jobs (id, kind, tenant_id, priority, state, due_at, max_attempts)
             select gen_random_uuid(), 'bench.nothing', gen_random_uuid(), 5, '{state}', {due}, 3
             from generate_series(1, {count})"
        );
        sqlx::raw_sql(AssertSqlSafe(text)).execute(&mut control).await?;
    }
    sqlx::raw_sql("vacuum analyze control.jobs").execute(&mut control).await?;
    let full = claims(&mut control, &tenants(count)).await?;
    let before = rate::nexus(bench, scale.jobs).await?;
    // An export, say: it sees one moment for as long as it takes.
    let mut reader = bench.session().await?;
    sqlx::raw_sql("begin isolation level repeatable read").execute(&mut reader).await?;
    sqlx::raw_sql("select count(*) from control.tenants").execute(&mut reader).await?;
    let (until, mut during) = (Instant::now() + Duration::from_secs(scale.seconds), Vec::new());
    while Instant::now() < until || during.is_empty() {
        during.push(rate::nexus(bench, scale.jobs).await?);
    }
    sqlx::raw_sql("rollback").execute(&mut reader).await?;
    let last = during.last().copied().unwrap_or_default();
    let part = "delete from control.jobs where kind = 'bench.nothing'";
    sqlx::raw_sql(part).execute(&mut control).await?;
    Ok(json!({
        "future": future, "dead": dead, "tenants": count,
        "claim_of_50_p99_ms_short_queue": round(empty), "claim_of_50_p99_ms": round(full), "goal_p99_ms": 5,
        "jobs_per_second": before.round(), "seconds_of_old_snapshot": scale.seconds,
        "jobs_per_second_at_its_end": last.round(), "of_before": round(last / before), "goal_of_before": 0.5,
    }))
}

/// How long a claim of 50 takes.
async fn claims(control: &mut PgConnection, tenants: &[TenantId]) -> Result<f64, Failure> {
    fill(control, (CLAIMS * 50).max(tenants.len()), tenants).await?;
    let room = KindCapacity { more: usize::MAX, of_tenant: usize::MAX };
    let kinds = [(NOTHING.name, room)];
    let (mut times, owner) = (Vec::new(), Uuid::now_v7());
    for _ in 0..CLAIMS {
        let wanted = ClaimRequest {
            most: 50,
            kinds: &kinds,
            are_all_kinds: true,
            of_tenant: usize::MAX,
            looks_deep: true,
            held: &[],
        };
        let began = Instant::now();
        let claimed =
            jobs::claim(control, &Caller::System, owner, wanted).await.map_err(|it| it.to_string())?;
        times.push(began.elapsed().as_secs_f64() * 1000.0);
        if claimed.len() < 50 {
            return Err("the queue was too short".into());
        }
    }
    let part = "delete from control.jobs where state in ('ready', 'running')";
    sqlx::raw_sql(part).execute(control).await?;
    Ok(quantile(&mut times, 0.99))
}

static POISON: JobKind = JobKind {
    name: "bench.poison",
    priority: jobs::Priority::Normal,
    max_attempts: 3,
    timeout: Duration::from_mins(1),
    backoff: jobs::Backoff { first: Duration::from_millis(100), longest: Duration::from_secs(1) },
    limits: jobs::Limits::NONE,
};

/// Notes when its jobs came; those of the other kind fail.
#[derive(Default)]
struct Noting(Mutex<Vec<Instant>>);

#[async_trait]
impl Handler for Noting {
    async fn run(&self, _: &App, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if job.kind == POISON.name {
            return Ok(JobEnd::Retry { why: "poison".to_owned() });
        }
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        Ok(JobEnd::Done)
    }
}

/// One job in a hundred fails, again and again: how much later the others come to their handler.
pub(super) async fn poison(bench: &Bench, scale: Scale) -> Result<Value, Failure> {
    let (mut clean, mut poisoned) = (Vec::new(), Vec::new());
    for _ in 0..scale.rounds {
        for poison in [0, 1, 1, 0] {
            let p99 = with_poison(bench, scale.jobs / 2, poison * scale.jobs / 200).await?;
            if poison == 0 { clean.push(p99) } else { poisoned.push(p99) }
        }
    }
    let (clean, poisoned) = (quantile(&mut clean, 0.5), quantile(&mut poisoned, 0.5));
    Ok(json!({
        "jobs": scale.jobs / 2, "poisoned": scale.jobs / 200, "p99_ms_without": round(clean),
        "p99_ms_with": round(poisoned), "ratio": round(poisoned / clean), "goal_ratio": 1.1,
    }))
}

async fn with_poison(bench: &Bench, count: usize, poison: usize) -> Result<f64, Failure> {
    let mut control = bench.session().await?;
    let tenants = tenants(20);
    for (at, tenant) in tenants.iter().enumerate() {
        let share = |all: usize| all / tenants.len() + usize::from(at < all % tenants.len());
        let bad = (0..share(poison)).map(|_| NewJob::new(&POISON, &json!({})));
        let good = (0..share(count)).map(|_| NewJob::new(&NOTHING, &json!({})));
        for some in bad.chain(good).collect::<Vec<_>>().chunks(1_000) {
            let submitted = jobs::submit(&mut control, &Caller::System, (*tenant, some)).await;
            submitted.map_err(|it| it.to_string())?;
        }
    }
    let (noting, stop) = (Arc::new(Noting::default()), CancellationToken::new());
    let registry = Registry::new(None).with(&NOTHING, noting.clone()).with(&POISON, noting.clone());
    let began = Instant::now();
    let running = tokio::spawn(worker::jobs::run(bench.app.clone(), registry, stop.clone()));
    rate::until_none(&mut control, "control.jobs", "kind = 'bench.nothing'").await?;
    stop.cancel();
    running.await?;
    sqlx::raw_sql("delete from control.jobs where kind = 'bench.poison'").execute(&mut control).await?;
    let came = noting.0.lock().unwrap_or_else(PoisonError::into_inner);
    let mut times: Vec<f64> = came.iter().map(|at| at.duration_since(began).as_secs_f64() * 1000.0).collect();
    Ok(quantile(&mut times, 0.99))
}
