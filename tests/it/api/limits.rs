//! Too many requests of one client.

use serde_json::json;

use super::{PASSWORD, acme};
use crate::support::api::{Answer, ApiServer, bearer};

fn login(server: &ApiServer, more: &[&str]) -> Answer {
    let headers: Vec<&str> = more.iter().copied().chain(["X-Tenant-ID: acme"]).collect();
    let body = json!({ "email": "ann@acme.example", "password": PASSWORD });
    server.send_json("POST", "/auth/login", &headers, &body)
}

#[test]
fn who_signs_in_too_often_is_told_when_to_come_again() {
    let (world, _) = acme();
    let server = ApiServer::start_with(&world, &[("passwords_a_minute", "3")]);
    for left in ["2", "1", "0"] {
        let answer = login(&server, &[]);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.header("ratelimit-policy"), Some("\"passwords\";q=3;w=60"));
        assert_eq!(answer.header("ratelimit"), Some(format!("\"passwords\";r={left};t=0").as_str()));
    }
    let refused = login(&server, &[]);
    assert_eq!(refused.problem(), (429, "rate_limited".to_owned()));
    let wait: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=21).contains(&wait), "{wait}");
    // Nobody gets round it by saying that they are somebody else, and other buckets are not touched.
    assert_eq!(login(&server, &["X-Forwarded-For: 198.51.100.1"]).status, 429);
    assert_eq!(server.send("GET", "/health", &[], &[]).status, 200);
    assert_eq!(server.send("GET", "/openapi.json", &[], &[]).status, 200);
}

#[test]
fn behind_a_proxy_that_is_trusted_each_client_counts_for_itself() {
    let (world, _) = acme();
    let settings = [("passwords_a_minute", "1"), ("trusted_proxies", "127.0.0.0/8")];
    let server = ApiServer::start_with(&world, &settings);
    let from = |chain: &str| login(&server, &[&format!("X-Forwarded-For: {chain}")]).status;
    assert_eq!((from("198.51.100.1"), from("198.51.100.1"), from("198.51.100.2")), (200, 429, 200));
    // What stands before the client was written by the client.
    assert_eq!(from("203.0.113.7, 198.51.100.1"), 429);
    assert_eq!((from("2001:db8::1"), from("2001:db8::2"), from("2001:db8:0:1::1")), (200, 429, 200));
}

#[test]
fn a_user_counts_wherever_they_come_from() {
    let (world, _) = acme();
    let settings = [("requests_a_minute", "2"), ("trusted_proxies", "127.0.0.0/8")];
    let server = ApiServer::start_with(&world, &settings);
    let token = bearer(login(&server, &[]).ok()["access_token"].as_str().unwrap());
    let from = |address: &str| {
        let chain = format!("X-Forwarded-For: {address}");
        server.send("GET", "/auth/me", &[&token, &chain], &[]).status
    };
    assert_eq!((from("198.51.100.1"), from("198.51.100.2"), from("198.51.100.3")), (200, 200, 429));
}
