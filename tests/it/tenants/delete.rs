//! Taking a tenant away.

use crate::support::world::{Inventory, World};

#[test]
fn a_tenant_goes_only_when_its_name_is_confirmed() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let before = world.there();
    for (args, expected) in [
        (&["tenant", "delete", "acme", "--purge"][..], "confirmation_required"),
        (&["--yes", "tenant", "delete", "acme", "--purge"], "confirmation_required"),
        (&["tenant", "delete", "acme", "--purge", "--confirm", "acme"], "confirmation_required"),
        (&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acm"], "confirmation_mismatch"),
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, error["code"].as_str().unwrap()), (3, expected), "{args:?}");
    }
    assert_eq!(world.there(), before);
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");

    let gone = world.json(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    assert_eq!(gone["state"], "deleted");
    assert_eq!(world.there(), Inventory::default());
    assert_eq!(world.error(&["tenant", "show", "acme"]).0, 4);
    assert_eq!(world.error(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]).0, 4);
    assert_eq!(world.control_sql("select count(*) from control.sealed_secrets"), ["0"]);
    // The slug is free again, for a tenant that has nothing of the old one.
    let again = world.json(&["tenant", "create", "acme"]);
    assert_ne!(again["id"], gone["id"]);
    assert_ne!(again["database"], gone["database"]);
}

#[test]
fn a_person_types_the_slug() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let seen = world.machine().on_terminal(&["tenant", "delete", "acme", "--purge"], "acm\n");
    assert!(seen.ends_with("--- exit 3") && seen.contains("type acme to confirm"), "{seen}");
    assert!(seen.contains("nothing was done"), "{seen}");
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");
    let seen = world.machine().on_terminal(&["tenant", "delete", "acme", "--purge"], "acme\n");
    assert!(seen.ends_with("--- exit 0"), "{seen}");
    assert_eq!(world.there(), Inventory::default());
}

#[test]
fn sessions_of_a_tenant_end_with_it() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let env = world.env("acme");
    let text = |name: &str| env[name].as_str().unwrap().to_owned();
    let mut session = std::process::Command::new("psql");
    session.args(["-X", "-c", "select pg_sleep(600)"]).stderr(std::process::Stdio::null());
    for name in ["PGHOST", "PGPORT", "PGUSER", "PGPASSWORD", "PGDATABASE"] {
        session.env(name, text(name));
    }
    let mut session = session.spawn().unwrap();
    let there = format!("select 1 from pg_stat_activity where usename = '{}'", text("PGUSER"));
    while world.sql("postgres", &there).is_empty() {}
    world.ok(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    assert!(!session.wait().unwrap().success());
    assert_eq!(world.there(), Inventory::default());
}
