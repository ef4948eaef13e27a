//! Operations that requests record: who carries them out, and how far they are.

use serde_json::{Value, json};

use super::{PASSWORD, done, each, operated, operator, operator_token, refused, until};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::proxy::{Fault, Proxy};
use crate::support::stack;
use crate::support::world::World;

#[test]
fn when_a_server_dies_in_the_middle_another_finishes_its_operations() {
    for point in ["create.database.after", "create.seal.before", "suspend.close-logins.after"] {
        let world = World::new();
        operator(&world, "ops@example.com", "Provisioner");
        world.tenant_of("birch", "ann@birch.example", PASSWORD);
        let first = ApiServer::start_to(&world, &[], (point, "kill"));
        let token = operator_token(&first, "ops@example.com");
        let answer = if point.starts_with("create") {
            first.change("POST", "/tenants", &token, &json!({ "slug": "acme" }))
        } else {
            first.change("POST", "/tenants/birch/suspend", &token, &json!({ "reason": "unpaid" }))
        };
        assert_eq!(answer.status, 202, "{answer:?}");
        assert_eq!(first.died(), Some(9), "{point}");
        let second = ApiServer::start(&world);
        let operation = done(&second, &token, &answer);
        assert!(operation["steps"].as_array().unwrap().iter().all(|step| step["state"] == "done"));
        assert_eq!(world.there(), world.believed(), "{point}");
    }
}

#[test]
fn what_waits_for_workers_is_taken_up_by_whoever_starts() {
    let world = World::new();
    operator(&world, "ops@example.com", "Provisioner");
    let server = ApiServer::start_to(&world, &[], ("create.reserve.after", "kill"));
    let token = operator_token(&server, "ops@example.com");
    // Its intent is written; the request has no answer.
    let _ =
        std::panic::catch_unwind(|| server.change("POST", "/tenants", &token, &json!({ "slug": "acme" })));
    assert_eq!(server.died(), Some(9));
    let second = ApiServer::start(&world);
    until(&second, "/operations?tenant=acme&state=done", &token, |list| !each(list, "id").is_empty());
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");
}

#[test]
fn an_operation_that_fails_before_its_first_step_ends_with_why() {
    let world = World::new();
    operator(&world, "ops@example.com", "Provisioner");
    let server = ApiServer::start_to(&world, &[], ("create.reserve.after", "kill"));
    let token = operator_token(&server, "ops@example.com");
    let _ =
        std::panic::catch_unwind(|| server.change("POST", "/tenants", &token, &json!({ "slug": "acme" })));
    assert_eq!(server.died(), Some(9));
    world.control_sql(
        "update control.sealed_secrets set sealed = '\\x00'
         where tenant_id = (select id from control.tenants where slug = 'acme')",
    );
    let second = ApiServer::start(&world);
    let list =
        until(&second, "/operations?tenant=acme&state=stopped", &token, |list| !each(list, "id").is_empty());
    let operation = &list["data"][0];
    assert!(
        operation["error"]["code"].is_string() && operation["error"]["message"].is_string(),
        "{operation}"
    );
    assert!(operation["retry_at"].is_null() && operation["driven_by"] != "worker", "{operation}");
    // Who follows it is not kept waiting.
    let place = format!("/operations/{}", each(&list, "id")[0]);
    let events = events_of(&follow(&second, &place, &token, &[]).body);
    assert_eq!(events.last().unwrap().2["state"], "stopped");
}

#[test]
fn a_rollback_that_meets_a_broken_store_is_tried_again_by_the_workers() {
    let proxy = Proxy::before(&stack::shared().endpoint);
    let world = World::on(&proxy.endpoint);
    operator(&world, "ops@example.com", "Provisioner");
    world.tenant_of("birch", "ann@birch.example", PASSWORD);
    // Whoever may open another tenant's database is not isolated: everything is rolled back.
    world.sql("postgres", &format!("grant connect on database {} to public", world.database_of("birch")));
    let server = ApiServer::start(&world);
    let token = operator_token(&server, "ops@example.com");
    proxy.break_requests("DELETE /_nexus/v1/buckets/", Fault::Ill);
    let answer = server.change("POST", "/tenants", &token, &json!({ "slug": "acme" }));
    let place = answer.header("location").unwrap().to_owned();
    let waiting = until(&server, &place, &token, |it| it["error"]["code"] == "store_unavailable");
    assert_eq!(waiting["driven_by"], "worker", "{waiting}");
    assert!(proxy.fix() >= 1);
    until(&server, &place, &token, |it| it["state"] == "rolled_back");
    assert_eq!(world.there(), world.believed());
}

#[test]
fn what_a_person_carries_out_no_worker_touches_until_it_is_handed_over() {
    let (world, server, token) = operated("Provisioner");
    world.killed_at("create.database.after", &["tenant", "create", "acme"]);
    let list = server.get("/operations?open=true", &token).ok();
    let id = each(&list, "id")[0].to_owned();
    // Twice as long as workers wait between two looks.
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert_eq!(server.get(&format!("/operations/{id}"), &token).ok()["state"], "interrupted");
    let answer = server.send("POST", &format!("/operations/{id}/resume"), &[&bearer(&token)], &[]);
    assert_eq!(answer.status, 202, "{answer:?}");
    until(&server, &format!("/operations/{id}"), &token, |it| it["state"] == "done");
    assert_eq!(
        refused(&server, "POST", &format!("/operations/{id}/resume"), &token),
        (409, "operation_over".to_owned())
    );
    let actions = "select caller ~ '^operator:' or caller = 'system', action from control.audit_log
                   where action like 'operation.%' order by id";
    assert_eq!(world.control_sql(actions), ["t|operation.hand_over", "t|operation.resume"]);
}

#[test]
fn operations_are_listed_by_page_and_by_what_they_are() {
    let (world, server, token) = operated("Support");
    for slug in ["ash", "birch", "cedar"] {
        world.tenant(slug);
    }
    world.ok(&["tenant", "suspend", "ash", "--reason", "unpaid"]);
    let all = server.get("/operations", &token).ok();
    assert_eq!(each(&all, "tenant"), ["ash", "cedar", "birch", "ash"]);
    assert_eq!(
        all["pagination"],
        json!({ "page": 1, "limit": 20, "total": 4, "pages": 1, "total_exact": true, "next": null })
    );
    let (mut seen, mut path) = (Vec::new(), "/operations?limit=1".to_owned());
    loop {
        let page = server.get(&path, &token).ok();
        seen.extend(each(&page, "id").into_iter().map(str::to_owned));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        path = format!("/operations?limit=1&cursor={next}");
    }
    assert_eq!(seen, each(&all, "id"));
    for (query, slugs) in [
        ("tenant=ash", vec!["ash", "ash"]),
        ("kind=suspend", vec!["ash"]),
        ("kind=create&state=done&limit=2&page=2", vec!["ash"]),
        ("open=true", vec![]),
    ] {
        assert_eq!(
            each(&server.get(&format!("/operations?{query}"), &token).ok(), "tenant"),
            slugs,
            "{query}"
        );
    }
    for (query, hint) in [("kind=suspnd", "did you mean suspend?"), ("state=dona", "did you mean done?")] {
        let answer = server.get(&format!("/operations?{query}"), &token);
        assert_eq!(answer.problem(), (400, "query_invalid".to_owned()));
        assert_eq!(answer.json()["hints"], json!([hint]));
    }
    let nobody = "/operations/00000000-0000-7000-8000-000000000000";
    assert_eq!(server.get(nobody, &token).problem(), (404, "operation_not_found".to_owned()));
}

/// Kind, id and data of each event of a stream.
fn events_of(body: &str) -> Vec<(String, String, Value)> {
    let field = |event: &str, name: &str| {
        let line = event.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
        line.unwrap_or_default().to_owned()
    };
    let event = |text: &str| {
        let data = serde_json::from_str(&field(text, "data")).unwrap();
        (field(text, "event"), field(text, "id"), data)
    };
    body.split("\n\n").filter(|text| text.contains("data: ")).map(event).collect()
}

fn follow(server: &ApiServer, place: &str, token: &str, more: &[&str]) -> Answer {
    let token = bearer(token);
    let headers: Vec<&str> = more.iter().copied().chain([token.as_str()]).collect();
    server.send("GET", &format!("{place}/events"), &headers, &[])
}

#[test]
fn an_operation_is_followed_to_its_end() {
    let (world, server, token) = operated("Provisioner");
    let second = ApiServer::start(&world);
    let answer = server.change("POST", "/tenants", &token, &json!({ "slug": "acme" }));
    let place = answer.header("location").unwrap();
    let stream = follow(&server, place, &token, &["Accept-Encoding: gzip"]);
    for (name, value) in
        [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
    {
        assert_eq!(stream.header(name), Some(value), "{name}");
    }
    assert_eq!(stream.header("content-encoding"), None);
    let events = events_of(&stream.body);
    let (kind, last, data) = events.last().unwrap();
    assert_eq!((kind.as_str(), &data["state"], &data["tenant"]), ("state", &json!("done"), &json!("acme")));
    let operation = server.get(place, &token).ok();
    for step in operation["steps"].as_array().unwrap() {
        let mut told = events.iter().filter(|(kind, _, data)| kind == "step" && data["name"] == step["name"]);
        assert_eq!(told.next_back().unwrap().2["state"], "done", "{step}");
    }
    // Whoever comes again is told what is new, by any server.
    let (_, earlier, _) = &events[events.len() - 3];
    let rest = events_of(&follow(&second, place, &token, &[&format!("Last-Event-ID: {earlier}")]).body);
    assert_eq!(rest, events[events.len() - 2..]);
    assert_eq!(follow(&second, place, &token, &[&format!("Last-Event-ID: {last}")]).status, 204);
    assert_eq!(
        events_of(&follow(&second, place, &token, &["Last-Event-ID: nonsense"]).body).last(),
        events.last()
    );
    let nobody = "/operations/00000000-0000-7000-8000-000000000000";
    assert_eq!(follow(&server, nobody, &token, &[]).problem(), (404, "operation_not_found".to_owned()));
}

/// A server whose worker has begun to create `acme` and waits there; the operation's place, and the file that
/// keeps it waiting.
pub fn paused(world: &World) -> (ApiServer, String, String, std::path::PathBuf) {
    operator(world, "ops@example.com", "Provisioner");
    let file = world.machine().path("pause");
    std::fs::write(&file, "").unwrap();
    let server =
        ApiServer::start_to(world, &[], ("create.database.after", &format!("pause:{}", file.display())));
    let token = operator_token(&server, "ops@example.com");
    let answer = server.change("POST", "/tenants", &token, &json!({ "slug": "acme" }));
    let place = answer.header("location").unwrap().to_owned();
    while !file.with_extension("reached").exists() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    (server, token, place, file)
}

#[test]
fn a_server_that_stops_ends_its_streams_and_another_goes_on() {
    let world = World::new();
    let (server, token, place, file) = paused(&world);
    let path = format!("{place}/events");
    let open: Vec<_> = (0..50).map(|_| server.open(&path, &[&bearer(&token)])).collect();
    std::fs::remove_file(&file).unwrap();
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
    for stream in open {
        let answer = stream.rest();
        assert_eq!(answer.status, 200);
        assert!(answer.body.contains("event: step"), "{answer:?}");
    }
    let second = ApiServer::start(&world);
    until(&second, &place, &token, |it| it["state"] == "done");
    assert_eq!(world.there(), world.believed());
}

#[test]
fn a_stream_ends_with_its_token_and_nobody_opens_too_many() {
    let world = World::new();
    let (server, token, place, file) = paused(&world);
    let path = format!("{place}/events");
    let open: Vec<_> = (0..100).map(|_| server.open(&path, &[&bearer(&token)])).collect();
    assert_eq!(follow(&server, &place, &token, &[]).problem(), (429, "too_many_streams".to_owned()));
    world.ok(&["token", "revoke", "--user", "ops@example.com"]);
    for stream in open {
        assert_eq!(stream.rest().status, 200);
    }
    std::fs::remove_file(&file).unwrap();
    let token = operator_token(&server, "ops@example.com");
    until(&server, &place, &token, |it| it["state"] == "done");
}

#[test]
fn nobody_but_operators_follows_an_operation() {
    let (world, server, token) = operated("Provisioner");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let list = server.get("/operations", &token).ok();
    let place = format!("/operations/{}", each(&list, "id")[0]);
    for path in [place.clone(), format!("{place}/events")] {
        assert_eq!(server.get(&path, &ann).problem(), (403, "permission_missing".to_owned()), "{path}");
    }
    let resume = format!("{place}/resume");
    assert_eq!(refused(&server, "POST", &resume, &ann), (403, "permission_missing".to_owned()));
}
