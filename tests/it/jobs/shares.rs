//! What one tenant's jobs cost another's, in one process: 5,000 jobs, 50,000 with `NEXUS_TEST_ALL=1`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::app::App;
use nexus::features::jobs::{
    self, BacklogFilter, Backoff, ClaimedJob, JobEnd, JobKind, Limits, NewJob, Priority,
};
use nexus::kernel::{AnyFailure, Caller, TenantId};
use nexus::worker;
use nexus::worker::registry::{Handler, Registry};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::TIMEOUT;
use super::queue::session;
use crate::iam::inside::run;
use crate::support::world::World;

static FREE: JobKind = kind("test.free", Limits::NONE);
static FEW: JobKind = kind("test.few", Limits { at_once: 3, of_tenant: 2, are_apart: false });
static POISON: JobKind = kind("test.poison", Limits::NONE);

const fn kind(name: &'static str, limits: Limits) -> JobKind {
    JobKind {
        name,
        priority: Priority::Normal,
        max_attempts: 3,
        timeout: Duration::from_mins(5),
        backoff: Backoff { first: Duration::from_millis(50), longest: Duration::from_millis(100) },
        limits,
    }
}

/// What ran, in order, and how many of a tenant and kind at once.
#[derive(Default)]
struct Seen {
    ran: Vec<TenantId>,
    running: BTreeMap<TenantId, usize>,
    most: BTreeMap<TenantId, usize>,
    most_of_all: usize,
}

/// Jobs of one tenant hang; those of others take no time.
struct Watching {
    hanging: Option<TenantId>,
    time: Duration,
    seen: Mutex<Seen>,
}

impl Watching {
    fn new(hanging: Option<TenantId>, time: Duration) -> Arc<Self> {
        Arc::new(Self { hanging, time, seen: Mutex::default() })
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many jobs of a tenant have run.
    fn ran(&self, tenant: TenantId) -> usize {
        self.seen().ran.iter().filter(|of| **of == tenant).count()
    }

    async fn until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let end = Instant::now() + TIMEOUT * 3;
        while !is_so(self) {
            assert!(Instant::now() < end, "{what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }
}

#[async_trait]
impl Handler for Watching {
    async fn run(&self, _: &App, job: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        {
            let mut seen = self.seen();
            let running = seen.running.entry(job.tenant).or_default();
            *running += 1;
            let running = *running;
            let most = seen.most.entry(job.tenant).or_default();
            *most = running.max(*most);
            seen.most_of_all = seen.running.values().sum::<usize>().max(seen.most_of_all);
        }
        if self.hanging == Some(job.tenant) {
            std::future::pending::<()>().await;
        }
        if !self.time.is_zero() {
            tokio::time::sleep(self.time).await;
        }
        let mut seen = self.seen();
        seen.ran.push(job.tenant);
        *seen.running.entry(job.tenant).or_default() -= 1;
        let is_poison = job.kind == POISON.name;
        Ok(if is_poison { JobEnd::Retry { why: "poison".to_owned() } } else { JobEnd::Done })
    }
}

/// A process that runs these jobs, for as long as the token lives.
fn start(app: &App, kinds: &[&'static JobKind], handler: &Arc<Watching>) -> CancellationToken {
    let stop = CancellationToken::new();
    let mut registry = Registry::new(None);
    for kind in kinds {
        registry = registry.with(kind, handler.clone());
    }
    tokio::spawn(worker::jobs::run(app.clone(), registry, stop.clone()));
    stop
}

async fn write(app: &App, kind: &'static JobKind, (tenant, count): (TenantId, usize)) {
    let mut control = app.session().await.unwrap().control;
    let jobs: Vec<NewJob> = (0..count).map(|_| NewJob::new(kind, &json!({}))).collect();
    for some in jobs.chunks(1_000) {
        jobs::submit(&mut control, &Caller::System, (tenant, some)).await.unwrap();
    }
    app.wake_workers();
}

#[test]
fn a_tenant_whose_jobs_hang_has_half_of_a_process_and_others_go_on() {
    let world = World::new();
    run(async {
        let app = session(&world).await.app;
        let (hanging, other) = (TenantId::new(), TenantId::new());
        let watching = Watching::new(Some(hanging), Duration::ZERO);
        write(&app, &FREE, (hanging, 200)).await;
        let _running = start(&app, &[&FREE], &watching);
        watching.until("its jobs began", |it| it.seen().most.get(&hanging) == Some(&8)).await;
        write(&app, &FREE, (other, 100)).await;
        watching.until("the other's jobs are done", |it| it.ran(other) == 100).await;
        assert_eq!(watching.seen().most[&hanging], 8);
    });
}

#[test]
fn of_a_kind_with_limits_no_more_run_at_once_than_they_say() {
    let world = World::new();
    run(async {
        let app = session(&world).await.app;
        let tenants = [TenantId::new(), TenantId::new(), TenantId::new()];
        let watching = Watching::new(None, Duration::from_millis(2));
        for tenant in tenants {
            write(&app, &FEW, (tenant, 40)).await;
        }
        let _running = start(&app, &[&FEW], &watching);
        watching.until("all are done", |it| it.seen().ran.len() == 120).await;
        let seen = watching.seen();
        assert!(seen.most_of_all <= 3 && seen.most.values().all(|most| *most <= 2), "{:?}", seen.most);
    });
}

#[test]
fn a_job_of_a_tenant_with_few_is_run_before_most_of_those_that_another_wrote_earlier() {
    let world = World::new();
    let many = if std::env::var_os("NEXUS_TEST_ALL").is_some() { 50_000 } else { 5_000 };
    run(async {
        let app = session(&world).await.app;
        let (first, later) = (TenantId::new(), TenantId::new());
        let watching = Watching::new(None, Duration::from_millis(1));
        write(&app, &FREE, (first, many)).await;
        let _running = start(&app, &[&FREE], &watching);
        watching.until("some are done", |it| it.ran(first) >= 100).await;
        write(&app, &FREE, (later, 1)).await;
        let before = watching.ran(first);
        watching.until("the later one is done", |it| it.ran(later) == 1).await;
        let seen = watching.seen();
        let place = seen.ran.iter().position(|of| *of == later).unwrap();
        // Those that the process held already, and one more claim.
        assert!(place - before <= 400, "{} jobs came between", place - before);
    });
}

#[test]
fn jobs_that_fail_hold_up_no_others_and_end_dead() {
    let world = World::new();
    run(async {
        let app = session(&world).await.app;
        let (bad, good) = (TenantId::new(), TenantId::new());
        let watching = Watching::new(None, Duration::ZERO);
        write(&app, &POISON, (bad, 20)).await;
        write(&app, &FREE, (good, 500)).await;
        let _running = start(&app, &[&FREE, &POISON], &watching);
        watching.until("the good ones are done", |it| it.ran(good) == 500).await;
        watching.until("each of the others was tried three times", |it| it.ran(bad) == 60).await;
        // What came of the last ones is recorded a moment later.
        let mut control = app.session().await.unwrap().control;
        tokio::time::timeout(TIMEOUT, async {
            let all = BacklogFilter::default();
            loop {
                let left = jobs::backlog(&mut control, &Caller::System, &all).await.unwrap();
                if left.waiting + left.running == 0 {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        })
        .await
        .expect("the end of each is recorded");
    });
    super::until(
        &world,
        "select count(*) || ' ' || min(attempts) from control.jobs where state = 'dead'",
        "20 3",
    );
}
