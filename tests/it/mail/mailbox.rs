//! The mailbox of the local stack.

use std::os::unix::fs::PermissionsExt;

use nexus::settings::SmtpTls;
use serde_json::Value;

use super::{LONG, client, message, said, server};
use crate::support::machine::Machine;
use crate::support::stack;

/// A machine whose local stack is the one that all tests share.
fn machine() -> Machine {
    Machine::new().with_variable("NEXUS_HOME", stack::shared().home.to_str().unwrap())
}

fn json(machine: &Machine, args: &[&str]) -> Value {
    let output = machine.output(&[&["-o", "json"], args].concat(), "");
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).unwrap()
}

/// An address that no test before has used: the stack stays, and so does its mail.
fn somebody() -> String {
    format!("{}@mailbox.example", uuid::Uuid::new_v4().simple())
}

/// The message to somebody.
fn to(machine: &Machine, address: &str) -> Value {
    let all = json(machine, &["local", "mail", "list", "--limit", "1000"]);
    let found: Vec<&Value> = all.as_array().unwrap().iter().filter(|mail| mail["to"] == address).collect();
    assert_eq!(found.len(), 1, "{all}");
    found[0].clone()
}

#[test]
fn a_test_of_mail_without_settings_arrives_in_the_mailbox() {
    let machine = machine();
    let address = somebody();
    let view = json(&machine, &["notify", "test", "--to", &address]);
    assert_eq!((&view["state"], &view["tls"]), (&"sent".into(), &"none".into()));
    let mail = to(&machine, &address);
    assert_eq!(mail["subject"], "Nexus test message");
    assert_eq!(mail["from"], "Nexus <nexus@localhost.localdomain>");
    let id = mail["id"].as_str().unwrap();
    let shown = json(&machine, &["local", "mail", "show", &id[..7]]);
    assert_eq!(shown["id"], mail["id"]);
    assert!(shown["text"].as_str().unwrap().starts_with("This is a test message of Nexus"), "{shown}");
    let file = std::path::Path::new(shown["file"].as_str().unwrap());
    assert_eq!(std::fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
    assert!(
        std::fs::read_to_string(file).unwrap().starts_with("Return-Path: <nexus@localhost.localdomain>\r\n")
    );
}

#[test]
fn an_app_on_this_machine_can_send_to_it_whatever_its_letters() {
    let machine = machine();
    let status = json(&machine, &["local", "status"]);
    assert_eq!(status["mail"]["state"], "running");
    let (_, port) = status["mail"]["smtp"].as_str().unwrap().rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = client(server(port.parse().unwrap(), SmtpTls::None), LONG);
    let address = somebody();
    let mail = message(&address, "Grüße,\n.\nétoile ☆\n");
    let outcome = runtime.block_on(client.send(&mail));
    assert_eq!(said(&outcome).0, "sent", "{outcome:?}");
    let id = to(&machine, &address)["id"].as_str().unwrap().to_owned();
    let shown = json(&machine, &["local", "mail", "show", &id]);
    assert_eq!(shown["text"].as_str().unwrap().replace("\r\n", "\n"), "Grüße,\n.\nétoile ☆\n");
    assert_eq!(shown["html"], Value::Null);
    let seen = machine.run(&["local", "mail", "show", &id]);
    assert!(seen.contains("étoile ☆"), "a pipe gets the text too: {seen}");
}

#[test]
fn a_pipe_gets_every_message_without_asking() {
    let machine = machine();
    let status = json(&machine, &["local", "status"]);
    let (_, port) = status["mail"]["smtp"].as_str().unwrap().rsplit_once(':').unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let client = client(server(port.parse().unwrap(), SmtpTls::None), LONG);
    let address = somebody();
    for _ in 0..51 {
        let outcome = runtime.block_on(client.send(&message(&address, "hello")));
        assert_eq!(said(&outcome).0, "sent", "{outcome:?}");
    }
    let all = json(&machine, &["local", "mail", "list"]);
    assert_eq!(all.as_array().unwrap().iter().filter(|mail| mail["to"] == address.as_str()).count(), 51);
}

#[test]
fn a_message_that_nobody_sent_is_not_found() {
    let seen = machine().run(&["local", "mail", "show", "zzz"]);
    assert!(
        seen.contains("no message begins with \"zzz\"") && seen.contains("nexus local mail list"),
        "{seen}"
    );
    assert!(seen.contains("exit 4"), "{seen}");
}
