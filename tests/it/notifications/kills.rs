//! Processes that are killed anywhere between a request and a message.

use serde_json::{Value, json};

use super::{Desk, text, with_mail};
use crate::mail::stock::StockServer;
use crate::support::api::ApiServer;
use crate::support::worker::end_leases;
use crate::support::world::World;

/// How many events wait.
const WAITING: &str = "select count(*) from nexus.outbox where published_at is null";

/// Asks for a notification; its id.
fn send(world: &World, to: &str, text: &str, channel: &str) -> String {
    let sent = world.json(&[
        "notify",
        "send",
        "--tenant",
        "acme",
        "--to",
        to,
        "--kind",
        "app.news",
        "--subject",
        "News",
        "--text-file",
        text,
        "--channel",
        channel,
    ]);
    sent["ids"][0].as_str().unwrap().to_owned()
}

#[test]
fn a_notification_arrives_once_or_is_unknown_wherever_a_process_is_killed() {
    let Desk { mut world, server, ann } = Desk::new();
    drop(server);
    let mail = StockServer::plain();
    with_mail(&world, &mail);
    let points = [
        ("relay.lease.taken", "sent"),
        ("relay.commit.before", "sent"),
        ("relay.jobs.written", "sent"),
        ("relay.events.marked", "sent"),
        ("message.token.made", "sent"),
        ("message.sending", "unknown"),
        ("message.sent", "unknown"),
        ("message.recorded", "sent"),
        ("jobs.settle.before", "sent"),
        ("jobs.settle.after", "sent"),
    ];
    let text = world.file("work/text.txt", "There is news.\n");
    for (at, (point, state)) in points.into_iter().enumerate() {
        let id = send(&world, &format!("p{at}@customer.example"), &text, "email");
        world.killed_at(point, &["worker"]);
        end_leases(&world);
        let desk = Desk { server: ApiServer::start(&world), world, ann: ann.clone() };
        assert_eq!(desk.until(&id, state)["state"], state, "{point}");
        world = desk.world;
        world.until(&world.database_of("acme"), WAITING, |rows| rows == ["0"]);
    }
    let mut arrived: Vec<Value> = mail.end().into_iter().map(|message| message["to"][0].clone()).collect();
    arrived.sort_by_key(ToString::to_string);
    // Of the two that are unknown one had not been sent yet.
    assert_eq!(arrived, [0, 1, 2, 3, 4, 6, 7, 8, 9].map(|at| format!("p{at}@customer.example")));
    let unknown = world.json(&["notify", "list", "--all-tenants"]);
    assert_eq!(unknown.as_array().unwrap().len(), 2);
}

#[test]
fn a_process_that_is_killed_while_it_takes_a_request_has_taken_all_of_it_or_nothing() {
    let Desk { world, server, ann } = Desk::new();
    drop(server);
    let server = ApiServer::start_to(&world, &[], ("notification.send.commit", "kill"));
    let desk = Desk { world, server, ann };
    let mut body = text(&["bob@customer.example"]);
    body["dedup_key"] = json!("once");
    let bearer = crate::support::api::bearer(&desk.ann);
    let bytes = body.to_string().into_bytes();
    let headers = [bearer.as_str(), "Content-Type: application/json"];
    let open = desk.server.send_only("POST", "/notifications/send", &headers, &bytes);
    let Desk { world, server, ann } = desk;
    assert_eq!(server.died(), Some(9), "it is killed");
    drop(open);
    assert_eq!(world.tenant_sql("acme", "select count(*) from nexus.notification_requests"), ["0"]);
    let desk = Desk { server: ApiServer::start(&world), world, ann };
    desk.sent(&body);
    desk.until_mail("bob@customer.example", 1);
}

#[test]
fn what_is_put_into_an_inbox_is_there_once() {
    let Desk { world, server, ann } = Desk::new();
    let desk = Desk { world, server, ann };
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", crate::api::PASSWORD);
    let Desk { world, server, ann } = desk;
    drop(server);
    let text = world.file("work/text.txt", "There is news.\n");
    let mut ids = Vec::new();
    for point in ["notification.inbox.written", "message.token.made", "jobs.settle.before"] {
        ids.push(send(&world, "bob@acme.example", &text, "inbox"));
        world.killed_at(point, &["worker"]);
        end_leases(&world);
    }
    let desk = Desk { server: ApiServer::start(&world), world, ann };
    for id in &ids {
        desk.until(id, "sent");
    }
    let inbox = desk.server.get("/notifications/inbox", &bob).ok();
    assert_eq!((&inbox["unread"], inbox["data"].as_array().unwrap().len()), (&json!(3), 3));
}
