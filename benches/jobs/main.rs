//! Measures the queue of jobs beside the statements that it cannot do without, in plain SQL, and beside other queues on
//! the same server.
//!
//! `scripts/bench jobs [rate|enqueue|pickup|events|backlog|poison|peers] [--json] [--jobs N] [--rounds N] [--tenants N]
//! [--future N] [--dead N] [--seconds N]`: without a word all but the peers.
//!
//! Runs are made by turns (A B B A); all share the machine, and one server with its usual settings.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod backlog;
mod over_nats;
mod peers;
mod pickup;
mod rate;
#[path = "../verbs/stack.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod stack;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nexus::app::{App, AppLimits};
use nexus::features::jobs::{self, Backoff, ClaimedJob, JobEnd, JobKind, Limits, NewJob, Priority};
use nexus::features::messages;
use nexus::infra::db::PgConnection;
use nexus::kernel::progress::Silent;
use nexus::kernel::{AnyFailure, Caller, TenantId};
use nexus::settings::{Flags, Home, Loaded, Sources};
use nexus::worker::registry::{Handler, Registry};
use serde_json::{Map, Value, json};
use stack::Stack;

/// What a user is called that no message reaches.
const USER: &str = stack::USER;

type Failure = Box<dyn std::error::Error + Send + Sync>;

static NOTHING: JobKind = JobKind {
    name: "bench.nothing",
    priority: Priority::Normal,
    max_attempts: 3,
    timeout: Duration::from_mins(1),
    backoff: Backoff { first: Duration::from_hours(1), longest: Duration::from_hours(1) },
    limits: Limits::NONE,
};

/// Does nothing.
struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn run(&self, _: &App, _: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        Ok(JobEnd::Done)
    }
}

/// How much of everything.
#[derive(Clone, Copy)]
struct Scale {
    jobs: usize,
    rounds: usize,
    tenants: usize,
    future: usize,
    dead: usize,
    seconds: u64,
}

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let scale = Scale {
        jobs: number("--jobs", 20_000),
        rounds: number("--rounds", 2),
        tenants: number("--tenants", 5_000),
        future: number("--future", 1_000_000),
        dead: number("--dead", 100_000),
        seconds: number("--seconds", 120) as u64,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let word = args.get(1).filter(|word| !word.starts_with('-')).map(String::as_str);
    let report = runtime.block_on(measure(word, scale))?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    for (what, row) in report.as_object().into_iter().flatten() {
        println!("{what}");
        for (name, value) in row.as_object().into_iter().flatten() {
            println!("  {:<44} {value}", name.replace('_', " "));
        }
    }
    Ok(())
}

async fn measure(word: Option<&str>, scale: Scale) -> Result<Value, Failure> {
    let bench = Bench::start().await?;
    let mut report = Map::new();
    let wants = |name: &str| word.is_none_or(|word| word == name);
    if wants("rate") {
        report.insert("rate".to_owned(), rate::rate(&bench, scale).await?);
    }
    if wants("enqueue") {
        report.insert("enqueue".to_owned(), rate::enqueue(&bench, scale).await?);
    }
    if wants("events") {
        report.insert("events".to_owned(), over_nats::measure(&bench).await?);
    }
    if wants("pickup") {
        report.insert("pickup".to_owned(), pickup::measure(&bench).await?);
    }
    if wants("poison") {
        report.insert("poison".to_owned(), backlog::poison(&bench, scale).await?);
    }
    if wants("backlog") {
        report.insert("backlog".to_owned(), backlog::measure(&bench, scale).await?);
    }
    if word == Some("peers") {
        report.insert("peers".to_owned(), peers::measure(&bench, scale).await?);
    }
    Ok(Value::Object(report))
}

/// An installation of its own.
struct Bench {
    stack: Stack,
    app: App,
}

impl Bench {
    async fn start() -> Result<Self, Failure> {
        let stack = Stack::start(&stack::this_program(), "jobs")?;
        stack.create_with_user(&[], "acme")?;
        let app = load(&stack).await?;
        Ok(Self { stack, app })
    }

    /// A session in the control database.
    async fn session(&self) -> Result<PgConnection, Failure> {
        Ok(self.stack.admin.database("nexus").connect("bench").await?)
    }
}

/// Another process's view of it, but for the process.
async fn load(stack: &Stack) -> Result<App, Failure> {
    load_with(stack, &[]).await
}

/// The same with variables of the environment.
async fn load_with(stack: &Stack, variables: &[(&str, &str)]) -> Result<App, Failure> {
    let variables = variables.iter().map(|(name, text)| ((*name).to_owned(), (*text).to_owned())).collect();
    let home = Some(Home::new(&stack.home));
    let flags = Flags { config: None, context: None };
    let sources = Sources { flags, variables, user_folder: None, home };
    let settings = Loaded::read(&sources)?.settings()?;
    let caller = Caller::Machine("bench".to_owned());
    let session = App::load(&settings, AppLimits::default(), &caller, &Silent).await;
    Ok(session.map_err(|failure| failure.to_string())?.app)
}

/// Writes jobs of some tenants by turns, as services do.
async fn fill(control: &mut PgConnection, jobs: usize, tenants: &[TenantId]) -> Result<(), Failure> {
    let each = jobs.div_ceil(tenants.len());
    for tenant in tenants {
        let mut left = each;
        while left > 0 {
            let some: Vec<NewJob> = (0..left.min(1_000)).map(|_| NewJob::new(&NOTHING, &json!({}))).collect();
            left -= some.len();
            jobs::submit(control, &Caller::System, (*tenant, &some)).await.map_err(|it| it.to_string())?;
        }
    }
    Ok(())
}

fn tenants(count: usize) -> Vec<TenantId> {
    (0..count).map(|_| TenantId::new()).collect()
}

fn registry() -> Registry {
    // All that there is, as a process has it that sends messages.
    Registry::new(None).with(&NOTHING, Arc::new(Nothing)).with(&messages::SEND, Arc::new(Nothing))
}

/// To hundredths.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// The value that so much of the others is below.
fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a short list"
    )]
    let at = (part * values.len().saturating_sub(1) as f64).round() as usize;
    values.get(at).copied().unwrap_or_default()
}

fn per_second(count: usize, time: Duration) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
    let count = count as f64;
    count / time.as_secs_f64()
}
