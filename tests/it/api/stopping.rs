//! How a server stops: who is at it is answered, and who follows something is told.

use std::fs;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::operations::paused;
use super::{acme, operator, operator_token};
use crate::support::api::{ApiServer, KeptOpen, bearer};
use crate::support::world::World;

/// What clients saw who ask again and again.
#[derive(Default)]
struct Seen {
    answered: AtomicUsize,
    answered_late: AtomicUsize,
    cut: AtomicUsize,
    is_stopping: AtomicBool,
}

/// Asks over connections that stay open for as long as the server lets them, until it says that it stops.
fn ask(server: &ApiServer, token: &str, seen: &Seen, told: &AtomicBool) {
    let mut open = None;
    while !seen.is_stopping.load(Ordering::SeqCst) {
        let Some(connection) = &mut open else {
            match KeptOpen::try_to(server) {
                Ok(connection) => open = Some(connection),
                // It is gone: no request was sent.
                Err(_) => return,
            }
            continue;
        };
        let was_told = told.load(Ordering::SeqCst);
        let Ok(answer) = connection.send("GET", "/operations?limit=5", &[&bearer(token)], &[]) else {
            seen.cut.fetch_add(1, Ordering::SeqCst);
            return;
        };
        assert_eq!(answer.status, 200, "{answer:?}");
        seen.answered.fetch_add(1, Ordering::SeqCst);
        seen.answered_late.fetch_add(usize::from(was_told), Ordering::SeqCst);
        if answer.header("connection") == Some("close") {
            open = None;
        }
    }
}

/// Asks whether the server is ready, as balancers do.
fn watch(server: &ApiServer, seen: &Seen) {
    loop {
        let ready = KeptOpen::try_to(server).and_then(|mut open| open.send("GET", "/ready", &[], &[]));
        if ready.map_or(0, |answer| answer.status) != 200 {
            return seen.is_stopping.store(true, Ordering::SeqCst);
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_under_load_that_stops_cuts_no_request_and_tells_two_hundred_streams() {
    let world = World::new();
    operator(&world, "two@example.com", "Provisioner");
    let (server, token, place, file) = paused(&world);
    let path = format!("{place}/events");
    let tokens = [token.clone(), operator_token(&server, "two@example.com")];
    let streams: Vec<_> = (0..200).map(|at| server.open(&path, &[&bearer(&tokens[at % 2])])).collect();
    let (seen, told) = (Seen::default(), AtomicBool::new(false));
    let began = std::thread::scope(|scope| {
        for _ in 0..8 {
            scope.spawn(|| ask(&server, &token, &seen, &told));
        }
        scope.spawn(|| watch(&server, &seen));
        while seen.answered.load(Ordering::SeqCst) < 200 {
            std::thread::sleep(Duration::from_millis(5));
        }
        let began = Instant::now();
        told.store(true, Ordering::SeqCst);
        server.signal(Signal::SIGTERM);
        // Its worker comes to the edge of a step.
        fs::remove_file(&file).unwrap();
        began
    });
    assert_eq!(server.wait(), Some(0));
    let took = began.elapsed();
    for stream in streams {
        let answer = stream.rest();
        assert_eq!(answer.status, 200);
        let last = answer.body.trim_end().rsplit("\n\n").next().unwrap().to_owned();
        let is_last = last.contains("event: closing") || last.contains("\"state\":\"done\"");
        assert!(is_last && last.contains("id: "), "{last}");
    }
    let count = |number: &AtomicUsize| number.load(Ordering::SeqCst);
    assert_eq!(count(&seen.cut), 0);
    assert!(count(&seen.answered_late) > 0, "nobody was answered after the signal");
    eprintln!(
        "{} requests, {} of them late; ended in {took:?}",
        count(&seen.answered),
        count(&seen.answered_late)
    );
    // The aim is three seconds; the machine may be busy.
    assert!(took < Duration::from_secs(12), "{took:?}");
}

#[test]
fn who_connects_while_a_server_stops_is_answered_and_the_connection_closed() {
    let (_world, server) = acme();
    let mut idle = KeptOpen::to(&server);
    assert_eq!(idle.send("GET", "/health", &[], &[]).unwrap().header("connection"), None);
    server.signal(Signal::SIGTERM);
    server.until("/ready", |answer| answer.status == 503);
    for open in [&mut idle, &mut KeptOpen::to(&server)] {
        let answer = open.send("GET", "/health", &[], &[]).unwrap();
        assert_eq!((answer.status, answer.header("connection")), (200, Some("close")));
    }
    assert_eq!(server.wait(), Some(0));
}

#[test]
fn a_process_that_accepts_no_connections_any_more_ends() {
    let world = World::new();
    let server = ApiServer::start_to(&world, &[], ("serve.accepted", "panic"));
    drop(std::net::TcpStream::connect(&server.address));
    let began = Instant::now();
    assert_eq!(server.wait(), Some(1));
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
}
