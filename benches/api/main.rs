//! Measures the API beside a bare server that does nothing but run the same statements, and beside a plain
//! Express server that does the same.
//!
//! `scripts/bench api [--json] [--seconds N] [--rounds N] [--users N] [--connections N]`
//! `scripts/bench api fit|churn|neighbour [--json] [--seconds N] [--tenants N] [--cap N] [--connections N]`
//! `scripts/bench api refresh`: the exchange of refresh tokens alone
//! `scripts/bench api bad-clients`: what good clients notice of bad ones
//! `scripts/bench api streams [--streams N]`: what streams of events cost that have nothing to tell
//! `scripts/bench api enumeration [--samples N]`: whether the time of an answer says who there is
//! `scripts/bench upgrade OLD_BINARY [--json] [--seconds N]`
//!
//! One tenant with users; both servers are processes of their own, asked by turns (A B B A). Requests per
//! second, requests per second of the server's own processor time, and how long they take; load, servers and
//! PostgreSQL share the machine. The words measure many tenants instead (`many.rs`).

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod bad_clients;
mod bare;
mod enumeration;
mod load;
mod many;
mod signing_in;
#[path = "../verbs/stack.rs"]
#[expect(dead_code, reason = "other benches use the rest")]
mod stack;
mod streams;
mod upgrade;

use std::process::Child;
use std::time::Duration;

use load::{Load, Measured, Reader, Target};
use nexus::infra::db::ServerAddress;
use serde_json::{Map, Value, json};
use stack::{Stack, USER};

type Failure = Box<dyn std::error::Error + Send + Sync>;

fn main() -> Result<(), Failure> {
    let args: Vec<String> = std::env::args().collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    if args.get(1).is_some_and(|word| word == bare::WORD) {
        return runtime.block_on(bare::serve());
    }
    let number = |flag: &str, usual: usize| {
        let given = args.iter().position(|arg| arg == flag).and_then(|at| args.get(at + 1));
        given.and_then(|text| text.parse().ok()).unwrap_or(usual)
    };
    let seconds = Duration::from_secs(number("--seconds", 5) as u64);
    let load = Load { connections: number("--connections", 64), seconds };
    let (rounds, users) = (number("--rounds", 2), number("--users", 10_000));
    let scale = |(tenants, cap, connections), usual| many::Scale {
        tenants: number("--tenants", tenants),
        cap: number("--cap", cap),
        connections: number("--connections", connections),
        seconds: Duration::from_secs(number("--seconds", usual) as u64),
    };
    let report = runtime.block_on(async {
        match args.get(1).map(String::as_str) {
            Some("fit") => many::fit(scale((200, 240, 1_000), 60)).await,
            Some("churn") => many::churn(scale((500, 80, 64), 30)).await,
            Some("neighbour") => many::neighbour(scale((2, 32, 216), 20)).await,
            Some("upgrade") => {
                let old = args.get(2).ok_or("the binary of the last release is missing")?;
                upgrade::measure(old.as_ref(), seconds).await
            }
            Some("enumeration") => {
                let stack = prepared(users).await?;
                let nexus = nexus(&stack)?;
                enumeration::measure(&stack, &nexus.target, number("--samples", 1_000)).await
            }
            Some("streams") => {
                let count = number("--streams", 5_000);
                let stack = prepared(count / 50).await?;
                let nexus = nexus(&stack)?;
                Ok(json!({ "streams": streams::measure(&stack, &nexus.target, count).await? }))
            }
            Some("refresh") => {
                let stack = prepared(users).await?;
                let nexus = nexus(&stack)?;
                Ok(json!({ "refresh": refreshes(&stack, &nexus.target, load, rounds).await? }))
            }
            Some("bad-clients") => {
                let stack = prepared(users).await?;
                let nexus = nexus(&stack)?;
                let token = token(&nexus.target).await?;
                let row = bad_clients::measure(load, &nexus.target, rounds, &token).await?;
                Ok(json!({ "bad clients": row }))
            }
            _ => measure(load, rounds, users).await,
        }
    })?;
    if args.iter().any(|arg| arg == "--json") {
        println!("{report:#}");
        return Ok(());
    }
    for (what, row) in report.as_object().into_iter().flatten() {
        println!("{what}");
        for (name, value) in row.as_object().into_iter().flatten() {
            println!("  {:<32} {value}", name.replace('_', " "));
        }
    }
    Ok(())
}

/// The password of the one who signs in.
const PASSWORD: &str = "correct horse battery staple";

/// A server that is measured.
struct Server {
    child: Child,
    target: Target,
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Nexus, without limits that matter: one user is all the load.
fn nexus(stack: &Stack) -> Result<Server, Failure> {
    let mut command = stack.command(&["-q", "-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    for (bucket, most) in [
        ("REQUESTS", "100000000"),
        ("PASSWORDS", "1000000"),
        ("SESSIONS", "1000000"),
        ("MESSAGES", "1000000"),
    ] {
        command.env(format!("NEXUS_CONTEXT_LOCAL_SERVE_{bucket}_A_MINUTE"), most);
    }
    command.env("NEXUS_CONTEXT_LOCAL_PASSWORDS_AT_ONCE", "1");
    Ok(started(command)?.0)
}

/// The access token of the one who signs in.
async fn token(target: &Target) -> Result<String, Failure> {
    let body = json!({ "email": USER, "password": PASSWORD });
    let login = load::post(&target.address, "/auth/login", &["X-Tenant-ID: acme"], &body).await?;
    Ok(login["access_token"].as_str().ok_or("no token")?.to_owned())
}

async fn measure(load: Load, rounds: usize, users: usize) -> Result<Value, Failure> {
    let stack = prepared(users).await?;
    let nexus = nexus(&stack)?;
    let ours = &nexus.target;
    let token = token(ours).await?;
    let (express, express_token) = express(&stack).await?;
    let mut report = Map::new();
    for (what, query, counts) in
        [("list without total", "limit=20&total=none", false), ("list with bounded total", "limit=20", true)]
    {
        let path = format!("/users?{query}");
        let reader = Reader::new(ours, &path, Some(&token));
        ours.once(reader.clone()).await?;
        let statements = statements(&stack, counts).await?;
        let bare = bare_server(&stack, &statements).await?;
        let peers = [
            (ours, reader),
            (&bare.target, Reader::new(&bare.target, "/", None)),
            (&express.target, Reader::new(&express.target, &path, Some(&express_token))),
        ];
        // All are warm, and have their sessions, before anything counts.
        let warm = Load { seconds: Duration::from_secs(1), ..load };
        let mut measured: [Vec<Measured>; 3] = Default::default();
        for (target, reader) in &peers {
            warm.run(target, std::iter::repeat_n(reader.clone(), load.connections)).await?;
        }
        for _ in 0..rounds {
            for at in [0, 1, 2, 2, 1, 0] {
                let (target, reader) = &peers[at];
                let readers = std::iter::repeat_n(reader.clone(), load.connections);
                measured[at].push(load.run(target, readers).await?);
            }
        }
        report.insert(what.to_owned(), row(&measured));
    }
    report.insert("login".to_owned(), signing_in::logins(load, ours, &token).await?);
    report.insert("refresh".to_owned(), refreshes(&stack, ours, load, rounds).await?);
    Ok(Value::Object(report))
}

async fn refreshes(stack: &Stack, ours: &Target, load: Load, rounds: usize) -> Result<Value, Failure> {
    let bare = bare_server(stack, &["select 1".to_owned()]).await?;
    let sessions = bare_sessions(stack, load.connections * rounds * 2).await?;
    signing_in::refreshes(load, (ours, &bare.target), rounds, sessions).await
}

/// The middle of what was measured.
fn mid(all: &[Measured], of: fn(&Measured) -> f64) -> f64 {
    let mut values: Vec<f64> = all.iter().map(of).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

/// To hundredths.
fn round(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Sessions with one refresh token each, for the bare handler; the tokens.
async fn bare_sessions(stack: &Stack, count: usize) -> Result<Vec<String>, Failure> {
    let mut inside = tenant(stack).await?.connect("bench").await?;
    let count = i32::try_from(count)?;
    Ok(sqlx::query_scalar(
        "with made as (
             insert into nexus.sessions (id, user_id, second_factor, expires_at)
             select gen_random_uuid(), users.id, false, now() + interval '1 day'
             from nexus.users, generate_series(1, $2) where email = $1 returning id
         ), tokens as (
             insert into nexus.refresh_tokens (token_hash, session_id)
             select sha256(convert_to('bare ' || id, 'UTF8')), id from made
         )
         select 'bare ' || id from made",
    )
    .bind(USER)
    .bind(count)
    .fetch_all(&mut inside)
    .await?)
}

/// What was measured of Nexus, the bare server and Express.
fn row([ours, bare, express]: &[Vec<Measured>; 3]) -> Value {
    let rate = |all| mid(all, |it| it.per_second);
    let cpu = |all| mid(all, |it| it.per_cpu_second);
    json!({
        "requests_per_second": rate(ours).round(),
        "bare_requests_per_second": rate(bare).round(),
        "express_requests_per_second": rate(express).round(),
        "ratio": round(rate(ours) / rate(bare)),
        "times_express": round(rate(ours) / rate(express)),
        "requests_per_cpu_second": cpu(ours).round(),
        "bare_requests_per_cpu_second": cpu(bare).round(),
        "express_requests_per_cpu_second": cpu(express).round(),
        "median_ms": round(mid(ours, |it| it.median_ms)),
        "bare_median_ms": round(mid(bare, |it| it.median_ms)),
        "p99_ms": round(mid(ours, |it| it.p99_ms)),
        "bare_p99_ms": round(mid(bare, |it| it.p99_ms)),
        "errors": ours.iter().chain(bare).chain(express).map(|it| it.errors).sum::<usize>(),
    })
}

/// A stack whose server shows whole statements, with a tenant of so many users.
async fn prepared(users: usize) -> Result<Stack, Failure> {
    let stack = Stack::start(&stack::this_program(), "api")?;
    let mut admin = stack.admin.connect("bench").await?;
    for setting in ["track_activity_query_size = 16384", "max_connections = 320"] {
        let statement = sqlx::AssertSqlSafe(format!("alter system set {setting}"));
        sqlx::raw_sql(statement).execute(&mut admin).await?;
    }
    drop(admin);
    stack.output(&["local", "down"])?;
    stack.output(&["local", "up"])?;
    stack.create_with_user(&[], "acme")?;
    let mut inside = tenant(&stack).await?.connect("bench").await?;
    let fill = format!(
        "insert into nexus.users (id, email, email_key, name, state)
         select gen_random_uuid(), 'user' || n || '@acme.example', 'user' || n || '@acme.example', 'User ' || n, 'active'
         from generate_series(1, {users}) as n; analyze nexus.users;"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(fill)).execute(&mut inside).await?;
    Ok(stack)
}

/// The tenant's database.
async fn tenant(stack: &Stack) -> Result<ServerAddress, Failure> {
    let mut control = stack.admin.database("nexus").connect("bench").await?;
    let name: String = sqlx::query_scalar("select database_name from control.tenants where slug = 'acme'")
        .fetch_one(&mut control)
        .await?;
    Ok(stack.admin.database(&name))
}

/// What the API ran last in the tenant's database: the list, and what counted it.
async fn statements(stack: &Stack, counts: bool) -> Result<Vec<String>, Failure> {
    let mut admin = stack.admin.connect("bench").await?;
    let last = "select query from pg_stat_activity where application_name = 'nexus:realm' and query like '%nexus.users%'
                order by query_start desc limit 1";
    let query: String = sqlx::query_scalar(last).fetch_one(&mut admin).await?;
    if !counts {
        return Ok(vec![query]);
    }
    // The list is the one that was seen before the count.
    let list = std::fs::read_to_string(stack.home.join("list.sql"))?;
    Ok(vec![list, query])
}

async fn bare_server(stack: &Stack, statements: &[String]) -> Result<Server, Failure> {
    std::fs::write(stack.home.join("list.sql"), &statements[0])?;
    let address = tenant(stack).await?;
    let mut command = std::process::Command::new(std::env::current_exe()?);
    command.arg(bare::WORD).stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command.env("BARE_STATEMENTS", serde_json::to_string(statements)?);
    command
        .env("BARE_SOCKET", stack.socket.parent().ok_or("no folder")?)
        .env("BARE_DATABASE", &address.database);
    command.env("BARE_PASSWORD_FILE", stack.home.join("local/postgres.password"));
    Ok(started(command)?.0)
}

/// The peer, and a token that it takes.
async fn express(stack: &Stack) -> Result<(Server, String), Failure> {
    let script = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/express");
    let mut command = std::process::Command::new(script);
    command.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
    command
        .env("SOCKET", stack.socket.parent().ok_or("no folder")?)
        .env("DATABASE", tenant(stack).await?.database)
        .env("PASSWORD_FILE", stack.home.join("local/postgres.password"))
        .env("SESSIONS", bare::SESSIONS.to_string())
        .env("EMAIL", USER);
    let (server, rest) = started(command)?;
    Ok((server, rest))
}

/// A server that says its URL in its first line, and what follows it there.
fn started(mut command: std::process::Command) -> Result<(Server, String), Failure> {
    use std::io::BufRead as _;
    let mut child = command.stderr(std::process::Stdio::inherit()).spawn()?;
    let mut line = String::new();
    std::io::BufReader::new(child.stdout.take().ok_or("no output")?).read_line(&mut line)?;
    let said = line.trim().strip_prefix("http://").ok_or("it does not serve")?;
    let (address, rest) = said.split_once(' ').unwrap_or((said, ""));
    let target = Target { address: address.to_owned(), process: child.id() };
    Ok((Server { child, target }, rest.to_owned()))
}
