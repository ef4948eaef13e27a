//! Addresses that get no mail.

use serde_json::{Value, json};

use super::{Desk, text, with_mail};
use crate::api::PASSWORD;
use crate::mail::stock::StockServer;
use crate::support::api::ApiServer;

const PATH: &str = "/notifications/suppressions";

/// A desk whose mail goes to a stock server.
fn with_server() -> (Desk, StockServer) {
    let Desk { world, server, ann } = Desk::new();
    drop(server);
    let mail = StockServer::plain();
    with_mail(&world, &mail);
    (Desk { server: ApiServer::start(&world), world, ann }, mail)
}

fn suppress(desk: &Desk, body: &Value) -> Value {
    let answer = desk.server.change("POST", PATH, &desk.ann, body);
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn reason_of(desk: &Desk, to: &str) -> String {
    let id = desk.sent(&text(&[to])).remove(0);
    desk.until(&id, "failed")["reason"].as_str().unwrap().to_owned()
}

#[test]
fn an_address_without_a_mailbox_is_not_written_to_again_until_somebody_lifts_it() {
    let (desk, _mail) = with_server();
    assert!(reason_of(&desk, "nobody@customer.example").contains("550 5.1.1 no such user"));
    let list = desk.server.get(PATH, &desk.ann).ok();
    let found = &list["data"][0];
    assert_eq!(
        (&found["address"], &found["reason"]),
        (&json!("nobody@customer.example"), &json!("hard_bounce"))
    );
    assert_eq!((&found["scope"], &found["created_by"]), (&json!("all"), &json!("system")));
    let why = reason_of(&desk, "Nobody@customer.example");
    assert!(why.starts_with("suppressed: a mail server said that there is no such mailbox; "), "{why}");
    let gone = ["notify", "suppress", "remove", "nobody@customer.example", "--tenant", "acme"];
    assert_eq!(desk.world.json(&gone)[0]["scope"], "all");
    assert!(reason_of(&desk, "nobody@customer.example").contains("550 5.1.1"));
    let events = "select type from nexus.outbox where type like 'notification.suppression%' order by id";
    assert_eq!(
        desk.world.tenant_sql("acme", events),
        [
            "notification.suppression_created",
            "notification.suppression_deleted",
            "notification.suppression_created"
        ]
    );
}

#[test]
fn a_server_that_refuses_by_its_rules_says_nothing_of_the_mailbox() {
    let (desk, _mail) = with_server();
    assert!(reason_of(&desk, "relay@customer.example").contains("5.7.1"));
    assert_eq!(desk.server.get(PATH, &desk.ann).ok()["data"], json!([]));
}

#[test]
fn a_process_that_is_killed_after_a_bounce_does_not_write_again() {
    let (Desk { world, server, ann }, _mail) = with_server();
    drop(server);
    let text = world.file("work/text.txt", "There is news.\n");
    let line =
        ["notify", "send", "--tenant", "acme", "--to", "nobody@customer.example", "--kind", "app.news"];
    let sent = world.json(&[&line[..], &["--subject", "News", "--text-file", &text]].concat());
    world.killed_at("message.suppressed", &["worker"]);
    world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'running'");
    world.control_sql("update control.relays set lease_until = '-infinity'");
    let desk = Desk { server: ApiServer::start(&world), world, ann };
    let found = desk.until(sent["ids"][0].as_str().unwrap(), "failed");
    assert!(found["reason"].as_str().unwrap().starts_with("suppressed: "), "{found}");
    assert_eq!(desk.world.tenant_sql("acme", "select count(*) from nexus.suppressions"), ["1"]);
}

#[test]
fn bulk_stops_what_apps_send_and_all_stops_what_is_about_the_account_too() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    suppress(&desk, &json!({ "address": "bob@acme.example", "reason": "complaint" }));
    let why = reason_of(&desk, "bob@acme.example");
    assert!(why.starts_with("suppressed: its recipient complained about mail"), "{why}");
    let forgot = || {
        let headers = ["X-Tenant-ID: acme"];
        let body = json!({ "email": "bob@acme.example" });
        assert_eq!(desk.server.send_json("POST", "/auth/forgot", &headers, &body).status, 202);
    };
    forgot();
    desk.until_mail("bob@acme.example", 1);
    suppress(&desk, &json!({ "address": "bob@acme.example", "note": "asked by phone" }));
    desk.world.tenant_sql("acme", "delete from nexus.message_limits");
    forgot();
    desk.world.until(
        &desk.world.control_sql("select current_database()")[0],
        "select count(*) from control.messages where state = 'failed' and kind = 'mail.password_reset'
             and detail like 'suppressed: mail to its address was stopped by hand%'",
        |rows| rows == ["1"],
    );
    assert_eq!(desk.mail_to("bob@acme.example").len(), 1);
    // Nobody has the token of the message that was not sent.
    let unread = "select count(*) from nexus.invitations where purpose = 'reset'";
    assert_eq!(desk.world.tenant_sql("acme", unread), ["1"]);
}

#[test]
fn an_address_is_looked_at_when_its_message_is_about_to_be_sent() {
    let desk = Desk::new();
    let mut body = text(&["bob@customer.example"]);
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    body["not_before"] = json!(soon.format(&time::format_description::well_known::Rfc3339).unwrap());
    let id = desk.sent(&body).remove(0);
    let waits = "select count(*) from nexus.outbox where published_at is null";
    desk.world.until(&desk.world.database_of("acme"), waits, |rows| rows == ["0"]);
    suppress(&desk, &json!({ "address": "bob@customer.example", "scope": "bulk" }));
    desk.world.control_sql("update control.jobs set due_at = now()");
    desk.until(&id, "failed");
    desk.world.ok(&["notify", "suppress", "remove", "bob@customer.example", "--tenant", "acme"]);
    desk.server.change("POST", &format!("/notifications/history/{id}/retry"), &desk.ann, &json!(null)).ok();
    desk.until_mail("bob@customer.example", 1);
}

#[test]
fn suppressions_are_listed_page_by_page_and_changed_by_who_may() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    assert_eq!(desk.server.get(PATH, &bob).problem(), (403, "permission_missing".to_owned()));
    let body = json!({ "address": "p@customer.example" });
    assert_eq!(desk.server.change("POST", PATH, &bob, &body).status, 403);
    for n in 0..3 {
        suppress(&desk, &json!({ "address": format!("p{n}@customer.example") }));
    }
    let first = desk.server.get(&format!("{PATH}?limit=2"), &desk.ann).ok();
    let addresses = |list: &Value| -> Vec<String> {
        list["data"].as_array().unwrap().iter().map(|it| it["address"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(addresses(&first), ["p2@customer.example", "p1@customer.example"]);
    let next = first["pagination"]["next"].as_str().unwrap();
    let rest = desk.server.get(&format!("{PATH}?limit=2&cursor={next}"), &desk.ann).ok();
    assert_eq!(addresses(&rest), ["p0@customer.example"]);
    let again = suppress(&desk, &json!({ "address": "P2@customer.example", "note": "again" }));
    assert_eq!((&again["id"], &again["note"]), (&first["data"][0]["id"], &json!(null)));
    let one = format!("{PATH}/{}", again["id"].as_str().unwrap());
    let delete = |token: &str| desk.server.send("DELETE", &one, &[&crate::support::api::bearer(token)], &[]);
    assert_eq!((delete(&bob).status, delete(&desk.ann).status), (403, 204));
    assert_eq!(delete(&desk.ann).problem(), (404, "suppression_not_found".to_owned()));
    let line =
        ["notify", "suppress", "add", "x@customer.example", "--reason", "complaint", "--tenant", "acme"];
    assert_eq!(desk.world.json(&line)["scope"], "bulk");
    let line = ["notify", "suppress", "list", "--address", "x@customer.example", "--tenant", "acme"];
    assert_eq!(desk.world.json(&line).as_array().unwrap().len(), 1);
}
