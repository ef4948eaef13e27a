//! A tenant's own database, by the login that its apps use.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{PASSWORD, acme, acme_and_token, operated, operator, operator_token, refused, until, user};
use crate::iam::inside::run;
use crate::support::api::{ApiServer, bearer};
use crate::support::lock_holder::LockHolder;
use crate::support::world::World;

/// A set of migrations whose history is `canary.history`: a tenant's newest version there is known by its number.
pub fn canary_set(world: &World) {
    let folder = world.machine().path("canary");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1_canary.sql"), "create table canary.bird (x bigint primary key);\n")
        .unwrap();
    let folder = folder.to_str().unwrap();
    world.ok(&["migrate", "set", "add", "canary", "--source", folder, "--history", "canary.history"]);
}

/// Puts a number into a tenant's database that no other has.
pub fn canary(world: &World, slug: &str, number: i64) {
    // One of this name may have been purged before.
    let name =
        format!("select database_name from control.tenants where slug = '{slug}' and state <> 'deleted'");
    let database = world.control_sql(&name).remove(0);
    let plant = format!(
        "create schema canary; grant usage on schema canary to nexus_app;
         create table canary.history (version bigint primary key, success boolean not null);
         insert into canary.history values ({number}, true); grant select on canary.history to nexus_app"
    );
    world.sql(&database, &plant);
}

#[test]
fn a_tenants_people_see_what_it_uses_and_what_it_may_use() {
    let (world, server, token) = acme_and_token();
    canary_set(&world);
    world.ok(&["tenant", "update", "acme", "--max-users", "7", "--max-requests-a-month", "5000"]);
    user(&server, &token, "vic@acme.example", &["Viewer"]);
    user(&server, &token, "uma@acme.example", &[]);
    let file = json!({ "name": "a.txt", "content_type": "text/plain", "size": 48213 });
    server.change("POST", "/files", &token, &file).ok();

    let mut usage = until(&server, "/usage", &token, |usage| {
        usage["requests"]["used"].as_i64() > Some(2) && usage["users"]["limit"] == 7
    });
    let bytes = usage["database"]["bytes"].take().as_i64().unwrap();
    let size = "select pg_database_size(current_database())";
    let now: i64 = world.tenant_sql("acme", size).remove(0).parse().unwrap();
    assert!((now - bytes).abs() < 10_000_000 && bytes > 1_000_000, "{bytes}, and is {now}");
    usage["requests"]["used"].take();
    let month = world.control_sql("select to_char(now() at time zone 'UTC', 'YYYY-MM')").remove(0);
    assert_eq!(
        usage,
        json!({
            "month": month,
            "users": { "used": 3, "limit": 7 },
            "storage_bytes": { "used": 48213, "limit": null },
            "requests": { "used": null, "limit": 5000 },
            "database": { "bytes": null, "schemas": [] },
        })
    );
    // As its own login sees it.
    canary(&world, "acme", 4711);
    let schemas = |usage: &Value| usage["database"]["schemas"].clone();
    let usage = server.get("/usage", &token).ok();
    assert_eq!(schemas(&usage), json!([{ "set": "canary", "version": 4711 }]));
    world.tenant_sql("acme", "revoke select on canary.history from nexus_app");
    assert_eq!(schemas(&server.get("/usage", &token).ok()), json!([]));
    // What its owner puts in the place says nothing, and breaks nothing.
    world.tenant_sql(
        "acme",
        "drop table canary.history; create table canary.history (x int); grant select on canary.history to nexus_app",
    );
    assert_eq!(schemas(&server.get("/usage", &token).ok()), json!([]));

    // Of the business: whoever may read it may see this.
    let vic = server.token("acme", "vic@acme.example", PASSWORD);
    assert_eq!(server.get("/usage", &vic).status, 200);
    let uma = server.token("acme", "uma@acme.example", PASSWORD);
    assert_eq!(refused(&server, "GET", "/usage", &uma), (403, "permission_missing".to_owned()));
}

#[test]
fn a_token_of_the_platform_leads_to_no_tenants_database() {
    let (world, server) = acme();
    operator(&world, "ops@example.com", "Admin");
    let token = operator_token(&server, "ops@example.com");
    assert_eq!(refused(&server, "GET", "/usage", &token), (403, "tenant_mismatch".to_owned()));
    assert_eq!(refused(&server, "GET", "/usage", "nonsense"), (401, "token_invalid".to_owned()));
}

#[test]
fn a_tenants_own_rows_are_read_by_its_own_login_and_requests_that_follow_need_no_login() {
    let (world, server, token) = acme_and_token();
    for _ in 0..20 {
        assert_eq!(server.get("/usage", &token).status, 200);
    }
    let role = world.control_sql("select app_role from control.tenants where slug = 'acme'").remove(0);
    let seen = "select usename || ' ' || count(*) from pg_stat_activity where application_name = 'nexus:app'
                and datname = current_database() group by usename";
    assert_eq!(world.tenant_sql("acme", seen), [format!("{role} 1")]);
}

#[test]
fn when_the_apps_login_may_have_no_more_sessions_the_answer_is_busy_and_the_server_counts_as_up() {
    let (world, server, token) = acme_and_token();
    let env = world.env("acme");
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    world.sql("postgres", &format!("alter role \"{}\" connection limit 1", of("PGUSER")));
    let login = world.stack().superuser(&of("PGDATABASE")).login(&of("PGUSER"), of("PGPASSWORD").into());
    run(async {
        let other = login.connect_plain("test").await.unwrap();
        let answer = server.get("/usage", &token);
        assert_eq!(answer.problem(), (503, "sessions_busy".to_owned()));
        assert!((1..=4).contains(&answer.retry_after()), "{answer:?}");
        // Others are served, and nothing counts as down.
        assert_eq!(server.get("/users", &token).status, 200);
        let ready = server.send("GET", "/ready", &[], &[]).json();
        assert!(ready["servers"].as_array().unwrap().iter().all(|it| it["state"] == "up"), "{ready}");
        other.close().await.unwrap();
    });
    let began = Instant::now();
    while server.get("/usage", &token).status != 200 {
        assert!(began.elapsed() < Duration::from_secs(30));
    }
}

#[test]
fn a_suspended_tenants_database_is_reached_by_no_request_on_any_server() {
    let (world, one, token) = acme_and_token();
    let two = ApiServer::start(&world);
    for server in [&one, &two] {
        assert_eq!(server.get("/usage", &token).status, 200);
    }
    world.ok(&["tenant", "suspend", "acme", "--reason", "late"]);
    for server in [&one, &two] {
        let began = Instant::now();
        while server.get("/usage", &token).status != 401 {
            assert!(began.elapsed() < Duration::from_secs(5), "it is still served");
        }
    }
    world.ok(&["tenant", "resume", "acme"]);
    for server in [&one, &two] {
        let began = Instant::now();
        loop {
            let answer = server.login(Some("acme"), "ann@acme.example", PASSWORD);
            if answer.status == 200 {
                let token = answer.ok()["access_token"].as_str().unwrap().to_owned();
                assert_eq!(server.get("/usage", &token).status, 200);
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(30), "{answer:?}");
        }
    }
}

#[test]
fn what_the_owner_of_a_database_does_to_its_sessions_fails_no_later_request() {
    let (world, server, token) = acme_and_token();
    canary_set(&world);
    canary(&world, "acme", 4711);
    // It runs where a row of the history is read.
    world.tenant_sql(
        "acme",
        "create function canary.seen() returns boolean language plpgsql as $$
         begin execute 'deallocate all'; return true; end $$;
         alter table canary.history enable row level security;
         create policy seen on canary.history using (canary.seen())",
    );
    for _ in 0..4 {
        let usage = server.get("/usage", &token).ok();
        assert_eq!(usage["database"]["schemas"], json!([{ "set": "canary", "version": 4711 }]));
    }
}

#[test]
fn a_statement_in_the_control_database_ends_after_ten_seconds_too() {
    let (world, server, token) = operated("Admin");
    world.ok(&["tenant", "create", "acme"]);
    let locked = "select from control.tenants where slug = 'acme' for update";
    let holder = LockHolder::of(&world, &world.control, locked);
    let began = Instant::now();
    let change = || {
        let headers = [&bearer(&token), "If-Match: *"];
        server.send_json("PATCH", "/tenants/acme", &headers, &json!({ "name": "Acme Ltd" }))
    };
    assert_eq!(change().problem(), (503, "statement_cancelled".to_owned()));
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    drop(holder);
    assert_eq!(change().ok()["name"], "Acme Ltd");
}

#[test]
fn a_statement_of_a_request_ends_after_ten_seconds_and_others_are_served_meanwhile() {
    let (world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    let locked = format!("select from nexus.users where id = '{bob}' for update");
    let holder = LockHolder::of(&world, &world.database_of("acme"), &locked);
    let began = Instant::now();
    let answer = std::thread::scope(|scope| {
        let change = || server.change("PATCH", &format!("/users/{bob}"), &token, &json!({ "name": "Bob" }));
        let waiting = scope.spawn(change);
        assert_eq!(server.get("/users", &token).status, 200);
        waiting.join().unwrap()
    });
    assert_eq!(answer.problem(), (503, "statement_cancelled".to_owned()));
    assert!((1..=4).contains(&answer.retry_after()), "{answer:?}");
    assert!(began.elapsed() < Duration::from_secs(25), "{:?}", began.elapsed());
    drop(holder);
    let change = server.change("PATCH", &format!("/users/{bob}"), &token, &json!({ "name": "Bob" }));
    assert_eq!(change.status, 200);
}
