//! What is sent verifies with the stock libraries of the standard.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use super::receiver::{Got, Receiver};
use super::{Worker, acme, hook, id, of_acme, publish, until_all_is_done};

/// What a script of `tests/clients` says of requests, each with a secret and a public key.
fn verified(script: &str, got: &[(&Got, &str, Option<&str>)]) -> Vec<Value> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut child = Command::new(root.join("scripts/webhook-clients"))
        .arg("run")
        .arg(root.join("tests/clients").join(script))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let asked: Vec<Value> = got
        .iter()
        .map(|(got, secret, key)| {
            json!({ "secret": secret, "public_key": key, "headers": got.headers, "body": got.body })
        })
        .collect();
    write!(child.stdin.take().unwrap(), "{}", json!(asked)).unwrap();
    let output = child.wait_with_output().unwrap();
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn what_is_sent_verifies_with_the_stock_libraries_also_while_a_secret_is_rotated() {
    let (world, receiver) = (acme(), Receiver::taking());
    let url = receiver.url("/hook");
    let args =
        ["webhook", "create", &url, "--event", "order.*", "--key-pair", "--reveal", "--tenant", "acme"];
    let made = world.json(&args);
    let key = made["public_key"].as_str();
    let first = made["secret"].as_str().unwrap();
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", r#"{"total": 1.10, "name": "Größe ≤ 5"}"#);
    let before = receiver.until(1).remove(0);
    let rotated = of_acme(&world, "rotate", &[id(&made), "--reveal"]);
    let second = rotated["secret"].as_str().unwrap();
    publish(&world, "order.paid", "{}");
    let during = receiver.until(2).remove(1);
    world.control_sql("update control.webhooks set previous_secret_until = now() - interval '1 second'");
    publish(&world, "order.lost", "{}");
    let after = receiver.until(3).remove(2);
    let other = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    let asked = [
        (&before, first, key),
        (&before, second, key),
        (&during, first, key),
        (&during, second, key),
        (&after, first, key),
        (&after, second, key),
        (&after, other, key),
    ];
    let good = [true, false, true, true, false, true, false];
    for script in ["webhooks.mjs", "webhooks.py"] {
        let said = verified(script, &asked);
        assert_eq!(said.iter().map(|it| it["v1"] == true).collect::<Vec<_>>(), good, "{script}");
        assert_eq!(said[0]["type"], "order.shipped");
        if script == "webhooks.mjs" {
            assert!(said.iter().all(|it| it["v1a"] == true), "{said:?}");
        }
    }
    // Nothing of another body, time or id verifies.
    for (name, value) in [("webhook-id", "evt_0"), ("webhook-timestamp", "1")] {
        let mut forged = after.clone();
        forged.headers.insert(name.to_owned(), json!(value));
        for script in ["webhooks.mjs", "webhooks.py"] {
            assert_eq!(verified(script, &[(&forged, second, key)])[0]["v1"], false, "{script} {name}");
        }
    }
    until_all_is_done(&world);
}

#[test]
fn a_request_has_what_the_standard_asks_for_and_the_event_as_it_was_written() {
    let (world, receiver) = (acme(), Receiver::taking());
    hook(&world, &receiver.url("/a/b?c=d"), "order.shipped");
    let _worker = Worker::start(&world);
    let event = publish(&world, "order.shipped", r#"{"n": 12345678901234567890123, "a": [1.10]}"#);
    let got = receiver.until(1).remove(0);
    assert_eq!(got.path, "/a/b?c=d");
    assert_eq!(got.header("webhook-id"), format!("evt_{}", event.replace('-', "")));
    assert_eq!(got.header("content-type"), "application/json");
    assert_eq!(got.header("host"), format!("127.0.0.1:{}", receiver.port));
    assert!(got.header("user-agent").starts_with("Nexus-Webhooks/"));
    assert!(got.headers.keys().all(|name| !["cookie", "authorization"].contains(&name.as_str())));
    let said = got.event();
    let names: Vec<_> = said.as_object().unwrap().keys().collect();
    assert_eq!(names, ["data", "timestamp", "type"]);
    assert!(got.body.contains("12345678901234567890123") && got.body.contains("1.10"), "{}", got.body);
}

#[test]
fn what_is_too_long_is_sent_without_its_data_and_says_so() {
    let (world, receiver) = (acme(), Receiver::taking());
    hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    let event = publish(&world, "order.shipped", &json!({ "x": "y".repeat(40_000) }).to_string());
    let got = receiver.until(1).remove(0);
    assert!(got.body.len() <= 20_000);
    assert_eq!(got.event()["data"], json!({ "omitted": "too_large", "event_id": event }));
}

/// The only block of a language on the page.
fn example(language: &str) -> String {
    let page =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/webhooks.md")).unwrap();
    let (_, rest) = page.split_once(&format!("```{language}\n")).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_examples_of_the_page_receive_and_verify() {
    let world = acme();
    // A port that nobody listens at.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let made = hook(&world, &format!("http://127.0.0.1:{port}/hook"), "*");
    let secret = made["secret"].as_str().unwrap();
    let script = world.machine().path("work/receiver.mjs");
    std::fs::write(&script, example("js").replace("listen(3000)", &format!("listen({port})"))).unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut node = Command::new(root.join("scripts/webhook-clients"))
        .arg("run")
        .arg(&script)
        .env("WEBHOOK_SECRET", secret)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let tested = loop {
        let output = world.run(&["webhook", "test", id(&made), "--tenant", "acme"]);
        let said = String::from_utf8(output.stderr).unwrap();
        if !said.contains("the connection was refused") {
            break (output.status.code(), said);
        }
    };
    node.kill().unwrap();
    node.wait().unwrap();
    assert_eq!(tested.0, Some(0), "{}", tested.1);
    let receiver = Receiver::taking();
    of_acme(&world, "update", &[id(&made), "--url", &receiver.url("/")]);
    world.ok(&["webhook", "test", id(&made), "--tenant", "acme"]);
    let got = receiver.until(1).remove(0);
    let asked = json!({ "secret": secret, "headers": got.headers, "body": got.body });
    let script = world.machine().path("work/receive.py");
    let ask = "import json, sys\nit = json.load(sys.stdin)\n";
    let call = "print(receive(it['secret'], it['headers'], it['body'])['type'])\n";
    std::fs::write(&script, format!("{}\n{ask}{call}", example("python"))).unwrap();
    let mut python = Command::new(root.join("scripts/webhook-clients"))
        .arg("run")
        .arg(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    write!(python.stdin.take().unwrap(), "{asked}").unwrap();
    let said = python.wait_with_output().unwrap().stdout;
    assert_eq!(String::from_utf8(said).unwrap(), "webhook.test\n");
}
