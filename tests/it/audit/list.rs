//! Who changed what: the list.

use super::{world_with_rows, write_rows};
use crate::support::world::World;

fn sequences(world: &World, args: &[&str]) -> Vec<i64> {
    let args: Vec<&str> = ["-o", "id", "audit", "list"].iter().chain(args).copied().collect();
    world.ok(&args).lines().map(|line| line.parse().unwrap()).collect()
}

#[test]
fn rows_are_found_by_tenant_action_caller_and_operation() {
    let world = World::new();
    let made = world.json(&["tenant", "create", "acme"]);
    world.json(&["tenant", "create", "birch"]);
    let gone = world.json(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    assert_eq!(sequences(&world, &[]), [4, 3, 2, 1]);
    assert_eq!(sequences(&world, &["--tenant", "acme"]), [4, 2], "by slug, also when it is gone");
    assert_eq!(sequences(&world, &["--tenant", made["id"].as_str().unwrap()]), [4, 2]);
    assert_eq!(sequences(&world, &["--tenant", "birch"]), [3]);
    assert_eq!(sequences(&world, &["--action", "tenant."]), [4, 3, 2]);
    assert_eq!(sequences(&world, &["--action", "tenant.create"]), [3, 2]);
    assert!(sequences(&world, &["--action", "%"]).is_empty(), "a prefix is text, not a pattern");
    assert_eq!(sequences(&world, &["--operation", gone["operation"].as_str().unwrap()]), [4]);
    write_rows(&world, 1);
    assert_eq!(sequences(&world, &["--caller", "machine:ann"]), [5]);
    assert_eq!(world.json(&["audit", "list", "--action", "tenant.purge"])[0]["tenant"], "acme");
}

#[test]
fn a_tenant_that_never_was_is_not_an_empty_list() {
    let world = World::new();
    let (exit, error) = world.error(&["audit", "list", "--tenant", "nobody"]);
    assert_eq!((exit, error["code"].as_str()), (4, Some("tenant_not_found")));
}

#[test]
fn rows_are_found_by_time() {
    let world = world_with_rows(4);
    let list = world.json(&["audit", "list"]);
    let third = list[1]["at"].as_str().unwrap();
    assert_eq!(sequences(&world, &["--since", third]), [4, 3]);
    assert_eq!(sequences(&world, &["--until", third]), [2, 1]);
    assert_eq!(sequences(&world, &["--since", "2h"]), [4, 3, 2, 1]);
    assert!(sequences(&world, &["--until", "2h"]).is_empty());
    let (exit, _) = world.error(&["audit", "list", "--since", "yesterday"]);
    assert_eq!(exit, 2);
}

#[test]
fn rows_come_in_pages_or_all_at_once() {
    let world = world_with_rows(5000);
    assert_eq!(sequences(&world, &["--limit", "3"]), [5000, 4999, 4998]);
    assert_eq!(sequences(&world, &["--limit", "3", "--page", "2"]), [4997, 4996, 4995]);
    let all = sequences(&world, &["--all"]);
    assert!(all.iter().copied().eq((1..=5000).rev()));
}
