//! The inbox of a user: their own, and counted.

use serde_json::{Value, json};

use super::Desk;
use crate::api::PASSWORD;
use crate::events::Follower;
use crate::support::api::bearer;

fn inbox(to: &[&str], title: &str) -> Value {
    json!({ "kind": "app.news", "to": to, "channel": "inbox", "subject": title, "text": "x", "data": { "n": 1 } })
}

#[test]
fn what_is_in_an_inbox_is_counted_read_and_deleted_by_its_user_alone() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    desk.user("eve@acme.example");
    let [bob, eve] =
        ["bob", "eve"].map(|name| desk.server.token("acme", &format!("{name}@acme.example"), PASSWORD));
    let mut ids = Vec::new();
    for title in ["one", "two", "three"] {
        let id = desk.sent(&inbox(&["bob@acme.example"], title)).remove(0);
        desk.until(&id, "sent");
        ids.push(id);
    }
    let list =
        |token: &str, query: &str| desk.server.get(&format!("/notifications/inbox{query}"), token).ok();
    let all = list(&bob, "");
    assert_eq!(all["unread"], 3);
    let titles: Vec<_> = all["data"].as_array().unwrap().iter().map(|it| it["title"].clone()).collect();
    assert_eq!(titles, ["three", "two", "one"]);
    let page = list(&bob, "?limit=2");
    let next = page["pagination"]["next"].as_str().unwrap();
    assert_eq!(list(&bob, &format!("?limit=2&cursor={next}"))["data"][0]["title"], "one");
    assert_eq!((&list(&eve, "")["data"], &list(&eve, "")["unread"]), (&json!([]), &json!(0)));
    let read =
        |token: &str, body: Value| desk.server.change("POST", "/notifications/inbox/read", token, &body).ok();
    assert_eq!(read(&eve, json!({ "ids": ids }))["unread"], 0);
    assert_eq!(list(&bob, "")["unread"], 3, "nobody reads for another");
    assert_eq!(read(&bob, json!({ "ids": [ids[1], ids[1]] }))["unread"], 2);
    assert_eq!(read(&bob, json!({ "ids": [ids[1]] }))["unread"], 2, "once is enough");
    let delete = |token: &str, id: &str| {
        desk.server.send("DELETE", &format!("/notifications/inbox/{id}"), &[&bearer(token)], &[])
    };
    assert_eq!(delete(&eve, &ids[0]).problem(), (404, "notification_not_found".to_owned()));
    assert_eq!(delete(&bob, &ids[0]).status, 204);
    assert_eq!(list(&bob, "?unread=true")["data"].as_array().unwrap().len(), 1);
    let last = all["data"][0]["position"].clone();
    assert_eq!(read(&bob, json!({ "up_to": last }))["unread"], 0);
    assert_eq!(list(&bob, "")["data"].as_array().unwrap().len(), 2);
}

#[test]
fn without_a_channel_it_is_in_the_inbox_and_in_the_mail() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let body = json!({ "kind": "app.news", "to": ["bob@acme.example", "x@customer.example"], "subject": "News",
                       "text": "x" });
    let ids = desk.sent(&body);
    assert_eq!(ids.len(), 3, "an address has no inbox");
    for id in ids {
        desk.until(&id, "sent");
    }
    assert_eq!(desk.server.get("/notifications/inbox", &bob).ok()["unread"], 1);
    desk.until_mail("bob@acme.example", 1);
    desk.until_mail("x@customer.example", 1);
}

#[test]
fn what_was_read_long_ago_is_forgotten_when_something_comes() {
    let desk = Desk::new();
    let id = desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    desk.world.tenant_sql(
        "acme",
        &format!(
            "insert into nexus.inbox (id, user_id, kind, title, text, read_at)
             select gen_random_uuid(), '{id}', kind, 'x', 'x', now() - days * interval '1 day'
             from (values ('app.old', 91), ('app.kept', 89)) as read (kind, days), generate_series(1, 20)"
        ),
    );
    let body = json!({ "kind": "app.news", "to": ["bob@acme.example"], "channel": "inbox", "subject": "News",
                       "text": "x" });
    let old = "select count(*) from nexus.inbox where kind = 'app.old'";
    // It is done once of 32 times.
    let mut sent = 0;
    while desk.world.tenant_sql("acme", old) != ["0"] {
        assert!(sent < 1_000, "nothing is forgotten");
        for id in (0..20).map(|_| desk.sent(&body).remove(0)).collect::<Vec<_>>() {
            desk.until(&id, "sent");
        }
        sent += 20;
    }
    assert_eq!(
        desk.world.tenant_sql("acme", "select count(*) from nexus.inbox where kind = 'app.kept'"),
        ["20"]
    );
    assert_eq!(desk.server.get("/notifications/inbox", &bob).ok()["unread"], sent);
}

#[test]
fn who_follows_their_inbox_is_told_what_comes_and_what_is_read_and_of_nobody_elses() {
    let desk = Desk::new();
    let owner = desk.user("bob@acme.example");
    desk.user("eve@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let own = "?type=notification.received,notification.inbox_changed";
    let mut follower = Follower::by(&desk.server, own, &bob, &[]);
    desk.sent(&inbox(&["eve@acme.example"], "for Eve"));
    let id = desk.sent(&inbox(&["bob@acme.example"], "for Bob")).remove(0);
    let told = follower.take(1).remove(0);
    assert_eq!((&told["type"], &told["key"]), (&json!("notification.received"), &json!(owner)));
    assert_eq!(told["payload"], json!({ "user_id": owner, "notification_id": id, "unread": 1 }));
    desk.server.change("POST", "/notifications/inbox/read", &bob, &json!({ "ids": [id] })).ok();
    let told = follower.take(1).remove(0);
    assert_eq!(told["type"], "notification.inbox_changed");
    assert_eq!(told["payload"], json!({ "user_id": owner, "unread": 0 }));
    // Without the permission to read events there is nothing else.
    for query in ["", "?type=notification.*", "?type=notification.received,user.disabled"] {
        let answer = desk.server.get(&format!("/events{query}"), &bob);
        assert_eq!(answer.problem(), (403, "permission_missing".to_owned()), "{query}");
    }
}
