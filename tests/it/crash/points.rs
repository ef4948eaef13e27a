//! A command killed on either side of each of its effects, and a repair after it.

use super::foreign::change_store;
use super::settled::{
    create, create_points, create_steps, delete, is_active, is_settled, is_usable, purge_points, purge_steps,
    repair_settles,
};
use crate::support::world::World;

/// A slug for a point, which a failure then names.
pub fn slug_of(point: &str) -> String {
    point.replace('.', "-")
}

fn creates_killed(side: &str) {
    let world = World::new();
    let points = create_points(&world, side);
    for point in &points {
        world.killed_at(point, &create(&slug_of(point)));
    }
    all_made(&world, &points);
}

/// No step is missing from those that were tried: what is recorded is what was announced.
#[test]
fn the_announced_steps_are_the_recorded_ones() {
    let world = World::new();
    let announced = [create_steps(&world), {
        world.ok(&create("acme"));
        purge_steps(&world, "acme")
    }];
    world.ok(&delete("acme"));
    for (kind, announced) in ["create", "purge"].iter().zip(announced) {
        let recorded = format!(
            "select name from control.operation_steps join control.operations on operations.id = operation_id
             where kind = '{kind}' order by position"
        );
        assert_eq!(world.control_sql(&recorded), announced, "{kind}");
    }
}

/// One repair makes them all, in the time of one.
fn all_made(world: &World, points: &[String]) {
    repair_settles(world, "kills at each point");
    for point in points {
        assert!(is_active(world, &slug_of(point)), "{point}: the repair did not finish the work");
        is_usable(world, &slug_of(point), point);
    }
}

/// One repair takes them all away.
fn all_gone(world: &World, points: &[String]) {
    repair_settles(world, "kills at each point");
    for point in points {
        assert!(!is_active(world, &slug_of(point)), "{point}: the tenant is still there");
    }
    is_usable(world, "stays", "a neighbour of what was deleted");
}

fn purges_killed(side: &str) {
    let world = World::new();
    world.ok(&create("stays"));
    let points = purge_points(&world, "stays", side);
    for point in &points {
        let slug = slug_of(point);
        world.ok(&create(&slug));
        world.killed_at(point, &delete(&slug));
    }
    all_gone(&world, &points);
}

#[test]
fn a_create_killed_before_any_effect_is_finished_by_a_repair() {
    creates_killed("before");
}

#[test]
fn a_create_killed_after_any_effect_is_finished_by_a_repair() {
    creates_killed("after");
}

#[test]
fn a_delete_killed_before_any_effect_is_finished_by_a_repair() {
    purges_killed("before");
}

#[test]
fn a_delete_killed_after_any_effect_is_finished_by_a_repair() {
    purges_killed("after");
}

fn repairs_of_creates_killed(side: &str) {
    let world = World::new();
    let mut points = create_points(&world, side);
    points.retain(|point| !point.contains(".reserve."));
    for point in &points {
        let slug = slug_of(point);
        world.killed_at("create.reserve.after", &create(&slug));
        world.killed_at(point, &["tenant", "repair", &slug]);
    }
    all_made(&world, &points);
}

#[test]
fn a_repair_of_a_create_killed_before_any_effect_is_repaired() {
    repairs_of_creates_killed("before");
}

#[test]
fn a_repair_of_a_create_killed_after_any_effect_is_repaired() {
    repairs_of_creates_killed("after");
}

#[test]
fn a_repair_of_a_delete_killed_at_any_point_is_repaired() {
    let world = World::new();
    world.ok(&create("stays"));
    let mut points = ["before", "after"].map(|side| purge_points(&world, "stays", side)).concat();
    points.retain(|point| point != "purge.intent.after");
    for point in &points {
        let slug = slug_of(point);
        world.ok(&create(&slug));
        world.killed_at("purge.intent.after", &delete(&slug));
        world.killed_at(point, &["tenant", "repair", &slug]);
    }
    all_gone(&world, &points);
}

#[test]
fn a_repair_of_what_was_changed_by_hand_is_repaired_when_it_was_killed() {
    let world = World::new();
    world.ok(&create("acme"));
    let names = |column: &str| world.control_sql(&format!("select {column} from control.tenants")).remove(0);
    let (role, database) = (names("app_role"), names("database_name"));
    let owner =
        serde_json::json!({ "owner": format!("nexus:{}:{}", world.id, names("id")), "fence": 1_000_000 });
    for (step, side) in
        ["roles", "privileges", "key", "seal"].map(|step| [(step, "before"), (step, "after")]).concat()
    {
        let point = format!("repair.{step}.{side}");
        match step {
            "roles" => world.sql("postgres", &format!("alter role {role} password 'changed by the tenant'")),
            "privileges" => {
                world.sql("postgres", &format!("revoke connect on database {database} from {role}"))
            }
            _ => {
                let key = format!("keys/{}", names("access_key_id"));
                vec![change_store(&world, "DELETE", &key, &owner)]
            }
        };
        world.killed_at(&point, &["tenant", "repair", "--all"]);
        repair_settles(&world, &point);
        is_usable(&world, "acme", &point);
    }
}

/// PostgreSQL marks a database whose dropping was cut short; it can only be dropped (15.4).
#[test]
fn a_database_that_was_half_dropped_is_made_anew_or_dropped() {
    let world = World::new();
    let wreck = || {
        let name = world.control_sql("select database_name from control.tenants order by id desc limit 1");
        world.sql(
            "postgres",
            &format!("update pg_database set datconnlimit = -2 where datname = '{}'", name[0]),
        );
    };
    world.killed_at("create.database.after", &create("acme"));
    wreck();
    repair_settles(&world, "half dropped while it was made");
    is_usable(&world, "acme", "half dropped while it was made");
    world.killed_at("purge.close-logins.after", &delete("acme"));
    wreck();
    repair_settles(&world, "half dropped while it was deleted");
    assert!(!is_active(&world, "acme"));
    world.killed_at("purge.intent.after", &{
        world.ok(&create("bolt"));
        delete("bolt")
    });
    wreck();
    repair_settles(&world, "half dropped before its logins were closed");
}

#[test]
fn the_same_command_again_finishes_a_create_that_was_killed_anywhere() {
    let world = World::new();
    let points = ["before", "after"].map(|side| create_points(&world, side)).concat();
    for point in points {
        let slug = slug_of(&point);
        world.killed_at(&point, &create(&slug));
        if point.contains("bucket") || point.contains("activate") {
            let (code, error) = world.error(&["tenant", "create", &slug, "--name", "Another"]);
            assert_eq!((code, error["code"].as_str()), (5, Some("tenant_exists")), "{point}");
        }
        let made = world.json(&create(&slug));
        assert_eq!((&made["state"], &made["outcome"]), (&"active".into(), &"finished".into()), "{point}");
    }
    is_settled(&world, "after all");
}
