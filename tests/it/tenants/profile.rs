//! What operators call a tenant, and how much it may use.

use serde_json::json;

use crate::support::world::World;

fn rows(slugs: &[&str]) -> World {
    let world = World::new();
    for slug in slugs {
        world.control_sql(&format!(
            "insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role, bucket)
             values (gen_random_uuid(), '{slug}', '{slug}', 'active', 'default', 'default', 'd-{slug}', 'o-{slug}', 'a-{slug}', 'b-{slug}')"
        ));
    }
    world
}

fn listed(world: &World, condition: &str) -> String {
    let slugs = world.ok(&["-o", "id", "tenant", "list", "--where", condition]);
    slugs.lines().collect::<Vec<_>>().join(" ")
}

#[test]
fn a_tenant_is_created_with_what_it_is_called_and_may_use() {
    let world = World::new();
    let create = [
        "tenant",
        "create",
        "acme",
        "--tier",
        "gold",
        "--segment",
        "enterprise",
        "--business-type",
        "law-firm",
        "--module",
        "crm",
        "--module",
        "billing",
        "--max-users",
        "100",
        "--max-storage",
        "10GB",
    ];
    world.json(&create);
    let shown = world.json(&["tenant", "show", "acme"]);
    assert_eq!(
        json!([shown["tier"], shown["segment"], shown["business_type"], shown["modules"], shown["limits"]]),
        json!(["gold", "enterprise", "law-firm", ["billing", "crm"],
            { "max_users": 100, "max_storage_bytes": 10_000_000_000_i64, "max_requests_a_month": null }])
    );
    assert_eq!(shown["usage"]["requests"], 0);
    // The same again finds it; another tier is another request.
    assert_eq!(world.json(&create)["outcome"], "unchanged");
    let (code, error) = world.error(&["tenant", "create", "acme", "--tier", "silver"]);
    assert_eq!((code, &error["details"]["values"]["tier"]), (5, &json!({ "is": "gold", "given": "silver" })));
    let recorded =
        "select request ->> 'tier', request -> 'modules' from control.operations where kind = 'create'";
    assert_eq!(world.control_sql(recorded), ["gold|[\"billing\", \"crm\"]"]);
}

#[test]
fn a_file_gives_each_tenant_its_own() {
    let world = World::new();
    let file = world.file(
        "tenants.csv",
        "slug,tier,modules,max_users,max_storage_bytes\nash,gold,crm;hr,5,1GB\nbirch,,,,\n",
    );
    world.ok(&["tenant", "create", "--from", &file]);
    let rows = "select slug, tier, modules, max_users, max_storage_bytes from control.tenants order by slug";
    assert_eq!(world.control_sql(rows), ["ash|gold|{crm,hr}|5|1000000000", "birch||{}||"]);
}

#[test]
fn tenants_are_selected_by_what_they_are_called() {
    let world = rows(&["ash", "birch", "cedar"]);
    world.ok(&["tenant", "update", "ash", "--tier", "gold", "--add-module", "crm", "--add-module", "hr"]);
    world.ok(&["tenant", "update", "birch", "--tier", "silver", "--segment", "smb", "--add-module", "crm"]);
    for (condition, expected) in [
        ("tier=gold", "ash"),
        ("tier=gold|silver", "ash birch"),
        ("tier=g*", "ash"),
        ("tier!=gold", "birch cedar"),
        ("segment=smb", "birch"),
        ("business_type!=law", "ash birch cedar"),
        ("module=crm", "ash birch"),
        ("modules=hr|billing", "ash"),
        ("module!=hr", "birch cedar"),
        ("tier=silver,module=crm", "birch"),
    ] {
        assert_eq!(listed(&world, condition), expected, "{condition}");
    }
    let (code, error) = world.error(&["tenant", "list", "--where", "module=Crm"]);
    assert_eq!((code, &error["code"]), (2, &json!("usage")));
}

#[test]
fn each_part_is_changed_and_taken_off_by_itself_and_is_on_record() {
    let world = rows(&["acme"]);
    world.ok(&["tenant", "update", "acme", "--tier", "gold", "--add-module", "crm", "--max-users", "3"]);
    let args = ["tenant", "update", "acme", "--no-tier", "--remove-module", "crm", "--max-users", "none"];
    let changed = world.json(&[&args[..], &["--max-requests-a-month", "1000"]].concat());
    assert_eq!(
        changed[0]["before"],
        json!({ "name": "acme", "labels": {}, "tier": "gold", "modules": ["crm"],
            "limits": { "max_users": 3, "max_storage_bytes": null, "max_requests_a_month": null } })
    );
    assert_eq!(
        changed[0]["after"],
        json!({ "name": "acme", "labels": {},
            "limits": { "max_users": null, "max_storage_bytes": null, "max_requests_a_month": 1000 } })
    );
    let log = "select detail -> 'after' -> 'limits' ->> 'max_requests_a_month' from control.audit_log
               where action = 'tenant.update' order by id desc limit 1";
    assert_eq!(world.control_sql(&log.replace("detail ->", "detail::jsonb ->")), ["1000"]);
    for wrong in [["--tier", "Gold"], ["--max-users", "-1"], ["--max-storage", "10 XB"]] {
        let output = world.run(&[&["tenant", "update", "acme"][..], &wrong].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}");
    }
    let (_, error) =
        world.error(&["tenant", "update", "acme", "--add-module", "crm", "--remove-module", "crm"]);
    assert_eq!(error["code"], "module_twice");
}

#[test]
fn a_batch_puts_back_what_it_changed_and_nobody_changed_since() {
    let world = rows(&["ash", "birch"]);
    world.ok(&["tenant", "update", "ash", "--tier", "free"]);
    world.ok(&["tenant", "update", "--all", "--tier", "gold", "--max-users", "9", "--yes", "--confirm", "2"]);
    let batch = world.control_sql("select id from control.batches").remove(0);
    world.ok(&["tenant", "update", "birch", "--tier", "silver"]);
    world.ok(&["tenant", "update", "ash", "--segment", "smb"]);
    let back = ["operation", "rollback", "--batch", &batch, "--yes", "--confirm", "1"];
    world.json(&back);
    let rows = "select slug, tier, segment, max_users from control.tenants order by slug";
    assert_eq!(world.control_sql(rows), ["ash|free|smb|", "birch|silver||9"]);
}
