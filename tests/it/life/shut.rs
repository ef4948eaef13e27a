//! Nobody gets into a suspended tenant: not by a login, not by a session, not by a key.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::retry::RetryConfig;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::presigning::PresigningConfig;
use aws_sdk_s3::primitives::ByteStream;
use aws_smithy_http_client::Builder;
use serde_json::Value;

use super::{delete, resume, suspend, text, undelete};
use crate::crash::settled::create;
use crate::support::proxy::{Fault, Proxy};
use crate::support::stack;
use crate::support::world::World;

/// How soon nobody may be in any more.
const SOON: Duration = Duration::from_secs(2);

fn s3(env: &Value) -> Client {
    let key = Credentials::new(
        text(env, "AWS_ACCESS_KEY_ID"),
        text(env, "AWS_SECRET_ACCESS_KEY"),
        None,
        None,
        "test",
    );
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url(text(env, "S3_ENDPOINT"))
        .region(Region::new(text(env, "AWS_REGION")))
        .force_path_style(true)
        .credentials_provider(key)
        .http_client(Builder::new().build_http())
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

/// The status of a plain GET.
fn get(url: &str) -> u16 {
    let (address, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET /{path} HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

/// A session of the tenant that does something for long.
fn session(env: &Value) -> Child {
    let mut psql = Command::new("psql");
    psql.args(["-X", "-c", "select pg_sleep(600)"]).stdout(Stdio::null()).stderr(Stdio::null());
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"] {
        psql.env(name, text(env, name));
    }
    psql.spawn().unwrap()
}

fn sessions(world: &World, env: &Value) -> String {
    let (user, database) = (text(env, "PGUSER"), text(env, "PGDATABASE"));
    let count = format!(
        "select count(*) from pg_stat_activity where usename = '{user}' or
             (datname = '{database}' and backend_type = 'client backend')"
    );
    world.sql("postgres", &count).remove(0)
}

fn login(world: &World, env: &Value) -> Result<Vec<String>, String> {
    world.sql_as(&text(env, "PGUSER"), &text(env, "PGPASSWORD"), &text(env, "PGDATABASE"), "select 1")
}

#[tokio::test]
async fn two_seconds_after_it_is_told_to_nobody_is_in_a_suspended_or_a_deleted_tenant() {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    let (client, bucket) = (s3(&env), text(&env, "S3_BUCKET"));
    let put = client.put_object().bucket(&bucket).key("k").body(ByteStream::from_static(b"1"));
    put.send().await.unwrap();
    let hour = PresigningConfig::expires_in(Duration::from_hours(1)).unwrap();
    let url = client.get_object().bucket(&bucket).key("k").presigned(hour).await.unwrap().uri().to_owned();
    for (close, open) in [(suspend("acme"), resume("acme")), (delete("acme"), undelete("acme"))] {
        assert_eq!(get(&url), 200);
        let mut inside: Vec<Child> = (0..5).map(|_| session(&env)).collect();
        while sessions(&world, &env) != "5" {
            std::thread::sleep(Duration::from_millis(5));
        }
        let begun = Instant::now();
        world.ok(&close);
        // From here on nobody is in, as the next lines find.
        let took = begun.elapsed();
        assert_eq!(sessions(&world, &env), "0", "{close:?}");
        let refusal = login(&world, &env).expect_err("a login was let in");
        assert!(refusal.contains("not permitted to log in"), "{refusal}");
        assert!(client.get_object().bucket(&bucket).key("k").send().await.is_err(), "the key was let in");
        assert_eq!(get(&url), 403, "the presigned URL was let in");
        assert!(took < SOON, "{close:?} took {took:?}");
        assert!(inside.iter_mut().all(|child| !child.wait().unwrap().success()));
        world.ok(&open);
        assert_eq!(login(&world, &env), Ok(vec!["1".to_owned()]), "{open:?}");
        assert_eq!(get(&url), 200, "{open:?}");
    }
}

#[test]
fn logins_are_closed_even_while_the_store_is_down_and_the_key_as_soon_as_it_is_back() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    world.ok(&create("acme"));
    let env = world.env("acme");
    proxy.break_requests("", Fault::HangUp);
    let (code, error) = world.error(&suspend("acme"));
    assert_eq!((code, error["code"].as_str()), (8, Some("store_unavailable")), "{error}");
    assert!(error["hint"].as_str().unwrap().contains("nexus operation resume"), "{error}");
    assert!(login(&world, &env).is_err(), "a login was let in");
    assert!(proxy.fix() >= 1);
    crate::crash::settled::repair_settles(&world, "a suspension without the store");
    super::doors_are_as_recorded(&world, "a suspension without the store");
}

/// Raises a flag when it goes, also by a panic.
struct Raised<'a>(&'a AtomicBool);

impl Drop for Raised<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn a_login_that_is_being_made_does_not_slip_through() {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    for round in 0..3 {
        let (over, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
        let (mut closed_at, mut let_in) = (Instant::now(), Vec::new());
        std::thread::scope(|scope| {
            // However this ends, the attempts end with it.
            let _end = Raised(&over);
            // Each login stays in for long, if it is let in; not more at once than a server takes.
            let attempt = || {
                let mut children: Vec<(Instant, Child)> = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    let living = children.iter_mut().map(|(_, child)| child.try_wait().unwrap());
                    if living.filter(Option::is_none).count() < 16 {
                        children.push((Instant::now(), session(&env)));
                        begun.fetch_add(1, Ordering::Relaxed);
                    }
                    std::thread::sleep(Duration::from_millis(15));
                }
                children
            };
            let threads: Vec<_> = (0..3).map(|_| scope.spawn(attempt)).collect();
            std::thread::sleep(Duration::from_millis(200));
            world.ok(&suspend("acme"));
            closed_at = Instant::now();
            assert_eq!(sessions(&world, &env), "0", "round {round}");
            // On a busy machine those that were let in take a while to end, and make room for others then.
            let so_far = begun.load(Ordering::Relaxed);
            let has_more = || begun.load(Ordering::Relaxed) > so_far + 3;
            while !has_more() && closed_at.elapsed() < Duration::from_mins(1) {
                std::thread::sleep(Duration::from_millis(20));
            }
            std::thread::sleep(Duration::from_millis(300));
            assert_eq!(sessions(&world, &env), "0", "round {round}: one came later");
            over.store(true, Ordering::Relaxed);
            for thread in threads {
                let_in.extend(thread.join().unwrap());
            }
        });
        let after = let_in.iter().filter(|(begun, _)| *begun > closed_at).count();
        assert!(let_in.len() > after && after > 0, "the race was not run: {after} of {}", let_in.len());
        for (_, mut child) in let_in {
            assert!(!child.wait().unwrap().success(), "round {round}: a session outlived the suspension");
        }
        world.ok(&resume("acme"));
    }
}
