//! Deleting and undeleting, as an operator sees it.

use super::{column, delete, doors_are_as_recorded, resume, state, suspend, undelete};
use crate::crash::settled::{create, is_settled, is_usable};
use crate::support::world::World;

#[test]
fn a_deleted_tenant_is_kept_with_its_slug_and_can_be_had_back() {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    let before = world.there();
    let gone = world.json(&delete("acme"));
    assert_eq!((&gone["outcome"], &gone["state"]), (&"deleted".into(), &"trashed".into()));
    let days = "select extract(day from purge_after - trashed_at)::int from control.tenants";
    assert_eq!(world.control_sql(days), ["30"]);
    assert_eq!(world.there(), before);
    assert_eq!(world.ok(&["tenant", "list"]), "");
    assert_eq!(world.ok(&["-o", "id", "tenant", "list", "--where", "state=trashed"]).trim(), "acme");
    assert_eq!(world.json(&["tenant", "show", "acme"])["trash"], gone["trash"]);
    assert_eq!(world.error(&["tenant", "create", "acme", "--name", "Another"]).0, 5);
    for args in [vec!["tenant", "env", "acme"], create("acme"), suspend("acme"), resume("acme")] {
        let (code, error) = world.error(&args);
        assert_eq!((code, error["code"].as_str()), (5, Some("tenant_trashed")), "{args:?}");
        assert!(error["hint"].as_str().unwrap().contains("nexus tenant undelete acme"), "{error}");
    }
    is_settled(&world, "deleted");
    let again = world.json(&delete("acme"));
    assert_eq!((&again["outcome"], &again["trash"]), (&"unchanged".into(), &gone["trash"]));
    let back = world.json(&undelete("acme"));
    assert_eq!((&back["outcome"], &back["state"]), (&"undeleted".into(), &"active".into()));
    assert_eq!(world.env("acme"), env);
    is_usable(&world, "acme", "undeleted");
    assert_eq!(world.json(&undelete("acme"))["outcome"], "unchanged");
    is_settled(&world, "undeleted");
}

#[test]
fn a_tenant_that_was_suspended_before_it_was_deleted_is_suspended_when_it_is_back() {
    let world = World::new();
    world.ok(&create("acme"));
    world.ok(&suspend("acme"));
    world.ok(&delete("acme"));
    assert_eq!(world.json(&["tenant", "show", "acme"])["suspension"]["reason"], "invoice 17 is not paid");
    world.ok(&undelete("acme"));
    assert_eq!(state(&world, "acme"), "suspended");
    doors_are_as_recorded(&world, "undeleted");
    is_settled(&world, "undeleted");
    world.ok(&resume("acme"));
    is_usable(&world, "acme", "resumed");
}

#[test]
fn a_deletion_must_be_confirmed_by_name_or_nothing_is_done() {
    let world = World::new();
    world.ok(&create("acme"));
    for args in [
        &["tenant", "delete", "acme"][..],
        &["--yes", "tenant", "delete", "acme"],
        &["--yes", "tenant", "delete", "acme", "--confirm", "acm"],
    ] {
        assert_eq!(world.error(args).0, 3, "{args:?}");
    }
    assert_eq!(state(&world, "acme"), "active");
    let seen = world.machine().on_terminal(&["tenant", "delete", "acme"], "acme\n");
    assert!(seen.ends_with("--- exit 0") && seen.contains("nexus tenant undelete acme"), "{seen}");
    assert_eq!(state(&world, "acme"), "trashed");
}

#[test]
fn the_prompt_tells_how_much_would_go() {
    let world = World::new();
    world.ok(&create("acme"));
    let database = column(&world, "acme", "database_name");
    world.sql(
        &database,
        "create table public.bills as select n from generate_series(1, 5000) as n; analyze bills",
    );
    for args in [&["tenant", "delete", "acme"][..], &["tenant", "delete", "acme", "--purge"]] {
        let seen = world.machine().on_terminal(args, "no\n");
        assert!(seen.contains("context t, server "), "{seen}");
        assert!(seen.contains("about 5,000 rows in 1 table"), "{seen}");
        assert!(seen.contains(" MB") && seen.contains("0 objects"), "{seen}");
        assert!(seen.ends_with("--- exit 3"), "{seen}");
    }
}

#[test]
fn a_renamed_tenant_in_the_trash_gives_its_slug_up() {
    let world = World::new();
    world.ok(&create("acme"));
    world.ok(&delete("acme"));
    world.ok(&["tenant", "rename", "acme", "acme-old"]);
    world.ok(&create("acme"));
    world.ok(&undelete("acme-old"));
    is_usable(&world, "acme", "the new one");
    is_usable(&world, "acme-old", "the old one");
}
