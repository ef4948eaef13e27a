//! Changing a tenant's name and labels.

use serde_json::{Value, json};

use crate::support::world::World;

fn changes(world: &World) -> Vec<String> {
    world.control_sql("select detail from control.audit_log where action = 'tenant.update' order by id")
}

fn fleet(world: &World, slugs: &[&str]) {
    for slug in slugs {
        world.control_sql(&format!(
            "insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket)
             values (gen_random_uuid(), '{slug}', '{slug}', 'active', 'default', 'default', 'd-{slug}', 'o-{slug}', 'a-{slug}', 'b-{slug}')"
        ));
    }
}

#[test]
fn a_name_and_labels_are_changed_and_the_change_is_on_record() {
    let world = World::new();
    fleet(&world, &["acme"]);
    world.ok(&["tenant", "update", "acme", "--label", "trial=yes", "--label", "tier=free"]);
    let args =
        ["tenant", "update", "acme", "--name", "Acme Ltd", "--label", "tier=gold", "--unlabel", "trial"];
    let rows = world.json(&args);
    assert_eq!(rows[0]["outcome"], "updated");
    assert_eq!(rows[0]["before"], json!({ "name": "acme", "labels": { "tier": "free", "trial": "yes" } }));
    assert_eq!(rows[0]["after"], json!({ "name": "Acme Ltd", "labels": { "tier": "gold" } }));
    let shown = world.json(&["tenant", "show", "acme"]);
    assert_eq!((&shown["name"], &shown["labels"]), (&"Acme Ltd".into(), &json!({ "tier": "gold" })));
    let recorded: Value = serde_json::from_str(&changes(&world)[1]).unwrap();
    assert_eq!(recorded["slug"], "acme");
    assert_eq!((&recorded["before"], &recorded["after"]), (&rows[0]["before"], &rows[0]["after"]));
}

#[test]
fn what_is_so_already_is_left_as_it_is() {
    let world = World::new();
    fleet(&world, &["acme"]);
    let change = ["tenant", "update", "acme", "--label", "tier=gold", "--unlabel", "trial"];
    world.ok(&change);
    let row = "select xmin, updated_at from control.tenants";
    let before = world.control_sql(row);
    let output = world.run(&change);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).starts_with("acme\tunchanged\t"));
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing was changed"));
    assert_eq!(world.control_sql(row), before);
    assert_eq!(changes(&world).len(), 1);
}

#[test]
fn a_dry_run_shows_before_and_after_and_writes_nothing() {
    let world = World::new();
    fleet(&world, &["ash", "birch"]);
    world.ok(&["tenant", "update", "birch", "--label", "tier=gold"]);
    let row =
        "select string_agg(xmin || ' ' || xmax || ' ' || labels, ',' order by slug) from control.tenants";
    let before = world.control_sql(row);
    let rows = world.ok(&["--dry-run", "tenant", "update", "--all", "--label", "tier=silver"]);
    let cells: Vec<Vec<&str>> = rows.lines().map(|line| line.split('\t').take(4).collect()).collect();
    assert_eq!(
        cells,
        [
            ["ash", "planned", "", "label.tier=silver"],
            ["birch", "planned", "label.tier=gold", "label.tier=silver"]
        ]
    );
    assert_eq!((world.control_sql(row), changes(&world).len()), (before, 1));
}

#[test]
fn of_many_each_has_its_row_and_some_failures_are_exit_6() {
    let world = World::new();
    fleet(&world, &["ash", "birch"]);
    let args = ["-o", "json", "tenant", "update", "ash", "nobody", "birch", "ash", "--label", "tier=gold"];
    let output = world.run(&args);
    assert_eq!(output.status.code(), Some(6));
    let rows: Value = serde_json::from_slice(&output.stdout).unwrap();
    let seen: Vec<_> = rows.as_array().unwrap().iter().map(|row| (&row["slug"], &row["outcome"])).collect();
    let expected =
        [("ash", "updated"), ("nobody", "failed"), ("birch", "updated")].map(|(a, b)| (json!(a), json!(b)));
    assert_eq!(seen, expected.iter().map(|(a, b)| (a, b)).collect::<Vec<_>>());
    assert_eq!(rows[1]["code"], "tenant_not_found");
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["details"], json!({ "failed": 1, "total": 3 }));
    assert_eq!(world.error(&["tenant", "update", "nobody", "--label", "tier=gold"]).0, 4);
}

#[test]
fn those_that_fit_are_changed_and_no_other() {
    let world = World::new();
    fleet(&world, &["ash", "birch", "cedar"]);
    world.ok(&["tenant", "update", "birch", "cedar", "--label", "tier=gold"]);
    world.ok(&["tenant", "update", "--where", "label.tier=gold,slug!=cedar", "--label", "region=eu"]);
    assert_eq!(world.ok(&["-o", "id", "tenant", "list", "--where", "label.region"]), "birch\n");
}

#[test]
fn a_request_that_makes_no_sense_is_refused() {
    let world = World::new();
    for args in [
        &["acme"][..],
        &["--label", "tier=gold"],
        &["--all", "--name", "Acme"],
        &["ash", "birch", "--name", "Acme"],
        &["acme", "--label", "tier=gold", "--unlabel", "tier"],
        &["acme", "--label", "tier=gold", "--label", "tier=silver"],
        &["acme", "--unlabel", "Tier"],
        &["acme", "--name", " "],
    ] {
        let args: Vec<&str> = ["tenant", "update"].iter().chain(args).copied().collect();
        assert_eq!(world.error(&args).0, 2, "{args:?}");
    }
}

#[test]
fn a_tenant_under_an_unfinished_operation_is_changed_and_the_operation_goes_on() {
    let world = World::new();
    world.killed_at("create.database.after", &["tenant", "create", "acme"]);
    world.ok(&["tenant", "update", "acme", "--label", "tier=gold"]);
    world.ok(&["tenant", "rename", "acme", "apex"]);
    world.ok(&["tenant", "repair", "apex"]);
    let shown = world.json(&["tenant", "show", "apex"]);
    assert_eq!((&shown["state"], &shown["labels"]), (&"active".into(), &json!({ "tier": "gold" })));
    assert_eq!(world.there(), world.believed());
}
