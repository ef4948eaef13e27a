//! Suspended and resumed: an adopted database is shut, and given back exactly as it was.

use super::{announced, is_usable, shop};
use crate::crash::settled::is_settled;
use crate::support::world::World;

#[test]
fn a_suspension_shuts_the_app_out_and_a_resumption_gives_back_exactly_what_was() {
    let world = World::new();
    let shop = shop(&world, false);
    world.ok(&shop.adopt("acme"));
    shop.on("postgres", &format!("alter role {} set work_mem to '9MB'", shop.name));
    let before = shop.dumped();
    world.ok(&["tenant", "suspend", "acme", "--reason", "invoice 17 is not paid"]);
    assert!(!shop.is_open());
    is_settled(&world, "suspended");
    world.ok(&["tenant", "resume", "acme"]);
    assert_eq!(shop.dumped(), before);
    is_usable(&world, "acme", "resumed");
}

#[test]
fn a_change_killed_at_any_point_is_finished_by_a_repair() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    let before = shop.dumped();
    let suspend = ["tenant", "suspend", "acme", "--reason", "a test"];
    let resume = ["tenant", "resume", "acme"];
    let close = ["record", "close-logins", "disable-key"];
    let open = ["open-logins", "enable-key", "record"];
    for (kind, args, back, steps) in
        [("suspend", &suspend[..], &resume[..], close), ("resume", &resume[..], &suspend[..], open)]
    {
        for step in steps {
            for side in ["before", "after"] {
                let point = format!("{kind}.{step}.{side}");
                if kind == "resume" {
                    world.ok(back);
                }
                world.killed_at(&point, args);
                world.ok(&["tenant", "repair", "acme"]);
                assert_eq!(shop.is_open(), kind == "resume", "{point}");
                is_settled(&world, &point);
                if kind == "suspend" {
                    world.ok(back);
                }
                assert_eq!(shop.dumped(), before, "{point}");
            }
        }
    }
}

#[test]
fn a_repair_opens_what_somebody_shut_and_changes_nothing_else() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    let before = shop.dumped();
    shop.on("postgres", &format!("alter role {} nologin", shop.name));
    let repaired = world.json(&["tenant", "repair", "acme"]);
    assert!(repaired.to_string().contains("logins"), "{repaired}");
    assert_eq!(shop.dumped(), before);
    is_settled(&world, "a door that somebody shut");
    shop.on(&shop.name, &format!("revoke all on all tables in schema nexus from {}", shop.name));
    world.ok(&["tenant", "repair", "acme"]);
    is_settled(&world, "after it");
    assert_eq!(announced(&world, &["tenant", "delete", "acme", "--purge"]).len(), 7);
}

#[test]
fn a_database_that_is_gone_is_told_and_never_made_anew() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    shop.on("postgres", &format!("drop database {} with (force)", shop.name));
    let (code, error) = world.error(&["tenant", "repair", "acme"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("resource_lost")), "{error}");
    assert_eq!(
        shop.on("postgres", &format!("select count(*) from pg_database where datname = '{}'", shop.name)),
        ["0"]
    );
    world.ok(&super::purge("acme"));
    is_settled(&world, "a purge of what was gone");
}
