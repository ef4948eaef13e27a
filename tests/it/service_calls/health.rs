//! Services that are slow, fail or are silent.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::{Value, json};

use super::{acme, answering, call, register};
use crate::api::PASSWORD;
use crate::support::api::ApiServer;
use crate::webhooks::receiver::{Receiver, Reply};

fn hints(document: &Value) -> usize {
    document["hints"].as_array().map_or(0, Vec::len)
}

#[test]
fn a_service_that_does_not_answer_in_time_is_given_up() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let app = Receiver::with(|_| Reply::Silence);
    register(&server, &ann, ("mail.preview", &app), &json!({ "timeout_ms": 300 })).ok();
    let late = call(&server, &ann, "mail.preview");
    assert_eq!(late.problem(), (504, "service_timeout".to_owned()));
    assert_eq!((&late.json()["details"]["timeout_ms"], hints(&late.json())), (&json!(300), 1));
}

#[test]
fn what_a_service_says_that_fails_is_not_passed_on_but_its_status() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let mut replies = vec![
        Reply::Status(200, Vec::new(), "no JSON".to_owned()),
        Reply::Raw(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n[1".to_vec()),
        Reply::Status(302, vec![("location", "http://127.0.0.1:9/".to_owned())], String::new()),
        Reply::Status(422, Vec::new(), "hidden".to_owned()),
        Reply::Status(500, Vec::new(), "hidden".to_owned()),
    ];
    let app = Receiver::with(move |_| replies.pop().unwrap_or(Reply::status(204)));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    for status in [json!(500), json!(422), json!(302), Value::Null, json!(200)] {
        let failed = call(&server, &ann, "mail.preview");
        assert_eq!(failed.problem(), (502, "service_failed".to_owned()));
        assert_eq!(failed.json()["details"]["status"], status);
        assert!(!failed.json().to_string().contains("hidden"));
    }
    assert_eq!(call(&server, &ann, "mail.preview").ok(), Value::Null, "an empty answer is null");
}

#[test]
fn after_five_failures_nothing_is_sent_for_a_while_and_then_it_is_tried_again() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let is_well = Arc::<AtomicBool>::default();
    let shared = Arc::clone(&is_well);
    let app = Receiver::with(move |_| Reply::status(if shared.load(Ordering::SeqCst) { 204 } else { 500 }));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    for _ in 0..5 {
        assert_eq!(call(&server, &ann, "mail.preview").status, 502);
    }
    let open = call(&server, &ann, "mail.preview");
    assert_eq!(open.problem(), (503, "service_unavailable".to_owned()));
    assert!(open.retry_after() > 0 && hints(&open.json()) == 1, "{open:?}");
    assert_eq!(app.connections(), 5, "nothing was sent");
    let health = || server.get("/services/mail.preview", &ann).ok()["health"].clone();
    assert_eq!(health(), "failing");
    assert_eq!(world.json(&["service", "show", "mail.preview", "--tenant", "acme"])["health"], "failing");
    is_well.store(true, Ordering::SeqCst);
    for _ in 0..1200 {
        if call(&server, &ann, "mail.preview").status == 200 {
            assert_eq!(health(), "healthy");
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    panic!("it is not tried again");
}

#[test]
fn a_service_that_has_said_that_it_is_there_is_not_called_once_it_is_silent() {
    let world = acme();
    let server = ApiServer::start(&world);
    let ann = server.token("acme", "ann@acme.example", PASSWORD);
    let app = answering(&json!("ok"));
    register(&server, &ann, ("mail.preview", &app), &json!({})).ok();
    assert_eq!(call(&server, &ann, "mail.preview").ok(), "ok", "who never says so is called");
    let beat =
        |url: &str| server.change("POST", "/services/mail.preview/heartbeat", &ann, &json!({ "url": url }));
    assert_eq!(beat("https://other.example/").problem(), (404, "service_instance_not_found".to_owned()));
    assert!(beat(&app.url("/do")).ok()["instances"][0]["seen_at"].is_string());
    assert_eq!(call(&server, &ann, "mail.preview").ok(), "ok");
    world.control_sql("update control.service_instances set seen_at = now() - interval '91 seconds'");
    assert_eq!(call(&server, &ann, "mail.preview").problem(), (503, "service_unavailable".to_owned()));
    assert_eq!(server.get("/services", &ann).ok()["data"][0]["health"], "silent");
    beat(&app.url("/do")).ok();
    assert_eq!(call(&server, &ann, "mail.preview").ok(), "ok");
    let actions = world.control_sql("select action from control.audit_log where action like 'service.%'");
    assert_eq!(actions, ["service.register"], "that it is there is written to no log");
}
