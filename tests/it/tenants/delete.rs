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
        (&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "1"], "confirmation_mismatch"),
        (&["--yes", "tenant", "delete", "acme", "acme", "--confirm", "1"], "confirmation_mismatch"),
        (&["--yes", "tenant", "delete", "acme", "--confirm", "2"], "confirmation_mismatch"),
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, error["code"].as_str().unwrap()), (3, expected), "{args:?}");
        let hint = error["hint"].as_str().unwrap_or_default();
        assert!(hint.is_empty() || hint.contains("--confirm acme"), "{args:?}: {hint}");
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
    world.until("postgres", &there, |found| !found.is_empty());
    world.ok(&["--yes", "tenant", "delete", "acme", "--purge", "--confirm", "acme"]);
    assert!(!session.wait().unwrap().success());
    assert_eq!(world.there(), Inventory::default());
}

#[test]
fn who_was_purged_is_said_to_be_so_and_nobody_else_is_named() {
    let world = World::new();
    for slug in ["cust-001", "cust-100", "acme"] {
        world.ok(&["tenant", "create", slug]);
    }
    world.ok(&["--yes", "tenant", "delete", "cust-001", "--purge", "--confirm", "cust-001"]);
    for args in [
        &["tenant", "show", "cust-001"][..],
        &["tenant", "undelete", "cust-001"],
        &["tenant", "resume", "cust-001"],
        &["tenant", "env", "cust-001"],
        &["user", "list", "--tenant", "cust-001"],
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, &error["code"]), (4, &"tenant_not_found".into()), "{args:?}: {error}");
        let message = error["message"].as_str().unwrap();
        assert!(message.starts_with("tenant \"cust-001\" was purged 20"), "{args:?}: {message}");
        assert!(message.contains(" by machine:"), "{args:?}: {message}");
        assert!(!error.to_string().contains("cust-100"), "{args:?}: {error}");
    }
    for (typed, hint) in [
        ("cust-002", "see which there are: nexus tenant list"),
        ("cust-10", "see which there are: nexus tenant list"),
        ("acne", "there is also acme\nsee which there are: nexus tenant list"),
        ("apex", "see which there are: nexus tenant list"),
    ] {
        assert_eq!(world.error(&["tenant", "show", typed]).1["hint"], hint, "{typed}");
    }
    for args in [
        &["tenant", "delete", "acne", "--yes", "--confirm", "acne"][..],
        &["tenant", "delete", "acne", "--purge", "--yes", "--confirm", "acne"],
        &["--dry-run", "tenant", "delete", "acne"],
        &["tenant", "suspend", "acne", "--reason", "unpaid"],
        &["--dry-run", "tenant", "suspend", "acne", "--reason", "unpaid"],
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, &error["code"]), (4, &"tenant_not_found".into()), "{args:?}: {error}");
        assert!(!error.to_string().contains("acme"), "{args:?}: {error}");
    }
    let many = ["-o", "json", "tenant", "suspend", "acne", "acmf", "--reason", "unpaid"];
    assert!(!String::from_utf8(world.run(&many).stdout).unwrap().contains("acme"));
    world.ok(&["tenant", "create", "cust-001"]);
    assert_eq!(world.json(&["tenant", "show", "cust-001"])["state"], "active");
}
