//! `--dry-run`: what would be done, and nothing is.

use crate::support::world::World;

/// All that a command could have changed.
fn everything(world: &World) -> (Vec<String>, crate::support::world::Inventory) {
    let tables = [
        "audit_log",
        "data_keys",
        "installation",
        "master_keys",
        "operation_steps",
        "operations",
        "sealed_secrets",
        "templates",
        "tenants",
    ];
    let all = tables.map(|table| format!("select '{table}' || t::text from control.{table} as t"));
    let fence = "select 'fence' || last_value from control.fences".to_owned();
    let mut rows = world.control_sql(&format!("{} union all {fence}", all.join(" union all ")));
    rows.sort();
    (rows, world.there())
}

#[test]
fn nothing_is_written_by_any_command() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world.killed_at("create.database.before", &["tenant", "create", "birch"]);
    let open = world.json(&["operation", "list", "--open"])[0]["id"].as_str().unwrap().to_owned();
    std::fs::write(world.machine().path("work/many.csv"), "slug\nash\nacme\ncedar\n").unwrap();
    // What a killed process had begun must have ended before anything is compared.
    let sessions = format!("select 1 from pg_stat_activity where application_name = 'nexus:{open}'");
    world.until("postgres", &sessions, <[String]>::is_empty);
    let before = everything(&world);
    for (args, expected) in [
        (&["tenant", "create", "cedar", "--admin-email", "ann@cedar.example"][..], "first admin"),
        (&["tenant", "create", "cedar", "--detach"], "clone the template"),
        (&["tenant", "create", "--from", "many.csv"], "cedar"),
        (&["tenant", "delete", "acme", "--purge"], "drop database"),
        (&["tenant", "repair", "acme"], "unchanged"),
        (&["tenant", "repair", "birch"], "needed"),
        (&["tenant", "repair", "--all"], "birch"),
        (&["operation", "resume", &open], &open),
        (&["operation", "resume", "--all"], &open),
        (&["operation", "rollback", &open], &open),
        (&["init"], "control database"),
    ] {
        let args: Vec<&str> = ["--dry-run"].iter().chain(args).copied().collect();
        let seen = world.ok(&args);
        assert!(seen.contains(expected), "{args:?}: {seen}");
        assert_eq!(everything(&world), before, "{args:?}");
    }
    // A plan of what cannot be done says so.
    let (code, error) = world.error(&["--dry-run", "tenant", "create", "acme", "--name", "Another"]);
    assert_eq!((code, error["code"].as_str().unwrap()), (5, "tenant_exists"));
    assert_eq!(world.error(&["--dry-run", "tenant", "delete", "nobody", "--purge"]).0, 4);
    assert_eq!(everything(&world), before);
}
