//! How much a tenant may use: users, and requests in a month.

use serde_json::{Value, json};

use super::{PASSWORD, acme, acme_and_token, call, operator, operator_token, refused};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;

fn limit(world: &World, flag: &str, most: &str) {
    world.ok(&["tenant", "update", "acme", flag, most]);
    // Every server knows of it two seconds later.
    std::thread::sleep(std::time::Duration::from_secs(2));
}

/// A tenant with this limit, its server, and its administrator's token.
fn limited(flag: &str, most: &str) -> (World, ApiServer, String) {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    world.ok(&["tenant", "update", "acme", flag, most]);
    let server = ApiServer::start(&world);
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    (world, server, token)
}

fn create(server: &ApiServer, token: &str, email: &str) -> Answer {
    server.change("POST", "/users", token, &json!({ "email": email }))
}

fn users(world: &World) -> String {
    world.tenant_sql("acme", "select count(*) from nexus.users where deleted_at is null").remove(0)
}

#[test]
fn a_tenant_is_shown_and_changed_with_what_it_is_called_and_may_use() {
    let (world, server) = acme();
    operator(&world, "ops@example.com", "Provisioner");
    let token = operator_token(&server, "ops@example.com");
    let change = json!({
        "tier": "gold", "business_type": "law-firm", "modules": ["hr", "crm", "crm"],
        "limits": { "max_users": 7, "max_storage_bytes": 1000 },
    });
    let changed = server.change("PATCH", "/tenants/acme", &token, &change).ok();
    assert_eq!(
        json!([changed["tier"], changed["segment"], changed["business_type"], changed["modules"]]),
        json!(["gold", null, "law-firm", ["crm", "hr"]])
    );
    let less = json!({ "tier": null, "limits": { "max_users": null } });
    let changed = server.change("PATCH", "/tenants/acme", &token, &less).ok();
    assert_eq!(changed["tier"], Value::Null);
    assert_eq!(
        changed["limits"],
        json!({ "max_users": null, "max_storage_bytes": 1000, "max_requests_a_month": null })
    );
    for (query, found) in [("module=crm", 1), ("module=billing", 0), ("business_type=law-firm&module=hr", 1)]
    {
        let list = server.get(&format!("/tenants?{query}"), &token).ok();
        assert_eq!(list["data"].as_array().unwrap().len(), found, "{query}");
    }
    let wrong = json!({ "limits": { "max_users": -1 } });
    let answer = server.change("PATCH", "/tenants/acme", &token, &wrong);
    assert_eq!(answer.problem(), (400, "body_invalid".to_owned()));
    assert_eq!(answer.json()["errors"][0]["pointer"], "/limits/max_users");
    let usage = server.get("/tenants/acme/usage", &token).ok();
    assert_eq!((&usage["requests"], &usage["limits"]), (&json!(0), &changed["limits"]));
}

#[test]
fn no_more_users_are_made_than_the_tenant_may_have() {
    let (world, server, token) = limited("--max-users", "4");
    let second = ApiServer::start(&world);
    // Ann is one. Of many at once on two servers, three get through.
    let made: Vec<u16> = std::thread::scope(|scope| {
        let one = |at: usize| {
            let (server, token) = (if at.is_multiple_of(2) { &server } else { &second }, &token);
            scope.spawn(move || create(server, token, &format!("u{at}@acme.example")).status)
        };
        let all: Vec<_> = (0..8).map(one).collect();
        all.into_iter().map(|it| it.join().unwrap()).collect()
    });
    assert_eq!(made.iter().filter(|status| **status == 201).count(), 3, "{made:?}");
    assert!(made.iter().all(|status| matches!(status, 201 | 403)), "{made:?}");
    assert_eq!(users(&world), "4");
    let full = create(&server, &token, "more@acme.example");
    assert_eq!(full.problem(), (403, "user_limit_reached".to_owned()));
    // Without the number: whoever tries to register sees this answer, too.
    assert_eq!(full.json()["details"], Value::Null);
    // The command line is no way round.
    let args = ["user", "create", "--tenant", "acme", "--email", "more@acme.example", "--invite"];
    assert_eq!(world.error(&args).1["code"], "user_limit_reached");
    // Who is deleted makes room, and is not had back where it is taken.
    let gone = world.tenant_sql("acme", "select id from nexus.users where email like 'u%' limit 1").remove(0);
    call(&server, "DELETE", &format!("/users/{gone}"), &token);
    assert_eq!(create(&server, &token, "more@acme.example").status, 201);
    let back = refused(&server, "POST", &format!("/users/{gone}/undelete"), &token);
    assert_eq!(back, (403, "user_limit_reached".to_owned()));
    // A higher limit counts.
    limit(&world, "--max-users", "none");
    assert_eq!(create(&server, &token, "another@acme.example").status, 201);
}

#[test]
fn of_many_users_those_are_made_for_whom_there_is_room() {
    let (world, server, token) = limited("--max-users", "3");
    let many = json!({ "users": [
        { "email": "bob@acme.example" }, { "email": "ann@acme.example" }, { "email": "cy@acme.example" },
        { "email": "di@acme.example" },
    ] });
    let atomic = server.change("POST", "/users/bulk?atomic=true", &token, &many);
    assert_eq!(atomic.problem(), (409, "none_created".to_owned()));
    assert!(atomic.body.contains("user_limit_reached"), "{atomic:?}");
    assert_eq!(users(&world), "1");
    let done = server.change("POST", "/users/bulk", &token, &many).ok();
    let results: Vec<_> =
        done["results"].as_array().unwrap().iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(results, ["created", "unchanged", "created", "failed"]);
    assert_eq!(done["results"][3]["code"], "user_limit_reached");
    assert_eq!(users(&world), "3");
}

#[test]
fn whoever_registers_needs_room_whatever_their_address() {
    let (world, server, _) = limited("--max-users", "1");
    world.ok(&["iam", "set", "--tenant", "acme", "--registration", "open"]);
    for email in ["eve@acme.example", "ann@acme.example"] {
        let body = json!({ "email": email, "password": PASSWORD });
        let answer = server.send_json("POST", "/auth/register", &["X-Tenant-ID: acme"], &body);
        assert_eq!(answer.problem(), (403, "user_limit_reached".to_owned()), "{email}");
    }
    assert_eq!(users(&world), "1");
}

#[test]
fn requests_end_at_the_months_limit_on_all_servers_and_are_counted_when_one_stops() {
    let (world, server, token) = acme_and_token();
    operator(&world, "ops@example.com", "Provisioner");
    let second = ApiServer::start(&world);
    let operator = operator_token(&server, "ops@example.com");
    limit(&world, "--max-requests-a-month", "30");
    let asked = |server: &ApiServer, times: usize| -> usize {
        (0..times).filter(|_| server.get("/users", &token).status == 200).count()
    };
    assert_eq!(asked(&server, 20), 20);
    let used = |wanted: i64| {
        super::until(&server, "/tenants/acme/usage", &operator, |usage| usage["requests"] == wanted);
    };
    used(20);
    // The other server knows what this one counted.
    assert_eq!(asked(&second, 15), 10);
    let over = second.get("/users", &token);
    assert_eq!(over.problem(), (403, "request_limit_reached".to_owned()));
    assert_eq!(over.json()["details"]["limit"], 30);
    // Signing in and out is still possible, and so is everything of other realms.
    assert_eq!(second.get("/auth/me", &token).status, 200);
    assert_eq!(second.get("/tenants", &operator).status, 200);
    // What was counted a moment ago is not lost with a server that stops.
    assert_eq!(second.stop().0, Some(0));
    used(30);
    // The first server has not heard of those; five seconds later at most it has.
    let began = std::time::Instant::now();
    while asked(&server, 1) > 0 {
        assert!(began.elapsed().as_secs() < 5);
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    limit(&world, "--max-requests-a-month", "1000");
    assert_eq!(asked(&server, 3), 3);
}

#[test]
fn a_server_that_is_killed_loses_a_second_of_its_counts_at_most() {
    let (world, server, token) = acme_and_token();
    for _ in 0..50 {
        assert_eq!(server.get("/users", &token).status, 200);
    }
    let count = "select coalesce(sum(requests), 0) from control.request_counts";
    let began = std::time::Instant::now();
    while world.control_sql(count) != ["50"] {
        assert!(began.elapsed().as_secs() < 5, "{:?}", world.control_sql(count));
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    server.signal(nix::sys::signal::Signal::SIGKILL);
    let server = ApiServer::start(&world);
    assert_eq!(server.send("GET", "/users", &[&bearer(&token)], &[]).status, 200);
    assert_eq!(server.stop().0, Some(0));
    assert_eq!(world.control_sql(count), ["51"]);
}
