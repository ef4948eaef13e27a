//! Tenants that are suspended, renamed, purged and made again under the same name, or get new credentials, while
//! requests come: each answer is of the tenant that was asked, on every server, of its realm and of its own database.
//! `NEXUS_TEST_ALL=1` takes 200 tenants.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicUsize, Ordering};
use std::sync::{Mutex, RwLock};
use std::time::{Duration, Instant};

use super::{PASSWORD, databases};
use crate::app::new_password;
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::dice::Dice;
use crate::support::sql::apart;
use crate::support::world::World;

/// Requests that are under way at once.
const WORKERS: usize = 64;
/// Changes of tenants.
const CHANGES: usize = 24;

/// The number that the last tenant's database has.
static NUMBER: AtomicI64 = AtomicI64::new(0);

/// A tenant of one birth: who has its token sees its administrator and its number, and no other's.
#[derive(Clone)]
struct Tenant {
    slug: String,
    email: String,
    number: i64,
    token: String,
}

fn birth(world: &World, server: &ApiServer, slug: &str, birth: usize) -> Tenant {
    let email = format!("canary{birth}@{slug}.example");
    world.tenant_of(slug, &email, PASSWORD);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed) + 1;
    databases::canary(world, slug, number);
    let token = token(server, slug, &email);
    Tenant { slug: slug.to_owned(), email, number, token }
}

/// As soon as the server knows that there is such a tenant.
fn token(server: &ApiServer, slug: &str, email: &str) -> String {
    let began = Instant::now();
    loop {
        let answer = server.login(Some(slug), email, PASSWORD);
        if answer.status == 200 {
            return answer.ok()["access_token"].as_str().unwrap().to_owned();
        }
        assert!(began.elapsed() < Duration::from_secs(30), "{slug}: {answer:?}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Until both servers refuse a token.
fn refused(servers: [&ApiServer; 2], tenant: &Tenant) {
    let began = Instant::now();
    for server in servers {
        for path in ["/auth/me", "/usage"] {
            while server.get(path, &tenant.token).status != 401 {
                assert!(began.elapsed() < Duration::from_secs(30), "{} is still served", tenant.slug);
            }
        }
    }
}

/// The number of the database that an answer is of.
fn number(answer: &Answer) -> i64 {
    answer.ok()["database"]["schemas"][0]["version"].as_i64().unwrap_or_else(|| panic!("{answer:?}"))
}

/// Ends the workers, also where a change fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn each_answer_is_of_the_tenant_that_was_asked_whatever_becomes_of_the_others() {
    let world = World::new();
    let limits = [("passwords_a_minute", "1000000"), ("requests_a_minute", "1000000"), ("sessions", "16")];
    databases::canary_set(&world);
    let (one, two) = (ApiServer::start_with(&world, &limits), ApiServer::start_with(&world, &limits));
    let count = if std::env::var_os("NEXUS_TEST_ALL").is_some() { 200 } else { 40 };
    let tenants: Vec<RwLock<Tenant>> =
        (0..count).map(|n| RwLock::new(birth(&world, &one, &format!("t{n}"), 0))).collect();
    let (ended, good, wrong) = (AtomicBool::new(false), AtomicUsize::new(0), Mutex::new(Vec::new()));
    let (of_databases, busy) = (AtomicUsize::new(0), AtomicUsize::new(0));
    // Known to everybody who asks; old ones may come from anybody.
    let old: Mutex<Vec<Tenant>> = Mutex::default();

    let ask = |server: &ApiServer, path: &str, tenant: &Tenant, headers: &[&str]| {
        let token = bearer(&tenant.token);
        let headers: Vec<&str> = headers.iter().copied().chain([&*token]).collect();
        let answer = server.send("GET", path, &headers, &[]);
        match answer.status {
            200 if path == "/auth/me" && answer.json()["email"] == tenant.email => {
                good.fetch_add(1, Ordering::Relaxed);
            }
            200 if path == "/usage" && number(&answer) == tenant.number => {
                of_databases.fetch_add(1, Ordering::Relaxed);
            }
            503 => {
                busy.fetch_add(1, Ordering::Relaxed);
            }
            // Shut, gone, or of another name now.
            401 | 403 => {}
            _ => wrong.lock().unwrap().push(format!("{} {}: {answer:?}", tenant.slug, tenant.email)),
        }
    };
    std::thread::scope(|scope| {
        for worker in 0..WORKERS {
            let (ask, tenants, old, ended, one, two) = (&ask, &tenants, &old, &ended, &one, &two);
            scope.spawn(move || {
                let mut dice = Dice(worker as u64);
                while !ended.load(Ordering::Relaxed) {
                    let server = if dice.below(2) == 0 { one } else { two };
                    let tenant = tenants[dice.below(tenants.len())].read().unwrap().clone();
                    let named = format!("X-Tenant-ID: {}", tenant.slug);
                    let path = if dice.below(2) == 0 { "/auth/me" } else { "/usage" };
                    match dice.below(3) {
                        0 => ask(server, path, &tenant, &[&named]),
                        1 => ask(server, path, &tenant, &[]),
                        _ => {
                            let before = old.lock().unwrap().last().cloned();
                            ask(server, path, before.as_ref().unwrap_or(&tenant), &[&named]);
                        }
                    }
                }
            });
        }
        let _end = End(&ended);
        let mut dice = Dice(4711);
        for change in 1..=CHANGES {
            let at = &tenants[dice.below(tenants.len())];
            let tenant = at.read().unwrap().clone();
            match change % 4 {
                0 => {
                    world.ok(&["tenant", "suspend", &tenant.slug, "--reason", "late"]);
                    refused([&one, &two], &tenant);
                    world.ok(&["tenant", "resume", &tenant.slug]);
                    let token = token(&one, &tenant.slug, &tenant.email);
                    *at.write().unwrap() = Tenant { token, ..tenant };
                }
                1 => {
                    let slug = format!("r{change}");
                    world.ok(&["tenant", "rename", &tenant.slug, &slug]);
                    *at.write().unwrap() = Tenant { slug, ..tenant };
                }
                2 => {
                    let password = format!("password-{change}");
                    apart(async || new_password(&world, &tenant.slug, &password).await);
                }
                _ => {
                    let slug = &tenant.slug;
                    world.ok(&["-vvv", "tenant", "delete", slug, "--purge", "--yes", "--confirm", slug]);
                    refused([&one, &two], &tenant);
                    *at.write().unwrap() = birth(&world, &one, slug, change);
                    old.lock().unwrap().push(tenant);
                }
            }
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}:\n{}", wrong.len(), wrong[..wrong.len().min(20)].join("\n"));
    let good = good.into_inner();
    let (of_databases, busy) = (of_databases.into_inner(), busy.into_inner());
    println!("{good} answers of realms, {of_databases} of databases, {busy} times busy");
    assert!(good > 500, "only {good} answers were of anybody");
    assert!(of_databases > 500, "only {of_databases} answers were of a database");
    for tenant in &tenants {
        let tenant = tenant.read().unwrap();
        for server in [&one, &two] {
            assert_eq!(server.get("/auth/me", &tenant.token).ok()["email"], tenant.email, "{}", tenant.slug);
            assert_eq!(number(&server.get("/usage", &tenant.token)), tenant.number, "{}", tenant.slug);
        }
    }
}
