//! What people are told of their own account.

use serde_json::json;

use super::Desk;
use crate::api::PASSWORD;

#[test]
fn who_has_another_password_or_is_disabled_is_told() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let token = desk.server.token("acme", "bob@acme.example", PASSWORD);
    let change = json!({ "current": PASSWORD, "new": "nine wet dogs on a hill" });
    let answer = desk.server.change("POST", "/auth/password/change", &token, &change);
    assert!(answer.status < 300, "{answer:?}");
    let mail = desk.until_mail("bob@acme.example", 1).remove(0);
    assert!(mail.contains("Subject: Your password for acme was changed\r\n"), "{mail}");
    desk.world.ok(&["user", "disable", "bob@acme.example", "--tenant", "acme"]);
    let mail = desk.until_mail("bob@acme.example", 2);
    assert!(
        mail.iter().any(|text| text.contains("Subject: Your account at acme was disabled\r\n")),
        "{mail:?}"
    );
}
