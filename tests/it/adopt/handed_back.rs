//! What a purge and a rollback of an adopted tenant leave.

use super::{purge, shop};
use crate::support::world::{Inventory, World};

fn leaves_it_as_it_was(login_owns: bool, more: &[&str]) {
    let world = World::new();
    let shop = shop(&world, login_owns);
    let before = shop.dumped();
    let mut args = shop.adopt("acme");
    args.extend(more);
    world.ok(&args);
    assert_ne!(shop.dumped(), before, "nothing was made");
    world.ok(&purge("acme"));
    assert_eq!(shop.dumped(), before);
    assert!(shop.is_open());
    assert_eq!(world.there(), Inventory::default());
    assert_eq!(world.control_sql("select count(*) from control.sealed_secrets where tenant_id <> '00000000-0000-0000-0000-000000000000'"), ["0"]);
}

#[test]
fn a_purge_leaves_a_database_that_the_login_owns_byte_for_byte() {
    leaves_it_as_it_was(true, &[]);
}

#[test]
fn a_purge_leaves_a_database_that_another_role_owns_byte_for_byte() {
    leaves_it_as_it_was(false, &[]);
}

#[test]
fn a_purge_gives_public_back_what_isolation_took() {
    leaves_it_as_it_was(false, &["--isolate"]);
}

#[test]
fn a_purge_from_the_trash_lets_the_app_in_again() {
    let world = World::new();
    let shop = shop(&world, true);
    let before = shop.dumped();
    world.ok(&shop.adopt("acme"));
    world.ok(&["--yes", "tenant", "delete", "acme", "--confirm", "acme"]);
    assert!(!shop.is_open());
    world.ok(&purge("acme"));
    assert!(shop.is_open());
    assert_eq!(shop.dumped(), before);
}

#[test]
fn a_delete_says_that_the_database_stays() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    for more in [&[][..], &["--purge"]] {
        let args: Vec<&str> = ["--dry-run", "tenant", "delete", "acme"].iter().chain(more).copied().collect();
        let shown = world.ok(&args);
        assert!(shown.contains("existed before Nexus"), "{shown}");
        assert!(!shown.contains("drop database"), "{shown}");
    }
}

#[test]
fn what_the_app_hung_on_the_realm_stands_in_the_way_of_a_purge() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    shop.on(&shop.name, "create table public.notes (author uuid references nexus.users)");
    let there = world.there();
    let (code, error) = world.error(&purge("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("cluster_in_use")));
    assert!(error["message"].as_str().unwrap().contains("notes_author_fkey"), "{error}");
    assert_eq!(world.there(), there, "something was destroyed");
    shop.on(&shop.name, "alter table public.notes drop constraint notes_author_fkey");
    world.ok(&purge("acme"));
    assert_eq!(shop.on(&shop.name, "select count(*) from public.notes"), ["0"]);
}

#[test]
fn a_realm_that_was_there_stays() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    // As a dump brings it: a realm without a mark.
    shop.on(&shop.name, "insert into nexus.settings (key, value) values ('colour', '\"blue\"')");
    world.control_sql("update control.tenants set adoption = adoption || '{\"realm_was_there\": true}'");
    shop.on(&shop.name, "comment on schema nexus is null");
    world.ok(&purge("acme"));
    let made = world.json(&shop.adopt("bolt"));
    let findings = made["findings"].to_string();
    assert!(findings.contains("schema nexus already exists"), "{findings}");
    world.ok(&purge("bolt"));
    assert_eq!(shop.on(&shop.name, "select value from nexus.settings where key = 'colour'"), ["\"blue\""]);
}
