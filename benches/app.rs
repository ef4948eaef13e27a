//! Measures one app under the load of a server: 64 tasks that read in 200 realms.
//!
//! `scripts/bench app [--json] [--tenants N] [--tasks N] [--calls N]`: calls are those of one task. Once each
//! realm has been entered, no session is opened any more, there are never more than the cap, and memory
//! stays as it is.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

#[path = "verbs/stack.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod stack;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::{Duration, Instant};

use nexus::app::{App, AppLimits};
use nexus::features::iam::roles;
use nexus::features::tenants::TenantRef;
use nexus::infra::db::{PoolLimits, ServerAddress};
use nexus::kernel::Caller;
use nexus::kernel::progress::Silent;
use nexus::settings::{Flags, Home, Loaded, Sources};
use serde_json::{Value, json};
use stack::Stack;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Sessions in realms at most, and how many the server takes in all.
const CAP: usize = 240;
const SERVER: u32 = 320;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let load = (number("--tenants", 200), number("--tasks", 64), number("--calls", 10_000));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let report = runtime.block_on(measure(load))?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    for (name, value) in report.as_object().into_iter().flatten() {
        println!("{:<34} {value}", name.replace('_', " "));
    }
    Ok(())
}

/// A stack whose server takes more sessions than usual, with tenants.
async fn prepared(tenants: usize) -> Result<Stack, Failure> {
    let stack = Stack::start(&stack::this_program(), "app")?;
    let mut admin = stack.admin.connect("bench").await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(format!("alter system set max_connections = {SERVER}")))
        .execute(&mut admin)
        .await?;
    drop(admin);
    stack.output(&["local", "down"])?;
    stack.output(&["local", "up"])?;
    let slugs: Vec<String> = (0..tenants).map(|n| format!("t{n}\n")).collect();
    std::fs::write(stack.home.join("tenants.csv"), format!("slug\n{}", slugs.concat()))?;
    stack.output(&["tenant", "create", "--from", "tenants.csv"])?;
    Ok(stack)
}

async fn measure((tenants, tasks, calls): (usize, usize, usize)) -> Result<Value, Failure> {
    let stack = prepared(tenants).await?;
    let flags = Flags { config: None, context: None };
    let home = Some(Home::new(&stack.home));
    let sources = Sources { flags, variables: std::collections::BTreeMap::new(), user_folder: None, home };
    let settings = Loaded::read(&sources)?.settings()?;
    let caller = Caller::Machine("bench".to_owned());
    let kept =
        |sessions| PoolLimits { sessions, wait: Duration::from_secs(10), idle: Duration::from_mins(10) };
    let limits = AppLimits { control: kept(tasks.min(48)), realms: kept(CAP), statement: None };
    let app = App::load(&settings, limits, &caller, &Silent).await.map_err(said)?.app;
    let _following = app.follow().await.map_err(said)?;
    let names: Arc<Vec<TenantRef>> =
        Arc::new((0..tenants).map(|n| format!("t{n}").parse()).collect::<Result<_, _>>()?);

    for _ in 0..2 {
        run(&app, &names, (tasks, tenants.div_ceil(tasks) * 2)).await?;
    }
    for name in names.iter() {
        call(&app, name).await?;
    }
    let (before, memory) = (app.stats(), memory());
    let watch = Watch::start(stack.admin.clone()).await?;
    let begun = Instant::now();
    let mut times = run(&app, &names, (tasks, calls)).await?;
    let seconds = begun.elapsed().as_secs_f64();
    let most = watch.end();
    let after = app.stats();
    times.sort_unstable();
    let at = |percent: usize| {
        let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
        times.get(index).map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    let count = u32::try_from(times.len()).unwrap_or(u32::MAX);
    Ok(json!({
        "realms": tenants,
        "tasks": tasks,
        "calls": times.len(),
        "calls_per_second": (f64::from(count) / seconds).round(),
        "median_ms": at(50),
        "p99_ms": at(99),
        "logins_in_realms": after.realms.logins - before.realms.logins,
        "logins_at_the_control_database": after.control.logins - before.control.logins,
        "cap": CAP,
        "most_sessions_in_realms_by_the_pool": after.realms.most_open,
        "most_sessions_in_realms_by_the_server": most,
        "memory_before_kib": memory,
        "memory_after_kib": self::memory(),
    }))
}

/// What tasks take that each read in realms, one after the other.
async fn run(
    app: &App,
    names: &Arc<Vec<TenantRef>>,
    (tasks, calls): (usize, usize),
) -> Result<Vec<Duration>, Failure> {
    let running: Vec<_> = (0..tasks)
        .map(|task| {
            let (app, names) = (app.clone(), Arc::clone(names));
            tokio::spawn(async move {
                let mut times = Vec::with_capacity(calls);
                let mut at = task.wrapping_mul(0x9E37_79B9) | 1;
                for _ in 0..calls {
                    at ^= at << 13;
                    at ^= at >> 7;
                    at ^= at << 17;
                    let begun = Instant::now();
                    call(&app, &names[at % names.len()]).await?;
                    times.push(begun.elapsed());
                }
                Ok::<_, Failure>(times)
            })
        })
        .collect();
    let mut all = Vec::new();
    for task in running {
        all.extend(task.await??);
    }
    Ok(all)
}

/// As a request does it: a session, the realm, one service.
async fn call(app: &App, name: &TenantRef) -> Result<(), Failure> {
    let caller = Caller::Machine("bench".to_owned());
    let session = app.session().await.map_err(said)?;
    let mut realm = session.enter_realm(&caller, Some(name)).await.map_err(said)?;
    let roles = roles::list(&mut realm, &caller).await?;
    if roles.is_empty() { Err("a realm without roles".into()) } else { Ok(()) }
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn said(failure: nexus::kernel::AnyFailure) -> Failure {
    failure.to_string().into()
}

/// This process's memory; 0 where the system does not tell.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|rest| rest.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
}

/// Counts the sessions in realms every 50 ms, as the server sees them.
struct Watch {
    most: Arc<AtomicI64>,
    over: Arc<AtomicBool>,
}

impl Watch {
    async fn start(admin: ServerAddress) -> Result<Self, Failure> {
        let mut session = admin.connect("bench").await?;
        let (most, over) = (Arc::new(AtomicI64::new(0)), Arc::new(AtomicBool::new(false)));
        let watch = Self { most: Arc::clone(&most), over: Arc::clone(&over) };
        tokio::spawn(async move {
            while !over.load(Ordering::Relaxed) {
                let count = sqlx::query_scalar(
                    "select count(*) from pg_stat_activity where application_name = 'nexus:realm'",
                );
                let Ok(count) = count.fetch_one(&mut session).await else { return };
                most.fetch_max(count, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        });
        Ok(watch)
    }

    fn end(&self) -> i64 {
        self.over.store(true, Ordering::Relaxed);
        self.most.load(Ordering::Relaxed)
    }
}
