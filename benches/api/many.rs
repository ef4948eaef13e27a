//! Many tenants on one server: where all sessions fit, where they do not, and where one tenant's requests wait
//! for a lock.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::{Method, Request};
use nexus::app::App;
use nexus::features::placement::PlacementRequest;
use nexus::features::provisioning::CreateRequest;
use nexus::features::tenants::{NewTenant, Profile};
use nexus::infra::db::ServerAddress;
use nexus::kernel::progress::Silent;
use nexus::kernel::{AnyFailure, Caller, Labels};
use nexus::settings::{Flags, Home, Loaded, Settings, Sources};
use serde_json::{Value, json};
use sqlx::SqlSafeStr as _;
use tokio_util::sync::CancellationToken;

use super::load::{Client, Load, Measured, Target, connect, post};
use super::stack::{Stack, this_program};
use super::{Failure, PASSWORD, Server, round, started, statements};

/// How many sessions PostgreSQL takes.
const SERVER: u32 = 340;
/// Who reads the list.
const PATH: &str = "/users?limit=20&total=none";

/// How much.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scale {
    pub(crate) tenants: usize,
    /// Sessions in tenants' databases at most, of all processes.
    pub(crate) cap: usize,
    pub(crate) connections: usize,
    pub(crate) seconds: Duration,
}

/// A stack with tenants, and a server with a token for each.
struct Many {
    server: Server,
    tokens: Arc<Vec<String>>,
    stack: Stack,
}

impl Many {
    async fn start(scale: Scale) -> Result<Self, Failure> {
        let stack = Stack::start(&this_program(), "many")?;
        let mut admin = stack.admin.connect("bench").await?;
        for setting in [format!("max_connections = {SERVER}"), "track_activity_query_size = 16384".to_owned()]
        {
            let set = sqlx::AssertSqlSafe(format!("alter system set {setting}"));
            sqlx::raw_sql(set).execute(&mut admin).await?;
        }
        drop(admin);
        stack.output(&["local", "down"])?;
        stack.output(&["local", "up"])?;
        create(&stack, scale.tenants).await?;
        stack.output(&["cluster", "update", "default", "--connections", &scale.cap.to_string()])?;
        let mut command = stack.command(&["-q", "-o", "id", "serve", "--bind", "127.0.0.1:0"]);
        let unlimited = ["REQUESTS", "PASSWORDS", "SESSIONS"];
        for bucket in unlimited {
            command.env(format!("NEXUS_CONTEXT_LOCAL_SERVE_{bucket}_A_MINUTE"), "1000000");
        }
        command.env("NEXUS_CONTEXT_LOCAL_SERVE_SESSIONS", scale.cap.to_string());
        let (server, _) = started(command)?;
        let mut tokens = Vec::with_capacity(scale.tenants);
        for number in 0..scale.tenants {
            let body = json!({ "email": email(number), "password": PASSWORD });
            let tenant = format!("X-Tenant-ID: t{number}");
            let login = post(&server.target.address, "/auth/login", &[&tenant], &body).await?;
            tokens.push(login["access_token"].as_str().ok_or("no token")?.to_owned());
        }
        Ok(Self { server, tokens: Arc::new(tokens), stack })
    }

    fn readers(&self, count: usize) -> Vec<Anybody> {
        let of = |number: usize| Anybody {
            address: self.server.target.address.clone(),
            tokens: Arc::clone(&self.tokens),
            dice: number.wrapping_mul(0x9E37_79B9) | 1,
        };
        (0..count).map(of).collect()
    }

    /// The most requests a second, and then how long they take at seven tenths of that.
    async fn peak_and_below(&self, scale: Scale) -> Result<(Measured, Measured), Failure> {
        let load =
            Load { connections: scale.connections, seconds: scale.seconds.min(Duration::from_secs(10)) };
        let target = &self.server.target;
        // Once more than needed to open what can stay open.
        load.run(target, self.readers(load.connections)).await?;
        let peak = load.run(target, self.readers(load.connections)).await?;
        let load = Load { seconds: scale.seconds, ..load };
        let below = load.run_at(target, self.readers(load.connections), peak.per_second * 0.7).await?;
        Ok((peak, below))
    }

    /// Logins in tenants' databases so far.
    async fn logins(&self) -> Result<f64, Failure> {
        let mut sender = connect(&self.server.target.address).await?;
        let request = Request::builder().uri("/metrics").header("host", &self.server.target.address);
        let answer = sender.send_request(request.body(Full::<Bytes>::default())?).await?;
        let text = String::from_utf8(answer.into_body().collect().await?.to_bytes().to_vec())?;
        let line =
            text.lines().find_map(|line| line.strip_prefix("nexus_pool_logins_total{pool=\"realms\"} "));
        Ok(line.ok_or("it does not count logins")?.trim().parse()?)
    }
}

/// All sessions fit: nobody opens one once each tenant has been asked.
pub(crate) async fn fit(scale: Scale) -> Result<Value, Failure> {
    let many = Many::start(scale).await?;
    let most = Watch::start(&many.stack.admin);
    let (peak, below) = many.peak_and_below(scale).await?;
    Ok(json!({ "fit": {
        "tenants": scale.tenants,
        "cap": scale.cap,
        "connections": scale.connections,
        "max_connections": SERVER,
        "peak_requests_per_second": peak.per_second.round(),
        "requests_per_second": below.per_second.round(),
        "median_ms": round(below.median_ms),
        "p99_ms": round(below.p99_ms),
        "errors": below.errors + peak.errors,
        "most_sessions_in_tenants_databases": most.end().await?,
        "memory_mib": round(many.server.target.memory_mib("VmRSS")?),
        "most_memory_mib": round(many.server.target.memory_mib("VmHWM")?),
    }}))
}

/// More tenants than sessions: nearly every request opens one, in place of another.
pub(crate) async fn churn(scale: Scale) -> Result<Value, Failure> {
    let many = Many::start(scale).await?;
    let time = scale.seconds.min(Duration::from_secs(5));
    let raw = connects(&many.stack, scale.tenants, time, None).await?;
    Load { connections: 1, seconds: Duration::from_secs(1) }
        .run(&many.server.target, many.readers(1))
        .await?;
    let list = statements(&many.stack, false).await?.remove(0);
    let with_list = connects(&many.stack, scale.tenants, time, Some(&list)).await?;
    let most = Watch::start(&many.stack.admin);
    let before = many.logins().await?;
    let load = Load { connections: scale.connections, seconds: scale.seconds };
    let began = Instant::now();
    let peak = load.run(&many.server.target, many.readers(load.connections)).await?;
    let logins = (many.logins().await? - before) / began.elapsed().as_secs_f64();
    let rate = peak.per_second * 0.7;
    let below = load.run_at(&many.server.target, many.readers(load.connections), rate).await?;
    Ok(json!({ "churn": {
        "tenants": scale.tenants,
        "cap": scale.cap,
        "connections": scale.connections,
        "max_connections": SERVER,
        "connects_per_second_of_the_machine": raw.round(),
        "connects_per_second": logins.round(),
        "ratio": round(logins / raw),
        "connects_and_lists_per_second_of_the_machine": with_list.round(),
        "ratio_to_connects_and_lists": round(logins / with_list),
        "peak_requests_per_second": peak.per_second.round(),
        "peak_p99_ms": round(peak.p99_ms),
        "requests_per_second": below.per_second.round(),
        "median_ms": round(below.median_ms),
        "p99_ms": round(below.p99_ms),
        "errors": below.errors + peak.errors,
        "most_sessions_in_tenants_databases": most.end().await?,
    }}))
}

/// Two hundred requests of one tenant wait for a row that somebody has locked in its database.
pub(crate) async fn neighbour(scale: Scale) -> Result<Value, Failure> {
    let many = Many::start(Scale { tenants: 2, ..scale }).await?;
    let target = &many.server.target;
    let others = || {
        let tokens = Arc::new(vec![many.tokens[1].clone()]);
        many.readers(16).into_iter().map(move |it| Anybody { tokens: Arc::clone(&tokens), ..it })
    };
    let load = Load { connections: 16, seconds: scale.seconds };
    let peak = load.run(target, others()).await?;
    let rate = peak.per_second * 0.3;
    let alone = load.run_at(target, others(), rate).await?;

    let name = "select database_name from control.tenants where slug = 't0'";
    let mut control = many.stack.admin.database("nexus").connect("bench").await?;
    let name: String = sqlx::query_scalar(name).fetch_one(&mut control).await?;
    let mut locker = many.stack.admin.database(&name).connect("bench").await?;
    sqlx::raw_sql("begin").execute(&mut locker).await?;
    let lock = "select id::text from nexus.users where email = $1 for update";
    let id: String = sqlx::query_scalar(lock).bind(email(0)).fetch_one(&mut locker).await?;

    let ended = Arc::new(AtomicBool::new(false));
    let waiting: Vec<_> = (0..200)
        .map(|_| {
            let path = format!("/users/{id}");
            tokio::spawn(wait(target.clone(), path, many.tokens[0].clone(), Arc::clone(&ended)))
        })
        .collect();
    let beside = load.run_at(target, others(), rate).await?;
    ended.store(true, Ordering::Relaxed);
    sqlx::raw_sql("rollback").execute(&mut locker).await?;
    let mut statuses = BTreeMap::<String, usize>::new();
    for task in waiting {
        for status in task.await?? {
            *statuses.entry(status.to_string()).or_default() += 1;
        }
    }
    Ok(json!({ "noisy neighbour": {
        "requests_per_second": round(rate),
        "p99_ms_alone": round(alone.p99_ms),
        "p99_ms_beside": round(beside.p99_ms),
        "ratio": round(beside.p99_ms / alone.p99_ms),
        "errors": alone.errors + beside.errors,
        "answers_of_the_neighbour_by_status": statuses,
    }}))
}

/// Changes a user again and again until the end, and waits as it is asked to; the statuses of the answers.
async fn wait(
    target: Target,
    path: String,
    token: String,
    ended: Arc<AtomicBool>,
) -> Result<Vec<u16>, Failure> {
    let (mut sender, mut statuses) = (connect(&target.address).await?, Vec::new());
    while !ended.load(Ordering::Relaxed) {
        let request = Request::builder().method(Method::PATCH).uri(&path).header("host", &target.address);
        let request = request
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::from(json!({ "name": "Ann" }).to_string()))?;
        sender.ready().await?;
        let answer = sender.send_request(request).await?;
        statuses.push(answer.status().as_u16());
        let after = answer.headers().get("retry-after").and_then(|it| it.to_str().ok()?.parse().ok());
        answer.into_body().collect().await?;
        if let Some(seconds) = after {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
        }
    }
    Ok(statuses)
}

/// Who reads as one tenant after the other, by chance.
struct Anybody {
    address: String,
    tokens: Arc<Vec<String>>,
    dice: usize,
}

impl Client for Anybody {
    fn request(&mut self) -> Result<Request<Full<Bytes>>, Failure> {
        self.dice ^= self.dice << 13;
        self.dice ^= self.dice >> 7;
        self.dice ^= self.dice << 17;
        let token = &self.tokens[self.dice % self.tokens.len()];
        let request = Request::builder().uri(PATH).header("host", &self.address);
        Ok(request.header("authorization", format!("Bearer {token}")).body(Full::default())?)
    }
}

fn email(number: usize) -> String {
    format!("ann@t{number}.example")
}

fn settings(stack: &Stack) -> Result<Settings, Failure> {
    let flags = Flags { config: None, context: None };
    let home = Some(Home::new(&stack.home));
    let sources = Sources { flags, variables: BTreeMap::new(), user_folder: None, home };
    Ok(Loaded::read(&sources)?.settings()?)
}

#[expect(clippy::needless_pass_by_value, reason = "what map_err gives")]
fn said(failure: AnyFailure) -> Failure {
    failure.to_string().into()
}

/// Tenants whose administrators have a password, in this process, some at a time.
async fn create(stack: &Stack, count: usize) -> Result<(), Failure> {
    let (settings, next) = (Arc::new(settings(stack)?), Arc::new(AtomicUsize::new(0)));
    let creating: Vec<_> = (0..4)
        .map(|_| {
            let (settings, next) = (Arc::clone(&settings), Arc::clone(&next));
            tokio::spawn(async move {
                let (caller, stop) = (Caller::Machine("bench".to_owned()), CancellationToken::new());
                let (provisioning, worker) =
                    App::open_to_work(&settings, &caller, &Silent).await.map_err(said)?;
                loop {
                    let number = next.fetch_add(1, Ordering::Relaxed);
                    if number >= count {
                        return Ok::<_, Failure>(());
                    }
                    let (slug, admin_email) = (format!("t{number}").parse()?, Some(email(number).parse()?));
                    let request = CreateRequest {
                        tenant: NewTenant {
                            slug,
                            name: None,
                            admin_email,
                            labels: Labels::new(),
                            profile: Profile::default(),
                        },
                        admin_password: Some(PASSWORD.to_owned().into()),
                        detach: false,
                        wait: false,
                        wish: PlacementRequest::default(),
                    };
                    provisioning.create(&worker, &caller, &request, &Silent, &stop).await?;
                }
            })
        })
        .collect();
    for task in creating {
        task.await??;
    }
    Ok(())
}

/// How many sessions a second this machine opens and closes in tenants' databases, eight at a time; with the list's
/// statement in each, or with one that reads nothing.
async fn connects(stack: &Stack, tenants: usize, time: Duration, list: Option<&str>) -> Result<f64, Failure> {
    let mut control = stack.admin.database("nexus").connect("bench").await?;
    let names: Vec<String> = sqlx::query_scalar("select database_name from control.tenants limit $1")
        .bind(i64::try_from(tenants)?)
        .fetch_all(&mut control)
        .await?;
    let names = Arc::new(names);
    let began = Instant::now();
    let opening: Vec<_> = (0..8)
        .map(|task: usize| {
            let (admin, names) = (stack.admin.clone(), Arc::clone(&names));
            let list = list.map(|it| sqlx::AssertSqlSafe(it.to_owned()).into_sql_str());
            tokio::spawn(async move {
                let mut count = 0_u32;
                while began.elapsed() < time {
                    let name = &names[(task * 61 + count as usize * 8) % names.len()];
                    let mut session = admin.database(name).connect("bench").await?;
                    match list.clone() {
                        Some(list) => {
                            sqlx::query(list).bind(20_i64).bind(0_i64).execute(&mut session).await?
                        }
                        None => sqlx::raw_sql("select 1").execute(&mut session).await?,
                    };
                    session.close().await?;
                    count += 1;
                }
                Ok::<_, Failure>(count)
            })
        })
        .collect();
    let mut count = 0;
    for task in opening {
        count += task.await??;
    }
    Ok(f64::from(count) / began.elapsed().as_secs_f64())
}

/// Counts the sessions in tenants' databases every 50 ms, as the server sees them.
struct Watch {
    over: Arc<AtomicBool>,
    counting: tokio::task::JoinHandle<Result<i64, Failure>>,
}

impl Watch {
    fn start(admin: &ServerAddress) -> Self {
        let (admin, over) = (admin.clone(), Arc::new(AtomicBool::new(false)));
        let ended = Arc::clone(&over);
        let counting = tokio::spawn(async move {
            let mut session = admin.connect("bench").await?;
            let mut most = 0;
            while !ended.load(Ordering::Relaxed) {
                let count: i64 = sqlx::query_scalar(
                    "select count(*) from pg_stat_activity where application_name = 'nexus:realm' and datname <> 'nexus'",
                )
                .fetch_one(&mut session)
                .await?;
                most = most.max(count);
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            Ok(most)
        });
        Self { over, counting }
    }

    async fn end(self) -> Result<i64, Failure> {
        self.over.store(true, Ordering::Relaxed);
        self.counting.await?
    }
}
