//! What people want to be told, and when.

use serde_json::{Value, json};

use super::{Desk, text};
use crate::api::PASSWORD;

fn set(desk: &Desk, token: &str, change: &Value) -> Value {
    desk.server.change("PATCH", "/notifications/preferences", token, change).ok()
}

/// Hours that have begun a while ago, and last for longer than a test.
fn quiet_now() -> Value {
    let now = time::OffsetDateTime::now_utc();
    let at = |hours: i64| {
        let at = now + time::Duration::hours(hours);
        format!("{:02}:{:02}", at.hour(), at.minute())
    };
    json!({ "quiet_hours": { "time_zone": "UTC", "from": at(-2), "to": at(3) } })
}

#[test]
fn a_kind_that_its_user_switched_off_is_not_sent() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let off = json!({ "kinds": [{ "pattern": "app.*", "channel": "email", "enabled": false }] });
    assert_eq!(set(&desk, &bob, &off)["kinds"][0]["enabled"], false);
    let id = desk.sent(&text(&["bob@acme.example"])).remove(0);
    let found = desk.until(&id, "cancelled");
    assert_eq!(found["reason"], "its user does not want this kind in this channel");
    let on = json!({ "kinds": [{ "pattern": "app.*", "channel": "email", "enabled": null }] });
    assert_eq!(set(&desk, &bob, &on)["kinds"], json!([]));
    desk.sent(&text(&["bob@acme.example"]));
    desk.until_mail("bob@acme.example", 1);
    let account = json!({ "kinds": [{ "pattern": "account.*", "channel": "email", "enabled": false }] });
    let refused = desk.server.change("PATCH", "/notifications/preferences", &bob, &account);
    assert_eq!(refused.status, 400, "{refused:?}");
}

#[test]
fn mail_waits_for_the_end_of_quiet_hours_but_what_is_urgent_does_not() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    assert_eq!(set(&desk, &bob, &quiet_now())["quiet_hours"]["time_zone"], "UTC");
    let id = desk.sent(&text(&["bob@acme.example"])).remove(0);
    let found = desk.until(&id, "deferred");
    assert!(found["reason"].as_str().unwrap().starts_with("its user has quiet hours until "), "{found}");
    let mut urgent = text(&["bob@acme.example"]);
    urgent["priority"] = json!("high");
    let urgent = desk.sent(&urgent).remove(0);
    desk.until(&urgent, "sent");
    assert_eq!(desk.mail_to("bob@acme.example").len(), 1);
    // They are looked at again when it is sent.
    assert_eq!(set(&desk, &bob, &json!({ "quiet_hours": null }))["quiet_hours"], json!(null));
    desk.world.control_sql("update control.jobs set due_at = now() where state = 'scheduled'");
    desk.until(&id, "sent");
    desk.until_mail("bob@acme.example", 2);
}

#[test]
fn what_waits_for_three_days_fails() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    set(&desk, &bob, &quiet_now());
    let id = desk.sent(&text(&["bob@acme.example"])).remove(0);
    desk.until(&id, "deferred");
    desk.world.control_sql("update control.messages set created_at = now() - interval '73 hours'");
    desk.world.control_sql("update control.jobs set due_at = now() where state = 'scheduled'");
    let found = desk.until(&id, "failed");
    assert_eq!(found["reason"], "it could not be sent within 72 hours");
    let failed = desk.world.json(&["notify", "list", "--all-tenants"]);
    assert_eq!((&failed[0]["id"], &failed[0]["tenant"]), (&json!(id), &json!("acme")));
    set(&desk, &bob, &json!({ "quiet_hours": null }));
    desk.server.change("POST", &format!("/notifications/history/{id}/retry"), &desk.ann, &json!(null)).ok();
    desk.until(&id, "sent");
}

#[test]
fn others_preferences_are_for_who_may_change_users() {
    let desk = Desk::new();
    let bob = desk.user("bob@acme.example");
    desk.user("eve@acme.example");
    let eve = desk.server.token("acme", "eve@acme.example", PASSWORD);
    let path = format!("/notifications/preferences?user={bob}");
    assert_eq!(desk.server.get(&path, &eve).problem(), (403, "permission_missing".to_owned()));
    assert_eq!(desk.server.get(&path, &desk.ann).ok()["kinds"], json!([]));
    let line = [
        "notify",
        "preference",
        "set",
        "--user",
        "bob@acme.example",
        "--tenant",
        "acme",
        "--off",
        "app.news",
    ];
    let after = desk.world.json(&line);
    assert_eq!(after["kinds"].as_array().unwrap().len(), 2);
    let line = [
        "notify",
        "preference",
        "reset",
        "--user",
        "bob@acme.example",
        "--tenant",
        "acme",
        "--kind",
        "app.news",
    ];
    assert_eq!(desk.world.json(&line)["kinds"], json!([]));
}
