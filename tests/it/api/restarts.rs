//! PostgreSQL starts again while requests come.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::PASSWORD;
use crate::support::api::{ApiServer, bearer};
use crate::support::private::Private;
use crate::support::world::World;

/// Clients that each create one user after the other.
const WRITERS: usize = 8;

/// Ends the writers, also where the test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// Waits until something is so, for a minute at most; how long that took.
fn until(is_so: impl Fn() -> bool) -> Duration {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_mins(1), "it never came to be so");
        std::thread::sleep(Duration::from_millis(20));
    }
    began.elapsed()
}

#[test]
fn postgres_that_dies_under_load_is_used_again_and_no_write_is_lost_or_made_twice() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let mut command = world.command(&["-o", "id", "serve", "--bind", "127.0.0.1:0"]);
    for (name, value) in [("REQUESTS_A_MINUTE", "1000000"), ("SESSIONS", "16")] {
        command.env(format!("NEXUS_CONTEXT_T_SERVE_{name}"), value);
    }
    // What it says meanwhile is more than a pipe holds that nobody reads.
    command.stderr(std::fs::File::create(world.machine().path("serve.log")).unwrap());
    let server = ApiServer::of(command);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let audited =
        || world.tenant_sql("acme", "select count(*) from nexus.audit_log where action = 'user.create'");
    let before: usize = audited()[0].parse().unwrap();

    let (ended, unknown) = (AtomicBool::new(false), AtomicUsize::new(0));
    let (made, wrong) = (Mutex::new(Vec::<String>::new()), Mutex::new(Vec::<String>::new()));
    // Creates one user, however often it has to be asked for.
    let create = |email: &str| {
        let key = format!("Idempotency-Key: {email}");
        loop {
            let body = json!({ "email": email });
            let answer = server.send_json("POST", "/users", &[&bearer(&token), &key], &body);
            match answer.status {
                201 => return made.lock().unwrap().push(email.to_owned()),
                503 => {}
                409 if answer.header("retry-after").is_some() => {}
                // It may be there, and is not made again.
                409 if answer.json()["code"] == "idempotency_answer_lost" => {
                    unknown.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                _ => return wrong.lock().unwrap().push(format!("{email}: {answer:?}")),
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    let times = std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (create, ended) = (&create, &ended);
            scope.spawn(move || {
                let mut number = 0;
                while !ended.load(Ordering::Relaxed) {
                    create(&format!("w{writer}-{number}@acme.example"));
                    number += 1;
                }
            });
        }
        let _end = End(&ended);
        let mut times = Vec::new();
        for _ in 0..2 {
            let so_far = made.lock().unwrap().len();
            until(|| made.lock().unwrap().len() >= so_far + 50);
            private.kill_postgres();
            let password = world.stack().password();
            until(|| world.sql_as("nexus", &password, "postgres", "select 1").is_ok());
            times.push(until(|| server.get("/users?limit=1", &token).status == 200));
        }
        times
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    println!("served again after {times:?}; {} users", made.lock().unwrap().len());

    let mut there = world.tenant_sql("acme", "select email from nexus.users where email like 'w%'");
    let users = there.len();
    let mut made = made.into_inner().unwrap();
    made.sort();
    there.sort();
    there.dedup();
    assert_eq!(there.len(), users);
    let lost: Vec<_> = made.iter().filter(|email| there.binary_search(email).is_err()).collect();
    assert!(lost.is_empty(), "acknowledged, and not there: {lost:?}");
    let unknown = unknown.into_inner();
    assert!(users <= made.len() + unknown, "{users} users of {} and {unknown}", made.len());
    // Each was created once, and is in the log.
    let logged: usize = audited()[0].parse().unwrap();
    assert_eq!(logged - before, users);
    assert_eq!(server.stop().0, Some(0), "it is the same process still");
}
