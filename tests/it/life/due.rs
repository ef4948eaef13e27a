//! Purging what has been kept long enough.

use super::{delete, state, undelete};
use crate::crash::settled::{create, is_settled, is_usable};
use crate::support::world::World;

fn in_the_trash(world: &World, slugs: &[&str], overdue: bool) {
    for slug in slugs {
        world.ok(&create(slug));
        world.ok(&delete(slug));
        if overdue {
            let late = format!(
                "update control.tenants set purge_after = now() - interval '1 minute' where slug = '{slug}'"
            );
            world.control_sql(&late);
        }
    }
}

#[test]
fn only_those_whose_time_is_over_are_destroyed() {
    let world = World::new();
    in_the_trash(&world, &["ash", "birch"], true);
    in_the_trash(&world, &["cedar"], false);
    world.ok(&create("date"));
    let planned = world.json(&["--dry-run", "tenant", "purge", "--due"]);
    assert_eq!(planned.as_array().unwrap().len(), 2);
    assert_eq!(planned[0]["outcome"], "planned");
    let before = world.there();
    assert_eq!(world.error(&["tenant", "purge", "--due"]).0, 3);
    assert_eq!(world.there(), before);
    let rows = world.json(&["--yes", "tenant", "purge", "--due", "--jobs", "2"]);
    let mut slugs: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["slug"].as_str().unwrap()).collect();
    slugs.sort_unstable();
    assert_eq!(slugs, ["ash", "birch"]);
    assert_eq!(
        [state(&world, "ash"), state(&world, "cedar"), state(&world, "date")],
        ["deleted", "trashed", "active"]
    );
    is_settled(&world, "purged");
    world.ok(&create("ash"));
    world.ok(&undelete("cedar"));
    is_usable(&world, "cedar", "undeleted");
    assert_eq!(world.json(&["--yes", "tenant", "purge", "--due"]), serde_json::json!([]));
}

#[test]
fn one_that_fails_does_not_stop_the_others() {
    let world = World::new();
    in_the_trash(&world, &["ash", "birch", "cedar"], true);
    let database = super::column(&world, "ash", "database_name");
    let mark = world.sql(
        "postgres",
        &format!(
            "select shobj_description(oid, 'pg_database') from pg_database where datname = '{database}'"
        ),
    );
    world.sql("postgres", &format!("comment on database {database} is 'somebody else has it now'"));
    let output = world.run(&["-o", "json", "--yes", "tenant", "purge", "--due"]);
    assert_eq!(output.status.code(), Some(6));
    let rows: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    let failed: Vec<_> = rows.iter().filter(|row| row["outcome"] == "failed").collect();
    assert_eq!(failed.len(), 1);
    assert_eq!((&failed[0]["slug"], &failed[0]["code"]), (&"ash".into(), &"cluster_foreign".into()));
    world.sql("postgres", &format!("comment on database {database} is '{}'", mark[0]));
    crate::crash::settled::repair_settles(&world, "a purge that was refused");
    assert_eq!(world.there(), crate::support::world::Inventory::default());
}

#[test]
fn the_days_are_a_setting() {
    let world = World::new();
    let days = |days: &str| {
        let mut command = world.command(&delete("acme"));
        command.env("NEXUS_CONTEXT_T_TENANTS_RETENTION_DAYS", days);
        assert!(command.output().unwrap().status.success());
    };
    world.ok(&create("acme"));
    days("7");
    let kept = "select extract(day from purge_after - trashed_at)::int from control.tenants";
    assert_eq!(world.control_sql(kept), ["7"]);
    world.ok(&undelete("acme"));
    days("0");
    assert_eq!(world.json(&["--yes", "tenant", "purge", "--due"])[0]["outcome"], "purged");
}

#[test]
fn a_tenant_in_the_trash_whose_login_is_open_is_not_purged() {
    let world = World::new();
    in_the_trash(&world, &["ash", "birch"], true);
    let (role, database) =
        (super::column(&world, "ash", "app_role"), super::column(&world, "birch", "database_name"));
    world.sql("postgres", &format!("alter role {role} login"));
    world.sql("postgres", &format!("alter database {database} allow_connections true"));
    for slug in ["ash", "birch"] {
        let there = world.there();
        let by_name = ["--yes", "tenant", "delete", slug, "--purge", "--confirm", slug];
        let (code, error) = world.error(&by_name);
        assert_eq!((code, error["code"].as_str()), (9, Some("tenant_open_in_trash")), "{error}");
        assert_ne!(world.run(&["--yes", "tenant", "purge", "--due"]).status.code(), Some(0));
        assert_eq!(state(&world, slug), "trashed");
        assert_eq!(world.there(), there);
        world.ok(&["tenant", "repair", slug]);
        world.ok(&by_name);
    }
    is_settled(&world, "purged");
}
