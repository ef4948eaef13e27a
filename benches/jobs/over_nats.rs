//! How long it takes from the commit of an event to the handler of a subscriber: by a job, and over NATS.

use std::collections::HashMap;
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::app::{App, EventHandler};
use nexus::features::subscribers::{Event, Subscriber};
use nexus::kernel::{AnyFailure, TenantId};
use nexus::worker;
use nexus::worker::registry::Registry;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use super::{Bench, Failure, load_with, quantile, round};

/// Events of one kind of measurement.
const SAMPLES: usize = 200;
/// Events before that, which are not counted: consumers are made, connections opened.
const WARM_UP: usize = 20;

static BY_JOB: Subscriber = Subscriber { name: "bench.by_job", pattern: "bench.job" };
static OVER_NATS: Subscriber = Subscriber { name: "bench.over_nats", pattern: "bench.nats" };

/// When events came to their handler.
#[derive(Default)]
struct Arrivals(Mutex<HashMap<Uuid, Instant>>);

#[async_trait]
impl EventHandler for Arrivals {
    async fn handle(&self, _: &App, _: TenantId, event: &Event) -> Result<(), AnyFailure> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(event.id).or_insert_with(Instant::now);
        Ok(())
    }
}

impl Arrivals {
    async fn of(&self, event: Uuid) -> Result<Instant, Failure> {
        for _ in 0..30_000 {
            if let Some(at) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&event) {
                return Ok(*at);
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        Err("an event did not come in 30 seconds".into())
    }
}

/// A NATS server, for as long as this lives.
struct Nats {
    child: Child,
    url: String,
    /// Where it keeps its streams.
    _folder: tempfile::TempDir,
}

impl Nats {
    async fn start() -> Result<Self, Failure> {
        let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
        let folder = tempfile::tempdir()?;
        let mut command = Command::new("nats-server");
        command.args(["--addr", "127.0.0.1", "--port", &port.to_string(), "--jetstream", "--store_dir"]);
        let child = command.arg(folder.path()).stdout(Stdio::null()).stderr(Stdio::null()).spawn()?;
        tokio::time::sleep(Duration::from_secs(1)).await;
        Ok(Self { child, url: format!("nats://127.0.0.1:{port}"), _folder: folder })
    }
}

impl Drop for Nats {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(super) async fn measure(bench: &Bench) -> Result<Value, Failure> {
    let by_job = with(bench, &[], &BY_JOB).await?;
    let nats = Nats::start().await?;
    let variables =
        [("NEXUS_CONTEXT_LOCAL_EVENTS_BACKEND", "nats"), ("NEXUS_CONTEXT_LOCAL_EVENTS_NATS_URL", &nats.url)];
    let over_nats = with(bench, &variables, &OVER_NATS).await?;
    let mut row = HashMap::new();
    for (what, mut times) in [("by a job", by_job), ("over NATS", over_nats)] {
        row.insert(format!("{what}_median_ms"), json!(round(quantile(&mut times, 0.5))));
        row.insert(format!("{what}_p99_ms"), json!(round(quantile(&mut times, 0.99))));
        row.insert(format!("{what}_goal_p99_ms"), json!(50));
    }
    Ok(json!(row))
}

/// Events that one process writes, one after the other; another has the subscriber.
async fn with(
    bench: &Bench,
    variables: &[(&str, &str)],
    subscriber: &'static Subscriber,
) -> Result<Vec<f64>, Failure> {
    let (stop, tasks, arrivals) =
        (CancellationToken::new(), TaskTracker::new(), Arc::new(Arrivals::default()));
    let app = load_with(&bench.stack, variables).await?;
    let registry = Registry::new(None).due(Vec::new()).subscribe(subscriber, arrivals.clone());
    worker::begin_with(&app, registry, &tasks, &stop);
    let other = load_with(&bench.stack, variables).await?;
    tasks.spawn(other.clone().run_wakeups(stop.clone()));
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut control = bench.session().await?;
    let (tenant, database): (TenantId, String) =
        sqlx::query_as("select id, database_name from control.tenants where slug = 'acme'")
            .fetch_one(&mut control)
            .await?;
    let mut inside = bench.stack.admin.database(&database).connect("bench").await?;
    let mut times = Vec::new();
    for at in 0..WARM_UP + SAMPLES {
        let event = Uuid::now_v7();
        sqlx::query(
            "insert into nexus.outbox (id, key, type, payload, actor) values ($1, $2, $3, '{}', 'bench')",
        )
        .bind(event)
        .bind(format!("k{}", at % 8))
        .bind(subscriber.pattern)
        .execute(&mut inside)
        .await?;
        let committed = Instant::now();
        other.wake_relay(tenant);
        let came = arrivals.of(event).await?;
        if at >= WARM_UP {
            times.push(came.duration_since(committed).as_secs_f64() * 1000.0);
        }
        // Not in step with whatever goes by the clock.
        tokio::time::sleep(Duration::from_millis(17 + (at % 7) as u64 * 5)).await;
    }
    stop.cancel();
    tasks.close();
    tasks.wait().await;
    Ok(times)
}
