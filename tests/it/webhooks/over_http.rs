//! `/webhooks`: the same for apps, by the rights of their users.

use serde_json::json;

use super::receiver::Receiver;
use super::{allow, publish, until_deliveries};
use crate::api::PASSWORD;
use crate::support::api::{ApiServer, bearer};
use crate::support::world::World;

/// An installation with an administrator and a user of acme's.
fn with_people() -> World {
    let world = World::new();
    allow(&world, "127.0.0.0/8");
    world.tenant_of("acme", "ann@acme.example", PASSWORD);
    let args = [
        "user",
        "create",
        "--tenant",
        "acme",
        "--email",
        "bob@acme.example",
        "--role",
        "Manager",
        "--password-stdin",
    ];
    let output = world.machine().output(&args, &format!("{PASSWORD}\n"));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    world
}

#[test]
fn an_administrator_makes_one_by_the_api_and_sees_what_became_of_its_events() {
    let (world, receiver) = (with_people(), Receiver::taking());
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let body = json!({ "url": receiver.url("/"), "events": ["order.*"], "description": "shop" });
    let answer = server.change("POST", "/webhooks", &ann, &body);
    assert_eq!(answer.status, 201);
    let made = answer.json();
    assert!(made["secret"].as_str().unwrap().starts_with("whsec_"));
    let place = answer.header("location").unwrap().to_owned();
    assert_eq!(place, format!("/webhooks/{}", made["id"].as_str().unwrap()));
    let shown = server.get(&place, &ann);
    assert_eq!((shown.header("etag"), shown.json()["secret"].is_null()), (answer.header("etag"), true));
    assert_eq!(server.get("/webhooks", &ann).ok()["data"][0]["id"], made["id"]);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "delivered 1");
    let list = server.get(&format!("{place}/deliveries?state=delivered"), &ann).ok();
    assert_eq!((&list["data"][0]["last_status"], &list["pagination"]["total"]), (&json!(204), &json!(1)));
    let delivery = list["data"][0]["id"].as_str().unwrap();
    let one = server.get(&format!("{place}/deliveries/{delivery}"), &ann).ok();
    assert_eq!(one["event_type"], "order.shipped");
    let again = format!("{place}/deliveries/{delivery}/redeliver");
    assert_eq!(server.change("POST", &again, &ann, &json!({})).ok()["state"], "waiting");
    receiver.until(2);
    let replayed = server.change("POST", &format!("{place}/replay"), &ann, &json!({})).problem();
    assert_eq!(replayed, (400, "webhook_missed_nothing".to_owned()));
    let tested = server.change("POST", &format!("{place}/test"), &ann, &json!({})).ok();
    assert_eq!((&tested["state"], &tested["status"]), (&json!("delivered"), &json!(204)));
    for (verb, state) in [("disable", "disabled"), ("enable", "active")] {
        assert_eq!(server.change("POST", &format!("{place}/{verb}"), &ann, &json!({})).ok()["state"], state);
    }
    let rotated = server.change("POST", &format!("{place}/rotate"), &ann, &json!({})).ok();
    assert_ne!(rotated["secret"], made["secret"]);
    assert!(rotated["previous_secret_until"].is_string());
}

#[test]
fn a_change_of_what_was_changed_meanwhile_is_refused() {
    let world = with_people();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let body = json!({ "url": "http://127.0.0.1:9/", "events": ["*"] });
    let answer = server.change("POST", "/webhooks", &ann, &body);
    let (place, tag) = (answer.header("location").unwrap(), answer.header("etag").unwrap());
    let headers = [bearer(&ann), format!("If-Match: {tag}")];
    let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
    let change = |events: &str| server.send_json("PATCH", place, &headers, &json!({ "events": [events] }));
    assert_eq!(change("order.*").status, 200);
    assert_eq!(change("user.*").problem(), (412, "precondition_failed".to_owned()));
    assert_eq!(server.send("DELETE", place, &headers, &[]).problem().0, 412);
    // What happens by itself changes no version.
    let tag = server.get(place, &ann).header("etag").unwrap().to_owned();
    world.control_sql(
        "update control.webhooks set last_success_at = now(), failing_since = now(), last_failure_at = now()",
    );
    assert_eq!(server.get(place, &ann).header("etag"), Some(tag.as_str()));
}

#[test]
fn who_lacks_the_permission_is_refused_and_so_is_the_platforms_realm() {
    let world = with_people();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let body = json!({ "url": "http://127.0.0.1:9/", "events": ["*"] });
    let made = server.change("POST", "/webhooks", &ann, &body).json();
    let place = format!("/webhooks/{}", made["id"].as_str().unwrap());
    for (method, path, permission) in [
        ("GET", "/webhooks".to_owned(), "webhook:read"),
        ("GET", place.clone(), "webhook:read"),
        ("GET", format!("{place}/deliveries"), "webhook:read"),
        ("POST", format!("{place}/test"), "webhook:update"),
        ("POST", format!("{place}/rotate"), "webhook:update"),
        ("DELETE", place.clone(), "webhook:delete"),
    ] {
        let answer = server.change(method, &path, &bob, &json!({}));
        assert_eq!(answer.problem(), (403, "permission_missing".to_owned()), "{method} {path}");
        assert!(answer.json().to_string().contains(permission), "{method} {path}: {answer:?}");
    }
}

#[test]
fn what_is_wrong_with_a_webhook_is_said_where_it_is() {
    let world = with_people();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    for (body, code) in [
        (json!({ "url": "https://10.0.0.1/", "events": ["*"] }), "webhook_url_refused"),
        (json!({ "url": "https://a.example/", "events": [] }), "body_invalid"),
        (json!({ "url": "https://a.example/", "events": ["mail.*"] }), "body_invalid"),
        (json!({ "url": "https://a.example/", "events": ["*"], "secret": "x" }), "body_invalid"),
    ] {
        assert_eq!(server.change("POST", "/webhooks", &ann, &body).problem().1, code, "{body}");
    }
}

#[test]
fn a_request_with_a_key_makes_one_webhook() {
    let world = with_people();
    let server = ApiServer::start(&world);
    let ann = bearer(&server.token("acme", "ann@acme.example", PASSWORD));
    let body = json!({ "url": "http://127.0.0.1:9/", "events": ["*"] });
    let headers = [ann.as_str(), "Idempotency-Key: one"];
    let first = server.send_json("POST", "/webhooks", &headers, &body);
    let second = server.send_json("POST", "/webhooks", &headers, &body);
    assert_eq!((first.status, first.json()), (second.status, second.json()));
    assert_eq!(world.control_sql("select count(*) from control.webhooks"), ["1"]);
}

#[test]
fn who_may_not_read_events_decides_nothing_about_where_they_are_sent() {
    let world = with_people();
    let make = ["role", "create", "Hooks", "--allow", "webhook:create", "--allow", "webhook:update"];
    world.ok(&[&make[..], &["--tenant", "acme"]].concat());
    world.ok(&["role", "grant", "Hooks", "--user", "bob@acme.example", "--tenant", "acme"]);
    let server = ApiServer::start(&world);
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let body = json!({ "url": "http://127.0.0.1:9/", "events": ["*"] });
    let answer = server.change("POST", "/webhooks", &bob, &body);
    assert_eq!(answer.status, 403);
    assert!(answer.json().to_string().contains("event:read"), "{}", answer.json());
}
