//! `/settings`: typed, and changed by whoever says what they saw.

use std::thread;

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token, each, user};
use crate::support::api::{Answer, ApiServer, bearer};

fn change(server: &ApiServer, token: &str, seen: &str, body: &Value) -> Answer {
    server.send_json("PATCH", "/settings", &[&bearer(token), &format!("If-Match: {seen}")], body)
}

fn tag(answer: &Answer) -> String {
    answer.header("etag").unwrap().to_owned()
}

#[test]
fn settings_are_shown_and_changed_one_by_one() {
    let (world, server, token) = acme_and_token();
    let shown = server.get("/settings", &token);
    let none = json!({ "registration": "closed", "language": null, "currency": null, "time_zone": null });
    assert_eq!(shown.ok(), none);
    let seen = tag(&shown);
    let known = server.send("GET", "/settings", &[&bearer(&token), &format!("If-None-Match: {seen}")], &[]);
    assert_eq!(known.status, 304);
    let first = json!({ "registration": "invited", "language": "de-AT", "time_zone": "Europe/Vienna" });
    let first = change(&server, &token, &seen, &first);
    let expected = json!({ "registration": "invited", "language": "de-AT", "currency": null, "time_zone": "Europe/Vienna" });
    assert_eq!(first.ok(), expected);
    let second = change(&server, &token, &tag(&first), &json!({ "language": null, "currency": "EUR" }));
    assert_eq!(second.ok()["language"], Value::Null);
    assert_eq!(tag(&server.get("/settings", &token)), tag(&second));
    let shown = world.json(&["iam", "show", "--tenant", "acme"]);
    assert_eq!((&shown["registration"], &shown["currency"]), (&json!("invited"), &json!("EUR")));
    // Apps read and write them, too; what is no text is none.
    let rows = world.tenant_sql("acme", "select key, value from nexus.settings order by key");
    assert_eq!(rows, ["currency|\"EUR\"", "time_zone|\"Europe/Vienna\""]);
    world.tenant_sql("acme", "update nexus.settings set value = '7' where key = 'currency'");
    assert_eq!(server.get("/settings", &token).ok()["currency"], Value::Null);
    let log = server.get("/audit?action=settings.update", &token).ok();
    assert_eq!(log["data"][0]["detail"], json!({ "language": null, "currency": "EUR" }));
    assert_eq!(each(&log, "action").len(), 2);
}

#[test]
fn a_change_says_what_was_seen() {
    let (_world, server, token) = acme_and_token();
    let body = json!({ "registration": "open" });
    let blind = server.change("PATCH", "/settings", &token, &body);
    assert_eq!(blind.problem(), (428, "precondition_required".to_owned()));
    assert_eq!(server.get("/settings", &token).ok()["registration"], "closed");
    let seen = tag(&server.get("/settings", &token));
    // Of those who saw the same, one changes it.
    let statuses: Vec<u16> = thread::scope(|scope| {
        let one = |word: &'static str| {
            let (server, token, seen) = (&server, &token, &seen);
            let tries = move || change(server, token, seen, &json!({ "registration": word })).status;
            // Who gets no turn in time may try again.
            scope.spawn(move || std::iter::repeat_with(tries).find(|status| *status != 503).unwrap())
        };
        let all: Vec<_> = ["open", "invited", "open", "invited"].into_iter().map(one).collect();
        all.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let count = |status| statuses.iter().filter(|it| **it == status).count();
    assert_eq!((count(200), count(412)), (1, 3), "{statuses:?}");
    assert_eq!(change(&server, &token, "*", &json!({ "registration": "closed" })).status, 200);
}

#[test]
fn what_is_no_setting_is_refused() {
    let (_world, server, token) = acme_and_token();
    for (body, code) in [
        (json!({ "registration": "sometimes" }), "body_invalid"),
        (json!({ "language": "german" }), "body_invalid"),
        (json!({ "currency": "euro" }), "body_invalid"),
        (json!({ "time_zone": "Europe/Viena" }), "time_zone_unknown"),
        (json!({ "curency": "EUR" }), "body_invalid"),
    ] {
        let refused = change(&server, &token, "*", &body);
        assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
    }
    user(&server, &token, "bob@acme.example", &["Manager"]);
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let missing = (403, "permission_missing".to_owned());
    assert_eq!(server.get("/settings", &bob).problem(), missing);
    assert_eq!(change(&server, &bob, "*", &json!({})).problem(), missing);
}
