//! What was half done, taken back.

use super::points::all_points;
use super::{KINDS, delete, doors_are_as_recorded, ready_for, state, states_of, suspend, undelete};
use crate::crash::settled::{create, is_settled, is_usable, open_operation, repair_settles};
use crate::support::world::World;

#[test]
fn each_change_killed_at_any_point_can_be_taken_back_whole() {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    for kind in KINDS {
        for point in all_points(&world, kind) {
            world.killed_at(&point, &ready_for(&world, kind, "acme"));
            world.ok(&["operation", "rollback", &open_operation(&world)]);
            assert_eq!(state(&world, "acme"), states_of(kind).1, "{point}");
            doors_are_as_recorded(&world, &point);
            if kind == "resume" {
                let shown = world.json(&["tenant", "show", "acme"]);
                assert_eq!(shown["suspension"]["reason"], "invoice 17 is not paid", "{point}");
            }
        }
    }
    is_settled(&world, "after all");
    world.ok(&undelete("acme"));
    assert_eq!(world.env("acme"), env);
    is_usable(&world, "acme", "all taken back");
}

#[test]
fn a_rollback_killed_at_any_point_is_taken_up_by_a_repair() {
    let world = World::new();
    for kind in KINDS {
        for point in all_points(&world, kind) {
            let (begin, side) = point.rsplit_once('.').unwrap();
            if begin.ends_with(".intent") {
                continue;
            }
            world.killed_at(&format!("{kind}.intent.after"), &ready_for(&world, kind, "acme"));
            let undo = format!("{begin}.undo.{side}");
            world.killed_at(&undo, &["operation", "rollback", &open_operation(&world)]);
            world.ok(&["tenant", "repair", "acme"]);
            assert_eq!(state(&world, "acme"), states_of(kind).1, "{undo}");
            doors_are_as_recorded(&world, &undo);
        }
    }
    is_settled(&world, "after all");
}

#[test]
fn a_deletion_of_a_suspended_tenant_that_is_taken_back_leaves_it_suspended() {
    let world = World::new();
    world.ok(&create("acme"));
    world.ok(&suspend("acme"));
    world.killed_at("delete.disable-key.after", &delete("acme"));
    world.ok(&["operation", "rollback", &open_operation(&world)]);
    assert_eq!(state(&world, "acme"), "suspended");
    doors_are_as_recorded(&world, "taken back");
    world.ok(&delete("acme"));
    world.killed_at("undelete.open-logins.after", &undelete("acme"));
    doors_are_as_recorded(&world, "an undeletion that opens nothing");
    world.ok(&["operation", "rollback", &open_operation(&world)]);
    assert_eq!(state(&world, "acme"), "trashed");
    is_settled(&world, "taken back");
}

#[test]
fn what_a_purge_destroyed_cannot_be_had_back() {
    let world = World::new();
    world.ok(&create("acme"));
    world.killed_at("purge.key.after", &crate::crash::settled::delete("acme"));
    let (code, error) = world.error(&["operation", "rollback", &open_operation(&world)]);
    assert_eq!((code, error["code"].as_str()), (5, Some("operation_only_forward")));
    assert!(error["message"].as_str().unwrap().contains("what a purge destroyed is gone"), "{error}");
    repair_settles(&world, "a refused rollback");
    assert_eq!(state(&world, "acme"), "deleted");
}
