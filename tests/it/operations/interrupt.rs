//! Ctrl-C.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::world::{Paused, World};

fn interrupt(paused: &Paused) {
    kill(Pid::from_raw(i32::try_from(paused.pid()).unwrap()), Signal::SIGINT).unwrap();
}

#[test]
fn the_first_stops_at_a_steps_edge_and_says_how_to_go_on() {
    let world = World::new();
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let slug = signal.as_str().to_lowercase();
        let paused = world.paused_at("create.database.before", &["-o", "json", "tenant", "create", &slug]);
        kill(Pid::from_raw(i32::try_from(paused.pid()).unwrap()), signal).unwrap();
        let output = paused.go_on();
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{text}");
        let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{text}"));
        let error = &error["error"];
        let operation = error["operation"].as_str().unwrap();
        assert_eq!(error["code"], "interrupted");
        assert!(error["hint"].as_str().unwrap().contains(&format!("nexus operation resume {operation}")));
        let shown = world.json(&["operation", "show", operation]);
        assert_eq!(shown["state"], "stopped");
        let steps = shown["steps"].as_array().unwrap();
        assert!(steps.iter().any(|step| step["name"] == "database" && step["state"] != "planned"), "{shown}");
        assert!(steps.iter().any(|step| step["name"] == "activate" && step["state"] == "planned"), "{shown}");
        world.ok(&["operation", "resume", operation]);
    }
    assert_eq!(world.there(), world.believed());
    assert_eq!(world.there().databases.len(), 2);
}

#[test]
fn the_second_quits_at_once() {
    let world = World::new();
    let mut paused = world.paused_at("create.database.before", &["tenant", "create", "acme"]);
    let deadline = Instant::now() + Duration::from_secs(20);
    // A signal that comes while the first is being told counts as one with it.
    while !paused.has_ended() {
        interrupt(&paused);
        assert!(Instant::now() < deadline, "it does not quit");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(paused.go_on().status.code(), Some(130));
    let open = world.json(&["operation", "list", "--open"]);
    world.ok(&["operation", "resume", open[0]["id"].as_str().unwrap()]);
    assert_eq!(world.there(), world.believed());
}

#[test]
fn of_many_those_under_way_stop_and_the_others_are_not_begun() {
    let world = World::new();
    std::fs::write(world.machine().path("work/many.csv"), "slug\nash\nbirch\ncedar\n").unwrap();
    let args = ["-o", "json", "tenant", "create", "--from", "many.csv", "--jobs", "1"];
    let paused = world.paused_at("create.database.before", &args);
    interrupt(&paused);
    let output = paused.go_on();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    let outcomes: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["failed", "skipped", "skipped"]);
    assert_eq!(rows[0]["code"], "interrupted");
    // Repeating the command finishes all of them.
    let again = world.json(&args[2..]);
    assert_eq!(again.as_array().unwrap().len(), 3);
    assert_eq!(world.there(), world.believed());
    assert_eq!(world.there().databases.len(), 3);
}
