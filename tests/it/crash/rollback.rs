//! What was half-made, taken back.

use super::points::slug_of;
use super::settled::{create, create_points, is_active, is_settled, is_usable, open_operation};
use crate::support::world::{Inventory, World};

fn taken_back(side: &str) {
    let world = World::new();
    for point in create_points(&world, side) {
        let slug = slug_of(&point);
        world.killed_at(&point, &create(&slug));
        world.ok(&["operation", "rollback", &open_operation(&world)]);
        assert_eq!(world.there(), Inventory::default(), "{point}: something is left");
        assert!(!is_active(&world, &slug), "{point}");
    }
    is_settled(&world, "after all");
    world.ok(&create("create-reserve-after"));
    is_usable(&world, "create-reserve-after", "a slug that was free again");
}

#[test]
fn a_create_killed_before_any_effect_can_be_taken_back_whole() {
    taken_back("before");
}

#[test]
fn a_create_killed_after_any_effect_can_be_taken_back_whole() {
    taken_back("after");
}

fn rollbacks_killed(side: &str) {
    let world = World::new();
    for made in create_points(&world, "after") {
        let point = made.replace(".after", &format!(".undo.{side}"));
        let slug = slug_of(&point);
        world.killed_at("create.activate.before", &create(&slug));
        let operation = open_operation(&world);
        world.killed_at(&point, &["operation", "rollback", &operation]);
        world.ok(&["operation", "rollback", &operation]);
        assert_eq!(world.there(), Inventory::default(), "{point}: something is left");
        assert!(!is_active(&world, &slug), "{point}");
    }
    is_settled(&world, "after all");
}

#[test]
fn a_rollback_killed_before_any_effect_is_taken_up_again() {
    rollbacks_killed("before");
}

#[test]
fn a_rollback_killed_after_any_effect_is_taken_up_again() {
    rollbacks_killed("after");
}

#[test]
fn a_repair_goes_on_with_a_rollback_that_was_killed() {
    let world = World::new();
    world.killed_at("create.activate.before", &create("acme"));
    world.killed_at("create.database.undo.after", &["operation", "rollback", &open_operation(&world)]);
    super::settled::repair_settles(&world, "a killed rollback");
    assert_eq!(world.there(), Inventory::default());
}

#[test]
fn a_repair_of_a_tenant_in_use_cannot_be_taken_back_for_that_would_destroy_it() {
    let world = World::new();
    world.ok(&create("acme"));
    let role = world.control_sql("select app_role from control.tenants");
    world.sql("postgres", &format!("alter role {} password 'changed by the tenant'", role[0]));
    world.killed_at("repair.roles.before", &["tenant", "repair", "acme"]);
    let (code, error) = world.error(&["operation", "rollback", &open_operation(&world)]);
    assert_eq!((code, error["code"].as_str()), (5, Some("operation_only_forward")));
    super::settled::repair_settles(&world, "a refused rollback");
    is_usable(&world, "acme", "a refused rollback");
}
