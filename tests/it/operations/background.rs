//! Work that is recorded now and done by another process.

use std::time::{Duration, Instant};

use crate::support::world::World;

/// Returns when the operation is over.
fn done(world: &World, operation: &str) {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        let shown = world.json(&["operation", "show", operation]);
        match shown["state"].as_str().unwrap() {
            "done" => return,
            // Between the record and the other process's first step nobody is at work.
            "planned" | "running" => assert!(Instant::now() < deadline, "{shown}"),
            _ => panic!("{shown}"),
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_detached_create_answers_at_once_and_is_done_in_the_background() {
    let world = World::new();
    let planned = world.json(&["tenant", "create", "acme", "--detach"]);
    assert_eq!((&planned["outcome"], &planned["state"]), (&"planned".into(), &"provisioning".into()));
    done(&world, planned["operation"].as_str().unwrap());
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");
    assert_eq!(world.there(), world.believed());
}

#[test]
fn many_that_are_detached_are_done_in_the_background_too() {
    let world = World::new();
    let args = ["-o", "json", "tenant", "create", "--from", "-", "--detach"];
    let output = world.machine().output(&args, "slug\nash\nbirch\ncedar\n");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(rows.len(), 3);
    for row in &rows {
        assert_eq!(row["outcome"], "planned");
        done(&world, row["operation"].as_str().unwrap());
    }
    assert_eq!(world.there(), world.believed());
    assert_eq!(world.there().databases.len(), 3);
}

#[test]
fn who_waits_gets_the_tenant_that_another_process_makes() {
    let world = World::new();
    let paused = world.paused_at("create.database.before", &["-o", "json", "tenant", "create", "acme"]);
    let (code, error) = world.error(&["tenant", "create", "acme"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (5, "tenant_in_progress"));
    assert_eq!(error["details"]["running"], true);
    assert!(error["hint"].as_str().unwrap().contains("--wait"), "{error}");
    let waiting = world.command(&["-o", "json", "tenant", "create", "acme", "--wait"]).spawn().unwrap();
    let asking = "select 1 from pg_locks where locktype = 'advisory' and not granted";
    let waits = format!(
        "{asking} union select 1 from pg_stat_activity where datname = '{}' having count(*) > 1",
        world.control
    );
    world.until("postgres", &waits, |found| !found.is_empty());
    let first: serde_json::Value = serde_json::from_slice(&paused.go_on().stdout).unwrap();
    let second = waiting.wait_with_output().unwrap();
    assert!(second.status.success(), "{}", String::from_utf8_lossy(&second.stderr));
    let second: serde_json::Value = serde_json::from_slice(&second.stdout).unwrap();
    assert_eq!(second["id"], first["id"]);
    assert_eq!((&first["outcome"], &second["outcome"]), (&"created".into(), &"unchanged".into()));
}
