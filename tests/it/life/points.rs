//! A change of a tenant's life killed on either side of each of its effects, and a repair after it.

use super::{KINDS, delete, doors_are_as_recorded, ready_for, resume, state, states_of, suspend, undelete};
use crate::crash::settled::{create, is_settled, is_usable, repair_settles};
use crate::support::world::World;

/// The recorded steps of an operation of a kind: there are no others to be killed at.
fn steps(world: &World, kind: &str) -> Vec<String> {
    let args = ready_for(world, kind, "whole");
    world.ok(&args);
    let names = world.control_sql(&format!(
        "select name from control.operation_steps where operation_id =
             (select id from control.operations where kind = '{kind}' order by created_at desc limit 1)
         order by position"
    ));
    assert_eq!(names.len(), 3, "{kind}: {names:?}");
    names
}

/// The points of a kind on one side of each effect, the intent included.
pub fn points(world: &World, kind: &str, side: &str) -> Vec<String> {
    let intent = (side == "after").then(|| format!("{kind}.intent.after"));
    let steps = steps(world, kind).into_iter().map(|step| format!("{kind}.{step}.{side}"));
    intent.into_iter().chain(steps).collect()
}

/// The points of a kind on both sides.
pub fn all_points(world: &World, kind: &str) -> Vec<String> {
    ["before", "after"].map(|side| points(world, kind, side)).concat()
}

fn killed(kind: &str) {
    let world = World::new();
    world.ok(&create("acme"));
    let env = world.env("acme");
    for point in all_points(&world, kind) {
        world.killed_at(&point, &ready_for(&world, kind, "acme"));
        world.ok(&["tenant", "repair", "acme"]);
        assert_eq!(state(&world, "acme"), states_of(kind).0, "{point}: the repair did not finish the work");
        doors_are_as_recorded(&world, &point);
        is_settled(&world, &point);
        match kind {
            "suspend" => world.ok(&resume("acme")),
            "delete" => world.ok(&undelete("acme")),
            _ => String::new(),
        };
        is_usable(&world, "acme", &point);
        assert_eq!(world.env("acme"), env, "{point}: other credentials");
    }
}

#[test]
fn a_suspension_killed_at_any_point_is_finished_by_a_repair_and_can_be_ended() {
    killed("suspend");
}

#[test]
fn a_resumption_killed_at_any_point_is_finished_by_a_repair() {
    killed("resume");
}

#[test]
fn a_deletion_killed_at_any_point_is_finished_by_a_repair_and_can_be_undone() {
    killed("delete");
}

#[test]
fn an_undeletion_killed_at_any_point_is_finished_by_a_repair() {
    killed("undelete");
}

#[test]
fn a_repair_of_each_change_killed_at_any_point_is_repaired() {
    let world = World::new();
    for kind in KINDS {
        let mut points = all_points(&world, kind);
        // A repair looks before it acts; what a row says was written with the intent.
        points.retain(|point| !point.ends_with(".intent.after"));
        points.retain(|point| !(point.contains(".record.") && ["suspend", "delete"].contains(&kind)));
        for point in &points {
            world.killed_at(&format!("{kind}.intent.after"), &ready_for(&world, kind, "acme"));
            world.killed_at(point, &["tenant", "repair", "acme"]);
            world.ok(&["tenant", "repair", "acme"]);
            assert_eq!(state(&world, "acme"), states_of(kind).0, "{point}");
            doors_are_as_recorded(&world, point);
        }
    }
    is_settled(&world, "after all");
}

#[test]
fn the_same_command_again_finishes_what_was_killed() {
    let world = World::new();
    for kind in KINDS {
        for point in all_points(&world, kind) {
            let args = ready_for(&world, kind, "acme");
            world.killed_at(&point, &args);
            world.ok(&args);
            assert_eq!(state(&world, "acme"), states_of(kind).0, "{point}");
            doors_are_as_recorded(&world, &point);
        }
    }
    is_settled(&world, "after all");
}

#[test]
fn a_repair_shuts_what_somebody_opened_and_opens_what_somebody_shut() {
    let world = World::new();
    for slug in ["open", "shut"] {
        world.ok(&create(slug));
    }
    world.ok(&suspend("shut"));
    let of = |slug: &str, name: &str| super::column(&world, slug, name);
    let switch = |slug: &str, on: bool| {
        let login = if on { "login" } else { "nologin" };
        let (role, database) = (of(slug, "app_role"), of(slug, "database_name"));
        world.sql("postgres", &format!("alter role {role} {login}"));
        world.sql("postgres", &format!("alter database {database} allow_connections {on}"));
        let mark = format!("nexus:{}:{}", world.id, of(slug, "id"));
        let body = serde_json::json!({ "owner": mark, "fence": 1_000_000, "disabled": !on });
        let key = format!("keys/{}", of(slug, "access_key_id"));
        let answer = crate::crash::foreign::change_store(&world, "PATCH", &key, &body);
        assert!(answer.contains(" 20"), "{answer}");
    };
    switch("open", false);
    switch("shut", true);
    repair_settles(&world, "doors that somebody touched");
    doors_are_as_recorded(&world, "doors that somebody touched");
    is_usable(&world, "open", "a tenant that somebody shut");
}

#[test]
fn a_purge_from_each_state_leaves_nothing() {
    let world = World::new();
    for (slug, before) in [("ash", None), ("birch", Some(suspend("birch"))), ("cedar", Some(delete("cedar")))]
    {
        world.ok(&create(slug));
        if let Some(before) = before {
            world.ok(&before);
        }
        world.ok(&crate::crash::settled::delete(slug));
        assert_eq!(world.there(), crate::support::world::Inventory::default(), "{slug}");
    }
    is_settled(&world, "three purges");
}
