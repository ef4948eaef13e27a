//! Adopting and handing back, killed on either side of each effect.
//!
//! A test takes the ends of an adoption and every third point between, from another one on than the
//! tests beside it, so that together they meet each point; `NEXUS_TEST_ALL=1` takes all in each.

use super::{announced, is_usable, purge, shop};
use crate::crash::points::slug_of;
use crate::crash::settled::{is_settled, open_operation, repair_settles};
use crate::support::world::World;

/// The points of a kind on both sides of each announced step. The first of an adoption is the
/// intent itself: there is nothing before it.
fn points(kind: &str, steps: &[String]) -> Vec<String> {
    let both = steps.iter().flat_map(|step| ["before", "after"].map(|side| format!("{kind}.{step}.{side}")));
    both.filter(|point| point != "adopt.reserve.before").collect()
}

/// Those that a test takes: the ends, and every third between, counted from one of three.
fn some_of(points: Vec<String>, from: usize) -> Vec<String> {
    if std::env::var_os("NEXUS_TEST_ALL").is_some() {
        return points;
    }
    let last = points.len() - 1;
    let taken = |at: usize| at == 0 || at == last || at % 3 == from;
    points.into_iter().enumerate().filter(|(at, _)| taken(*at)).map(|(_, point)| point).collect()
}

#[test]
fn the_announced_steps_are_the_recorded_ones() {
    let world = World::new();
    let shop = shop(&world, true);
    let adopted = announced(&world, &shop.adopt("acme"));
    world.ok(&shop.adopt("acme"));
    let purged = announced(&world, &["tenant", "delete", "acme", "--purge"]);
    world.ok(&purge("acme"));
    for (kind, announced) in [("adopt", adopted), ("purge", purged)] {
        let recorded = world.control_sql(&format!(
            "select name from control.operation_steps join control.operations on operations.id = operation_id
             where kind = '{kind}' order by position"
        ));
        assert_eq!(recorded, announced, "{kind}");
    }
}

#[test]
fn an_adoption_killed_at_any_point_is_finished_by_a_repair() {
    let world = World::new();
    let first = shop(&world, false);
    let points = points("adopt", &announced(&world, &first.adopt("unused")));
    assert_eq!(points.len(), 19);
    let points = some_of(points, 0);
    let shops: Vec<_> = points.iter().map(|point| (point, slug_of(point), shop(&world, false))).collect();
    for (point, slug, shop) in &shops {
        let mut args = shop.adopt(slug);
        args.push("--isolate");
        world.killed_at(point, &args);
    }
    world.ok(&["tenant", "repair", "--all"]);
    for (point, slug, shop) in &shops {
        is_usable(&world, slug, point);
        assert!(shop.is_open(), "{point}");
    }
    is_settled(&world, "adoptions killed at each point");
}

#[test]
fn the_same_command_again_finishes_an_adoption_that_was_killed_anywhere() {
    let world = World::new();
    let first = shop(&world, true);
    let mut shops = Vec::new();
    for point in some_of(points("adopt", &announced(&world, &first.adopt("unused"))), 1) {
        let (slug, shop) = (slug_of(&point), shop(&world, true));
        world.killed_at(&point, &shop.adopt(&slug));
        let made = world.json(&shop.adopt(&slug));
        assert_eq!((&made["state"], &made["outcome"]), (&"active".into(), &"finished".into()), "{point}");
        shops.push(shop);
    }
    is_settled(&world, "after all");
}

#[test]
fn a_purge_killed_at_any_point_leaves_the_database_as_it_was_after_a_repair() {
    let world = World::new();
    let shop = shop(&world, false);
    let before = shop.dumped();
    let mut args = shop.adopt("acme");
    args.push("--isolate");
    world.ok(&args);
    let mut all = points("purge", &announced(&world, &["tenant", "delete", "acme", "--purge"]));
    world.ok(&purge("acme"));
    assert_eq!(all.len(), 14);
    all.insert(0, "purge.intent.after".to_owned());
    for point in some_of(all, 1) {
        world.ok(&args);
        world.ok(&["tenant", "suspend", "acme", "--reason", "to be purged from there"]);
        world.killed_at(&point, &purge("acme"));
        repair_settles(&world, &point);
        assert_eq!(shop.dumped(), before, "{point}");
        assert!(shop.is_open(), "{point}");
    }
}

#[test]
fn an_adoption_taken_back_and_killed_at_any_point_leaves_the_database_as_it_was() {
    let world = World::new();
    let shop = shop(&world, false);
    let before = shop.dumped();
    let mut args = shop.adopt("acme");
    let steps = announced(&world, &args);
    args.push("--isolate");
    for point in some_of(points("adopt", &steps), 2) {
        let undone = point.replace(".before", ".undo.before").replace(".after", ".undo.after");
        world.killed_at("adopt.activate.before", &args);
        world.killed_at(&undone, &["operation", "rollback", &open_operation(&world)]);
        repair_settles(&world, &undone);
        assert_eq!(shop.dumped(), before, "{undone}");
        assert!(shop.is_open(), "{undone}");
    }
    world.killed_at("adopt.activate.before", &args);
    world.killed_at("adopt.reserve.undo.before", &["operation", "rollback", &open_operation(&world)]);
    repair_settles(&world, "adopt.reserve.undo.before");
    assert_eq!(shop.dumped(), before);
}

#[test]
fn a_repair_of_an_adoption_killed_at_any_point_is_repaired() {
    let world = World::new();
    // A login that owns the database needs no rights in the realm to be granted.
    let first = shop(&world, false);
    let mut points = points("adopt", &announced(&world, &first.adopt("unused")));
    // A repair looks first: there is nothing to do about the intent, nor about PUBLIC.
    points.retain(|point| !point.contains(".reserve.") && !point.contains(".isolate."));
    let points = some_of(points, 2);
    let mut shops = Vec::new();
    for point in &points {
        let (slug, shop) = (slug_of(point), shop(&world, false));
        world.killed_at("adopt.reserve.after", &shop.adopt(&slug));
        world.killed_at(point, &["tenant", "repair", &slug]);
        world.ok(&["tenant", "repair", &slug]);
        is_usable(&world, &slug, point);
        shops.push(shop);
    }
    is_settled(&world, "after all");
}
