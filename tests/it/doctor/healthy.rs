//! Where nothing is wrong.

use std::collections::BTreeSet;
use std::fs;

use nexus::features::doctor::checks;

use super::{Seen, examined};
use crate::support::machine::Machine;
use crate::support::stack;
use crate::support::world::World;

/// What depends on which release of PostgreSQL this machine has.
fn of_a_release(check: &str) -> bool {
    check.starts_with("programs.") || check.ends_with(".version")
}

#[test]
fn a_healthy_installation_is_all_ok() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let seen = examined(&world);
    assert_eq!(seen.code, 0, "{:#?}", seen.wrong());
    let names: Vec<String> = seen
        .findings
        .iter()
        .map(|it| {
            let (check, result) = (it["code"].as_str().unwrap(), it["severity"].as_str().unwrap());
            let result = if of_a_release(check) && result == "warning" { "ok" } else { result };
            format!("{check} {result}")
        })
        .collect();
    insta::assert_snapshot!(names.join("\n"), @r"
    settings.file ok
    settings.permissions ok
    settings.context ok
    settings.secrets ok
    settings.secrets ok
    settings.variables ok
    programs.psql ok
    programs.pg_dump ok
    programs.pg_restore ok
    local.state skipped
    local.programs skipped
    local.folders skipped
    local.port skipped
    key.file ok
    key.recorded ok
    machine.disk ok
    machine.disk ok
    machine.files ok
    machine.random ok
    machine.clock ok
    machine.completion skipped
    control.reachable ok
    control.version ok
    control.rights ok
    control.tls ok
    control.migrations ok
    control.connections ok
    control.durability ok
    control.checksums ok
    control.logging ok
    control.closed ok
    control.collation ok
    control.prepared ok
    control.locks ok
    control.slots ok
    control.wraparound ok
    control.damaged ok
    control.files ok
    control.expiry ok
    control.age ok
    control.record ok
    tenants.operations ok
    tenants.jobs ok
    tenants.schedules ok
    tenants.trash ok
    audit.head ok
    cluster.reachable ok
    cluster.version ok
    cluster.rights ok
    cluster.tls ok
    cluster.connections ok
    cluster.durability ok
    cluster.checksums ok
    cluster.logging ok
    cluster.passwords ok
    cluster.closed ok
    cluster.clock ok
    cluster.disk ok
    cluster.template ok
    cluster.collation ok
    cluster.prepared ok
    cluster.locks ok
    cluster.slots ok
    cluster.wraparound ok
    cluster.damaged ok
    cluster.files ok
    cluster.expiry ok
    store.reachable ok
    store.tls ok
    store.clock ok
    store.keys ok
    events.reachable skipped
    events.stream skipped
    ");
}

#[test]
fn every_check_there_is_says_something() {
    let world = World::new();
    let seen = examined(&world);
    let said: BTreeSet<String> =
        seen.findings.iter().map(|it| it["code"].as_str().unwrap().to_owned()).collect();
    let all: BTreeSet<String> = checks().collect();
    assert_eq!(said, all);
}

#[test]
fn looking_changes_nothing() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let facts = "select (select count(*) from control.audit_log),
                        (select count(*) from control.clusters where checked_at is not null),
                        (select count(*) from control.stores where checked_at is not null)";
    let before = (world.control_sql(facts), world.there());
    examined(&world);
    assert_eq!((world.control_sql(facts), world.there()), before);
}

#[test]
fn without_settings_and_with_nothing_running_it_works_and_starts_nothing() {
    let machine = Machine::new();
    let output = machine.output(&["-o", "json", "doctor"], "");
    let seen = Seen::of(&output);
    assert_eq!(seen.code, 0, "{:#?}", seen.wrong());
    assert!(seen.one("local.state", "ok").0.contains("not created yet"));
    assert_eq!(seen.one("control.reachable", "skipped").1, "nexus local up");
    assert_eq!(fs::read_dir(machine.path("nexus")).unwrap().count(), 0);
}

#[test]
fn the_running_local_stack_is_looked_at_part_by_part() {
    let home = stack::shared().home.display().to_string();
    let machine = Machine::new();
    let mut command = machine.command(&["-o", "json", "doctor"]);
    let seen = Seen::of(&command.env("NEXUS_HOME", home).output().unwrap());
    assert_eq!(seen.code, 0, "{:#?}", seen.wrong());
    for check in ["local.state", "local.programs", "local.folders", "local.port", "control.reachable"] {
        seen.one(check, "ok");
    }
}

#[test]
fn a_part_of_it_can_be_asked_for() {
    let world = World::new();
    let seen = Seen::of(&world.run(&["-o", "json", "doctor", "--only", "key", "audit.head"]));
    let checks: Vec<&str> = seen.findings.iter().map(|it| it["code"].as_str().unwrap()).collect();
    assert_eq!(checks, ["key.file", "key.recorded", "audit.head"]);
    assert_eq!(world.run(&["doctor", "--only", "kye"]).status.code(), Some(2));
}

#[test]
fn a_pipe_gets_rows_and_a_terminal_groups_with_the_fix_under_each_problem() {
    let machine = Machine::new().with_settings("levle = 1\n");
    let output = machine.output(&["doctor", "--only", "settings.file"], "");
    let rows = String::from_utf8(output.stdout).unwrap();
    let cells: Vec<&str> = rows.trim_end().split('\t').collect();
    assert_eq!((cells.len(), cells[0], cells[1]), (7, "settings.file", "error"), "{rows}");
    let shown = machine.on_terminal(&["doctor", "--only", "settings.file"], "");
    assert!(shown.contains("✗") && shown.contains("fix:") && shown.contains("1 fault"), "{shown}");
}
