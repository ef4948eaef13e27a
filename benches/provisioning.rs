//! Measures making tenants against its floor: the bare statements and requests that no tool can do
//! without, sent one after the other on open connections, in the same run on the same stack. And
//! against the same with what makes a tenant safe, bare and as much of it at once as can be: with the
//! three logins alone that a proof needs, one that is let in and two that are refused; and with its
//! rights and all that is proved of them.
//!
//! `scripts/bench provisioning [--json] [--runs N] [--bulk N]`

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nexus::infra::cluster::{APP_ROLE, Carried, Database, grant_inside};
use nexus::infra::crypto::{random, scram};
use nexus::infra::db::{Host, PgConnection, ServerAddress, Tls, identifier, literal};
use nexus::infra::objects::{BucketClient, LocalStore, ObjectStore, Owner};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Workers at a time, in bulk: what `nexus tenant create --from` takes by default.
const JOBS: usize = 4;
/// In how many turns the bulk is made.
const TURNS: usize = 4;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let bench = Bench::start()?;
    let runtime = tokio::runtime::Runtime::new()?;
    let single = runtime.block_on(bench.single(number("--runs", 21)))?;
    let bulk = runtime.block_on(bench.bulk(number("--bulk", 200)))?;
    let claim = bench.claims(number("--runs", 21))?;
    let start = bench.start_up()?;
    let report = json!({ "create": single, "bulk": bulk, "claim": claim, "start": start });
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    println!("{:<36} {:>12} {:>12} {:>8}  goal", "", "floor", "nexus", "ratio");
    row("create, whole process (ms)", &single, "floor_ms", "nexus_ms", "<= 1.3");
    row("the same, the floor with three logins", &single, "logins_ms", "nexus_ms", "");
    row("the same, the floor with its proofs", &single, "proved_ms", "nexus_ms", "");
    row(&format!("{} in bulk (tenants/s)", bulk["tenants"]), &bulk, "floor_per_s", "nexus_per_s", ">= 0.8");
    row("the same, the floor with three logins", &bulk, "logins_per_s", "nexus_per_s", "");
    row("the same, the floor with its proofs", &bulk, "proved_per_s", "nexus_per_s", "");
    println!(
        "{:<36} {:>12} {:>12.1} {:>8}  <= 100",
        "create from the pool (ms)",
        "",
        claim["claim_ms"].as_f64().unwrap_or(0.0),
        ""
    );
    println!(
        "{:<36} {:>12} {:>12.1} {:>8}  <= 10",
        "--version (ms)",
        "",
        start["version_ms"].as_f64().unwrap_or(0.0),
        ""
    );
    println!(
        "{:<36} {:>12} {:>12.1} {:>8}  <= 300",
        "tenant list of 5,000 (ms)",
        "",
        start["list_ms"].as_f64().unwrap_or(0.0),
        ""
    );
    println!(
        "{:<36} {:>12} {:>12.1} {:>8}  <= 64",
        "most memory of any command (MB)",
        "",
        start["memory_mb"].as_f64().unwrap_or(0.0),
        ""
    );
    Ok(())
}

fn row(name: &str, value: &Value, floor: &str, nexus: &str, goal: &str) {
    let number = |key: &str| value[key].as_f64().unwrap_or(0.0);
    let ratio = number(nexus) / number(floor);
    println!("{name:<36} {:>12.1} {:>12.1} {ratio:>8.2}  {goal}", number(floor), number(nexus));
}

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort();
    times[times.len() / 2].as_secs_f64() * 1000.0
}

/// A stack of its own, thrown away at the end.
struct Bench {
    home: PathBuf,
    nexus: PathBuf,
    admin: ServerAddress,
    store: (String, SecretString),
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
        let up = Command::new(&nexus)
            .args(["-q", "-o", "json", "local", "up"])
            .env("NEXUS_HOME", &home)
            .output()?;
        if !up.status.success() {
            return Err(String::from_utf8_lossy(&up.stderr).into_owned().into());
        }
        let status: Value = serde_json::from_slice(&up.stdout)?;
        let secret = |name: &str| -> Result<SecretString, Failure> {
            Ok(std::fs::read_to_string(home.join("local").join(name))?.trim().to_owned().into())
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let admin = ServerAddress {
            host: Host::Socket(Path::new(&text(&status["postgres"]["socket_dir"])).to_owned()),
            port: 5432,
            user: "nexus".to_owned(),
            password: secret("postgres.password")?,
            database: "postgres".to_owned(),
            tls: Tls::Disable,
        };
        let store = (text(&status["s3"]["endpoint"]), secret("s3.token")?);
        Ok(Self { home, nexus, admin, store })
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

    async fn floor(&self) -> Result<Floor, Failure> {
        let mut control = self.admin.database("nexus").connect("bench").await?;
        let (template, template_owner): (String, String) =
            sqlx::query_as("select database_name, owner_role from control.templates where state = 'ready'")
                .fetch_one(&mut control)
                .await?;
        let admin = self.admin.connect("bench").await?;
        let store = LocalStore::new(&self.store.0, "us-east-1", self.store.1.clone());
        Ok(Floor { server: self.admin.clone(), admin, store, template, template_owner })
    }

    /// One tenant at a time, the floor and Nexus by turns.
    async fn single(&self, runs: usize) -> Result<Value, Failure> {
        let mut floor = self.floor().await?;
        floor.make(Work::Bare).await?;
        self.run(&["tenant", "create", "warm-up"])?;
        let (mut bare, mut logins, mut proved, mut whole) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        for run in 0..runs {
            bare.push(floor.make(Work::Bare).await?);
            logins.push(floor.make(Work::Logins).await?);
            proved.push(floor.make(Work::Proofs).await?);
            whole.push(self.run(&[
                "tenant",
                "create",
                &format!("one-{run}"),
                "--admin-email",
                "ann@acme.example",
            ])?);
        }
        let (bare, logins, proved) = (median(bare), median(logins), median(proved));
        let whole = median(whole);
        Ok(json!({
            "runs": runs, "floor_ms": bare, "logins_ms": logins, "proved_ms": proved, "nexus_ms": whole,
            "ratio": whole / bare,
        }))
    }

    /// Many at a time, the floor and Nexus with as many workers, by turns. Each turn begins behind a
    /// checkpoint: else one would pay for what the other wrote.
    async fn bulk(&self, tenants: usize) -> Result<Value, Failure> {
        let (mut bare, mut logins, mut proved) = (Duration::ZERO, Duration::ZERO, Duration::ZERO);
        let (mut whole, mut made) = (Duration::ZERO, 0);
        for turn in 0..TURNS {
            let share = tenants / TURNS + usize::from(turn < tenants % TURNS);
            for (work, sum) in
                [(Work::Bare, &mut bare), (Work::Logins, &mut logins), (Work::Proofs, &mut proved)]
            {
                self.checkpoint().await?;
                *sum += self.bulk_floor(share, work).await?;
            }
            self.checkpoint().await?;
            let lines: Vec<String> =
                (made..made + share).map(|n| format!("bulk-{n},ann@acme.example\n")).collect();
            let file = self.home.join("bulk.csv");
            std::fs::write(&file, format!("slug,admin_email\n{}", lines.concat()))?;
            let file = file.display().to_string();
            whole += self.run(&["tenant", "create", "--from", &file, "--jobs", &JOBS.to_string()])?;
            made += share;
        }
        let count = u32::try_from(tenants).map(f64::from)?;
        let rate = |took: Duration| count / took.as_secs_f64();
        Ok(json!({
            "tenants": tenants, "jobs": JOBS, "floor_per_s": rate(bare), "logins_per_s": rate(logins),
            "proved_per_s": rate(proved), "nexus_per_s": rate(whole), "ratio": rate(whole) / rate(bare),
        }))
    }

    async fn checkpoint(&self) -> Result<(), Failure> {
        let mut admin = self.admin.connect("bench").await?;
        sqlx::raw_sql("checkpoint").execute(&mut admin).await?;
        Ok(())
    }

    async fn bulk_floor(&self, tenants: usize, work: Work) -> Result<Duration, Failure> {
        let mut workers = tokio::task::JoinSet::new();
        let mut crew = Vec::new();
        for _ in 0..JOBS {
            crew.push(self.floor().await?);
        }
        let begun = Instant::now();
        for (worker, mut floor) in crew.into_iter().enumerate() {
            let share = tenants / JOBS + usize::from(worker < tenants % JOBS);
            workers.spawn(async move {
                for _ in 0..share {
                    floor.make(work).await?;
                }
                Ok::<(), Failure>(())
            });
        }
        while let Some(ended) = workers.join_next().await {
            ended??;
        }
        Ok(begun.elapsed())
    }

    /// Creates that take a ready-made tenant, each a whole process.
    fn claims(&self, runs: usize) -> Result<Value, Failure> {
        self.run(&["pool", "set", "--size", &(runs + 1).to_string()])?;
        self.run(&["pool", "fill"])?;
        let claim = |slug: &str| self.run(&["tenant", "create", slug, "--admin-email", "ann@acme.example"]);
        claim("warm-claim")?;
        let times: Result<Vec<_>, _> = (0..runs).map(|run| claim(&format!("claim-{run}"))).collect();
        self.run(&["pool", "set", "--size", "0"])?;
        Ok(json!({ "runs": runs, "claim_ms": median(times?) }))
    }

    /// What everyday commands cost.
    fn start_up(&self) -> Result<Value, Failure> {
        let version: Result<Vec<_>, _> = (0..51).map(|_| self.run(&["--version"])).collect();
        let rows = "insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket)
            select gen_random_uuid(), 'row-' || n, 'Row ' || n, 'active', 'default', 'default', 'd' || n, 'o' || n, 'a' || n, 'b' || n
            from generate_series(1, 5000) as n";
        self.run(&["local", "psql", "--", "-q", "-c", rows])?;
        let list: Result<Vec<_>, _> = (0..11).map(|_| self.run(&["tenant", "list", "--all"])).collect();
        // Of all commands that were run, the bulk creation among them; kibibytes on Linux, bytes on macOS.
        let used = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_CHILDREN)?.max_rss();
        let unit = if cfg!(target_os = "macos") { 1_000_000 } else { 1000 };
        Ok(json!({ "version_ms": median(version?), "list_ms": median(list?), "memory_mb": used / unit }))
    }
}

/// How much is done for a tenant.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Its roles, its database, its bucket and its key, one after the other.
    Bare,
    /// The same, as much at once as can be; its login is let in, and refused twice.
    Logins,
    /// The same with its rights, and a row and an object that are written and read.
    Proofs,
}

/// What no tool can do without.
struct Floor {
    server: ServerAddress,
    admin: PgConnection,
    store: LocalStore,
    template: String,
    template_owner: String,
}

/// The names of one.
struct Names {
    database: String,
    owner: String,
    app: String,
    bucket: String,
    mark: Owner,
}

impl Names {
    fn new() -> Result<Self, Failure> {
        let name = random::resource_name()?;
        let mark = Owner { mark: format!("bench:{}", name.database()), fence: 1 };
        let (database, owner) = (name.database(), name.owner_role());
        Ok(Self { database, owner, app: name.app_role(), bucket: name.bucket(), mark })
    }

    fn roles(&self, verifier: &SecretString) -> String {
        let (owner, app) = (identifier(&self.owner), identifier(&self.app));
        let verifier = literal(verifier.expose_secret());
        format!("create role {owner} nologin; create role {app} login password {verifier} in role {APP_ROLE}")
    }
}

impl Floor {
    async fn run(&mut self, statements: String) -> Result<(), Failure> {
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.admin).await?;
        Ok(())
    }

    fn create(&self, names: &Names) -> String {
        let (database, owner) = (identifier(&names.database), identifier(&names.owner));
        format!("create database {database} template {} owner {owner}", identifier(&self.template))
    }

    async fn make(&mut self, work: Work) -> Result<Duration, Failure> {
        match work {
            Work::Bare => self.make_bare().await,
            Work::Logins | Work::Proofs => self.make_and_prove(work).await,
        }
    }

    async fn make_bare(&mut self) -> Result<Duration, Failure> {
        let names = Names::new()?;
        let verifier = scram::verifier(&random::role_password()?)?;
        let begun = Instant::now();
        for statement in names.roles(&verifier).split("; ") {
            self.run(statement.to_owned()).await?;
        }
        self.run(self.create(&names)).await?;
        self.store.create_bucket(&names.bucket, &names.mark).await?;
        self.store.create_key(&names.bucket, &names.mark).await?;
        Ok(begun.elapsed())
    }

    /// The maintenance database and a neighbour's refuse it, and its own lets it in.
    async fn make_and_prove(&mut self, work: Work) -> Result<Duration, Failure> {
        let names = Names::new()?;
        let password = random::role_password()?;
        let begun = Instant::now();
        let verifier = scram::verifier(&password)?;
        self.run(names.roles(&verifier)).await?;
        let login = |database: &str| self.server.database(database).login(&names.app, password.clone());
        let (maintenance, template) = (login("postgres"), login(&self.template));
        let refused = async {
            for server in [maintenance, template] {
                if server.connect_plain("bench").await.is_ok() {
                    return Err("a tenant was let in where it must not be".into());
                }
            }
            Ok::<(), Failure>(())
        };
        let statement = self.create(&names);
        let create = async {
            sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut self.admin).await?;
            Ok::<(), Failure>(())
        };
        let object = object(&self.store, &names, work);
        tokio::try_join!(refused, create, object)?;
        let (database, app) = (identifier(&names.database), identifier(&names.app));
        self.run(format!(
            "revoke all on database {database} from public; grant connect on database {database} to {app}"
        ))
        .await?;
        let (inside, own) = (self.server.database(&names.database), self.server.database(&names.database));
        let own = own.login(&names.app, password);
        if work == Work::Logins {
            own.connect_plain("bench").await?.close().await?;
            return Ok(begun.elapsed());
        }
        let (inside, own) = tokio::try_join!(inside.connect("bench"), own.connect_plain("bench"))?;
        self.rights(inside, &names).await?;
        row_is_read(own).await?;
        Ok(begun.elapsed())
    }

    async fn rights(&self, mut inside: PgConnection, names: &Names) -> Result<(), Failure> {
        let database = Database {
            name: &names.database,
            owner: &names.owner,
            app: &names.app,
            mark: (&*names.mark.mark).into(),
        };
        grant_inside(&mut inside, database, &self.template_owner, &Carried::default()).await?;
        inside.close().await?;
        Ok(())
    }
}

async fn row_is_read(mut own: PgConnection) -> Result<(), Failure> {
    let statements = "begin; insert into nexus.settings (key, value) values ('bench', '1');
                      select value from nexus.settings where key = 'bench'; rollback";
    sqlx::raw_sql(statements).execute(&mut own).await?;
    own.close().await?;
    Ok(())
}

async fn object(store: &LocalStore, names: &Names, work: Work) -> Result<(), Failure> {
    store.create_bucket(&names.bucket, &names.mark).await?;
    let key = store.create_key(&names.bucket, &names.mark).await?;
    if work == Work::Logins {
        return Ok(());
    }
    let client = BucketClient::new(store.endpoint(), store.region(), &key);
    client.put(&names.bucket, "bench", b"bench").await?;
    client.get(&names.bucket, "bench").await?;
    client.delete(&names.bucket, "bench").await?;
    Ok(())
}
