//! Sending: to whom, once, later, and what becomes of it.

use serde_json::json;

use super::{Desk, text};
use crate::api::PASSWORD;

#[test]
fn what_was_asked_for_with_a_key_is_sent_once() {
    let desk = Desk::new();
    let mut body = text(&["bob@customer.example"]);
    body["dedup_key"] = json!("news-1");
    let (first, second) = (desk.send(&body), desk.send(&body));
    assert_eq!((first.status, second.status), (202, 202));
    assert_eq!(first.json()["ids"], second.json()["ids"]);
    assert_eq!((&first.json()["repeated"], &second.json()["repeated"]), (&json!(false), &json!(true)));
    desk.until_mail("bob@customer.example", 1);
    let rows = "select count(*) from nexus.outbox where type = 'mail.notification'";
    assert_eq!(desk.world.tenant_sql("acme", rows), ["1"]);
}

#[test]
fn a_group_is_all_who_are_in_it_each_once() {
    let desk = Desk::new();
    desk.server.change("POST", "/groups", &desk.ann, &json!({ "name": "Office" })).ok();
    desk.server.change("POST", "/groups", &desk.ann, &json!({ "name": "Sales", "parent": "Office" })).ok();
    desk.world.tenant_sql(
        "acme",
        "with made as (
             insert into nexus.users (id, email, email_key, state)
             select gen_random_uuid(), 'u' || n || '@acme.example', 'u' || n || '@acme.example', 'active'
             from generate_series(1, 50) as n returning id
         )
         insert into nexus.group_members (group_id, user_id)
         select groups.id, made.id from made, nexus.groups where groups.name in ('Office', 'Sales')",
    );
    let ids = desk.sent(&text(&["group:Office", "u7@acme.example"]));
    assert_eq!(ids.len(), 50);
    for n in 1..=50 {
        desk.until_mail(&format!("u{n}@acme.example"), 1);
    }
    let list = desk.server.get("/notifications/history?kind=app.news&limit=30", &desk.ann).ok();
    assert_eq!(list["data"].as_array().unwrap().len(), 30);
    let next = list["pagination"]["next"].as_str().unwrap();
    let rest = desk.server.get(&format!("/notifications/history?limit=30&cursor={next}"), &desk.ann).ok();
    assert_eq!(rest["data"].as_array().unwrap().len(), 20);
    let nobody = desk.send(&text(&["group:Nobody"]));
    assert_eq!(nobody.status, 404, "{nobody:?}");
    desk.server.change("POST", "/groups", &desk.ann, &json!({ "name": "Empty" })).ok();
    assert_eq!(desk.send(&text(&["group:Empty"])).problem(), (400, "no_recipients".to_owned()));
}

#[test]
fn what_is_for_later_waits_and_can_be_cancelled() {
    let desk = Desk::new();
    let mut body = text(&["bob@customer.example"]);
    body["not_before"] = json!("2099-01-01T00:00:00Z");
    assert_eq!(desk.send(&body).problem(), (400, "notification_invalid".to_owned()));
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    body["not_before"] = json!(soon.format(&time::format_description::well_known::Rfc3339).unwrap());
    let ids = [desk.sent(&body).remove(0), desk.sent(&body).remove(0)];
    let scheduled =
        "select count(*) from control.jobs where state = 'scheduled' and due_at > now() + interval '50 min'";
    desk.world.until(
        &desk.world.database_of("acme"),
        "select count(*) from nexus.outbox where published_at is null",
        |rows| rows == ["0"],
    );
    assert_eq!(desk.world.control_sql(scheduled), ["2"]);
    desk.until(&ids[0], "queued");
    let cancel = |id: &str| {
        let path = format!("/notifications/history/{id}/cancel");
        desk.server.change("POST", &path, &desk.ann, &json!(null))
    };
    assert_eq!(cancel(&ids[0]).ok()["state"], "cancelled");
    // Their moment comes.
    desk.world.control_sql("update control.jobs set due_at = now()");
    desk.until(&ids[1], "sent");
    let gone = desk.until(&ids[0], "cancelled");
    assert_eq!(gone["address"], "bob@customer.example");
    assert_eq!(cancel(&ids[1]).problem(), (409, "notification_state".to_owned()));
    desk.until_mail("bob@customer.example", 1);
}

#[test]
fn a_user_who_is_gone_by_then_gets_nothing() {
    let desk = Desk::new();
    let bob = desk.user("bob@acme.example");
    let mut body = text(&["bob@acme.example"]);
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    body["not_before"] = json!(soon.format(&time::format_description::well_known::Rfc3339).unwrap());
    let id = desk.sent(&body).remove(0);
    desk.world.until(
        &desk.world.database_of("acme"),
        "select count(*) from nexus.outbox where published_at is null",
        |rows| rows == ["0"],
    );
    desk.server.send("DELETE", &format!("/users/{bob}"), &[&crate::support::api::bearer(&desk.ann)], &[]);
    desk.world.control_sql("update control.jobs set due_at = now()");
    let found = desk.until(&id, "cancelled");
    assert_eq!(found["reason"], "its user was deleted");
    assert!(desk.mail_to("bob@acme.example").is_empty());
}

#[test]
fn names_that_look_like_links_are_not_shown() {
    let desk = Desk::new();
    let new = json!({ "email": "bob@acme.example", "name": "Win at evil.example", "password": PASSWORD });
    desk.server.change("POST", "/users", &desk.ann, &new).ok();
    desk.template("app.hello", "en", &json!({ "subject": "Hello {{ name }}", "text": "Hello {{ name }}\n" }))
        .ok();
    desk.sent(&json!({ "kind": "app.hello", "to": ["bob@acme.example"], "channel": "email" }));
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    assert!(mail.contains("Subject: Hello bob@acme.example\r\n") && !mail.contains("evil"), "{mail}");
}

#[test]
fn only_who_may_sends_and_only_the_kinds_of_apps() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let refused = desk.server.change("POST", "/notifications/send", &bob, &text(&["x@x.example"]));
    assert_eq!(refused.problem(), (403, "permission_missing".to_owned()));
    let mut body = text(&["x@x.example"]);
    body["kind"] = json!("account.invitation");
    assert_eq!(desk.send(&body).problem(), (400, "notification_kind_reserved".to_owned()));
    let inbox =
        json!({ "kind": "app.news", "to": ["x@x.example"], "channel": "inbox", "subject": "a", "text": "b" });
    assert_eq!(desk.send(&inbox).problem(), (400, "no_inbox".to_owned()));
}

#[test]
fn the_command_line_sends_and_shows_what_became_of_it() {
    let desk = Desk::new();
    let text = desk.world.file("work/text.txt", "There is news.\n");
    let line = [
        "notify",
        "send",
        "--tenant",
        "acme",
        "--to",
        "bob@customer.example",
        "--kind",
        "app.news",
        "--subject",
        "News",
        "--text-file",
        &text,
    ];
    let sent = desk.world.json(&line);
    let id = sent["ids"][0].as_str().unwrap();
    desk.until(id, "sent");
    let shown = desk.world.json(&["notify", "show", id, "--tenant", "acme"]);
    assert_eq!((&shown["state"], &shown["address"]), (&json!("sent"), &json!("bob@customer.example")));
    let list = desk.world.json(&["notify", "list", "--tenant", "acme", "--state", "sent"]);
    assert_eq!(list.as_array().unwrap().len(), 1);
    assert_eq!(desk.world.json(&["notify", "list", "--tenant", "acme", "--state", "failed"]), json!([]));
    assert_eq!(desk.world.error(&["notify", "cancel", id, "--tenant", "acme"]).0, 5);
    desk.world.ok(&[&["--dry-run"][..], &line].concat());
    assert_eq!(desk.world.tenant_sql("acme", "select count(*) from nexus.notifications"), ["1"]);
}

#[test]
fn people_who_are_no_users_get_no_more_than_a_share() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let limited = || (409, "message_limit".to_owned());
    for _ in 0..5 {
        desk.sent(&text(&["eve@customer.example"]));
    }
    assert_eq!(desk.send(&text(&["Eve@customer.example"])).problem(), limited());
    let others =
        |many: usize| -> Vec<String> { (0..many).map(|n| format!("p{n}@customer.example")).collect() };
    let to = |all: &[String]| text(&all.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(desk.send(&to(&others(196))).problem(), limited(), "200 a day, and 5 of them went to Eve");
    assert_eq!(desk.sent(&to(&others(195))).len(), 195);
    assert_eq!(desk.send(&text(&["new@customer.example"])).problem(), limited());
    desk.sent(&text(&["bob@acme.example"]));
    desk.world.tenant_sql(
        "acme",
        "update nexus.message_limits set times = array(select at - interval '25 hours' from unnest(times) as at)",
    );
    desk.sent(&text(&["new@customer.example", "eve@customer.example"]));
}

#[test]
fn a_right_for_some_kinds_is_one_to_cancel_those_and_no_others() {
    let desk = Desk::new();
    let id = desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    desk.server.change("POST", "/roles", &desk.ann, &json!({ "name": "Editor" })).ok();
    let when = json!({ "when": "kind = 'app.news'" });
    desk.server.change("PUT", "/roles/Editor/permissions/notification:send", &desk.ann, &when).ok();
    desk.server.change("PUT", &format!("/users/{id}/roles/Editor"), &desk.ann, &json!({})).ok();
    let hello = json!({ "subject": "Hello", "text": "Hello\n" });
    for kind in ["app.news", "app.alarm"] {
        desk.template(kind, "en", &hello).ok();
    }
    let soon = time::OffsetDateTime::now_utc() + time::Duration::hours(1);
    let soon = soon.format(&time::format_description::well_known::Rfc3339).unwrap();
    let body = |kind: &str, template: &str| {
        json!({ "kind": kind, "template": template, "to": ["ann@acme.example"], "channel": "email",
                "not_before": soon })
    };
    let cancel = |id: &str| {
        desk.server.change("POST", &format!("/notifications/history/{id}/cancel"), &bob, &json!(null)).status
    };
    let (news, alarm) =
        (desk.sent(&body("app.news", "app.news")), desk.sent(&body("app.alarm", "app.alarm")));
    assert_eq!((cancel(&news[0]), cancel(&alarm[0])), (200, 403));
    let as_bob = |body| desk.server.change("POST", "/notifications/send", &bob, &body).status;
    assert_eq!(as_bob(body("app.news", "app.news")), 202);
    assert_eq!(as_bob(body("app.news", "app.alarm")), 403, "what it says is of another kind");
}
