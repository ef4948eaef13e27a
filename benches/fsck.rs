//! Measures an inspection of many tenants against its floor: logging in once to each tenant's
//! database, as many at a time, which no look inside can do without.
//!
//! `scripts/bench fsck [--json] [--tenants N] [--runs N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nexus::infra::db::{Host, ServerAddress, Tls};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Databases at a time: what `nexus fsck` takes by default.
const JOBS: usize = 4;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let (tenants, runs) = (number("--tenants", 1000), number("--runs", 3).max(1));
    let bench = Bench::start()?;
    bench.fill(tenants)?;
    let few = bench.inspect(&["--where", "slug=bench-0000*"])?;
    let runtime = tokio::runtime::Runtime::new()?;
    let (mut bare, mut whole, mut memory) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        bare.push(runtime.block_on(bench.floor())?);
        let (time, used) = bench.inspect(&[])?;
        whole.push(time);
        memory = memory.max(used);
    }
    let (bare, whole) = (median(bare), median(whole));
    let report = json!({
        "tenants": tenants, "runs": runs, "jobs": JOBS, "floor_s": bare, "nexus_s": whole, "ratio": whole / bare,
        "memory_mb": memory, "memory_of_ten_mb": few.1,
    });
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    println!("{:<34} {:>10} {:>10} {:>7}  goal", "", "floor", "nexus", "ratio");
    println!(
        "{:<34} {bare:>10.1} {whole:>10.1} {:>7.2}  <= 30 s of 1,000",
        format!("fsck of {tenants} (s)"),
        whole / bare
    );
    println!("{:<34} {:>10} {memory:>10} {:>7}  <= 64", "most memory (MB)", "", "");
    println!("{:<34} {:>10} {:>10} {:>7}", "the same of ten tenants (MB)", "", few.1, "");
    Ok(())
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64()
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
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o711);
        std::fs::set_permissions(&home, mode)?;
        let nexus =
            std::env::var_os("NEXUS_BIN").map_or_else(|| env!("CARGO_BIN_EXE_nexus").into(), PathBuf::from);
        let status = |args: &[&str]| -> Result<Vec<u8>, Failure> {
            let output =
                Command::new(&nexus).args(args).env("NEXUS_HOME", &home).current_dir(&home).output()?;
            if !output.status.success() {
                return Err(String::from_utf8_lossy(&output.stderr).into_owned().into());
            }
            Ok(output.stdout)
        };
        status(&["--quiet", "local", "up"])?;
        let stack: Value = serde_json::from_slice(&status(&["-o", "json", "local", "status"])?)?;
        let folder = stack["postgres"]["socket_dir"].as_str().ok_or("no socket")?;
        let password = std::fs::read_to_string(home.join("local/postgres.password"))?;
        let admin = ServerAddress {
            host: Host::Socket(Path::new(folder).to_owned()),
            port: stack["postgres"]["port"].to_string().trim_matches('"').parse()?,
            user: "nexus".to_owned(),
            password: password.trim().to_owned().into(),
            database: "postgres".to_owned(),
            tls: Tls::Disable,
        };
        Ok(Self { home, nexus, admin })
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.nexus);
        command.args(args).env("NEXUS_HOME", &self.home).current_dir(&self.home);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        command
    }

    fn fill(&self, tenants: usize) -> Result<(), Failure> {
        let lines: Vec<String> = (0..tenants).map(|n| format!("bench-{n:05}\n")).collect();
        let file = self.home.join("tenants.csv");
        std::fs::write(&file, format!("slug\n{}", lines.concat()))?;
        let file = file.display().to_string();
        let made = self.command(&["-q", "tenant", "create", "--from", &file, "--jobs", "4"]).output()?;
        if made.status.success() {
            Ok(())
        } else {
            Err(String::from_utf8_lossy(&made.stderr).into_owned().into())
        }
    }

    /// How long it takes, and its most memory in megabytes, which the system counts for the greatest
    /// of all commands so far: `time` says it of one.
    fn inspect(&self, args: &[&str]) -> Result<(Duration, u64), Failure> {
        let begun = Instant::now();
        let mut child = self.command(&[&["-q", "fsck"], args].concat()).spawn()?;
        let mut most = 0;
        loop {
            let status = std::fs::read_to_string(format!("/proc/{}/status", child.id())).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
            let used = line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok());
            most = most.max(used.unwrap_or(0));
            if let Some(ended) = child.try_wait()? {
                let taken = begun.elapsed();
                return if ended.success() {
                    Ok((taken, most / 1000))
                } else {
                    Err("fsck found something".into())
                };
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    async fn floor(&self) -> Result<Duration, Failure> {
        let names = Command::new(&self.nexus)
            .args([
                "local",
                "psql",
                "--",
                "-X",
                "-A",
                "-t",
                "-c",
                "select database_name from control.tenants",
            ])
            .env("NEXUS_HOME", &self.home)
            .current_dir(&self.home)
            .output()?;
        let names: Vec<String> = String::from_utf8(names.stdout)?.lines().map(str::to_owned).collect();
        let begun = Instant::now();
        let mut workers = tokio::task::JoinSet::new();
        for worker in 0..JOBS {
            let mine: Vec<_> =
                names.iter().skip(worker).step_by(JOBS).map(|name| self.admin.database(name)).collect();
            workers.spawn(async move {
                for server in mine {
                    server.connect("bench").await?.close().await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok(begun.elapsed())
    }
}
