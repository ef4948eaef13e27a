//! Requests that nobody should send: each is answered, none harms the others.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use super::{PASSWORD, acme};
use crate::support::api::{ApiServer, bearer};

#[test]
fn a_text_that_the_database_cannot_hold_is_the_callers_fault() {
    let (_world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let cursor = |sort: &str, value: &str| {
        let position = json!({ "sort": sort, "value": value, "id": "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d" });
        format!("/users?sort={sort}&cursor={}", URL_SAFE_NO_PAD.encode(position.to_string()))
    };
    for path in [
        "/users?search=%00".to_owned(),
        "/users?role=%00".to_owned(),
        "/users?cursor=AAAA".to_owned(),
        cursor("created_at", "yesterday"),
        cursor("email", "a\0b"),
    ] {
        assert_eq!(server.get(&path, &token).problem(), (400, "query_invalid".to_owned()), "{path}");
    }
    let body = json!({ "email": "ann@acme.example", "password": PASSWORD, "client": "a\0b" });
    let answer = server.send_json("POST", "/auth/login", &["X-Tenant-ID: acme"], &body);
    assert_eq!(answer.problem(), (400, "body_invalid".to_owned()));
}

#[test]
fn a_body_that_is_too_long_or_not_json_is_refused_as_any_other() {
    let (world, _) = acme();
    let server = ApiServer::start_with(&world, &[("body_kib", "1")]);
    let json = ["Content-Type: application/json"];
    let send = |headers: &[&str], body: &[u8]| server.send("POST", "/auth/login", headers, body).problem();
    assert_eq!(send(&json, &[b' '; 2000]), (413, "body_too_large".to_owned()));
    assert_eq!(send(&[], b"{}"), (415, "body_not_json".to_owned()));
    let packed = ["Content-Type: application/json", "Content-Encoding: br"];
    assert_eq!(send(&packed, b"{}"), (415, "encoding_unknown".to_owned()));
    assert_eq!(send(&json, b"{").1, "body_invalid");
    let deep = "[".repeat(1000);
    assert_eq!(send(&json, deep.as_bytes()).1, "body_invalid");
}

#[test]
fn another_scheme_is_no_token_and_a_refresh_token_is_for_its_tenant_alone() {
    let (world, server) = acme();
    world.tenant("other");
    let basic = server.send("GET", "/users", &["Authorization: Basic YTpi"], &[]);
    assert_eq!(basic.problem(), (401, "token_missing".to_owned()));
    assert!(basic.header("www-authenticate").is_some());
    let pair = server.login(Some("acme"), "ann@acme.example", PASSWORD).ok();
    let body = json!({ "refresh_token": pair["refresh_token"] });
    for path in ["/auth/refresh-token", "/auth/logout"] {
        let elsewhere = server.send_json("POST", path, &["X-Tenant-ID: other"], &body);
        assert_eq!(elsewhere.problem(), (403, "tenant_mismatch".to_owned()), "{path}");
    }
    assert_eq!(server.send_json("POST", "/auth/refresh-token", &["X-Tenant-ID: acme"], &body).status, 200);
}

#[test]
fn a_token_of_ones_own_does_not_raise_the_limit_of_passwords() {
    let (world, _) = acme();
    let server = ApiServer::start_with(&world, &[("passwords_a_minute", "2")]);
    let token = bearer(&server.token("acme", "ann@acme.example", PASSWORD));
    let headers = ["X-Tenant-ID: acme", token.as_str()];
    let body = json!({ "email": "ann@acme.example", "password": "not her password at all" });
    let guess = || server.send_json("POST", "/auth/login", &headers, &body).status;
    assert_eq!((guess(), guess()), (401, 429));
}

#[test]
fn a_token_that_is_revoked_while_a_body_arrives_changes_nothing() {
    let (world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    let body = json!({ "email": "eve@acme.example" }).to_string();
    let mut socket = TcpStream::connect(&server.address).unwrap();
    let head = format!(
        "POST /users HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{}",
        bearer(&token),
        body.len(),
        &body[..10]
    );
    socket.write_all(head.as_bytes()).unwrap();
    world.ok(&["token", "revoke", "--tenant", "acme", "--user", "ann@acme.example"]);
    let until = Instant::now() + Duration::from_secs(5);
    while server.get("/auth/me", &token).status != 401 {
        assert!(Instant::now() < until, "it is good still");
    }
    socket.write_all(&body.as_bytes()[10..]).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
    let asked = world.run(&["user", "show", "eve@acme.example", "--tenant", "acme"]);
    assert_eq!(asked.status.code(), Some(4));
}

#[test]
fn who_connects_and_says_nothing_is_let_go() {
    let (_world, server) = acme();
    let mut silent = TcpStream::connect(&server.address).unwrap();
    silent.set_read_timeout(Some(Duration::from_mins(1))).unwrap();
    let began = Instant::now();
    assert_eq!(silent.read(&mut [0; 1]).unwrap(), 0);
    assert!(began.elapsed() < Duration::from_secs(40));
}

#[test]
fn methods_that_nobody_knows_are_counted_as_one() {
    let (_world, server) = acme();
    for n in 0..20 {
        server.send(&format!("M{n}"), "/users", &[], &[]);
    }
    let text = server.send("GET", "/metrics", &[], &[]).body;
    assert!(text.contains("method=\"other\"") && !text.contains("\"M1\""), "{text}");
    let forwarded = server.send("GET", "/metrics", &["X-Forwarded-For: 198.51.100.1"], &[]);
    assert_eq!(forwarded.status, 404);
}
