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

#[test]
fn who_signs_in_with_a_client_that_is_new_is_told_of_it_and_nobody_of_one_that_is_known() {
    let desk = Desk::new();
    desk.user("bob@acme.example");
    let sign_in = |client: &str| {
        let body = json!({ "email": "bob@acme.example", "password": PASSWORD, "client": client });
        let answer = desk.server.send_json("POST", "/auth/login", &["X-Tenant-ID: acme"], &body);
        assert_eq!(answer.status, 200, "{answer:?}");
    };
    // The first of all, a newer version of the same, and a new one whose name could be read as a link.
    for client in ["Phone 17", "Phone 18", "Laptop", "evil.example", "Laptop"] {
        sign_in(client);
    }
    let mail = desk.until_mail("bob@acme.example", 2);
    let about = |part: &str| mail.iter().filter(|text| text.contains(part)).count();
    assert_eq!(about("Subject: A new sign-in to acme\r\n"), 2, "{mail:?}");
    assert_eq!((about("    Laptop, 20"), about("evil.example")), (1, 0), "{mail:?}");
    assert_eq!(about("    a client without a plain name, 20"), 1, "{mail:?}");
    let asked = "select count(*) from nexus.outbox where type = 'mail.new_sign_in'";
    assert_eq!(desk.world.tenant_sql("acme", asked), ["2"]);
}
