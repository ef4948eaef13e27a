//! Clients that mean harm, or do not know better: others are served on, and nothing is left of them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::json;

use super::{PASSWORD, acme};
use crate::support::api::{ApiServer, KeptOpen, bearer};

/// How much more memory the server may take, in KiB.
const MOST_MORE: u64 = 64 * 1024;
/// Bad clients of each kind at once.
const EACH: usize = 40;

/// Memory of a process, in KiB, but for what it maps of files: pages of a program are read when they are needed
/// first (proc(5)).
fn memory(server: &ApiServer) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", server.process())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

/// Connections that the server has not closed: those in the states ESTABLISHED and CLOSE_WAIT.
fn connections(server: &ApiServer) -> usize {
    let port: u16 = server.address.rsplit(':').next().unwrap().parse().unwrap();
    let local = format!(":{port:04X}");
    let table = std::fs::read_to_string(format!("/proc/{}/net/tcp", server.process())).unwrap();
    let is_open = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[1].ends_with(&local) && ["01", "08"].contains(&fields[3])
    };
    table.lines().skip(1).filter(is_open).count()
}

/// A gibibyte's thousandth part that unpacks to sixteen mebibytes of nothing.
fn packed() -> Vec<u8> {
    let mut gzip =
        Command::new("gzip").arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut input = gzip.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&vec![b' '; 16 << 20]).unwrap());
    let output = gzip.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout.len() < 20_000, "{}", output.stdout.len());
    output.stdout
}

/// Writes a byte now and then, for as long as the server lets it.
fn drip(server: &ApiServer, head: &str, is_over: &AtomicBool) {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(200))).unwrap();
    socket.write_all(head.as_bytes()).unwrap();
    while !is_over.load(Ordering::SeqCst) {
        if socket.write_all(b"x").is_err() {
            return;
        }
        match socket.read(&mut [0; 512]) {
            Ok(0) => return,
            Err(error) if !matches!(error.kind(), std::io::ErrorKind::WouldBlock) => return,
            _ => {}
        }
    }
}

/// Sends a request, and resets the connection instead of reading the answer.
fn reset(server: &ApiServer) {
    let mut socket = TcpStream::connect(&server.address).unwrap();
    socket.write_all(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n").unwrap();
    // What is closed with something to read in it is reset.
    let _ = socket.peek(&mut [0]);
}

/// Statuses of requests that are far too much.
fn too_much(server: &ApiServer, packed: &[u8]) {
    let json = "Content-Type: application/json";
    let gzip = [json, "Content-Encoding: gzip"];
    assert_eq!(server.send("POST", "/auth/login", &gzip, packed).problem().0, 413);
    let deep = "[".repeat(100_000);
    assert_eq!(server.send("POST", "/auth/login", &[json], deep.as_bytes()).problem().0, 400);
    let token = bearer(&"a".repeat(1 << 20));
    // The server closes before it has read it all; who writes on may not see the answer.
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let _ = socket.write_all(format!("GET /users HTTP/1.1\r\nHost: x\r\n{token}\r\n\r\n").as_bytes());
    let mut answer = Vec::new();
    let _ = socket.read_to_end(&mut answer);
    assert!(answer.is_empty() || answer.starts_with(b"HTTP/1.1 431"), "{}", String::from_utf8_lossy(&answer));
}

#[test]
fn while_bad_clients_do_their_worst_good_ones_are_answered_and_nothing_is_left() {
    let (world, _) = acme();
    let server = ApiServer::start_with(
        &world,
        &[("timeout_seconds", "5"), ("requests_a_minute", "1000000"), ("passwords_a_minute", "1000000")],
    );
    let token = bearer(&server.token("acme", "ann@acme.example", PASSWORD));
    let good = |count: &AtomicUsize, is_over: &AtomicBool| {
        let mut open = KeptOpen::to(&server);
        while !is_over.load(Ordering::SeqCst) {
            let answer = open.send("GET", "/users?limit=20", &[&token], &[]).unwrap();
            assert_eq!(answer.status, 200, "{answer:?}");
            assert_eq!(answer.json()["data"][0]["email"], "ann@acme.example");
            count.fetch_add(1, Ordering::SeqCst);
        }
    };
    let (answered, is_over) = (AtomicUsize::new(0), AtomicBool::new(false));
    let packed = packed();
    // Warm: each kind of request was answered once.
    too_much(&server, &packed);
    let (before, most) = (memory(&server), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| good(&answered, &is_over));
        }
        scope.spawn(|| {
            while !is_over.load(Ordering::SeqCst) {
                most.fetch_max(usize::try_from(memory(&server)).unwrap(), Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
            }
        });
        let silent: Vec<_> = (0..EACH).map(|_| TcpStream::connect(&server.address).unwrap()).collect();
        let body = json!({ "email": "ann@acme.example", "password": PASSWORD }).to_string();
        let slow_body = format!(
            "POST /auth/login HTTP/1.1\r\nHost: x\r\nX-Tenant-ID: acme\r\nContent-Type: application/json\r\n\
             Content-Length: 100000\r\n\r\n{body}"
        );
        let slow_head = "GET /users HTTP/1.1\r\nHost: x\r\nX-Slow: ".to_owned();
        let bad: Vec<_> = [slow_head, slow_body]
            .into_iter()
            .flat_map(|head| std::iter::repeat_n(head, EACH))
            .map(|head| {
                let (server, is_over) = (&server, &is_over);
                scope.spawn(move || drip(server, &head, is_over))
            })
            .collect();
        for _ in 0..EACH {
            reset(&server);
            too_much(&server, &packed);
        }
        // Those who drip are let go by the server, and not by us.
        for one in bad {
            one.join().unwrap();
        }
        drop(silent);
        is_over.store(true, Ordering::SeqCst);
    });
    assert!(answered.load(Ordering::SeqCst) > 100, "{answered:?}");
    let more = u64::try_from(most.load(Ordering::SeqCst)).unwrap().saturating_sub(before);
    eprintln!("{answered:?} good answers; {more} KiB more than {before} KiB");
    assert!(more <= MOST_MORE, "{more} KiB more than {before} KiB");
    let end = Instant::now() + Duration::from_mins(1);
    while connections(&server) > 0 {
        assert!(Instant::now() < end, "{} connections are open still", connections(&server));
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(server.stop().0, Some(0));
}
