//! An import that ends half way: nobody's invitation is lost, and the same command goes on.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use super::{acme, sql};
use crate::support::world::World;

/// More than are made in one transaction.
const MANY: usize = 600;

const IMPORT: [&str; 7] = ["user", "create", "--from", "people.csv", "--tenant", "acme", "--invitation-file"];

fn people(world: &World, many: usize) {
    let mut text = "email\n".to_owned();
    for index in 0..many {
        writeln!(text, "user{index}@acme.example").unwrap();
    }
    std::fs::write(world.machine().path("work/people.csv"), text).unwrap();
}

fn import(file: &str) -> Vec<&str> {
    [&["-o", "json"], &IMPORT[..], &[file]].concat()
}

/// Whom a file invites.
fn invited(world: &World, file: &str) -> BTreeSet<String> {
    let text = std::fs::read_to_string(world.machine().path(&format!("work/{file}"))).unwrap();
    assert!(text.starts_with("email,invitation\n"), "{file}");
    text.lines().skip(1).map(|line| line.split_once(",nxi_").unwrap().0.to_owned()).collect()
}

/// Who was made.
fn made(world: &World) -> BTreeSet<String> {
    sql(world, "select email from nexus.users where state = 'invited'").into_iter().collect()
}

fn hint(error: &Value) -> String {
    error["hint"].as_str().unwrap_or_default().to_owned()
}

/// The rest is made by the same command with another file, and each has one good invitation.
fn goes_on(world: &World, first: &str, many: usize) {
    let before = invited(world, first);
    world.ok(&import("rest.csv"));
    let rest = invited(world, "rest.csv");
    assert!(rest.is_disjoint(&before));
    assert_eq!(&rest | &before, made(world));
    assert_eq!(made(world).len(), many);
}

#[test]
fn stopped_by_ctrl_c_it_says_how_to_go_on() {
    let world = acme();
    people(&world, MANY);
    let paused = world.paused_at("user.create.batch", &import("first.csv"));
    kill(Pid::from_raw(i32::try_from(paused.pid()).unwrap()), Signal::SIGINT).unwrap();
    // The signal is taken in while the process waits.
    std::thread::sleep(std::time::Duration::from_millis(200));
    let output = paused.go_on();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(error["error"]["code"], "interrupted");
    assert!(error["error"]["message"].as_str().unwrap().contains("first.csv"), "{said}");
    assert!(hint(&error["error"]).contains("repeat the command"), "{said}");
    let rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert!(!rows.is_empty() && rows.len() < MANY, "{}", rows.len());
    assert_eq!(rows.len(), made(&world).len());
    assert_eq!(invited(&world, "first.csv"), made(&world));
    goes_on(&world, "first.csv", MANY);
}

#[test]
fn killed_after_a_commit_it_has_lost_no_invitation() {
    let world = acme();
    people(&world, 5);
    world.killed_at("user.create.batch", &import("first.csv"));
    assert_eq!(made(&world).len(), 5);
    assert_eq!(invited(&world, "first.csv"), made(&world));
}

#[test]
fn killed_before_a_commit_it_has_invitations_too_many_and_none_too_few() {
    let world = acme();
    people(&world, 5);
    world.killed_at("user.create.told", &import("first.csv"));
    assert!(made(&world).is_empty());
    assert_eq!(invited(&world, "first.csv").len(), 5);
    world.ok(&import("second.csv"));
    assert_eq!(invited(&world, "second.csv"), made(&world));
}

#[test]
fn when_the_database_goes_away_it_says_what_was_made_and_where_the_invitations_are() {
    let world = acme();
    people(&world, MANY);
    let paused = world.paused_at("user.create.batch", &import("first.csv"));
    let database = world.control_sql("select database_name from control.tenants where slug = 'acme'");
    let cut = format!(
        "select pg_terminate_backend(pid) from pg_stat_activity
         where datname in ('{}', '{}') and backend_type = 'client backend' and pid <> pg_backend_pid()",
        database[0], world.control
    );
    world.sql("postgres", &cut);
    let output = paused.go_on();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(8), "{said}");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap_or_else(|_| panic!("{said}"));
    assert_eq!(error["error"]["details"]["made"], made(&world).len(), "{said}");
    assert_eq!(error["error"]["details"]["invitation_file"], "first.csv");
    assert!(hint(&error["error"]).contains("another file"), "{said}");
    assert!(made(&world).is_subset(&invited(&world, "first.csv")));
    assert!(made(&world).len() < MANY);
    goes_on_after_a_cut(&world);
}

/// As [`goes_on`], where the file has invitations that are of no use, too.
fn goes_on_after_a_cut(world: &World) {
    let before = made(world);
    world.ok(&import("rest.csv"));
    assert_eq!(&invited(world, "rest.csv") | &before, made(world));
    assert_eq!(made(world).len(), MANY);
}

#[test]
fn when_nobody_is_made_there_is_no_file_and_the_same_command_can_be_repeated() {
    let world = acme();
    people(&world, 3);
    std::fs::write(world.machine().path("work/people.csv"), "email,roles\na@x.example,Usher\n").unwrap();
    assert_eq!(world.error(&import("first.csv")[2..]).0, 4);
    assert!(!world.machine().path("work/first.csv").exists());
    people(&world, 3);
    world.ok(&import("first.csv"));
    assert_eq!(invited(&world, "first.csv"), made(&world));
}

#[test]
fn invitations_that_have_no_place_are_spoken_of() {
    let world = acme();
    people(&world, 3);
    let output = world.run(&["user", "create", "--from", "people.csv", "--tenant", "acme"]);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains("3 users without an invitation"), "{said}");
    assert!(said.contains("nexus user invite") && said.contains("--tenant acme"), "{said}");
}

#[test]
fn repeated_it_says_that_nobody_was_invited_anew() {
    let world = acme();
    people(&world, 3);
    let said = |file| String::from_utf8(world.run(&[&IMPORT[..], &[file]].concat()).stderr).unwrap();
    assert!(said("first.csv").contains("the invitations are in first.csv"));
    assert!(said("second.csv").contains("no invitation was created: second.csv holds none"));
    assert!(invited(&world, "second.csv").is_empty());
}
