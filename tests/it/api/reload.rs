//! SIGHUP: what can change while a server runs does, and nothing is dropped.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::start::{said, serve};
use crate::support::api::ApiServer;
use crate::support::world::World;

/// The settings of an installation with more at their end.
fn settings(world: &World, more: &str) -> String {
    let text = fs::read_to_string(world.machine().path("work/nexus.toml")).unwrap();
    world.file("work/serve.toml", &format!("{text}[context.t.serve]\n{more}"))
}

/// Waits until the server has said something.
fn until_said(world: &World, words: &str) -> String {
    let end = Instant::now() + Duration::from_mins(1);
    loop {
        let said = said(world);
        if said.contains(words) {
            return said;
        }
        assert!(Instant::now() < end, "{words:?} was not said: {said}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Asks over a connection that stays open; status and policy of the answer.
fn ask(stream: &mut TcpStream, path: &str) -> (String, Option<String>) {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).unwrap();
    let mut reader = BufReader::new(stream);
    let (mut status, mut policy, mut length) = (String::new(), None, 0);
    reader.read_line(&mut status).unwrap();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else { break };
        match name {
            "ratelimit-policy" => policy = Some(value.to_owned()),
            "content-length" => length = value.parse().unwrap(),
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    (status.trim().to_owned(), policy)
}

#[test]
fn settings_are_read_again_and_open_connections_live_on() {
    let world = World::new();
    let path = settings(&world, "requests_a_minute = 100\n");
    let server = ApiServer::of(serve(&world, &path, &[]));
    let mut open = TcpStream::connect(&server.address).unwrap();
    let policy = |stream: &mut TcpStream| ask(stream, "/users").1.unwrap();
    assert_eq!(policy(&mut open), "\"requests\";q=100;w=60");

    settings(&world, "requests_a_minute = 200\nsessions = 5\nbind = \"127.0.0.1:1\"\n");
    server.signal(Signal::SIGHUP);
    let said = until_said(&world, "changed: context.t.serve.requests_a_minute");
    assert!(said.contains("needs a restart") && said.contains("context.t.serve.sessions"), "{said}");
    // The command line has set it.
    assert!(!said.contains("context.t.serve.bind"), "{said}");
    assert_eq!(policy(&mut open), "\"requests\";q=200;w=60");
    assert_eq!(policy(&mut TcpStream::connect(&server.address).unwrap()), "\"requests\";q=200;w=60");
}

#[test]
fn a_file_that_is_wrong_changes_nothing() {
    let world = World::new();
    let path = settings(&world, "requests_a_minute = 100\n");
    let server = ApiServer::of(serve(&world, &path, &[]));
    for wrong in ["requests_a_minute = \"many\"\n", "requsts_a_minute = 7\n", "requests_a_minute ="] {
        settings(&world, wrong);
        server.signal(Signal::SIGHUP);
        let end = Instant::now() + Duration::from_mins(1);
        while said(&world).matches("the settings were not taken over").count() == 0 {
            assert!(Instant::now() < end, "{}", said(&world));
            std::thread::sleep(Duration::from_millis(20));
        }
        fs::write(world.machine().path("said"), "").unwrap();
        let answer = server.send("GET", "/users", &[], &[]);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"requests\";q=100;w=60"), "{wrong}");
    }
    settings(&world, "requests_a_minute = 300\n");
    server.signal(Signal::SIGHUP);
    server.until("/users", |answer| answer.header("ratelimit-policy") == Some("\"requests\";q=300;w=60"));
}

#[test]
fn a_limit_that_does_not_change_goes_on_counting() {
    let world = World::new();
    let path = settings(&world, "requests_a_minute = 100\nmetrics_from = \"192.0.2.0/24\"\n");
    let server = ApiServer::of(serve(&world, &path, &[]));
    let left = || {
        let answer = server.send("GET", "/nothing", &[], &[]);
        answer.header("ratelimit").unwrap().to_owned()
    };
    assert_eq!((left(), left()), ("\"requests\";r=99;t=0".to_owned(), "\"requests\";r=98;t=0".to_owned()));
    assert_eq!(server.send("GET", "/metrics", &[], &[]).status, 404);
    settings(&world, "requests_a_minute = 100\n");
    server.signal(Signal::SIGHUP);
    until_said(&world, "changed: context.t.serve.metrics_from");
    assert_eq!(server.send("GET", "/metrics", &[], &[]).status, 200);
    assert_eq!(left(), "\"requests\";r=95;t=0");
}
