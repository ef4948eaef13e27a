//! Where what is set is wrong.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::{Seen, change_settings, examined};
use crate::support::machine::Machine;
use crate::support::world::World;

#[test]
fn unknown_keys_are_each_found_with_their_line_and_the_rest_is_looked_at() {
    let world = World::new();
    change_settings(&world, |text| format!("{text}\n[log]\nlevle = \"info\"\nfromat = \"json\"\n"));
    let seen = examined(&world);
    assert_eq!(seen.code, 2, "{:#?}", seen.wrong());
    assert_eq!(seen.faults(), ["settings.file", "settings.file"]);
    let found = seen.of_check("settings.file", "error");
    let fixes: Vec<&str> = found.iter().map(|it| it["fix"].as_str().unwrap()).collect();
    assert!(fixes.iter().any(|fix| fix.contains("+13 ") && fix.contains("log.level")), "{fixes:?}");
    assert!(fixes.iter().any(|fix| fix.contains("+14 ") && fix.contains("log.format")), "{fixes:?}");
    seen.one("control.reachable", "ok");
}

#[test]
fn a_file_that_is_no_toml_leaves_the_rest_unclear_and_the_machine_looked_at() {
    let machine = Machine::new().with_settings("default_context = \"t\n");
    let seen = Seen::of(&machine.output(&["-o", "json", "doctor"], ""));
    assert_eq!(seen.code, 2, "{:#?}", seen.wrong());
    assert!(seen.one("settings.file", "error").1.contains("+1 "));
    seen.one("settings.context", "skipped");
    seen.one("control.reachable", "skipped");
    seen.one("machine.files", "ok");
}

#[test]
fn a_literal_secret_is_found_and_not_repeated() {
    let world = World::new();
    change_settings(&world, |text| text.replace("password = \"file:", "password = \"hunter2:"));
    let seen = examined(&world);
    assert_eq!(seen.code, 2);
    assert!(seen.one("settings.file", "error").0.contains("context.t.control.password"));
}

#[test]
fn a_file_that_others_can_change_is_found() {
    let world = World::new();
    let file = world.machine().path("work/nexus.toml");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o664)).unwrap();
    let seen = examined(&world);
    assert_eq!(seen.code, 2);
    assert!(seen.one("settings.permissions", "error").1.starts_with("chmod go-w "));
}

#[test]
fn a_secret_that_cannot_be_had_is_named_by_its_key() {
    let world = World::new();
    change_settings(&world, |text| text.replace("admin_token = \"file:", "admin_token = \"file:/nowhere"));
    let seen = examined(&world);
    assert_eq!(seen.code, 2, "{:#?}", seen.wrong());
    assert!(seen.one("settings.secrets", "error").1.contains("context.t.store.admin_token"));
    assert!(seen.one("store.reachable", "skipped").0.contains("context.t.store.admin_token"));
    seen.one("control.reachable", "ok");
}

#[test]
fn a_variable_that_means_nothing_is_found_with_the_nearest_that_does() {
    let machine = Machine::new().with_variable("NEXUS_HOEM", "/x").with_variable("NEXUS_PORT", "8081");
    let seen = Seen::of(&machine.output(&["-o", "json", "doctor", "--only", "settings.variables"], ""));
    assert_eq!(seen.code, 0);
    let found = seen.of_check("settings.variables", "warning");
    let fixes: Vec<&str> = found.iter().map(|it| it["fix"].as_str().unwrap()).collect();
    assert_eq!(fixes[0], "unset NEXUS_HOEM  # did you mean NEXUS_HOME?");
    assert!(fixes[1].starts_with("unset NEXUS_PORT"), "{fixes:?}");
}

#[test]
fn a_fix_stays_on_the_installation_that_was_looked_at() {
    let world = World::new();
    change_settings(&world, |text| text.replace("user = \"nexus\"", "user = \"nobody\""));
    let seen = Seen::of(&world.run(&["-o", "json", "--context", "t", "doctor"]));
    let (_, fix) = seen.one("control.reachable", "error");
    assert!(fix.ends_with(": nexus --context t config show"), "{fix}");
}
