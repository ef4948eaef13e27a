//! `nexus event`.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};

use super::{AppLogin, acme, positions, until_published};

/// Lines of JSON.
fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn events_are_printed_from_a_position_or_a_time_on() {
    let (world, _server, _) = acme();
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 30);
    until_published(&world, "acme");
    let event = |args: &[&str]| world.ok(&[&["-o", "json", "event"], args, &["--tenant", "acme"]].concat());
    assert_eq!(positions(&lines(&event(&["tail"]))), (11..=30).collect::<Vec<_>>());
    assert_eq!(positions(&lines(&event(&["tail", "--after", "28"]))), [29, 30]);
    assert_eq!(positions(&lines(&event(&["replay", "--after", "0"]))), (1..=30).collect::<Vec<_>>());
    assert_eq!(event(&["replay", "--after", "0", "--type", "user.*"]), "");
    assert_eq!(lines(&event(&["replay", "--since", "1h"])).len(), 30);
    let middle = "select published_at from nexus.outbox where position = 30";
    world.tenant_sql(
        "acme",
        "update nexus.outbox set published_at = published_at - interval '1 hour' where position < 30",
    );
    let at = world.tenant_sql("acme", &format!("set timezone = 'UTC'; {middle}")).pop().unwrap();
    let at = format!("{}Z", at.replace(' ', "T").trim_end_matches("+00"));
    assert_eq!(positions(&lines(&event(&["replay", "--since", &at]))), [30]);
    let line = world.ok(&["event", "tail", "--tenant", "acme", "--after", "29"]);
    let cells: Vec<&str> = line.trim_end().split('\t').collect();
    assert_eq!((cells[0], cells[2], cells[3], cells[5]), ("30", "invoice.paid", "k", "{\"n\":30}"), "{line}");
    world.tenant_sql("acme", "delete from nexus.outbox where position < 10");
    let (code, error) = world.error(&["event", "replay", "--tenant", "acme", "--after", "3"]);
    assert_eq!((code, &error["code"]), (4, &json!("cursor_expired")));
    let (code, error) = world.error(&["event", "replay", "--tenant", "acme", "--after", "31"]);
    assert_eq!((code, &error["code"]), (4, &json!("cursor_expired")));
}

#[test]
fn whoever_follows_has_each_event_at_once_and_ends_quietly() {
    let (world, _server, _) = acme();
    let app = AppLogin::of(&world, "acme");
    let args = ["-o", "json", "event", "tail", "--tenant", "acme", "--follow", "--after", "0"];
    let mut command = world.command(&args);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines();
    for at in 1..=3 {
        app.publish(&world, "invoice.paid", 1);
        let event: Value = serde_json::from_str(&told.next().unwrap().unwrap()).unwrap();
        assert_eq!(event["position"], at);
    }
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
}

#[test]
fn the_types_are_listed_each_with_a_schema() {
    let (world, ..) = acme();
    let list = world.json(&["event", "list"]);
    let types: Vec<&str> = list.as_array().unwrap().iter().map(|it| it["type"].as_str().unwrap()).collect();
    assert!(types.contains(&"user.disabled") && types.is_sorted(), "{types:?}");
    for kind in &types {
        let schema: Value = serde_json::from_str(&world.ok(&["event", "schema", kind])).unwrap();
        assert_eq!((&schema["title"], &schema["type"]), (&json!(kind), &json!("object")));
    }
    let (code, error) = world.error(&["event", "schema", "user.disable"]);
    assert_eq!((code, &error["code"]), (4, &json!("event_type_not_found")));
    assert!(error.to_string().contains("did you mean user.disabled?"), "{error}");
}
