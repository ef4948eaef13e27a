//! The same adoption asked for again, and what differs from it.

use super::{is_usable, purge, shop};
use crate::crash::settled::{is_settled, snapshot};
use crate::support::world::World;

#[test]
fn an_adopted_tenant_is_one_like_any_other() {
    let world = World::new();
    let shop = shop(&world, true);
    let args: Vec<&str> =
        shop.adopt("acme").into_iter().chain(["--name", "Acme Ltd", "--label", "tier=gold"]).collect();
    let made = world.json(&args);
    assert_eq!((&made["outcome"], &made["adopted"]), (&"adopted".into(), &true.into()));
    assert_eq!(made["database"], shop.name.as_str());
    is_usable(&world, "acme", "adopted");
    assert!(shop.is_open(), "the app's own password");
    assert_eq!(world.json(&["tenant", "show", "acme"])["adopted"], true);
    is_settled(&world, "adopted");
}

#[test]
fn the_same_command_again_answers_with_the_same_tenant() {
    let world = World::new();
    let shop = shop(&world, true);
    let first = world.json(&shop.adopt("acme"));
    let before = snapshot(&world);
    let second = world.json(&shop.adopt("acme"));
    assert_eq!((&second["outcome"], &second["id"]), (&"unchanged".into(), &first["id"]));
    assert_eq!(snapshot(&world), before);
    let other: Vec<&str> = shop.adopt("acme").into_iter().chain(["--name", "Another"]).collect();
    let (code, error) = world.error(&other);
    assert_eq!((code, error["code"].as_str()), (5, Some("tenant_exists")));
}

#[test]
fn a_password_that_was_changed_is_named_and_sealed_anew() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    shop.on("postgres", &format!("alter role {} password 'changed'", shop.name));
    let (code, error) = world.error(&["tenant", "repair", "acme"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("password_changed")), "{error}");
    shop.write_url("changed");
    assert_eq!(world.json(&shop.adopt("acme"))["outcome"], "password_sealed");
    is_usable(&world, "acme", "a new password");
    is_settled(&world, "a new password");
}

#[test]
fn a_database_that_was_purged_can_be_adopted_again() {
    let world = World::new();
    let shop = shop(&world, false);
    let first = world.json(&shop.adopt("acme"));
    world.ok(&purge("acme"));
    let second = world.json(&shop.adopt("acme"));
    assert_ne!(first["id"], second["id"]);
    is_usable(&world, "acme", "adopted again");
}

#[test]
fn of_two_slugs_that_want_one_database_at_once_one_gets_it() {
    let world = World::new();
    let shop = shop(&world, true);
    let children = ["acme", "bolt"].map(|slug| world.command(&shop.adopt(slug)).spawn().unwrap());
    let codes = children.map(|child| child.wait_with_output().unwrap().status.code());
    let mut codes = codes.to_vec();
    codes.sort_unstable();
    assert_eq!(codes, [Some(0), Some(5)]);
    is_settled(&world, "a race");
}
