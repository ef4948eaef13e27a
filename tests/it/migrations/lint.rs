use std::fs;

use serde_json::Value;

use super::super::support::machine::Machine;
use super::super::support::world::World;
use super::shop;

/// What is found, and the exit code.
fn lint(world: &World, more: &[&str]) -> (i32, Vec<Value>) {
    let args: Vec<&str> = ["-o", "json", "migrate", "lint"].iter().chain(more).copied().collect();
    let output = world.run(&args);
    let found = serde_json::from_slice(&output.stdout);
    let found = found.unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), found)
}

fn rules(found: &[Value]) -> Vec<&str> {
    found.iter().map(|it| it["rule"].as_str().unwrap()).collect()
}

#[test]
fn good_files_pass_and_a_bad_one_ends_with_nine() {
    let world = World::new();
    let folder = shop(&world);
    assert_eq!(lint(&world, &[]), (0, vec![]));
    let path = folder.join("3_slow.sql");
    fs::write(&path, "-- Slow.\ncreate index on orders (note);\n").unwrap();
    let (code, found) = lint(&world, &["shop"]);
    assert_eq!(code, 9);
    assert_eq!(rules(&found), ["require-concurrent-index-creation"]);
    assert_eq!(
        (&found[0]["line"], &found[0]["column"], &found[0]["set"]),
        (&2.into(), &1.into(), &"shop".into())
    );
    assert_eq!((&found[0]["effect"], &found[0]["state"]), (&"locks".into(), &"fails".into()));
    assert!(found[0]["instead"].as_str().unwrap().contains("CONCURRENTLY"));
}

#[test]
fn a_waiver_lets_a_file_off() {
    let world = World::new();
    let folder = shop(&world);
    let text = "-- nexus: allow ban-drop-table because it was never used\ndrop table orders;\n";
    fs::write(folder.join("3_drop.sql"), text).unwrap();
    let (code, found) = lint(&world, &[]);
    assert_eq!((code, rules(&found)), (0, vec!["ban-drop-table"]));
    assert_eq!((&found[0]["state"], &found[0]["reason"]), (&"waived".into(), &"it was never used".into()));
}

#[test]
fn only_what_some_tenant_has_yet_to_get_is_looked_at_unless_asked() {
    let world = World::new();
    let folder = shop(&world);
    fs::write(folder.join("3_old.sql"), "drop table old;").unwrap();
    fs::write(folder.join("4_new.sql"), "drop table new;").unwrap();
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["tenant", "create", "birch"]);
    let at = |slug: &str, version: i64| {
        world.control_sql(&format!(
            "insert into control.tenant_versions (tenant_id, set_name, version)
             select id, 'shop', {version} from control.tenants where slug = '{slug}'"
        ));
    };
    at("acme", 4);
    at("birch", 3);
    let (_, found) = lint(&world, &[]);
    assert_eq!(found.len(), 1);
    assert!(found[0]["file"].as_str().unwrap().ends_with("4_new.sql"));
    assert_eq!(lint(&world, &["--all-files"]).1.len(), 2);
    assert_eq!(
        lint(&world, &["--all-files", "nexus"]).1.iter().filter(|it| it["effect"] == "escapes").count(),
        0
    );
}

#[test]
fn a_file_is_looked_at_without_any_installation() {
    let machine = Machine::new()
        .with_file("work/a.sql", "drop table a;\n")
        .with_file("work/a.down.sql", "drop table a;\n")
        .with_file("work/b.sql", "select 1;\n");
    let output = machine.output(&["migrate", "lint", "--file", "a.sql", "--file", "a.down.sql"], "");
    assert_eq!(output.status.code(), Some(9));
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(said.starts_with("a.sql\t1\t1\tfails\tbreaks\tban-drop-table\t"), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert_eq!(machine.output(&["migrate", "lint", "--file", "b.sql"], "").status.code(), Some(0));
    assert_eq!(fs::read_dir(machine.path("nexus")).unwrap().count(), 0, "no local stack was started");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let machine = Machine::new();
    let output = machine.output(&["migrate", "lint", "--file", "gone.sql"], "");
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("gone.sql"));
}

#[test]
fn a_set_that_is_not_there_is_named() {
    let world = World::new();
    let (code, error) = world.error(&["migrate", "lint", "shop"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("set_not_found")));
}
