//! `/metrics`: what a process did and has, for Prometheus. Routes by their templates, never by what was asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::net::IpAddr;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Extension, MatchedPath, Request, State};
use axum::http::{HeaderMap, HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use metrics::{counter, gauge, histogram};
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};
use tokio_util::sync::CancellationToken;

use super::Api;
use super::client::{self, Peer};
use super::error::RequestError;
use super::problem::Problem;
use crate::app::{PoolStats, ServerState};
use crate::features::jobs::Backlog;

/// Seconds that requests are counted by.
const BUCKETS: [f64; 10] = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 2.0, 10.0];
const SECONDS: &str = "nexus_http_request_seconds";

/// How often what was recorded is put into its buckets, so that it takes no more room.
const UPKEEP: Duration = Duration::from_secs(5);

/// Counts for this process until it stops.
pub(super) fn start(stop: CancellationToken) -> Result<PrometheusHandle, BuildError> {
    let builder =
        PrometheusBuilder::new().set_buckets_for_metric(Matcher::Full(SECONDS.to_owned()), &BUCKETS)?;
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    // A second one comes to be only within tests.
    drop(metrics::set_global_recorder(recorder));
    let upkeep = handle.clone();
    tokio::spawn(async move {
        while stop.run_until_cancelled(tokio::time::sleep(UPKEEP)).await.is_some() {
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

pub(super) fn routes() -> Router<Api> {
    Router::new().route("/metrics", get(read))
}

/// Counts a request.
pub(super) async fn count(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("unmatched", MatchedPath::as_str).to_owned();
    let method = method(request.method());
    let began = Instant::now();
    let response = next.run(request).await;
    let status = response.status().as_u16().to_string();
    histogram!(SECONDS, "route" => route.clone(), "method" => method).record(began.elapsed());
    counter!("nexus_http_requests_total", "route" => route, "method" => method, "status" => status)
        .increment(1);
    response
}

/// A method that there is: anybody can send others, and each would be a row for ever.
pub(super) fn method(method: &Method) -> &'static str {
    const KNOWN: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method.as_str()).unwrap_or("other")
}

#[expect(clippy::cast_precision_loss, reason = "clients are few")]
async fn read(
    State(api): State<Api>,
    Extension(Peer(peer)): Extension<Peer>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let trusted = &api.0.settings.trusted_proxies;
    let client: IpAddr = client::address(peer.ip(), &headers, trusted);
    let is_let_in = api.0.settings.metrics_from.iter().any(|net| net.contains(&client));
    // A proxy on this machine that nobody named speaks for the whole world.
    if !is_let_in || client::is_of_unknown_proxy(peer.ip(), &headers, trusted) {
        return Err(RequestError::NoPath("/metrics".to_owned()).into());
    }
    let stats = api.0.app.stats();
    for (pool, stats) in [("control", stats.control), ("realms", stats.realms)] {
        of_pool(pool, stats);
    }
    for (bucket, clients) in api.0.limits.clients() {
        gauge!("nexus_rate_limit_clients", "bucket" => bucket).set(clients as f64);
    }
    if let Some(backlog) = api.0.app.job_backlog().await {
        of_jobs(&backlog);
    }
    let mut text = api.0.metrics.render();
    // Their names come and go: each is a row for as long as it is true.
    of_servers(&api.0.following.servers.states(), &mut text);
    api.0.busiest.render(&mut text);
    let kind = HeaderValue::from_static("text/plain; version=0.0.4");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Whether tenants' servers answer: 1, or 0.
fn of_servers(states: &BTreeMap<String, ServerState>, text: &mut String) {
    text.push_str("# TYPE nexus_server_up gauge\n");
    for (name, state) in states {
        let up = u8::from(!matches!(state, ServerState::Down(_)));
        let _ = writeln!(text, "nexus_server_up{{server=\"{name}\"}} {up}");
    }
}

/// Of the whole queue, whichever process is asked.
#[expect(clippy::cast_precision_loss, reason = "they are counted up to some thousand")]
fn of_jobs(backlog: &Backlog) {
    gauge!("nexus_jobs_waiting").set(backlog.waiting as f64);
    gauge!("nexus_jobs_running").set(backlog.running as f64);
    gauge!("nexus_jobs_oldest_seconds").set(backlog.oldest_seconds);
}

#[expect(clippy::cast_precision_loss, reason = "sessions are few")]
fn of_pool(pool: &'static str, stats: PoolStats) {
    gauge!("nexus_pool_sessions_open", "pool" => pool).set(stats.open as f64);
    gauge!("nexus_pool_sessions_most_open", "pool" => pool).set(stats.most_open as f64);
    gauge!("nexus_pool_sessions_leased", "pool" => pool).set(stats.leased as f64);
    counter!("nexus_pool_hits_total", "pool" => pool).absolute(stats.hits);
    counter!("nexus_pool_waits_total", "pool" => pool).absolute(stats.waits);
    counter!("nexus_pool_logins_total", "pool" => pool).absolute(stats.logins);
    counter!("nexus_pool_evictions_total", "pool" => pool).absolute(stats.evicted);
}
