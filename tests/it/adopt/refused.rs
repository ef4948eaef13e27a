//! What is not taken under Nexus, and why.

use super::{Shop, purge, shop, shop_on};
use crate::crash::settled::snapshot;
use crate::fleet_verify::traps::{HISTORY, Trap};
use crate::support::stack;
use crate::support::world::World;

/// That the database is refused, with these words, and nothing is written.
fn is_refused(world: &World, shop: &Shop, why: &str) {
    let (before, database) = (snapshot(world), shop.dumped());
    let (code, error) = world.error(&shop.adopt("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("not_adoptable")), "{error}");
    assert!(error["message"].as_str().unwrap().contains(why), "{error}");
    assert_eq!((snapshot(world), shop.dumped()), (before, database), "{why}");
}

#[test]
fn a_login_with_more_rights_than_an_app_needs() {
    let world = World::new();
    let shop = shop(&world, true);
    for power in ["superuser", "createdb", "createrole", "replication", "bypassrls"] {
        shop.on("postgres", &format!("alter role {} {power}", shop.name));
        is_refused(&world, &shop, &format!("is {power}"));
        shop.on("postgres", &format!("alter role {} no{power}", shop.name));
    }
    shop.on("postgres", &format!("grant pg_execute_server_program to {}", shop.name));
    is_refused(&world, &shop, "member of pg_execute_server_program");
}

#[test]
fn a_database_that_is_another_tenants_or_bears_a_mark() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("bolt"));
    is_refused(&world, &shop, "belongs to tenant bolt");
    let other = World::new();
    let (code, error) = other.error(&shop.adopt("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("not_adoptable")));
    assert!(error["message"].as_str().unwrap().contains("belongs to another tenant"), "{error}");
    world.ok(&["tenant", "create", "made"]);
    let env = world.env("made");
    let of = |name: &str| env[name].as_str().unwrap().to_owned();
    let url = format!(
        "postgres://{}:{}@{}:{}/{}",
        of("PGUSER"),
        of("PGPASSWORD"),
        of("PGHOST").replace('/', "%2F"),
        of("PGPORT"),
        of("PGDATABASE")
    );
    let output = other.machine().output(&["tenant", "adopt", "acme", "--dsn-file", "-"], &url);
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("was made by Nexus") && !said.contains(&of("PGPASSWORD")), "{said}");
}

#[test]
fn a_schema_nexus_that_somebody_else_made() {
    let world = World::new();
    let shop = shop(&world, true);
    shop.on(&shop.name, "create schema nexus");
    is_refused(&world, &shop, "a schema nexus that Nexus did not make");
}

#[test]
fn a_history_that_is_a_view_is_not_read() {
    let world = World::new();
    let shop = shop(&world, true);
    let trap = Trap::new();
    let plant = format!(
        "set role {}; create schema trap; {}; create schema nexus;
         create view nexus._sqlx_migrations as {HISTORY}",
        shop.name,
        trap.bang()
    );
    shop.on(&shop.name, &plant);
    shop.on(&shop.name, "select version from nexus._sqlx_migrations");
    trap.set_again();
    is_refused(&world, &shop, "nexus._sqlx_migrations is not a plain table");
    assert!(!trap.has_sprung(), "a trap was stepped on");
}

#[test]
fn a_realm_with_something_planted_in_it() {
    let world = World::new();
    let shop = shop(&world, true);
    world.ok(&shop.adopt("acme"));
    world.control_sql("update control.tenants set adoption = adoption || '{\"realm_was_there\": true}'");
    shop.on(&shop.name, "comment on schema nexus is null");
    world.ok(&purge("acme"));
    for (plant, remove) in [
        (
            "create function nexus.lower(text) returns text language sql as 'select $1'",
            "drop function nexus.lower",
        ),
        ("create rule planted as on insert to nexus.users do nothing", "drop rule planted on nexus.users"),
        ("create table nexus.planted (x int)", "drop table nexus.planted"),
        (
            "alter table nexus.settings alter key set default 'x'",
            "alter table nexus.settings alter key drop default",
        ),
    ] {
        shop.on(&shop.name, plant);
        is_refused(&world, &shop, "holds what Nexus did not make");
        shop.on(&shop.name, remove);
    }
    world.ok(&shop.adopt("bolt"));
}

#[test]
fn a_template_and_a_maintenance_database() {
    let world = World::new();
    let shop = shop(&world, true);
    shop.on("postgres", &format!("alter database {} is_template true", shop.name));
    is_refused(&world, &shop, "is a template");
    shop.on("postgres", &format!("alter database {} is_template false", shop.name));
    shop.on("postgres", &format!("grant connect on database postgres to {}", shop.name));
    let url = std::fs::read_to_string(&shop.file).unwrap();
    let (server, _) = url.rsplit_once('/').unwrap();
    let output = world
        .machine()
        .output(&["tenant", "adopt", "acme", "--dsn-file", "-"], &format!("{server}/postgres\n"));
    shop.on("postgres", &format!("revoke connect on database postgres from {}", shop.name));
    assert_eq!(output.status.code(), Some(5));
    assert!(String::from_utf8_lossy(&output.stderr).contains("maintenance database"));
}

#[test]
fn a_server_that_is_not_registered_until_it_is() {
    let world = World::new();
    let second = stack::second();
    let shop = shop_on(&world, second, true);
    let (code, error) = world.error(&shop.adopt("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("not_adoptable")));
    assert!(error["hint"].to_string().contains("nexus cluster add"), "{error}");
    let password = second.home.join("local/postgres.password");
    world.ok(&[
        "cluster",
        "add",
        "eu2",
        "--host",
        &second.socket_dir,
        "--port",
        &second.port,
        "--user",
        "nexus",
        "--password-file",
        password.to_str().unwrap(),
    ]);
    let wrong: Vec<&str> = shop.adopt("acme").into_iter().chain(["--cluster", "default"]).collect();
    assert_eq!(world.error(&wrong).0, 5);
    assert_eq!(world.json(&shop.adopt("acme"))["cluster"], "eu2");
    world.ok(&purge("acme"));
}

#[test]
fn a_wrong_password_and_a_file_that_others_may_read() {
    let world = World::new();
    let shop = shop(&world, true);
    shop.write_url("wrong");
    assert_eq!(world.error(&shop.adopt("acme")).0, 8);
    std::fs::set_permissions(&shop.file, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
    let (code, error) = world.error(&shop.adopt("acme"));
    assert_eq!((code, error["code"].as_str()), (9, Some("file_readable_by_others")));
    let output =
        world.machine().output(&["tenant", "adopt", "acme", "--dsn-file", "-"], "mysql://a:secret@b/c");
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(!said.contains("secret"), "{said}");
}

#[test]
fn a_dry_run_tells_what_it_found_and_writes_nothing() {
    let world = World::new();
    let shop = shop(&world, false);
    let (before, database) = (snapshot(&world), shop.dumped());
    let mut args = vec!["--dry-run"];
    args.extend(shop.adopt("acme"));
    args.push("--isolate");
    let shown = world.ok(&args);
    for words in ["does not own the database", "revoke PUBLIC's right", "create schema nexus"] {
        assert!(shown.contains(words), "{words}: {shown}");
    }
    assert_eq!((snapshot(&world), shop.dumped()), (before, database));
}
