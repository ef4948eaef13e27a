//! How much memory streams of events take that have nothing to tell, and how long an event takes to all of them.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::Request;
use hyper::body::Incoming;
use hyper::client::conn::http1::SendRequest;
use serde_json::{Value, json};

use super::load::{self, Target};
use super::stack::{Stack, USER};
use super::{Failure, PASSWORD, round, tenant};

/// As many as one user may have open.
const OF_USER: usize = 100;
/// Opened at once: fewer than may wait for a tenant.
const AT_ONCE: usize = 32;
/// Longer than the interval in which each stream is sent a comment.
const SETTLED: Duration = Duration::from_secs(20);
/// After which time an event is lost.
const LOST: Duration = Duration::from_secs(30);

/// A stream that is open: its connection, and what comes.
type Open = (SendRequest<Full<Bytes>>, Incoming);

pub(crate) async fn measure(stack: &Stack, target: &Target, count: usize) -> Result<Value, Failure> {
    let tokens = tokens(stack, target, count.div_ceil(OF_USER)).await?;
    let owner = tokens.first().ok_or("nobody signed in")?.clone();
    let before = target.memory_mib("VmRSS")?;
    let opening = (0..count).map(|at| open(target, tokens[at % tokens.len()].clone()));
    let began = Instant::now();
    let streams: Vec<Open> = stream::iter(opening).buffer_unordered(AT_ONCE).try_collect().await?;
    let opened = began.elapsed();
    tokio::time::sleep(SETTLED).await;
    let after = target.memory_mib("VmRSS")?;
    let began = Instant::now();
    let waiting: Vec<_> =
        streams.into_iter().map(|open| tokio::spawn(tokio::time::timeout(LOST, told(open)))).collect();
    load::post(
        &target.address,
        "/roles",
        &[&format!("Authorization: Bearer {owner}")],
        &json!({ "name": "Streamed" }),
    )
    .await?;
    let (mut times, mut lost) = (Vec::new(), 0);
    for one in waiting {
        match one.await? {
            Ok(told) => times.push(told?.duration_since(began).as_secs_f64() * 1e3),
            Err(_) => lost += 1,
        }
    }
    times.sort_by(f64::total_cmp);
    let at = |percent: usize| {
        times.get(times.len().saturating_sub(1) * percent / 100).copied().unwrap_or_default()
    };
    let (count, added) = (f64::from(u32::try_from(count)?), after - before);
    Ok(json!({
        "streams": count,
        "opened_per_second": (count / opened.as_secs_f64()).round(),
        "mib_before": round(before),
        "mib_with_all_open": round(after),
        "kib_a_stream": round(added / count * 1024.0),
        "event_to_a_stream_median_ms": round(at(50)),
        "event_to_a_stream_p99_ms": round(at(99)),
        "lost": lost,
    }))
}

/// Has users with the rights and the password of the first one; an access token of each.
async fn tokens(stack: &Stack, target: &Target, users: usize) -> Result<Vec<String>, Failure> {
    let mut inside = tenant(stack).await?.connect("bench").await?;
    let statement = format!(
        "update nexus.users set password_hash = (select password_hash from nexus.users where email = '{USER}')
         where email like 'user%';
         insert into nexus.user_roles (user_id, role_id)
         select users.id, role_id from nexus.users, nexus.user_roles
         join nexus.users owner on owner.id = user_roles.user_id and owner.email = '{USER}'
         where users.email like 'user%'"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut inside).await?;
    let mut tokens = Vec::new();
    for number in 1..=users {
        let body = json!({ "email": format!("user{number}@acme.example"), "password": PASSWORD });
        let login = load::post(&target.address, "/auth/login", &["X-Tenant-ID: acme"], &body).await?;
        tokens.push(login["access_token"].as_str().ok_or_else(|| format!("no token: {login}"))?.to_owned());
    }
    Ok(tokens)
}

async fn open(target: &Target, token: String) -> Result<Open, Failure> {
    let mut sender = load::connect(&target.address).await?;
    let request = Request::builder()
        .uri("/events")
        .header("host", &target.address)
        .header("accept", "text/event-stream")
        .header("authorization", format!("Bearer {token}"));
    let answer = sender.send_request(request.body(Full::default())?).await?;
    if !answer.status().is_success() {
        return Err(format!("a stream was refused: {}", answer.status()).into());
    }
    Ok((sender, answer.into_body()))
}

/// When a stream tells the event.
async fn told((_sender, mut body): Open) -> Result<Instant, Failure> {
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        seen.extend_from_slice(frame?.data_ref().ok_or("no data")?);
        if seen.windows(12).any(|part| part == b"role.created") {
            return Ok(Instant::now());
        }
    }
    Err("a stream ended".into())
}
