//! Histories of an operator's set against its files and the registry.

use super::{apply_shop, at_version, database, of, seen, shop, verify};
use crate::inspection::tenants;
use crate::support::world::World;

#[test]
fn each_history_is_compared_with_the_files_and_the_registry() {
    let world = World::new();
    tenants(&world, 1, 8, &[]);
    shop(&world);
    let at = |slug: &str, statement: &str| world.sql(&database(&world, slug), statement);
    for slug in ["t-002", "t-003", "t-004", "t-005", "t-006", "t-007"] {
        apply_shop(&world, slug, 2);
    }
    apply_shop(&world, "t-008", 1);
    at("t-003", "update public._sqlx_migrations set checksum = sha384('x') where version = 1");
    at("t-004", "delete from public._sqlx_migrations where version = 1");
    at("t-005", "insert into public._sqlx_migrations select 9, '', now(), false, '', 1");
    at("t-006", "drop table public._sqlx_migrations");
    at_version(&world, "t-007", 1);
    let (code, rows) = verify(&world, &[]);
    let expected = seen(&[
        ("migration_changed", "t-003"),
        ("migration_missing", "t-004"),
        ("migration_failed", "t-005"),
        // What the shop made is there still, and by its histories it should be as in the template.
        ("history_missing", "t-006"),
        ("schema_drift", "t-006"),
        ("registry_differs", "t-007"),
    ]);
    assert_eq!((code, of(&rows, "error")), (9, expected), "{rows:?}");
}

#[test]
fn whoever_is_only_behind_does_not_differ() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    shop(&world);
    apply_shop(&world, "t-002", 1);
    apply_shop(&world, "t-003", 2);
    // One has every file, and the template has not: its schema was compared with nothing.
    assert_eq!(verify(&world, &[]), (6, vec![]));
    let said = world.run(&["migrate", "verify"]);
    let said = String::from_utf8(said.stderr).unwrap();
    assert!(said.contains("checked 3 tenants: no drift (2 behind, 0 unreachable, 0 skipped)"), "{said}");
    assert!(said.contains("2 with other files than the template"), "{said}");
    let (code, rows) = verify(&world, &["t-002"]);
    assert_eq!(code, 0);
    assert_eq!(of(&rows, "notice"), seen(&[("pending", "t-002"), ("not_compared", "t-002")]));
}

#[test]
fn a_file_that_came_late_is_to_come_and_not_lost() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    shop(&world);
    for slug in ["t-001", "t-002"] {
        apply_shop(&world, slug, 2);
        world.sql(&database(&world, slug), "delete from public._sqlx_migrations where version = 1");
    }
    // Of the first the registry says that it was whole with one file; of the second with two.
    for (slug, files) in [("t-001", 1), ("t-002", 2)] {
        world.control_sql(&format!(
            "update control.tenant_versions set files = {files}
             from control.tenants where id = tenant_id and slug = '{slug}'"
        ));
    }
    let (code, rows) = verify(&world, &[]);
    assert_eq!((code, of(&rows, "error")), (9, seen(&[("migration_missing", "t-002")])));
    let (code, rows) = verify(&world, &["t-001"]);
    assert_eq!((code, of(&rows, "notice")), (0, seen(&[("pending", "t-001"), ("not_compared", "t-001")])));
    let status = world.json(&["migrate", "status"]);
    let behind: Vec<_> =
        status["sets"][1]["stragglers"].as_array().unwrap().iter().map(|it| &it["tenant"]).collect();
    assert_eq!(behind, ["t-001"]);
}

#[test]
fn what_was_written_to_a_history_since_it_was_seen_is_found() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    shop(&world);
    for slug in ["t-001", "t-002", "t-003"] {
        apply_shop(&world, slug, 2);
    }
    for _ in 0..2 {
        assert_eq!(verify(&world, &[]), (6, vec![]));
    }
    let at = |slug: &str, statement: &str| world.sql(&database(&world, slug), statement);
    at("t-002", "update public._sqlx_migrations set checksum = sha384('x') where version = 1");
    at("t-003", "truncate public._sqlx_migrations");
    let (code, rows) = verify(&world, &[]);
    let expected =
        seen(&[("migration_changed", "t-002"), ("registry_differs", "t-003"), ("schema_drift", "t-003")]);
    assert_eq!((code, of(&rows, "error")), (9, expected), "{rows:?}");
    // And again, now that it was seen so.
    assert_eq!(verify(&world, &[]).1, rows);
}
