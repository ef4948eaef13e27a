//! Measures the registry of tenants with many rows in it: the time that each statement of the
//! product takes inside the database, how the server went about it, and the whole process.
//!
//! `scripts/bench registry [--json] [--tenants N] [--runs N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use nexus::features::placement::{Placement, PlacementRequest};
use nexus::features::tenants::{self, Selector, TenantFilter, TenantSort};
use nexus::infra::db::{Host, PgConnection, ServerAddress, Tls, transaction};
use nexus::kernel::{Caller, Page, TenantId};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::SubscriberExt;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Tenants that are there when the completion of a slug is measured.
const COMPLETED: usize = 5000;
/// Tenants, deleted ones among them, when the lists in a pipe are measured: 5,000 are listed.
const LISTED: usize = 5300;
/// Rows on a page, as the command line has it.
const LIMIT: u32 = 100;

/// How the plan of a total begins.
const COUNTING: &str = "aggregate";

/// What a list is sorted by: the word of the command line, and what it means.
const SORTS: [(&str, TenantSort); 4] = [
    ("slug", TenantSort::Slug),
    ("name", TenantSort::Name),
    ("state", TenantSort::State),
    ("created", TenantSort::CreatedAt),
];
/// Conditions, from those that an index answers to those that want a look at every row.
const CONDITIONS: [&str; 16] = [
    "state=active",
    "state!=active",
    "state=deleted",
    "cluster=eu3",
    "cluster!=eu3",
    "label.tier=gold",
    "label.tier=gold|silver,cluster=eu3",
    "label.owner=team-3",
    "label.owner=nobody",
    "label.tier!=gold",
    "label.tier",
    "label.wave=new",
    "!label.tier",
    "slug=t-a*",
    "slug=*-77*,name=*9*",
    "created>30d,label.region=r1",
];
/// Texts that are searched for: in many rows, in few, in none.
const SEARCHES: [&str; 4] = ["customer", "7", "abcd", "no such text"];

/// As many operations and rows of the audit log as there are tenants.
const RECORDS: &str = "
    insert into control.operations (id, tenant_id, kind, state, caller, created_at)
    select gen_random_uuid(), id, 'suspend', 'done', 'machine:x', now() - interval '1 second' * row_number() over ()
    from control.tenants where slug <> 'acme';
    insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
    select 'machine:ann', 'tenant.suspend', id, gen_random_uuid(), '{\"reason\": \"unpaid\"}' from control.tenants;
    analyze control.operations, control.audit_log";
/// Users of a realm.
const USERS: &str = "
    insert into nexus.users (id, email, email_key, name, state, created_at)
    select gen_random_uuid(), 'User' || n || '@Acme.example', 'user' || n || '@acme.example', 'Name ' || n,
           'active', now() - interval '1 second' * n
    from generate_series(1, 5000) as n;
    analyze nexus.users";

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let plans = Plans::default();
    tracing::subscriber::set_global_default(tracing_subscriber::registry().with(plans.clone()))?;
    let bench = Bench::start(plans, number("--runs", 7))?;
    let tenants = number("--tenants", 100_000);
    let report = tokio::runtime::Runtime::new()?.block_on(bench.measure(tenants))?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Value) {
    let number = |row: &Value, key: &str| row[key].as_f64().map_or(String::new(), |it| format!("{it:.1}"));
    println!("{} tenants; times in ms, medians of {} runs\n", report["tenants"], report["runs"]);
    println!("{:<52} {:>8} {:>8} {:>9}  plan of the page", "list", "page", "count", "process");
    println!("{:<52} {:>8} {:>8}", "  goal, inside the database", "<= 50", "<= 50");
    for row in report["lists"].as_array().into_iter().flatten() {
        let (page, count, process) =
            (number(row, "page_ms"), number(row, "count_ms"), number(row, "process_ms"));
        let (what, plan) = (row["what"].as_str().unwrap_or(""), row["plan"].as_str().unwrap_or(""));
        println!("{what:<52} {page:>8} {count:>8} {process:>9}  {plan}");
    }
    println!("\n{:<46} {:>8} {:>8}  plan; goal <= 100", "selector", "all", "found");
    for row in report["selectors"].as_array().into_iter().flatten() {
        let (what, plan) = (row["what"].as_str().unwrap_or(""), row["plan"].as_str().unwrap_or(""));
        println!("{what:<46} {:>8} {:>8}  {plan}", number(row, "all_ms"), row["found"]);
    }
    println!(
        "\n{:<24} {:>8} {:>12} {:>8} {:>12}",
        "-o json in a pipe", "rows", "first row", "all", "memory, MB"
    );
    println!("{:<24} {:>8} {:>12} {:>8} {:>12}", "  goal", "all", "<= 100", "", "<= 64");
    for row in report["pipes"].as_array().into_iter().flatten() {
        println!(
            "{:<24} {:>8} {:>12} {:>8} {:>12}",
            row["what"].as_str().unwrap_or(""),
            row["rows"].to_string(),
            number(row, "first_row_ms"),
            number(row, "all_ms"),
            number(row, "memory_mb"),
        );
    }
    println!("\n{:<46} {:>8}", "everything else", "");
    for (name, key, goal) in [
        ("tenant list --all -o json, process", "all_ms", ""),
        ("its most memory (MB)", "all_memory_mb", "<= 64"),
        ("completion of a slug among 5,000, process", "completion_ms", "<= 50"),
        ("completion of a slug among all, process", "completion_all_ms", ""),
        ("a tenant's row written, inside the database", "insert_ms", ""),
        ("where a tenant goes, inside the database", "decision_ms", "<= 5"),
        ("tenant show by slug, process", "show_ms", ""),
    ] {
        println!("{name:<46} {:>8}  {goal}", number(report, key));
    }
}

/// The most memory that a process had so far, in megabytes; where the system does not say so of one
/// process (macOS), of all commands so far.
fn memory(process: u32) -> Result<i64, Failure> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    if let Some(used) = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<i64>().ok()) {
        return Ok(used / 1000);
    }
    if cfg!(target_os = "macos") {
        let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
        return Ok(used / 1_000_000);
    }
    Ok(0)
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_by(f64::total_cmp);
    times.get(times.len() / 2).copied().unwrap_or_default()
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}

/// What auto_explain (manual, appendix F.4) says of the statements of this process's connection.
#[derive(Clone, Default)]
struct Plans(Arc<Mutex<Vec<(f64, String)>>>);

impl Plans {
    fn take(&self) -> Vec<(f64, String)> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl<S: tracing::Subscriber> tracing_subscriber::Layer<S> for Plans {
    fn on_event(&self, event: &tracing::Event<'_>, _: tracing_subscriber::layer::Context<'_, S>) {
        if event.metadata().target() == "sqlx::postgres::notice" {
            event.record(&mut Message(self));
        }
    }
}

struct Message<'a>(&'a Plans);

impl Visit for Message<'_> {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let text = format!("{value:?}");
        let Some((duration, plan)) =
            text.strip_prefix("duration: ").and_then(|it| it.split_once(" ms  plan:"))
        else {
            return;
        };
        let Some(plan) = plan.find('{').and_then(|at| serde_json::from_str::<Value>(&plan[at..]).ok()) else {
            return;
        };
        if let (true, Ok(duration)) = (field.name() == "message", duration.parse()) {
            let mut kinds = Vec::new();
            scans(&plan["Plan"], &mut kinds);
            self.0.0.lock().unwrap_or_else(PoisonError::into_inner).push((duration, kinds.join(", ")));
        }
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.record_debug(field, &format_args!("{value}"));
    }
}

/// How rows are found, put in order and counted: what a plan does of that.
fn scans(node: &Value, found: &mut Vec<String>) {
    let kind = node["Node Type"].as_str().unwrap_or_default();
    if ["Scan", "Sort", "Aggregate"].iter().any(|word| kind.contains(word)) {
        let index = node["Index Name"].as_str().map(|name| format!(" {name}")).unwrap_or_default();
        found.push(format!("{}{index}", kind.to_lowercase()));
    }
    for inner in node["Plans"].as_array().into_iter().flatten() {
        scans(inner, found);
    }
}

/// A stack of its own, thrown away at the end.
struct Bench {
    home: PathBuf,
    nexus: PathBuf,
    control: ServerAddress,
    plans: Plans,
    runs: usize,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.command(&["local", "reset", "--yes", "--confirm", "local"]).output();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

impl Bench {
    fn start(plans: Plans, runs: usize) -> Result<Self, Failure> {
        let home = std::env::temp_dir().join(format!("nxr-{}", std::process::id()));
        std::fs::create_dir(&home)?;
        let nexus =
            std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from);
        let control = ServerAddress {
            host: Host::Tcp(String::new()),
            port: 5432,
            user: "nexus".to_owned(),
            password: String::new().into(),
            database: "nexus".to_owned(),
            tls: Tls::Disable,
        };
        let mut bench = Self { home, nexus, control, plans, runs };
        let up = bench.command(&["-q", "-o", "json", "local", "up"]).output()?;
        let status: Value = serde_json::from_slice(&up.stdout)
            .map_err(|_| String::from_utf8_lossy(&up.stderr).into_owned())?;
        let socket = status["postgres"]["socket_dir"].as_str().unwrap_or_default();
        bench.control.host = Host::Socket(Path::new(socket).to_owned());
        let password = std::fs::read_to_string(bench.home.join("local/postgres.password"))?;
        bench.control.password = password.trim().to_owned().into();
        Ok(bench)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.nexus);
        command.args(args).env("NEXUS_HOME", &self.home).env_remove("NEXUS_CONFIG").current_dir(&self.home);
        command.stdin(Stdio::null()).stderr(Stdio::null());
        command
    }

    /// The median time of a whole process.
    fn process(&self, args: &[&str]) -> Result<f64, Failure> {
        let run = || {
            let begun = Instant::now();
            let status = self.command(args).stdout(Stdio::null()).status()?;
            let time = ms(begun.elapsed());
            if status.success() { Ok(time) } else { Err(format!("{args:?} ended with {status}").into()) }
        };
        Ok(median((0..self.runs).map(|_| run()).collect::<Result<_, Failure>>()?))
    }

    /// A list in a pipe: when its first row comes, when its last, and the most memory of the process;
    /// an error where a row is missing.
    fn pipe(&self, list: &[&str], rows: i64) -> Result<Value, Failure> {
        let (mut first_rows, mut alls, mut most) = (Vec::new(), Vec::new(), 0);
        for _ in 0..self.runs * 3 {
            let begun = Instant::now();
            let mut child = self.command(&[&["-o", "json"], list].concat()).stdout(Stdio::piped()).spawn()?;
            let mut output = child.stdout.take().ok_or("no pipe")?;
            let mut text = vec![0; 64];
            output.read_exact(&mut text)?;
            first_rows.push(ms(begun.elapsed()));
            let mut piece = vec![0; 64 * 1024];
            loop {
                // What nobody has read yet waits in the pipe, so the process is there to be asked.
                most = most.max(memory(child.id())?);
                match output.read(&mut piece)? {
                    0 => break,
                    count => text.extend_from_slice(&piece[..count]),
                }
            }
            if !child.wait()?.success() {
                return Err(format!("{list:?} failed").into());
            }
            alls.push(ms(begun.elapsed()));
            let seen = serde_json::from_slice::<Vec<serde::de::IgnoredAny>>(&text)?.len();
            if i64::try_from(seen)? != rows {
                return Err(format!("{list:?} gives {seen} of {rows} rows").into());
            }
        }
        Ok(json!({
            "what": list[..2].join(" "), "rows": rows, "first_row_ms": median(first_rows),
            "all_ms": median(alls), "memory_mb": most,
        }))
    }

    /// Lists of 5,000 tenants, users, operations and rows of the audit log.
    async fn pipes(&self, control: &mut PgConnection) -> Result<Vec<Value>, Failure> {
        let database: String =
            sqlx::query_scalar("select database_name from control.tenants where slug = 'acme'")
                .fetch_one(&mut *control)
                .await?;
        let mut realm = self.control.database(&database).connect("bench").await?;
        for (session, statement) in [(&mut *control, RECORDS), (&mut realm, USERS)] {
            sqlx::raw_sql(AssertSqlSafe(statement.to_owned())).execute(session).await?;
        }
        let mut rows = Vec::new();
        for (list, of) in [
            (&["tenant", "list"][..], "control.tenants where state <> 'deleted'"),
            (&["user", "list", "--tenant", "acme"], "nexus.users"),
            (&["operation", "list"], "control.operations"),
            (&["audit", "list"], "control.audit_log"),
        ] {
            let session = if of.starts_with("nexus.") { &mut realm } else { &mut *control };
            let count = sqlx::query_scalar(AssertSqlSafe(format!("select count(*) from {of}")));
            rows.push(self.pipe(list, count.fetch_one(session).await?)?);
        }
        realm.close().await?;
        Ok(rows)
    }

    /// The median time of a completion, as fish asks for it.
    fn completion(&self) -> Result<f64, Failure> {
        let run = || {
            let mut command = self.command(&["--", "nexus", "tenant", "show", "t-a"]);
            let begun = Instant::now();
            let output = command.env("NEXUS_COMPLETE", "fish").output()?;
            let time = ms(begun.elapsed());
            let offered = output.stdout.split(|byte| *byte == b'\n').filter(|line| line.starts_with(b"t-a"));
            if offered.count() > 10 { Ok(time) } else { Err("no slug was offered".into()) }
        };
        Ok(median((0..self.runs * 3).map(|_| run()).collect::<Result<_, Failure>>()?))
    }

    async fn measure(&self, tenants: usize) -> Result<Value, Failure> {
        self.process(&["tenant", "list"])?;
        // One with a realm; the others are rows.
        if !self.command(&["tenant", "create", "acme"]).output()?.status.success() {
            return Err("no tenant could be made".into());
        }
        let mut control = self.control.connect("bench").await?;
        fill(&mut control, 2, COMPLETED).await?;
        let completion = self.completion()?;
        fill(&mut control, COMPLETED + 1, LISTED).await?;
        let pipes = self.pipes(&mut control).await?;
        fill(&mut control, LISTED + 1, tenants).await?;
        let completion_all = self.completion()?;
        // The plans of this session's statements come to it as messages, with the time they took;
        // nothing else is timed in them, which would take time itself.
        let explain = "load 'auto_explain'; set auto_explain.log_min_duration = 0;
            set auto_explain.log_format = json; set client_min_messages = log";
        sqlx::raw_sql(explain).execute(&mut control).await?;
        let lists = self.lists(&mut control).await?;
        let selectors = self.selectors(&mut control).await?;
        let decision = self.decision(&mut control).await?;
        let insert = self.insert(&mut control).await?;
        let show = self.process(&["tenant", "show", &slug(&mut control).await?])?;
        control.close().await?;
        // The most of all commands so far is that of this one, or no more than it.
        let all = self.process(&["-o", "json", "tenant", "list", "--all"])?;
        let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
        // Kibibytes on Linux, bytes on macOS.
        let unit = if cfg!(target_os = "macos") { 1_000_000 } else { 1000 };
        Ok(json!({
            "tenants": tenants, "runs": self.runs, "lists": lists, "selectors": selectors, "all_ms": all,
            "all_memory_mb": used / unit, "completion_ms": completion, "completion_all_ms": completion_all,
            "pipes": pipes, "insert_ms": insert, "show_ms": show, "decision_ms": decision,
        }))
    }

    /// Pages: sorted by each field from either end and near the end, searched, selected.
    async fn lists(&self, control: &mut PgConnection) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        // What is searched or selected is sorted by each field, too, where many fit and none of
        // them is in an index.
        let hard = ["--where", "label.tier!=gold"];
        let hard = (hard, TenantFilter { selector: hard[1].parse()?, search: None });
        for (word, sort) in SORTS {
            for descending in [false, true] {
                let word = if descending { format!("-{word}") } else { word.to_owned() };
                let order = (sort, descending);
                let filter = TenantFilter::default();
                self.pages(control, (&["--sort", &word], &filter), order, &mut rows).await?;
                if (sort, descending) != (TenantSort::Slug, false) {
                    let args = [&hard.0[..], &["--sort", &word]].concat();
                    self.pages(control, (&args, &hard.1), order, &mut rows).await?;
                }
            }
        }
        let usual = (TenantSort::Slug, false);
        for text in SEARCHES {
            let filter = TenantFilter { search: Some(text.to_owned()), ..TenantFilter::default() };
            self.pages(control, (&["--search", text], &filter), usual, &mut rows).await?;
        }
        for condition in CONDITIONS {
            let filter = TenantFilter { selector: condition.parse()?, search: None };
            self.pages(control, (&["--where", condition], &filter), usual, &mut rows).await?;
        }
        // All that fit stand at one end of the order.
        let filter = TenantFilter { selector: "label.wave=new".parse()?, search: None };
        let args = ["--where", "label.wave=new", "--sort", "-created"];
        self.pages(control, (&args, &filter), (TenantSort::CreatedAt, true), &mut rows).await?;
        Ok(rows)
    }

    /// The first page, the one in the middle and the last, as far as these are three.
    async fn pages(
        &self,
        control: &mut PgConnection,
        list: (&[&str], &TenantFilter),
        sort: (TenantSort, bool),
        rows: &mut Vec<Value>,
    ) -> Result<(), Failure> {
        let first = Page { page: 1, limit: LIMIT };
        let (_, place) = tenants::list(control, &Caller::System, list.1, sort, first).await?;
        let last = u32::try_from(place.page_count())?.max(1);
        let mut numbers = vec![1, last.div_ceil(2), last];
        numbers.dedup();
        for number in numbers {
            rows.push(self.list(control, list, sort, number).await?);
        }
        Ok(())
    }

    /// One page: what the database took for the total and for the page's rows.
    async fn list(
        &self,
        control: &mut PgConnection,
        (args, filter): (&[&str], &TenantFilter),
        sort: (TenantSort, bool),
        number: u32,
    ) -> Result<Value, Failure> {
        let page = Page { page: number, limit: LIMIT };
        let (mut pages, mut counts, mut plan) = (Vec::new(), Vec::new(), String::new());
        for _ in 0..self.runs {
            self.plans.take();
            tenants::list(control, &Caller::System, filter, sort, page).await?;
            // What is asked beforehand, the total, and one way to the rows, or a second where that
            // found too few.
            let mut statements = self.plans.take();
            let at = statements.iter().position(|(_, kinds)| kinds.starts_with(COUNTING));
            let (count, _) = statements.remove(at.ok_or("auto_explain does not tell of the total")?);
            counts.push(count);
            pages.push(statements.iter().map(|(time, _)| time).sum());
            plan = statements.pop().map_or_else(String::new, |(_, kinds)| kinds);
        }
        let page = number.to_string();
        let whole: Vec<&str> =
            ["tenant", "list", "--page", &page].into_iter().chain(args.iter().copied()).collect();
        let what = if number == 1 { args.join(" ") } else { format!("{} --page {page}", args.join(" ")) };
        Ok(json!({
            "what": what, "page_ms": median(pages), "count_ms": median(counts), "plan": plan,
            "process_ms": self.process(&whole)?,
        }))
    }

    /// All that fit each condition, as verbs that change many of them want them.
    async fn selectors(&self, control: &mut PgConnection) -> Result<Vec<Value>, Failure> {
        let mut rows = Vec::new();
        for condition in CONDITIONS {
            let selector: Selector = condition.parse()?;
            let (mut times, mut plan, mut found) = (Vec::new(), String::new(), 0);
            for _ in 0..self.runs {
                self.plans.take();
                found = tenants::select(control, &Caller::System, &selector).await?.len();
                let (time, kinds) =
                    self.plans.take().into_iter().next().ok_or("auto_explain says nothing")?;
                times.push(time);
                plan = kinds;
            }
            rows.push(json!({ "what": condition, "all_ms": median(times), "found": found, "plan": plan }));
        }
        Ok(rows)
    }

    /// Where the next tenant goes: the emptiest server and store that fit.
    async fn decision(&self, control: &mut PgConnection) -> Result<f64, Failure> {
        let mut times = Vec::new();
        for _ in 0..self.runs * 30 {
            self.plans.take();
            Placement::choices(control, &Caller::System, &PlacementRequest::default()).await?;
            times.extend(self.plans.take().into_iter().map(|(time, _)| time).reduce(f64::max));
        }
        Ok(median(times))
    }

    /// One more row, with all its indexes.
    async fn insert(&self, control: &mut PgConnection) -> Result<f64, Failure> {
        let mut times = Vec::new();
        for _ in 0..self.runs * 30 {
            let id = TenantId::new();
            let name = nexus::infra::crypto::random::resource_name()?;
            let mut tx = transaction(control).await?;
            self.plans.take();
            let row = "insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name,
                           owner_role, app_role, bucket, schema_version, shared_key, identity_checksum, slug_checksum)
                       values ($1, $2, 'Customer', 'provisioning', '{\"tier\": \"gold\"}', 'default', 'default', $3, $4, $5,
                           $6, 1, false, $7, $7)";
            let connection: &mut PgConnection = &mut tx;
            sqlx::query(row)
                .bind(id)
                .bind(format!("z-{}", &name.database()[2..]))
                .bind(name.database())
                .bind(name.owner_role())
                .bind(name.app_role())
                .bind(name.bucket())
                .bind([0_u8; 32].as_slice())
                .execute(connection)
                .await?;
            times.extend(self.plans.take().into_iter().map(|(time, _)| time).reduce(f64::max));
            tx.rollback().await?;
        }
        Ok(median(times))
    }
}

async fn slug(control: &mut PgConnection) -> Result<String, Failure> {
    let statement = "select slug from control.tenants where state = 'active' offset 100 limit 1";
    Ok(sqlx::query_scalar(statement).fetch_one(control).await?)
}

/// Rows without anything behind them, as an installation of some age has them, and what autovacuum
/// would do soon after.
async fn fill(control: &mut PgConnection, from: usize, to: usize) -> Result<(), Failure> {
    let statement = format!(
        "insert into control.clusters (name, host, port, login, database, tls)
         select 'eu' || n, 'eu' || n || '.example', 5432, 'nexus', 'postgres', 'disable'
         from generate_series(1, 9) as n on conflict do nothing;
         alter table control.tenants disable trigger user;
         insert into control.tenants (id, slug, name, state, labels, cluster, store, database_name, owner_role,
                                      app_role, bucket, access_key_id, schema_version, created_at)
         select gen_random_uuid(), 't-' || substr(md5(n::text), 1, 10) || '-' || n,
                'Customer ' || md5('name' || n) || ' Ltd',
                case when n % 20 = 1 then 'deleted' when n % 50 = 0 then 'provisioning'
                     when n % 77 = 0 then 'deleting' else 'active' end,
                jsonb_build_object('tier', (array['gold', 'silver', 'bronze', 'free'])[1 + n % 4],
                                   'region', 'r' || n % 20, 'owner', 'team-' || n % 500)
                    || case when n > 70000 then jsonb_build_object('wave', 'new') else '{{}}' end,
                case when n % 10 = 0 then 'default' else 'eu' || n % 10 end, 'default',
                'd' || md5(n::text), 'o' || md5(n::text), 'a' || md5(n::text), 'b' || md5(n::text),
                'k' || md5(n::text), 1, now() - interval '1 minute' * n
         from generate_series({from}, {to}) as n;
         alter table control.tenants enable trigger user;
         update control.clusters set tenants =
             (select count(*) from control.tenants where cluster = clusters.name and state <> 'deleted');
         update control.stores set tenants =
             (select count(*) from control.tenants where store = stores.name and state <> 'deleted')"
    );
    sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *control).await?;
    sqlx::raw_sql("vacuum (analyze) control.tenants").execute(control).await?;
    Ok(())
}
