//! Measures the migration of many tenants against its floor: the same statements with their row in
//! the history, sent over bare connections at the same parallelism, in the same run on the same
//! databases; against `dbmate up` under `xargs -P8`, where that can be had, as it comes and without
//! its dump of the schema; and asking every tenant against opening a session in each.
//!
//! `scripts/bench fleet [--json] [--tenants N] [--runs N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nexus::infra::db::{Host, ServerAddress, Tls};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Tenants at a time, for everybody.
const JOBS: usize = 8;
/// Rows in the registry when a run with nothing to do is measured.
const IDLE: usize = 1000;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let bench = Bench::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (tenants, runs) = (number("--tenants", 200), number("--runs", 4));
    bench.populate(tenants)?;
    // First: what the floor of the other leaves in tenants is drift.
    let verify = runtime.block_on(bench.verify(runs))?;
    let apply = runtime.block_on(bench.apply(tenants, runs))?;
    let databases = runtime.block_on(bench.databases())?;
    let idle = bench.idle(11)?;
    // Before any other program was run.
    let memory = memory()?;
    let dbmate = runtime.block_on(bench.dbmate("dbmate", &[], &databases))?;
    let no_dump = runtime.block_on(bench.dbmate("no_dump", &["--no-dump-schema"], &databases))?;
    let report = json!({
        "apply": apply, "verify": verify, "dbmate": dbmate, "dbmate_no_dump": no_dump, "idle": idle,
        "memory_mb": memory,
    });
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    let number = |value: &Value| value.as_f64().map_or_else(String::new, |it| format!("{it:.1}"));
    println!("{:<44} {:>12} {:>12} {:>8}  goal", "", "other", "nexus", "ratio");
    let row = |name: &str, other: &Value, nexus: &Value, goal: &str| {
        let ratio = match (other.as_f64(), nexus.as_f64()) {
            (Some(other), Some(nexus)) if other > 0.0 => format!("{:.2}", nexus / other),
            _ => String::new(),
        };
        println!("{name:<44} {:>12} {:>12} {ratio:>8}  {goal}", number(other), number(nexus));
    };
    let nexus = &apply["nexus_per_s"];
    row(&format!("small migration, {tenants} tenants (tenants/s)"), &apply["floor_per_s"], nexus, ">= 0.8");
    row("the same against dbmate up, xargs -P8", &dbmate["per_s"], nexus, ">= 5");
    row("the same, dbmate --no-dump-schema", &no_dump["per_s"], nexus, "");
    row(
        "migrate verify, a second time (tenants/s)",
        &verify["floor_per_s"],
        &verify["nexus_per_s"],
        ">= 0.8",
    );
    row("migrate verify --full", &verify["floor_per_s"], &verify["full_per_s"], "");
    let none = Value::Null;
    row(&format!("nothing pending, {IDLE} tenants (ms)"), &none, &idle["ms"], "<= 100");
    row(&format!("migrate status, {IDLE} tenants (ms)"), &none, &idle["status_ms"], "<= 100");
    row("most memory of any command (MB)", &none, &report["memory_mb"], "<= 64");
    Ok(())
}

/// Of all commands that were run; kibibytes on Linux, bytes on macOS.
fn memory() -> Result<i64, Failure> {
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
    Ok(used / if cfg!(target_os = "macos") { 1_000_000 } else { 1000 })
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A stack of its own, thrown away at the end.
struct Bench {
    home: PathBuf,
    nexus: PathBuf,
    admin: ServerAddress,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.command(&["local", "reset", "--yes", "--confirm", "local"]).status();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

impl Bench {
    fn start() -> Result<Self, Failure> {
        let home = std::env::temp_dir().join(format!("nxf-{}", std::process::id()));
        std::fs::create_dir(&home)?;
        let nexus =
            std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from);
        let up = Command::new(&nexus)
            .args(["-q", "-o", "json", "local", "up"])
            .env("NEXUS_HOME", &home)
            .output()?;
        if !up.status.success() {
            return Err(String::from_utf8_lossy(&up.stderr).into_owned().into());
        }
        let status: Value = serde_json::from_slice(&up.stdout)?;
        let password = std::fs::read_to_string(home.join("local/postgres.password"))?;
        let socket = status["postgres"]["socket_dir"].as_str().unwrap_or_default();
        let admin = ServerAddress {
            host: Host::Socket(Path::new(socket).to_owned()),
            port: 5432,
            user: "nexus".to_owned(),
            password: SecretString::from(password.trim()),
            database: "postgres".to_owned(),
            tls: Tls::Disable,
        };
        Ok(Self { home, nexus, admin })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.nexus);
        command.args(args).env("NEXUS_HOME", &self.home).env_remove("NEXUS_CONFIG").current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Result<Duration, Failure> {
        let begun = Instant::now();
        let status = self.command(args).status()?;
        let time = begun.elapsed();
        if status.success() { Ok(time) } else { Err(format!("{args:?} ended with {status}").into()) }
    }

    async fn databases(&self) -> Result<Vec<String>, Failure> {
        let mut control = self.admin.database("nexus").connect("bench").await?;
        let rows = sqlx::query_scalar(
            "select database_name from control.tenants where state = 'active' order by slug",
        );
        Ok(rows.fetch_all(&mut control).await?)
    }

    async fn checkpoint(&self) -> Result<(), Failure> {
        let mut admin = self.admin.connect("bench").await?;
        sqlx::raw_sql("checkpoint").execute(&mut admin).await?;
        Ok(())
    }

    fn populate(&self, tenants: usize) -> Result<(), Failure> {
        let lines: Vec<String> = (0..tenants).map(|n| format!("t{n}\n")).collect();
        let file = self.home.join("tenants.csv");
        std::fs::write(&file, format!("slug\n{}", lines.concat()))?;
        self.run(&["tenant", "create", "--from", &file.display().to_string(), "--jobs", "4"])?;
        Ok(())
    }

    /// One small migration after the other, the floor and Nexus by turns. Each turn begins behind a
    /// checkpoint: else one would pay for what the other wrote.
    async fn apply(&self, tenants: usize, runs: usize) -> Result<Value, Failure> {
        let source = self.home.join("app");
        std::fs::create_dir(&source)?;
        self.run(&["migrate", "set", "add", "app", "--source", &source.display().to_string()])?;
        let databases = Arc::new(self.databases().await?);
        let (mut bare, mut whole) = (Vec::new(), Vec::new());
        let count = u32::try_from(tenants).map(f64::from)?;
        // The first run makes the histories, and is not counted.
        for run in 0..=runs {
            let migration = format!("create table orders_{run} (id bigint primary key, note text not null);");
            self.checkpoint().await?;
            let floor = self.floor(&databases, run, &migration.replace("orders", "floor")).await?;
            std::fs::write(source.join(format!("{}_orders.sql", run + 1)), &migration)?;
            self.checkpoint().await?;
            let nexus = self.run(&["migrate", "tenants", "--all", "--jobs", &JOBS.to_string()])?;
            if run > 0 {
                bare.push(count / floor.as_secs_f64());
                whole.push(count / nexus.as_secs_f64());
            }
        }
        let (bare, whole) = (median(bare), median(whole));
        Ok(json!({
            "tenants": tenants, "jobs": JOBS, "runs": runs, "floor_per_s": bare, "nexus_per_s": whole,
            "ratio": whole / bare,
        }))
    }

    /// A session, the statements and the row in one transaction, for each database.
    async fn floor(
        &self,
        databases: &Arc<Vec<String>>,
        run: usize,
        migration: &str,
    ) -> Result<Duration, Failure> {
        let make = if run == 0 {
            "create table public.floor_history (version bigint primary key, description text not null,
                 installed_on timestamptz not null default now(), success boolean not null,
                 checksum bytea not null, execution_time bigint not null);"
        } else {
            ""
        };
        let statements = format!(
            "begin; set local search_path to public; {make} {migration}
             insert into public.floor_history values ({run}, 'orders', now(), true, '\\x00', 1); commit"
        );
        self.everywhere(databases, &statements).await
    }

    /// Sends statements to each database in a session of its own.
    async fn everywhere(&self, databases: &Arc<Vec<String>>, statements: &str) -> Result<Duration, Failure> {
        let next = Arc::new(AtomicUsize::new(0));
        let mut workers = tokio::task::JoinSet::new();
        let begun = Instant::now();
        for _ in 0..JOBS {
            let (next, databases) = (Arc::clone(&next), Arc::clone(databases));
            let (admin, statements) = (self.admin.clone(), statements.to_owned());
            workers.spawn(async move {
                while let Some(database) = databases.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let mut session = admin.database(database).connect("bench").await?;
                    sqlx::raw_sql(AssertSqlSafe(statements.clone())).execute(&mut session).await?;
                    session.close().await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok(begun.elapsed())
    }

    /// Every tenant is asked, and for the floor a session is opened in each, by turns.
    async fn verify(&self, runs: usize) -> Result<Value, Failure> {
        let databases = Arc::new(self.databases().await?);
        let count = u32::try_from(databases.len()).map(f64::from)?;
        let (mut bare, mut whole, mut full) = (Vec::new(), Vec::new(), Vec::new());
        let jobs = JOBS.to_string();
        let verify = ["migrate", "verify", "--all", "--jobs", &jobs];
        // The first reads every schema, the next ones what changed since.
        self.run(&verify)?;
        for _ in 0..runs {
            bare.push(count / self.everywhere(&databases, "select 1").await?.as_secs_f64());
            whole.push(count / self.run(&verify)?.as_secs_f64());
            full.push(count / self.run(&[&verify[..], &["--full"]].concat())?.as_secs_f64());
        }
        let (bare, whole, full) = (median(bare), median(whole), median(full));
        Ok(json!({
            "floor_per_s": bare, "nexus_per_s": whole, "ratio": whole / bare, "full_per_s": full,
        }))
    }

    /// `dbmate up` in each database, eight at a time; nothing where it cannot be had.
    async fn dbmate(&self, name: &str, flags: &[&str], databases: &[String]) -> Result<Value, Failure> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/dbmate");
        let installed = Command::new(script).arg("install").stderr(Stdio::null()).output();
        let program = match installed {
            Ok(output) if output.status.success() => String::from_utf8(output.stdout)?.trim().to_owned(),
            _ => return Ok(json!({ "per_s": null })),
        };
        let folder = self.home.join(name);
        std::fs::create_dir(&folder)?;
        let up = format!(
            "-- migrate:up\ncreate table public.{name}_orders (id bigint primary key, note text not null);\n\
             -- migrate:down\n"
        );
        std::fs::write(folder.join("1_orders.sql"), up)?;
        let Host::Socket(socket) = &self.admin.host else { return Ok(json!({ "per_s": null })) };
        let urls: Vec<String> = databases
            .iter()
            .map(|database| {
                let (password, socket) = (self.admin.password.expose_secret(), socket.display());
                format!("postgres://nexus:{password}@/{database}?host={socket}&port=5432\n")
            })
            .collect();
        self.checkpoint().await?;
        let begun = Instant::now();
        let each = format!(
            "DATABASE_URL=\"$1\" exec '{program}' {} --migrations-dir '{folder}' \
             --schema-file \"{folder}/$$.dump\" --migrations-table public.{name}_migrations up",
            flags.join(" "),
            folder = folder.display(),
        );
        let mut xargs = Command::new("xargs")
            .args(["-P8", "-n1", "sh", "-c", &each, "sh"])
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()?;
        if let Some(mut input) = xargs.stdin.take() {
            input.write_all(urls.concat().as_bytes())?;
        }
        let status = xargs.wait()?;
        let took = begun.elapsed();
        if !status.success() {
            return Err(format!("dbmate ended with {status}").into());
        }
        let count = u32::try_from(databases.len()).map(f64::from)?;
        Ok(json!({ "per_s": count / took.as_secs_f64() }))
    }

    /// The same command again, when a thousand tenants lack nothing.
    fn idle(&self, runs: usize) -> Result<Value, Failure> {
        let rows = format!(
            "with made as (
                 insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role,
                                              app_role, bucket, schema_version)
                 select gen_random_uuid(), 'row-' || n, 'Row ' || n, 'active', 'default', 'default', 'd' || n,
                        'o' || n, 'a' || n, 'b' || n, (select max(schema_version) from control.tenants)
                 from generate_series(1, {IDLE} - (select count(*) from control.tenants)) as n returning id)
             insert into control.tenant_versions (tenant_id, set_name, version, files)
             select made.id, set_name, version, files
             from made, (select set_name, version, files from control.tenant_versions limit 1) as like_the_others"
        );
        self.run(&["local", "psql", "--", "-q", "-c", &rows])?;
        let times: Result<Vec<f64>, Failure> = (0..runs)
            .map(|_| Ok(self.run(&["migrate", "tenants", "--all"])?.as_secs_f64() * 1000.0))
            .collect();
        let status: Result<Vec<f64>, Failure> =
            (0..runs).map(|_| Ok(self.run(&["migrate", "status"])?.as_secs_f64() * 1000.0)).collect();
        Ok(json!({ "tenants": IDLE, "ms": median(times?), "status_ms": median(status?) }))
    }
}
