//! A control database that was restored from an older backup: it is noticed, nothing that lives is
//! destroyed or opened, and there is a way on.

use super::{fsck, tenants};
use crate::support::world::{Inventory, World};

const BACKUP: &str = "_backup";

/// Keeps the control database as it is now.
fn keep(world: &World) {
    let name = &world.control;
    world.sql("postgres", &format!("create database {name}{BACKUP} template {name}"));
}

/// Puts back what was kept.
fn restore(world: &World) {
    let name = &world.control;
    world.sql("postgres", &format!("drop database {name} with (force)"));
    world.sql("postgres", &format!("alter database {name}{BACKUP} rename to {name}"));
}

fn create(world: &World, slug: &str) {
    world.ok(&["tenant", "create", slug]);
}

fn login(world: &World, role: &str) -> bool {
    world.sql("postgres", &format!("select rolcanlogin from pg_roles where rolname = '{role}'")) == ["t"]
}

fn role(world: &World, slug: &str) -> String {
    world.control_sql(&format!("select app_role from control.tenants where slug = '{slug}'")).remove(0)
}

/// An older record than the world: since the backup `newer` was made, `shut` was suspended and `gone`
/// was put into the trash.
fn older() -> (World, Inventory, [String; 2]) {
    let world = World::new();
    for slug in ["stays", "shut", "gone"] {
        create(&world, slug);
    }
    keep(&world);
    create(&world, "newer");
    world.ok(&["tenant", "suspend", "shut", "--reason", "unpaid"]);
    world.ok(&["tenant", "delete", "gone", "--yes", "--confirm", "gone"]);
    let closed = [role(&world, "shut"), role(&world, "gone")];
    let there = world.there();
    restore(&world);
    (world, there, closed)
}

#[test]
fn a_repair_destroys_and_opens_nothing_while_the_record_is_older_than_the_world() {
    let (world, there, closed) = older();
    let fence = world.control_sql("select last_value from control.fences");
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!(code, 9);
    assert!(faults.iter().any(|(code, _)| code == "record_older"), "{faults:?}");
    assert!(notices.iter().any(|(code, _)| code == "newer_than_record"), "{notices:?}");
    let (code, error) = world.error(&["--yes", "fsck", "--fix"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")));
    let (code, error) = world.error(&["--yes", "fsck", "--fix", "--drop-orphans", "--confirm", "4"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")));
    for args in [
        &["tenant", "repair", "shut"][..],
        &["tenant", "create", "another"],
        &["tenant", "suspend", "stays", "--reason", "x"],
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")), "{args:?}: {error}");
        assert_eq!(world.control_sql("select last_value from control.fences"), fence, "{args:?}");
    }
    assert_ne!(world.run(&["--yes", "tenant", "repair", "--all"]).status.code(), Some(0));
    assert_eq!(world.control_sql("select last_value from control.fences"), fence, "repair --all");
    let doctor = world.run(&["doctor", "--only", "control.age"]);
    assert_eq!(doctor.status.code(), Some(9), "{}", String::from_utf8_lossy(&doctor.stdout));
    assert_eq!(world.there(), there);
    assert_eq!(closed.map(|role| login(&world, &role)), [false, false]);
}

#[test]
fn an_older_record_that_is_accepted_works_and_spares_what_it_does_not_know() {
    let (world, there, closed) = older();
    let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
    let mut suspended: Vec<&str> =
        accepted["suspended"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    suspended.sort_unstable();
    assert_eq!(suspended, ["gone", "shut"]);
    assert_eq!(world.run(&["doctor", "--only", "control.age"]).status.code(), Some(0));
    world.run(&["--yes", "fsck", "--fix"]);
    world.run(&["--yes", "fsck", "--fix", "--drop-orphans", "--confirm", "0"]);
    world.run(&["--yes", "tenant", "repair", "--all"]);
    assert_eq!(world.there(), there, "what the record does not know is still there");
    assert_eq!(closed.map(|role| login(&world, &role)), [false, false]);
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!((code, faults.len()), (0, 0), "{faults:?}");
    assert!(notices.iter().any(|(code, _)| code == "unmanaged"), "{notices:?}");
    create(&world, "after");
    world.ok(&["tenant", "suspend", "stays", "--reason", "x"]);
    world.ok(&["tenant", "resume", "stays"]);
    let (code, error) = world.error(&["--yes", "fsck", "--accept-record"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("nothing_to_accept")));
}

#[test]
fn a_key_is_not_deleted_while_the_bucket_that_it_opens_is_kept() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let there = world.there();
    // As if the row had never been written.
    for table in [
        "operation_steps where operation_id in (select id from control.operations)",
        "operations",
        "tenant_versions",
        "tenants",
    ] {
        world.control_sql(&format!("delete from control.{table}"));
    }
    world.run(&["--yes", "fsck", "--fix"]);
    assert_eq!(world.there(), there);
}
