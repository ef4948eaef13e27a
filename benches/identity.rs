//! Measures what may be done, and users from a file.
//!
//! `scripts/bench identity [--json]`: deciding, once a user's grants are loaded: five nested groups,
//! 200 permissions.
//! `scripts/bench users [--json] [--users N]`: the import of users with passwords against what
//! hashing them alone takes on the same cores, and with invitations.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::hint::black_box;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Instant;

use nexus::features::iam::{Condition, Grant, Grants, Held, Permission, UserState};
use nexus::infra::crypto::password::Hasher;
use nexus::kernel::{SecretString, UserId};
use serde_json::{Map, Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Decisions that are timed together.
const ROUNDS: u32 = 10_000;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let report = if args.iter().any(|arg| arg == "--import") {
        let users = args.iter().position(|arg| arg == "--users").and_then(|at| args.get(at + 1));
        import(users.and_then(|text| text.parse().ok()).unwrap_or(10_000))?
    } else {
        can()?
    };
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    for (name, value) in report.as_object().into_iter().flatten() {
        println!("{:<34} {value}", name.replace('_', " "));
    }
    Ok(())
}

fn can() -> Result<Value, Failure> {
    let mut held = Vec::new();
    for group in 0..5 {
        let mut grants = Vec::new();
        for number in 0..40 {
            let permission: Permission = format!("resource-{group}-{number}:create").parse()?;
            let condition =
                if number % 4 == 0 { Some(Condition::parse("owner and amount <= 1000")?) } else { None };
            grants.push(Grant { permission, condition });
        }
        let groups = (0..=group).map(|depth| format!("group {depth}")).collect();
        held.push(Held { role: format!("role {group}"), groups, grants: Arc::from(grants) });
    }
    let facts = Map::from_iter([("id".to_owned(), Value::from("7"))]);
    let grants = Grants { user: UserId::new(), state: UserState::Active, facts, held, limits: Vec::new() };
    let thing =
        Map::from_iter([("owner".to_owned(), Value::from("7")), ("amount".to_owned(), Value::from(900))]);
    let time = |asked: &str, expected: bool| -> Result<f64, Failure> {
        let asked: Permission = asked.parse()?;
        let begun = Instant::now();
        for _ in 0..ROUNDS {
            if black_box(grants.can(black_box(&asked), &thing)).is_granted() != expected {
                return Err("a wrong answer".into());
            }
        }
        Ok(begun.elapsed().as_secs_f64() * 1e6 / f64::from(ROUNDS))
    };
    Ok(json!({
        "can_yes_the_last_of_200_us": time("resource-4-39:create", true)?,
        "can_yes_by_a_condition_us": time("resource-4-36:create", true)?,
        "can_no_us": time("invoice:create", false)?,
        "goal_us": 20,
    }))
}

/// A stack of its own, thrown away at the end.
struct Bench {
    home: PathBuf,
    nexus: PathBuf,
}

impl Drop for Bench {
    fn drop(&mut self) {
        let _ = self.command(&["local", "reset", "--yes", "--confirm", "local"]).status();
        let _ = std::fs::remove_dir_all(&self.home);
    }
}

impl Bench {
    fn start() -> Result<Self, Failure> {
        let home = std::env::temp_dir().join(format!("nxb-{}", std::process::id()));
        std::fs::create_dir(&home)?;
        let nexus =
            std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from);
        let bench = Self { home, nexus };
        bench.run(&["local", "up"])?;
        Ok(bench)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.nexus);
        command.args(args).env("NEXUS_HOME", &self.home).env_remove("NEXUS_CONFIG").current_dir(&self.home);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn run(&self, args: &[&str]) -> Result<f64, Failure> {
        let begun = Instant::now();
        let status = self.command(args).status()?;
        let time = begun.elapsed().as_secs_f64();
        if status.success() { Ok(time) } else { Err(format!("{args:?} ended with {status}").into()) }
    }
}

fn import(users: u32) -> Result<Value, Failure> {
    let bench = Bench::start()?;
    for tenant in ["hashed", "invited"] {
        bench.run(&["tenant", "create", tenant])?;
    }
    let lines: Vec<String> = (0..users)
        .map(|n| format!("user-{n}@acme.example,User {n},User,words of user {n} alone\n"))
        .collect();
    std::fs::write(bench.home.join("hashed.csv"), format!("email,name,roles,password\n{}", lines.concat()))?;
    let lines: Vec<String> = (0..users).map(|n| format!("user-{n}@acme.example,User {n},User\n")).collect();
    std::fs::write(bench.home.join("invited.csv"), format!("email,name,roles\n{}", lines.concat()))?;
    let floor = hashing(users)?;
    let hashed = bench.run(&["user", "create", "--from", "hashed.csv", "--tenant", "hashed"])?;
    // Of all commands so far; kibibytes on Linux, bytes on macOS.
    let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
    let unit = if cfg!(target_os = "macos") { 1_000_000 } else { 1000 };
    let file = ["--invitation-file", "tokens.csv"];
    let args = [&["user", "create", "--from", "invited.csv", "--tenant", "invited"][..], &file].concat();
    let invited = bench.run(&args)?;
    Ok(json!({
        "users": users,
        "hashing_alone_s": floor,
        "import_with_passwords_s": hashed,
        "share_of_hashing_alone": floor / hashed,
        "share_goal": 0.9,
        "most_memory_mb": used / unit,
        "import_with_invitations_per_s": f64::from(users) / invited,
        "invitations_goal_per_s": 5000,
    }))
}

/// Seconds that the hashes alone take, on all cores.
fn hashing(users: u32) -> Result<f64, Failure> {
    let runtime = tokio::runtime::Runtime::new()?;
    runtime.block_on(async {
        let hasher = Hasher::default();
        let password = SecretString::from("words of a user alone");
        let begun = Instant::now();
        let mut hashes = tokio::task::JoinSet::new();
        for _ in 0..users {
            let (hasher, password) = (hasher.clone(), password.clone());
            hashes.spawn(async move { hasher.hash(&password).await.map(drop) });
        }
        while let Some(done) = hashes.join_next().await {
            done??;
        }
        Ok(begun.elapsed().as_secs_f64())
    })
}
