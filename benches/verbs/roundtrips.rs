//! How often a command waits for an answer of PostgreSQL, and what that costs where the server is
//! far away. A proxy counts what a client sends after it had an answer, and lets it arrive later.
//! The object store is near.
//!
//! A wait by the clock is the time beyond that without latency, divided by the latency: sessions
//! that work side by side wait together, and opening a session is three waits (its start, and two
//! of SCRAM; RFC 5802).

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::pg_proxy::{PgProxy, Point};
use super::stack::{Stack, USER, this_program};
use super::{Arguments, Failure, median, ms};

/// Milliseconds that a message is under way and back.
const LATENCIES: [u64; 3] = [0, 20, 500];
/// Tenants that are there.
const TENANTS: [&str; 3] = ["acme", "globex", "initech"];
/// Most round trips after the login: of a verb as a whole, or in each tenant's database.
const GOALS: [(&str, usize); 3] = [("migrate, each tenant", 3), ("suspend", 6), ("create", 24)];

pub(crate) fn run(arguments: &Arguments) -> Result<(), Failure> {
    let bench = Bench::start()?;
    let report = bench.measure(arguments.number("--runs", 3))?;
    if arguments.is_json() {
        println!("{report:#}");
    } else {
        print(&report);
    }
    Ok(())
}

fn print(report: &Value) {
    println!("{} tenants; medians of {} runs, one of them at 500 ms\n", TENANTS.len(), report["runs"]);
    println!(
        "{:<22} {:>8} {:>12} {:>6}   {:>25}   {:>17}",
        "", "sessions", "round trips", "goal", "ms at a latency of", "waits by the clock"
    );
    println!(
        "{:<22} {:>8} {:>12} {:>6}   {:>7} {:>8} {:>8}   {:>8} {:>8}",
        "", "", "after login", "", "0", "20", "500", "20", "500"
    );
    for row in report["verbs"].as_array().into_iter().flatten() {
        let number = |key: &str| row[key].as_f64().map_or_else(String::new, |it| format!("{it:.1}"));
        println!(
            "{:<22} {:>8} {:>12} {:>6}   {:>7} {:>8} {:>8}   {:>8} {:>8}",
            row["what"].as_str().unwrap_or_default(),
            row["sessions"].to_string(),
            row["round_trips"].to_string(),
            row["goal"].as_u64().map_or_else(String::new, |it| format!("<= {it}")),
            number("ms_at_0"),
            number("ms_at_20"),
            number("ms_at_500"),
            number("waits_at_20"),
            number("waits_at_500"),
        );
    }
}

/// What was seen of one command.
#[derive(Default)]
struct Seen {
    times: BTreeMap<u64, Vec<f64>>,
    points: Vec<Point>,
}

impl Seen {
    fn row(&self, what: &str, round_trips: usize, sessions: usize) -> Value {
        let goal = GOALS.iter().find(|(name, _)| *name == what).map(|(_, goal)| *goal);
        let time = |latency: u64| self.times.get(&latency).map(|times| median(times)).unwrap_or_default();
        #[expect(clippy::cast_precision_loss, reason = "half a second at most")]
        let waits = |latency: u64| (time(latency) - time(0)) / latency as f64;
        json!({
            "what": what, "sessions": sessions, "round_trips": round_trips, "goal": goal,
            "ms_at_0": time(0), "ms_at_20": time(20), "ms_at_500": time(500),
            "waits_at_20": waits(20), "waits_at_500": waits(500),
        })
    }
}

struct Bench {
    stack: Stack,
    proxy: PgProxy,
    near: String,
    far: String,
}

impl Bench {
    fn start() -> Result<Self, Failure> {
        let stack = Stack::start(&this_program(), "w")?;
        let proxy = PgProxy::before_socket(stack.socket.clone());
        let near = settings(&stack, "near", stack.socket.parent().ok_or("no folder")?)?;
        let far = settings(&stack, "far", Path::new(&proxy.socket_dir))?;
        stack.output(&["--config", &near, "init"])?;
        for slug in TENANTS {
            stack.create_with_user(&["--config", &near], slug)?;
        }
        let source = stack.home.join("shop");
        std::fs::create_dir(&source)?;
        let bench = Self { stack, proxy, near, far };
        bench.near(&["migrate", "set", "add", "shop", "--source", &source.display().to_string()])?;
        // The first run makes the histories, and the template.
        bench.write_migration(0)?;
        bench.near(&["migrate", "tenants", "--all"])?;
        Ok(bench)
    }

    fn near(&self, args: &[&str]) -> Result<(), Failure> {
        self.stack.output(&[&["--config", &self.near], args].concat())?;
        Ok(())
    }

    fn write_migration(&self, number: usize) -> Result<(), Failure> {
        let text = format!("create table orders_{number} (id bigint primary key, note text not null);\n");
        Ok(std::fs::write(self.stack.home.join(format!("shop/{}_orders.sql", number + 1)), text)?)
    }

    fn measure(&self, runs: usize) -> Result<Value, Failure> {
        let mut seen: BTreeMap<usize, (&str, Seen)> = BTreeMap::new();
        let mut number = 0;
        for run in 0..runs.max(1) {
            for latency in LATENCIES {
                // A whole round at 500 ms takes a minute or two, and half a second drowns any noise.
                if latency == 500 && run > 0 {
                    continue;
                }
                number += 1;
                self.write_migration(number)?;
                let slug = format!("new-{number}");
                for (at, (name, args)) in verbs(&slug).into_iter().enumerate() {
                    self.proxy.reset();
                    self.proxy.latency(Duration::from_millis(latency));
                    let time = self.stack.time(&[&["--config", &self.far], &args[..]].concat())?;
                    let (_, seen) = seen.entry(at).or_insert_with(|| (name, Seen::default()));
                    seen.times.entry(latency).or_default().push(ms(time));
                    seen.points = self.proxy.points();
                }
                self.near(&["tenant", "delete", &slug, "--purge", "--yes", "--confirm", &slug])?;
            }
        }
        let mut rows = Vec::new();
        for (name, seen) in seen.values() {
            let logins = |it: &&Point| it.asks == "login";
            let trips = |it: &&Point| it.waited && it.asks != "login";
            let all = (seen.points.iter().filter(trips).count(), seen.points.iter().filter(logins).count());
            rows.push(seen.row(name, all.0, all.1));
            if *name == "migrate" {
                let mut each: BTreeMap<&str, usize> = BTreeMap::new();
                for point in seen.points.iter().filter(trips) {
                    *each.entry(&point.database).or_default() += 1;
                }
                // The tenants' databases, and neither the record nor the template.
                let tenants = self.databases()?;
                let most = each.iter().filter(|(name, _)| tenants.iter().any(|it| it == *name));
                let most = most.map(|(_, trips)| *trips).max().unwrap_or_default();
                rows.push(json!({
                    "what": GOALS[0].0, "sessions": 1, "round_trips": most, "goal": GOALS[0].1,
                }));
            }
        }
        Ok(json!({ "tenants": TENANTS.len(), "runs": runs, "verbs": rows }))
    }

    fn databases(&self) -> Result<Vec<String>, Failure> {
        let json = self.stack.output(&["--config", &self.near, "-o", "json", "tenant", "list"])?;
        let rows: Vec<Value> = serde_json::from_slice(&json)?;
        Ok(rows.iter().filter_map(|row| row["database"].as_str().map(str::to_owned)).collect())
    }
}

/// Commands in an order in which each finds what it needs.
fn verbs(slug: &str) -> Vec<(&'static str, Vec<&str>)> {
    vec![
        ("migrate", vec!["migrate", "tenants", "--all"]),
        ("create", vec!["tenant", "create", slug]),
        ("suspend", vec!["tenant", "suspend", slug, "--reason", "unpaid"]),
        ("resume", vec!["tenant", "resume", slug]),
        ("fsck", vec!["fsck"]),
        ("verify", vec!["migrate", "verify", "--all"]),
        ("mint", vec!["token", "mint", "--tenant", TENANTS[0], "--user", USER]),
        ("list", vec!["tenant", "list"]),
    ]
}

/// Settings of an installation of its own, whose PostgreSQL is reached by a socket in this folder.
fn settings(stack: &Stack, name: &str, folder: &Path) -> Result<String, Failure> {
    let local = stack.home.join("local");
    let text = format!(
        "default_context = \"far\"\n[context.far.control]\nhost = \"{}\"\nport = 5432\nuser = \"nexus\"\n\
         database = \"far\"\npassword = \"file:{local}/postgres.password\"\n\
         [context.far.store]\nendpoint = \"{}\"\nadmin_token = \"file:{local}/s3.token\"\n",
        folder.display(),
        stack.endpoint,
        local = local.display(),
    );
    let path = stack.home.join(format!("{name}.toml"));
    std::fs::write(&path, text)?;
    std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    Ok(path.display().to_string())
}
