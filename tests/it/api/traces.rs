//! Traces: what a collector is sent of requests, and what it is not.

use std::fs::{self, File};
use std::process::Command;
use std::time::Duration;

use nix::sys::signal::Signal;
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use serde_json::json;

use super::PASSWORD;
use crate::support::api::{ApiServer, bearer};
use crate::support::collector::{Answers, Collector, Sent};
use crate::support::world::World;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER: &str = "00f067aa0ba902b7";

/// An installation with a tenant `acme`, whose administrator is Ann, and the command that serves it and sends
/// traces there. What it says is in `serve.log`.
fn traced(url: &str) -> (World, Command) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", url).env("OTEL_BSP_SCHEDULE_DELAY", "100");
    command.env("NEXUS_CONTEXT_T_SERVE_REQUESTS_A_MINUTE", "1000000");
    command.stderr(File::create(world.machine().path("serve.log")).unwrap());
    (world, command)
}

fn said(world: &World) -> String {
    fs::read_to_string(world.machine().path("serve.log")).unwrap()
}

fn traceparent() -> String {
    format!("traceparent: 00-{TRACE}-{CALLER}-01")
}

fn is_first_of(trace: &str) -> impl Fn(&Sent) -> bool {
    move |sent| hex::encode(&sent.span.trace_id) == trace && sent.span.kind() == SpanKind::Server
}

/// Whether a span is within another, at any depth.
fn is_within(all: &[Sent], span: &Sent, outer: &Sent) -> bool {
    let mut at = span;
    while let Some(above) = all.iter().find(|it| it.span.span_id == at.span.parent_span_id) {
        if above.span.span_id == outer.span.span_id {
            return true;
        }
        at = above;
    }
    false
}

#[test]
fn a_request_is_a_tree_of_services_and_statements_below_the_span_of_its_caller() {
    let collector = Collector::start(Answers::Takes);
    let (world, mut command) = traced(&collector.url);
    command.env("NEXUS_CONTEXT_T_SERVE_TRUSTED_PROXIES", "127.0.0.0/8");
    command.env("OTEL_RESOURCE_ATTRIBUTES", "deployment.environment.name=test");
    let server = ApiServer::of(command);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let id = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    let path = format!("/users/{id}");
    let answer = server.send("GET", &path, &[&bearer(&token), &traceparent(), "X-Request-Id: r-1"], &[]);
    assert_eq!(answer.header("x-request-id"), Some("r-1"));

    let all = collector.trace(is_first_of(TRACE));
    let request = all.iter().find(|sent| sent.span.kind() == SpanKind::Server).unwrap();
    assert_eq!(request.span.name, "GET /users/{id}");
    assert_eq!(hex::encode(&request.span.parent_span_id), CALLER);
    let status = answer.status.to_string();
    let tenant = world.json(&["tenant", "show", "acme"])["id"].as_str().unwrap().to_owned();
    let expected = [
        ("http.request.method", "GET"),
        ("http.route", "/users/{id}"),
        ("http.response.status_code", &status),
        ("nexus.request.id", "r-1"),
        ("nexus.tenant.id", &tenant),
        ("url.path", ""),
        ("url.query", ""),
    ];
    for (name, value) in expected {
        assert_eq!(request.attribute(name), value, "{name}: {request:?}");
    }
    assert_eq!(request.of_resource("service.name"), "nexus");
    assert_eq!(request.of_resource("deployment.environment.name"), "test");

    let inside: Vec<&Sent> = all.iter().filter(|it| it.span.span_id != request.span.span_id).collect();
    assert!(inside.iter().all(|it| is_within(&all, it, request)), "{all:?}");
    let service = inside.iter().find(|it| it.span.name.starts_with("iam.users.")).unwrap();
    assert_eq!(service.span.kind(), SpanKind::Internal);
    assert!(service.attribute("code.function.name").starts_with("nexus::features::iam::users::"));
    let statement = |it: &&&Sent| it.span.name == "SELECT nexus.users" && is_within(&all, it, service);
    let statement = inside.iter().find(statement).unwrap_or_else(|| panic!("{all:?}"));
    assert_eq!(statement.span.kind(), SpanKind::Client);
    assert_eq!(statement.attribute("db.system.name"), "postgresql");
    assert_eq!(statement.attribute("db.operation.name"), "SELECT");
    assert_eq!(statement.attribute("db.namespace"), world.database_of("acme"));
    // What goes on beside requests begins no trace.
    let firsts = collector.spans().into_iter().filter(|sent| sent.span.parent_span_id.is_empty());
    for first in firsts {
        assert_eq!(first.span.kind(), SpanKind::Server, "{first:?}");
    }
}

#[test]
fn a_caller_who_is_not_trusted_does_not_say_whose_part_its_request_is() {
    let collector = Collector::start(Answers::Takes);
    let (_world, command) = traced(&collector.url);
    let server = ApiServer::of(command);
    server.send("GET", "/health", &[&traceparent(), "X-Request-Id: stranger"], &[]);
    let own = collector.trace(|sent| sent.attribute("nexus.request.id") == "stranger");
    assert_ne!(hex::encode(&own[0].span.trace_id), TRACE);
    assert!(own[0].span.parent_span_id.is_empty());
}

#[test]
fn a_request_that_fails_in_nexus_is_an_error_and_one_that_is_refused_is_none() {
    let collector = Collector::start(Answers::Takes);
    let (world, command) = traced(&collector.url);
    let server = ApiServer::of(command);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    world.tenant_sql("acme", "alter table nexus.roles rename to roles_elsewhere");
    for (path, id) in [("/roles", "broken"), ("/nowhere", "unknown")] {
        server.send("GET", path, &[&bearer(&token), &format!("X-Request-Id: {id}")], &[]);
    }
    let of = |id: &str| {
        let all = collector.trace(|sent| sent.attribute("nexus.request.id") == id);
        all.into_iter().find(|sent| sent.span.kind() == SpanKind::Server).unwrap()
    };
    let (broken, unknown) = (of("broken"), of("unknown"));
    assert_eq!(broken.span.status.as_ref().unwrap().code(), StatusCode::Error);
    assert!(broken.attribute("error.type").starts_with("database_"), "{broken:?}");
    assert_eq!(
        (unknown.span.name.as_str(), unknown.attribute("http.response.status_code")),
        ("GET", "404".into())
    );
    assert_ne!(unknown.span.status.unwrap_or_default().code(), StatusCode::Error);
}

#[test]
fn no_secret_of_a_request_or_a_tenant_is_in_what_a_collector_is_sent() {
    let collector = Collector::start(Answers::Takes);
    let (world, mut command) = traced(&collector.url);
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20collector-canary");
    command.env("NEXUS_LOG", "trace");
    let server = ApiServer::of(command);
    let login = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let token = login["access_token"].as_str().unwrap().to_owned();
    let canary = "canary-6f1d0c";
    server.login(Some("acme"), "ann@acme.example", &format!("{canary}-password"));
    server.change("POST", "/users", &token, &json!({ "email": format!("{canary}@acme.example"), "password": format!("{canary} of a new user") })).ok();
    let headers = [bearer(&token), format!("Cookie: session={canary}"), format!("X-Api-Key: {canary}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    for path in [
        format!("/users?search={canary}"),
        format!("/{canary}/x"),
        format!("/users/{canary}"),
        format!("/health?token={canary}"),
    ] {
        server.send("GET", &path, &headers, &[]);
    }
    server.send("GET", "/health", &["X-Request-Id: last"], &[]);
    collector.trace(|sent| sent.attribute("nexus.request.id") == "last");

    let sent = String::from_utf8_lossy(&collector.bytes()).into_owned();
    assert!(sent.contains("POST /auth/login") && sent.contains("INSERT nexus."), "{sent}");
    // Its own headers are what it is sent, and nobody else.
    assert!(collector.heads().iter().all(|head| head.contains("authorization: Bearer collector-canary")));
    assert!(!said(&world).contains("collector-canary"));
    let env = world.env("acme");
    let names = ["DATABASE_URL", "PGPASSWORD", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"];
    let env = names.iter().map(|name| env[name].as_str().unwrap());
    let refresh = login["refresh_token"].as_str().unwrap();
    let secrets: Vec<&str> = env.chain([canary, PASSWORD, &token, refresh, "ann@acme.example"]).collect();
    for secret in secrets {
        assert!(!sent.contains(secret), "{secret}");
    }
}

/// Serves eight times so many requests beside a collector that takes nothing, and stops; what the metrics said, and
/// the log.
fn outlived(url: &str, requests: usize) -> (String, String) {
    let (world, command) = traced(url);
    let server = ApiServer::of(command);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| {
                for _ in 0..requests {
                    server.get("/users", &token).ok();
                }
            });
        }
    });
    let metrics = server.until("/metrics", |answer| answer.body.contains("outcome=\"failed\"")).body;
    let (status, ended) = server.stop();
    assert_eq!(status, Some(0));
    // A second of grace, two for the last spans; the machine may be busy.
    assert!(ended < Duration::from_secs(12), "{ended:?}");
    (metrics, said(&world))
}

#[test]
fn a_collector_that_is_down_or_refuses_holds_nobody_up_and_is_warned_of_once() {
    let refusing = [Collector::start(Answers::Refuses(400)), Collector::start(Answers::Refuses(503))];
    let down = format!("http://127.0.0.1:{}", ApiServer::free_port());
    for url in [&refusing[0].url, &refusing[1].url, &down] {
        let (_, said) = outlived(url, 60);
        assert_eq!(said.matches("takes no spans").count(), 1, "{said}");
    }
    assert!(refusing.iter().all(|collector| collector.requests() > 1));
}

#[test]
fn a_collector_that_never_answers_holds_nobody_up_and_memory_is_bounded() {
    let hanging = Collector::start(Answers::Hangs);
    let (metrics, said) = outlived(&hanging.url, 250);
    // There was no room for all spans.
    assert!(metrics.contains("nexus_trace_spans_total{outcome=\"dropped\"}"), "{metrics}");
    assert_eq!(said.matches("takes no spans").count(), 1, "{said}");
}

#[test]
fn the_last_spans_are_sent_when_a_server_stops() {
    let collector = Collector::start(Answers::Takes);
    let (_world, mut command) = traced(&collector.url);
    command.env("OTEL_BSP_SCHEDULE_DELAY", "3600000");
    let server = ApiServer::of(command);
    server.send("GET", "/health", &["X-Request-Id: last"], &[]);
    assert_eq!(collector.requests(), 0);
    server.signal(Signal::SIGTERM);
    assert_eq!(server.wait(), Some(0));
    assert!(collector.spans().iter().any(|sent| sent.attribute("nexus.request.id") == "last"));
}

#[test]
fn headers_that_are_none_are_refused_before_anything_is_served_and_not_repeated() {
    let (world, _) = traced("http://127.0.0.1:1");
    let mut command = world.command(&["-o", "json", "serve", "--check"]);
    command.env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:1");
    command.env("OTEL_EXPORTER_OTLP_HEADERS", "hunter2");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("telemetry_headers_invalid") && !said.contains("hunter2"), "{said}");
}
