//! Too many requests of one client.

use serde_json::json;

use super::start::{said, serve};
use super::{PASSWORD, acme};
use crate::support::api::{Answer, ApiServer, KeptOpen, bearer};
use crate::support::pg_proxy::{Operation, PgProxy};

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
    let wait = refused.retry_after();
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

/// Guesses of a password at several servers, all at once; how many were not turned away.
fn guesses(servers: &[&ApiServer], count: usize) -> usize {
    let body = json!({ "email": "nobody@acme.example", "password": "not a password of anybody" });
    let guess =
        |server: &ApiServer| server.send_json("POST", "/auth/login", &["X-Tenant-ID: acme"], &body).status;
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..count)
            .map(|at| {
                let server = servers[at % servers.len()];
                scope.spawn(move || guess(server))
            })
            .collect();
        all.into_iter().map(|one| one.join().unwrap()).filter(|it| *it != 429).count()
    })
}

#[test]
fn of_fifty_guesses_at_once_on_two_servers_no_more_than_the_limit_get_through() {
    let (world, _) = acme();
    let limit = [("passwords_a_minute", "6"), ("messages_a_minute", "3")];
    let servers = [ApiServer::start_with(&world, &limit), ApiServer::start_with(&world, &limit)];
    let servers: Vec<&ApiServer> = servers.iter().collect();
    let began = std::time::Instant::now();
    let through = guesses(&servers, 50);
    // One more for every ten seconds.
    let most = 6 + usize::try_from(began.elapsed().as_secs()).unwrap() / 10;
    assert!((6..=most).contains(&through), "{through} of {most}");
    // One that begins now knows of them, too.
    let third = ApiServer::start_with(&world, &limit);
    let began = std::time::Instant::now();
    let through = guesses(&[&third], 10);
    let most = 1 + usize::try_from(began.elapsed().as_secs()).unwrap() / 10;
    assert!(through <= most, "{through} of {most}");
    let refused = login(&third, &[]);
    if refused.status == 429 {
        let wait = refused.retry_after();
        assert!((1..=11).contains(&wait), "{wait}");
    }
    // Other buckets are not touched, and the same holds for them.
    let forgot = |server: &ApiServer| {
        let body = json!({ "email": "nobody@acme.example" });
        server.send_json("POST", "/auth/forgot", &["X-Tenant-ID: acme"], &body).status
    };
    let statuses: Vec<u16> = (0..4).map(|at| forgot(servers[at % 2])).collect();
    assert_eq!(statuses, [202, 202, 202, 429]);
    let rows = world.control_sql("select bucket, client from control.rate_counts order by bucket");
    assert_eq!(rows, ["messages|127.0.0.1", "passwords|127.0.0.1"]);
}

#[test]
fn while_the_control_database_is_away_each_server_counts_for_itself() {
    let (world, _) = acme();
    let proxy = PgProxy::before(world.stack());
    let settings = world.elsewhere(&proxy.socket_dir, &proxy.port);
    let mut command = serve(&world, &settings, &[]);
    command.env("NEXUS_CONTEXT_T_SERVE_PASSWORDS_A_MINUTE", "3");
    let server = ApiServer::of(command);
    assert_eq!(login(&server, &[]).status, 200);
    proxy.every(Operation::Cut);
    let statuses: Vec<u16> = (0..3).map(|_| login(&server, &[]).status).collect();
    assert_eq!(statuses[2], 429, "{statuses:?}");
    assert!(statuses[..2].iter().all(|status| *status == 503), "{statuses:?}");
    assert!(said(&world).contains("counted by this process alone"), "{}", said(&world));
}

#[test]
fn a_proxy_that_nobody_named_is_named_in_the_log() {
    let (world, _) = acme();
    let server =
        ApiServer::of(serve(&world, &world.machine().path("work/nexus.toml").display().to_string(), &[]));
    let mut open = KeptOpen::to(&server);
    for n in 0..2_100 {
        let chain = format!("X-Forwarded-For: 198.51.100.{}", n % 250);
        open.send("GET", "/auth/me", &[&chain], &[]).unwrap();
    }
    let said = said(&world);
    assert_eq!(said.matches("nine tenths of the requests").count(), 1, "{said}");
    assert!(said.contains("127.0.0.1") && said.contains("trusted_proxies"), "{said}");
}
