//! What a server logs of requests.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PASSWORD;
use crate::support::api::{ApiServer, bearer};
use crate::support::lock_holder::LockHolder;
use crate::support::world::World;

/// An installation with a tenant `acme`, whose administrator is Ann, and a server that logs objects.
fn logging() -> (World, ApiServer) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    command.env("NEXUS_LOG_FORMAT", "json").env("NEXUS_CONTEXT_T_SERVE_SESSIONS", "8");
    command.env("NEXUS_CONTEXT_T_SERVE_TRUSTED_PROXIES", "127.0.0.0/8");
    command.stderr(File::create(world.machine().path("serve.log")).unwrap());
    let server = ApiServer::of(command);
    (world, server)
}

/// The lines of its log.
fn lines(world: &World) -> Vec<Value> {
    let text = fs::read_to_string(world.machine().path("serve.log")).unwrap();
    text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn requests_that_are_refused_because_a_tenant_is_busy_are_warnings_once_a_second_with_a_count() {
    let (world, server) = logging();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let began = Instant::now();
    let refused: usize = {
        let holder = LockHolder::of(&world, &world.database_of("acme"), "lock table nexus.users");
        std::thread::scope(|scope| {
            let asked: Vec<_> = (0..60).map(|_| scope.spawn(|| server.get("/users", &token))).collect();
            // Those that wait for the lock are let go.
            std::thread::sleep(Duration::from_secs(4));
            drop(holder);
            let answers = asked.into_iter().map(|asked| asked.join().unwrap());
            answers
                .filter(|answer| answer.status == 503)
                .inspect(|answer| assert_eq!(answer.problem().1, "realm_busy"))
                .count()
        })
    };
    assert!(refused >= 40, "{refused}");
    let of_code = |world: &World| -> Vec<Value> {
        lines(world).into_iter().filter(|line| line["fields"]["code"] == "realm_busy").collect()
    };
    // The first is a line of its own; the others are in the counts.
    let counted = |lines: &[Value]| -> usize {
        lines
            .iter()
            .map(|line| line["fields"]["count"].as_u64().unwrap_or(1))
            .sum::<u64>()
            .try_into()
            .unwrap()
    };
    while counted(&of_code(&world)) < refused {
        assert!(began.elapsed() < Duration::from_mins(1), "{:?}", of_code(&world));
        std::thread::sleep(Duration::from_millis(50));
    }
    let found = of_code(&world);
    assert_eq!(counted(&found), refused, "{found:?}");
    assert!(found.iter().all(|line| line["level"] == "WARN"), "{found:?}");
    let seconds = usize::try_from(began.elapsed().as_secs()).unwrap();
    assert!(found.len() <= seconds + 2, "{} lines in {seconds} s", found.len());
}

#[test]
fn each_failure_inside_is_an_error_with_the_ids_of_its_request_trace_and_tenant() {
    let (world, server) = logging();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    world.tenant_sql("acme", "alter table nexus.roles rename to roles_elsewhere");
    let trace = |n: u32| format!("{n:032x}");
    for n in 1..=3 {
        let parent = format!("traceparent: 00-{}-00f067aa0ba902b7-01", trace(n));
        let answer =
            server.send("GET", "/roles", &[&bearer(&token), &format!("X-Request-Id: r{n}"), &parent], &[]);
        assert_eq!(answer.status, 500);
    }
    let tenant = world.json(&["tenant", "show", "acme"])["id"].clone();
    let found: BTreeMap<String, Value> = lines(&world)
        .into_iter()
        .filter(|line| line["level"] == "ERROR")
        .map(|line| (line["span"]["request_id"].as_str().unwrap().to_owned(), line["span"].clone()))
        .collect();
    assert_eq!(found.keys().collect::<Vec<_>>(), ["r1", "r2", "r3"]);
    for n in 1..=3 {
        let span = &found[&format!("r{n}")];
        assert_eq!((&span["trace_id"], &span["tenant"]), (&Value::from(trace(n)), &tenant), "{span}");
    }
}
