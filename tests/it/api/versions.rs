//! ETags: what was changed meanwhile is not overwritten.

use std::thread;

use serde_json::{Value, json};

use super::{acme_and_token, user};
use crate::support::api::{Answer, ApiServer, bearer};

fn with(server: &ApiServer, method: &str, path: &str, token: &str, header: &str, body: &Value) -> Answer {
    server.send_json(method, path, &[&bearer(token), header], body)
}

#[test]
fn a_change_is_made_of_what_was_seen_or_not_at_all() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    server.change("POST", "/roles", &token, &json!({ "name": "Accountant" })).ok();
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    let person = format!("/users/{bob}");
    for (path, field) in
        [(&*person, "name"), ("/roles/Accountant", "description"), ("/groups/Office", "description")]
    {
        let seen = server.get(path, &token).header("etag").unwrap().to_owned();
        assert!(seen.starts_with('"') && seen.ends_with('"'), "{seen}");
        for known in [seen.clone(), format!("\"x\", W/{seen}"), "*".to_owned()] {
            let answer =
                server.send("GET", path, &[&bearer(&token), &format!("If-None-Match: {known}")], &[]);
            assert_eq!(
                (answer.status, answer.body.as_str(), answer.header("etag")),
                (304, "", Some(&*seen)),
                "{path}"
            );
        }
        let change =
            |text: &str, header: &str| with(&server, "PATCH", path, &token, header, &json!({ field: text }));
        let first = change("one", &format!("If-Match: {seen}"));
        assert_eq!(first.ok()[field], "one");
        let after = first.header("etag").unwrap().to_owned();
        assert_eq!(server.get(path, &token).header("etag"), Some(&*after), "{path}");
        assert_ne!(after, seen);
        // A weak one is never alike; one that was seen before is not what is there.
        for stale in [seen.clone(), format!("W/{after}"), "\"nonsense\"".to_owned()] {
            let answer = change("two", &format!("If-Match: {stale}"));
            assert_eq!(answer.problem(), (412, "precondition_failed".to_owned()), "{path} {stale}");
            let gone = server.send("DELETE", path, &[&bearer(&token), &format!("If-Match: {stale}")], &[]);
            assert_eq!(gone.problem(), (412, "precondition_failed".to_owned()), "{path} {stale}");
        }
        assert_eq!(server.get(path, &token).ok()[field], "one");
        assert_eq!(change("two", &format!("If-Match: \"x\", {after}")).ok()[field], "two");
        assert_eq!(change("three", "If-Match: *").ok()[field], "three");
        assert_eq!(change("four", "If-Match: x").problem(), (400, "header_invalid".to_owned()));
        let last = server.get(path, &token).header("etag").unwrap().to_owned();
        let gone = server.send("DELETE", path, &[&bearer(&token), &format!("If-Match: {last}")], &[]);
        assert_eq!(gone.ok()["outcome"], "done");
    }
}

#[test]
fn what_is_shown_of_a_thing_changes_its_etag() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    let tag = |path: &str| server.get(path, &token).header("etag").unwrap().to_owned();
    let (person, role) = (format!("/users/{bob}"), "/roles/Viewer");
    let before = (tag(&person), tag(role));
    assert_eq!(before, (tag(&person), tag(role)));
    server.send("PUT", &format!("{person}/roles/Viewer"), &[&bearer(&token)], &[]).ok();
    let after = (tag(&person), tag(role));
    assert!(before.0 != after.0 && before.1 != after.1);
    server
        .change("PUT", "/permissions/invoice:read", &token, &json!({ "description": "read invoices" }))
        .ok();
    assert_ne!(tag(role), after.1, "it covers one more");
}

#[test]
fn of_those_who_saw_the_same_one_changes_it() {
    let (_world, server, token) = acme_and_token();
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    let seen = server.get("/groups/Office", &token).header("etag").unwrap().to_owned();
    let statuses: Vec<u16> = thread::scope(|scope| {
        let one = |at: usize| {
            let (server, token, seen) = (&server, &token, &seen);
            scope.spawn(move || {
                let body = json!({ "description": format!("by {at}") });
                let header = format!("If-Match: {seen}");
                // Who gets no turn in time may try again.
                let tries = || with(server, "PATCH", "/groups/Office", token, &header, &body).status;
                std::iter::repeat_with(tries).find(|status| *status != 503).unwrap()
            })
        };
        let all: Vec<_> = (0..12).map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(412)), (1, 11), "{statuses:?}");
}
