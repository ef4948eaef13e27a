//! How long it takes from a commit to the handler.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::app::App;
use nexus::features::jobs::{self, ClaimedJob, JobEnd, JobKind, NewJob};
use nexus::features::messages;
use nexus::kernel::{AnyFailure, Caller, TenantId};
use nexus::worker::registry::{Handler, Registry};
use nexus::worker::{self};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::{Bench, Failure, NOTHING, USER, load, quantile, round};

/// Jobs of one kind of measurement.
const SAMPLES: usize = 200;

/// When jobs came to their handler.
#[derive(Default)]
struct Arrivals(Mutex<Vec<Instant>>);

#[async_trait]
impl Handler for Arrivals {
    async fn run(&self, _: &App, _: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Instant::now());
        Ok(JobEnd::Done)
    }
}

impl Arrivals {
    async fn next(&self, after: usize) -> Result<Instant, Failure> {
        for _ in 0..30_000 {
            if let Some(at) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(after) {
                return Ok(*at);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("a job did not come in 30 seconds".into())
    }
}

pub(super) async fn measure(bench: &Bench) -> Result<Value, Failure> {
    let stop = CancellationToken::new();
    let arrivals = Arc::new(Arrivals::default());
    let handles = |kind: &'static JobKind| Registry::new(None).with(kind, arrivals.clone());
    let registry = handles(&NOTHING).with(&messages::SEND, arrivals.clone()).due(Vec::new());
    let relaying = registry.clone();
    let tasks = tokio_util::task::TaskTracker::new();
    tasks.spawn(bench.app.clone().run_wakeups(stop.clone()));
    tasks.spawn(worker::jobs::run(bench.app.clone(), registry, stop.clone()));
    tasks.spawn(worker::relay::run(bench.app.clone(), relaying, stop.clone()));
    let other = load(&bench.stack).await?;
    tasks.spawn(other.clone().run_wakeups(stop.clone()));
    tokio::time::sleep(Duration::from_secs(1)).await;
    let mut seen = 0;
    let here = jobs_of(bench, &bench.app, &arrivals, &mut seen).await?;
    let there = jobs_of(bench, &other, &arrivals, &mut seen).await?;
    let plain = plain_sql(bench, &arrivals, &mut seen).await?;
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    let mut row = HashMap::new();
    for (what, mut times, goal) in
        [("in process", here, 25), ("across processes", there, 50), ("plain SQL", plain, 250)]
    {
        row.insert(format!("{what}_median_ms"), json!(round(quantile(&mut times, 0.5))));
        row.insert(format!("{what}_p99_ms"), json!(round(quantile(&mut times, 0.99))));
        row.insert(format!("{what}_goal_p99_ms"), json!(goal));
    }
    Ok(json!(row))
}

/// Jobs that one process writes, one after the other.
async fn jobs_of(
    bench: &Bench,
    app: &App,
    arrivals: &Arrivals,
    seen: &mut usize,
) -> Result<Vec<f64>, Failure> {
    let mut control = bench.session().await?;
    let mut times = Vec::new();
    for at in 0..SAMPLES {
        let job = [NewJob::new(&NOTHING, &json!({}))];
        let submitted = jobs::submit(&mut control, &Caller::System, (TenantId::PLATFORM, &job)).await;
        submitted.map_err(|it| it.to_string())?;
        let committed = Instant::now();
        app.wake_workers();
        let came = arrivals.next(*seen).await?;
        *seen += 1;
        times.push(came.duration_since(committed).as_secs_f64() * 1000.0);
        // Not in step with whatever goes by the clock.
        tokio::time::sleep(Duration::from_millis(17 + (at % 7) as u64 * 5)).await;
    }
    Ok(times)
}

/// Events that an app writes into its own database, each with a session that is quiet before.
async fn plain_sql(bench: &Bench, arrivals: &Arrivals, seen: &mut usize) -> Result<Vec<f64>, Failure> {
    let mut control = bench.session().await?;
    let database: String =
        sqlx::query_scalar("select database_name from control.tenants where slug = 'acme'")
            .fetch_one(&mut control)
            .await?;
    let mut inside = bench.stack.admin.database(&database).connect("bench").await?;
    let mut times = Vec::new();
    for at in 0..SAMPLES / 2 {
        sqlx::query(
            "with event as (
                 insert into nexus.outbox (id, key, type, payload, actor)
                 select $1, id, 'mail.invitation', jsonb_build_object('user', id), 'bench'
                 from nexus.users where email = $2 returning id)
             select pg_stat_force_next_flush() from event",
        )
        .bind(Uuid::now_v7())
        .bind(USER)
        .execute(&mut inside)
        .await?;
        let committed = Instant::now();
        let came = arrivals.next(*seen).await?;
        *seen += 1;
        times.push(came.duration_since(committed).as_secs_f64() * 1000.0);
        tokio::time::sleep(Duration::from_millis(137 + (at % 11) as u64 * 20)).await;
    }
    Ok(times)
}
