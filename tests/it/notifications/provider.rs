//! Mail servers of tenants' own.

use serde_json::{Value, json};

use super::{Desk, text};
use crate::api::PASSWORD;
use crate::mail::dns::DnsServer;
use crate::mail::stock::StockServer;
use crate::support::api::{ApiServer, bearer};

const PATH: &str = "/notifications/provider";
const LOGIN: &str = "hunter2-and-more";

fn provider(port: u16) -> Value {
    json!({ "host": "127.0.0.1", "port": port, "tls": "none", "user": "mailer", "password": LOGIN,
            "from": "Shop <shop@acme.example>", "reply_to": "help@acme.example" })
}

/// A desk whose operator allows this machine.
fn allowed() -> Desk {
    let Desk { world, server, ann } = Desk::new();
    drop(server);
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let more = "[context.t.outbound]\nallow_networks = \"127.0.0.0/8\"\n";
    std::fs::write(&file, format!("{settings}{more}")).unwrap();
    Desk { server: ApiServer::start(&world), world, ann }
}

#[test]
fn a_tenants_mail_goes_by_its_own_server_and_later_by_the_platforms_again() {
    let desk = allowed();
    let mut mail = StockServer::start(&json!({ "hideStarttls": true, "user": "mailer", "password": LOGIN }));
    let set = desk.server.change("PUT", PATH, &desk.ann, &provider(mail.port)).ok();
    assert_eq!((&set["user"], set.get("password")), (&json!("mailer"), None));
    let id = desk.sent(&text(&["bob@customer.example"])).remove(0);
    desk.until(&id, "sent");
    let taken = mail.taken();
    assert_eq!((&taken["from"], &taken["user"]), (&json!("shop@acme.example"), &json!("mailer")));
    let content = taken["content"].as_str().unwrap();
    assert!(content.contains("From: Shop <shop@acme.example>\r\n"), "{content}");
    assert!(content.contains("Reply-To: help@acme.example\r\n"), "{content}");
    // What was set counts for the next message.
    let mut other = provider(mail.port);
    other["from"] = json!("other@acme.example");
    other.as_object_mut().unwrap().remove("password");
    desk.server.change("PUT", PATH, &desk.ann, &other).ok();
    let id = desk.sent(&text(&["bob@customer.example"])).remove(0);
    desk.until(&id, "sent");
    assert_eq!(mail.taken()["from"], "other@acme.example");
    assert_eq!(desk.server.send("DELETE", PATH, &[&bearer(&desk.ann)], &[]).status, 204);
    desk.sent(&text(&["bob@customer.example"]));
    desk.until_mail("bob@customer.example", 1);
    assert_eq!(desk.server.get(PATH, &desk.ann).problem(), (404, "mail_provider_not_found".to_owned()));
}

#[test]
fn a_server_that_fails_is_left_alone_for_a_while_and_another_in_its_place_is_not() {
    let desk = allowed();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    desk.server.change("PUT", PATH, &desk.ann, &provider(free)).ok();
    let held = (0..40).find_map(|n| {
        let id = desk.sent(&text(&[&format!("p{n}@customer.example")])).remove(0);
        let seen = desk.until(&id, "deferred");
        let why = "the mail server failed several times in a row: it is left alone for a while";
        (seen["reason"] == why).then_some(id)
    });
    let id = held.expect("five that failed");
    let mail = StockServer::start(&json!({ "hideStarttls": true, "user": "mailer", "password": LOGIN }));
    desk.server.change("PUT", PATH, &desk.ann, &provider(mail.port)).ok();
    desk.world.control_sql("update control.jobs set due_at = now() where state = 'scheduled'");
    desk.until(&id, "sent");
}

#[test]
fn a_check_is_of_the_tenants_own_server_and_sends_nothing() {
    let desk = allowed();
    let mut dns = DnsServer::start();
    dns.txt("acme.example", "v=spf1 ip4:192.0.2.7 -all");
    let mail = StockServer::start(&json!({ "hideStarttls": true, "user": "mailer", "password": LOGIN }));
    desk.server.change("PUT", PATH, &desk.ann, &provider(mail.port)).ok();
    let server = dns.address();
    let line = ["-o", "json", "notify", "provider", "check", "--tenant", "acme", "--sender-ip", "192.0.2.7"];
    let output = desk.world.run(&[&line[..], &["--dns-server", &server]].concat());
    let findings: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let one = |code: &str| findings.iter().find(|it| it["code"] == code).unwrap();
    assert_eq!(one("mail.server")["object"], format!("127.0.0.1:{}", mail.port));
    for code in ["mail.server", "mail.spf", "mail.spf_server", "mail.alignment"] {
        assert_eq!(one(code)["severity"], "ok", "{}", one(code));
    }
    assert_eq!(one("mail.spf")["object"], "acme.example");
    assert_eq!(mail.end(), Vec::<Value>::new());
}

#[test]
fn a_server_in_a_private_network_is_refused_unless_the_operator_allows_it() {
    let desk = Desk::new();
    let invalid = || (400, "mail_provider_invalid".to_owned());
    for host in ["127.0.0.1", "10.0.0.1", "169.254.169.254", "[::1]"] {
        let new = json!({ "host": host, "from": "a@acme.example" });
        assert_eq!(desk.server.change("PUT", PATH, &desk.ann, &new).problem(), invalid(), "{host}");
    }
    // Where a name leads shows when it is connected to.
    let new = json!({ "host": "localhost", "from": "a@acme.example" });
    desk.server.change("PUT", PATH, &desk.ann, &new).ok();
    let id = desk.sent(&text(&["bob@customer.example"])).remove(0);
    let why = desk.until(&id, "deferred")["reason"].clone();
    assert_eq!(why, "DNS: its address is not public, and in no network that the operator allows");
}

#[test]
fn a_password_is_told_to_nobody_and_to_no_other_server() {
    let desk = allowed();
    let set = desk.server.change("PUT", PATH, &desk.ann, &provider(2525));
    assert!(!set.body.contains(LOGIN));
    let dump = "select coalesce(string_agg(it::text, ' '), '') from control.mail_providers as it";
    assert!(!desk.world.control_sql(dump)[0].contains(LOGIN));
    let mut elsewhere = provider(2526);
    elsewhere.as_object_mut().unwrap().remove("password");
    let refused = desk.server.change("PUT", PATH, &desk.ann, &elsewhere);
    assert_eq!(refused.problem(), (400, "mail_provider_invalid".to_owned()));
}

#[test]
fn a_mail_server_is_set_by_who_may_change_settings() {
    let desk = allowed();
    desk.user("bob@acme.example");
    let bob = desk.server.token("acme", "bob@acme.example", PASSWORD);
    assert_eq!(desk.server.get(PATH, &bob).problem(), (403, "permission_missing".to_owned()));
    assert_eq!(desk.server.change("PUT", PATH, &bob, &provider(2525)).status, 403);
    let file = desk.world.file("work/password", LOGIN);
    std::fs::set_permissions(&file, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
    let line =
        ["notify", "provider", "set", "--host", "smtp.acme.example", "--user", "mailer", "--tenant", "acme"];
    let rest = ["--password-file", &file, "--from", "Acme <no-reply@acme.example>"];
    let set = desk.world.json(&[&line[..], &rest].concat());
    assert_eq!((&set["port"], &set["tls"]), (&json!(587), &json!("starttls")));
    let list = desk.world.json(&["notify", "provider", "list", "--tenant", "acme"]);
    assert_eq!(list[0]["host"], "smtp.acme.example");
    desk.world.ok(&["notify", "provider", "remove", "--tenant", "acme"]);
    assert_eq!(desk.world.error(&["notify", "provider", "remove", "--tenant", "acme"]).0, 4);
    let logged = "select action from control.audit_log where action like 'mail_provider.%' order by id";
    assert_eq!(desk.world.control_sql(logged), ["mail_provider.set", "mail_provider.remove"]);
}
