//! Unsubscribing by the link of a message (RFC 8058).

use serde_json::json;

use super::{Desk, text};
use crate::api::PASSWORD;

const ONE_CLICK: &[u8] = b"List-Unsubscribe=One-Click";
const FORM: &str = "Content-Type: application/x-www-form-urlencoded";

/// A header's value, with its folds undone.
fn header(mail: &str, name: &str) -> Option<String> {
    let head = mail.split("\r\n\r\n").next().unwrap().replace("\r\n ", " ").replace("\r\n\t", " ");
    let begin = format!("{name}: ");
    head.lines().find_map(|line| line.strip_prefix(&begin).map(str::to_owned))
}

/// The path and query of the link in a message.
fn link(mail: &str) -> String {
    assert_eq!(header(mail, "List-Unsubscribe-Post").unwrap(), "List-Unsubscribe=One-Click");
    let value = header(mail, "List-Unsubscribe").unwrap().replace(' ', "");
    let url = value.strip_prefix('<').unwrap().strip_suffix('>').unwrap().to_owned();
    let body = mail.split_once("\r\n\r\n").unwrap().1.replace("=\r\n", "").replace("=3D", "=");
    assert!(body.contains(&format!("Unsubscribe: {url}")), "{url} is not in {body}");
    url[url.find("/notifications/").unwrap()..].to_owned()
}

/// What a program of mail does: no token, no cookie.
fn click(desk: &Desk, link: &str) -> String {
    let answer = desk.server.send("POST", link, &[FORM], ONE_CLICK);
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[test]
fn one_click_switches_a_kind_off_for_a_user_and_a_second_one_is_as_good() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    desk.sent(&text(&["bob@acme.example"]));
    let link = link(&desk.until_mail("bob@acme.example", 1)[0]);
    for _ in 0..2 {
        assert!(click(&desk, &link).contains("Unsubscribed"));
    }
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let kinds = &desk.server.get("/notifications/preferences", &bob).ok()["kinds"];
    assert_eq!(*kinds, json!([{ "pattern": "app.news", "channel": "email", "enabled": false }]));
    let id = desk.sent(&text(&["bob@acme.example"])).remove(0);
    desk.until(&id, "cancelled");
    let logged = "select count(*) from nexus.audit_log where action = 'notification_preferences.set'";
    assert_eq!(desk.world.tenant_sql("acme", logged), ["1"]);
}

#[test]
fn one_click_stops_what_apps_send_to_an_address_and_looking_at_the_page_does_not() {
    let desk = Desk::new();
    desk.sent(&text(&["bob@customer.example"]));
    let link = link(&desk.until_mail("bob@customer.example", 1)[0]);
    let page = desk.server.send("GET", &link, &[], &[]);
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.body.contains("<form method=\"post\">"));
    let all = "select scope || ' ' || reason from nexus.suppressions";
    assert!(desk.world.tenant_sql("acme", all).is_empty(), "a scanner of mail opens links");
    click(&desk, &link);
    assert_eq!(desk.world.tenant_sql("acme", all), ["bulk unsubscribe"]);
    let id = desk.sent(&text(&["bob@customer.example"])).remove(0);
    let why = desk.until(&id, "failed")["reason"].clone();
    assert!(why.as_str().unwrap().starts_with("suppressed: its recipient unsubscribed"), "{why}");
}

#[test]
fn a_link_that_was_changed_does_nothing() {
    let desk = Desk::new();
    desk.sent(&text(&["bob@customer.example"]));
    let link = link(&desk.until_mail("bob@customer.example", 1)[0]);
    let last = link.chars().last().unwrap();
    let other = if last == 'A' { 'Q' } else { 'A' };
    let middle = link.len() - 20;
    let changed = format!("{}{}{}", &link[..middle], other, &link[middle + 1..]);
    for bad in [
        &changed,
        &link[..link.len() - 8],
        "/notifications/unsubscribe",
        "/notifications/unsubscribe?token=x",
    ] {
        assert!(click(&desk, bad).contains("not good"), "{bad}");
    }
    assert_eq!(desk.world.tenant_sql("acme", "select count(*) from nexus.suppressions"), ["0"]);
}

#[test]
fn messages_about_an_account_have_no_such_link() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let body = json!({ "email": "bob@acme.example" });
    desk.server.send_json("POST", "/auth/forgot", &["X-Tenant-ID: acme"], &body);
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    assert_eq!(header(&mail, "List-Unsubscribe"), None);
    assert!(!mail.contains("nsubscribe"), "{mail}");
}
