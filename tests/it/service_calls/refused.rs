//! What is not called, and nothing is sent of it.

use serde_json::json;

use super::{acme, answering, call, register};
use crate::api::PASSWORD;
use crate::support::api::ApiServer;
use crate::webhooks::receiver::{Receiver, Reply};

#[test]
fn who_lacks_the_services_permission_is_refused_and_nothing_is_sent() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let app = answering(&json!("ok"));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    register(&server, &ann, ("order.ship", &app), &json!({ "permission": "order:update" })).ok();
    let refused = call(&server, &bob, "mail.preview");
    assert_eq!(refused.problem(), (403, "permission_missing".to_owned()));
    assert_eq!(refused.json()["details"]["permission"], "service:call");
    assert_eq!(call(&server, &bob, "not.there").problem().1, "permission_missing");
    assert_eq!(app.connections(), 0);
    // A manager may update what is the business's.
    world.ok(&[
        "permission",
        "register",
        "order:update",
        "--tenant",
        "acme",
        "--description",
        "change orders",
    ]);
    assert_eq!(call(&server, &bob, "order.ship").ok(), "ok");
    assert_eq!(app.connections(), 1);
    for path in ["/services", "/services/mail.preview"] {
        assert_eq!(server.get(path, &bob).status, 403, "{path}");
    }
    assert_eq!(register(&server, &bob, ("a.b", &app), &json!({})).status, 403);
}

#[test]
fn a_tenants_service_is_not_there_for_another() {
    let world = acme();
    world.tenant_of("birch", "eve@birch.example", PASSWORD);
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let eve = server.token("birch", "eve@birch.example", PASSWORD);
    let app = answering(&json!("ok"));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    assert_eq!(server.get("/services", &eve).ok()["data"], json!([]));
    assert_eq!(call(&server, &eve, "mail.preview").problem(), (404, "service_not_found".to_owned()));
    let path = "/services/mail.preview";
    assert_eq!(server.change("DELETE", path, &eve, &json!({})).status, 404);
    let beat = json!({ "url": app.url("/do") });
    assert_eq!(server.change("POST", &format!("{path}/heartbeat"), &eve, &beat).status, 404);
    assert_eq!(app.connections(), 0);
    assert_eq!(call(&server, &ann, "mail.preview").ok(), "ok");
}

#[test]
fn private_addresses_are_reached_neither_at_registration_nor_later() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    for url in ["http://10.0.0.1/", "https://169.254.169.254/", "https://[::1]/", "ftp://a.example/"] {
        let refused = server.change("POST", "/services", &ann, &json!({ "name": "a.b", "url": url }));
        assert_eq!(refused.problem(), (400, "service_url_refused".to_owned()), "{url}");
    }
    let app = answering(&json!("ok"));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    // As if it had been registered before its network was closed.
    world.control_sql("update control.service_instances set url = 'https://192.168.7.7/'");
    let refused = call(&server, &ann, "mail.preview");
    assert_eq!(refused.problem(), (502, "service_failed".to_owned()));
    assert!(refused.json()["detail"].as_str().unwrap().contains("not a public address"));
    assert_eq!(app.connections(), 0);
}

#[test]
fn what_is_too_large_is_refused_on_both_ways() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let large = json!("x".repeat(300 << 10)).to_string();
    let app = Receiver::with(move |_| Reply::Status(200, Vec::new(), large.clone()));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    let path = "/services/mail.preview/call";
    let sent = server.change("POST", path, &ann, &json!("x".repeat(65 << 10)));
    assert_eq!(sent.problem(), (413, "service_payload_too_large".to_owned()));
    assert_eq!(app.connections(), 0);
    assert_eq!(call(&server, &ann, "mail.preview").problem(), (502, "service_failed".to_owned()));
}
