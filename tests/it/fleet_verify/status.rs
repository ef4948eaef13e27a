//! What is at which version, from the control database alone.

use serde_json::json;

use super::{newest_of_nexus, shop};
use crate::support::world::World;

/// Rows without anything behind them.
fn world() -> World {
    let world = World::new();
    shop(&world);
    let newest = newest_of_nexus();
    world.control_sql(&format!(
        "insert into control.tenants (id, slug, name, state, cluster, store, database_name, owner_role, app_role,
                                      bucket, schema_version, created_at, suspended_at, suspended_by, suspension_reason)
         select gen_random_uuid(), slug, slug, state, 'default', 'default', 'd-' || slug, 'o-' || slug, 'a-' || slug,
                'b-' || slug, version, '2026-01-01 00:00:00Z', now(), 'x', 'x'
         from (values ('ash', 'active', {newest}), ('beech', 'active', 20261121000200),
                      ('birch', 'suspended', {newest}), ('cedar', 'active', {newest}),
                      ('date', 'provisioning', {newest}), ('elm', 'deleted', 1)) as rows (slug, state, version)"
    ));
    world.control_sql(
        "insert into control.tenant_versions (tenant_id, set_name, version, updated_at)
         select id, 'shop', case slug when 'ash' then 2 when 'cedar' then 3 else 1 end, '2026-02-02 00:00:00Z'
         from control.tenants where slug in ('ash', 'birch', 'cedar')",
    );
    world.control_sql(
        "insert into control.runs (id, kind, state, caller, plan)
         values ('01970000-0000-7000-8000-000000000001', 'forward', 'partial', 'x', '{}')",
    );
    world.control_sql(
        "insert into control.run_tenants (run_id, tenant_id, slug, cluster, wave, position, state, sqlstate, message,
                                          hint, finished_at)
         select '01970000-0000-7000-8000-000000000001', id, slug, 'default', 0, 0,
                case slug when 'beech' then 'failed' else 'done' end, case slug when 'beech' then '23514' end,
                case slug when 'beech' then 'check fails' end, null, '2026-02-03 00:00:00Z'
         from control.tenants where slug in ('ash', 'beech')",
    );
    world
}

#[test]
fn each_set_says_how_many_are_where_and_who_is_not_at_the_newest() {
    let world = world();
    let report = world.json(&["migrate", "status"]);
    let nexus = &report["sets"][0];
    assert_eq!(nexus["set"], "nexus");
    assert_eq!(nexus["newest"].to_string(), newest_of_nexus());
    assert_eq!((&nexus["tenants"], &nexus["behind"], &nexus["ahead"]), (&json!(4), &json!(1), &json!(0)));
    assert_eq!(
        nexus["stragglers"],
        json!([{
            "set": "nexus", "tenant": "beech", "suspended": false, "version": 20_261_121_000_200_i64,
            "state": "behind", "since": "2026-01-01T00:00:00Z",
            "error": {
                "run": "01970000-0000-7000-8000-000000000001", "at": "2026-02-03T00:00:00Z",
                "sqlstate": "23514", "message": "check fails", "hint": null,
            },
        }])
    );
    assert_eq!(
        report["sets"][1],
        json!({
            "set": "shop", "newest": 2, "tenants": 4, "behind": 2, "ahead": 1,
            "versions": [
                { "set": "shop", "version": null, "description": null, "state": "not_applied", "tenants": 1 },
                { "set": "shop", "version": 1, "description": "shop", "state": "behind", "tenants": 1 },
                { "set": "shop", "version": 2, "description": "price", "state": "current", "tenants": 1 },
                { "set": "shop", "version": 3, "description": null, "state": "ahead", "tenants": 1 },
            ],
            "stragglers": [
                {
                    "set": "shop", "tenant": "beech", "suspended": false, "version": null, "state": "not_applied",
                    "since": "2026-01-01T00:00:00Z",
                    "error": report["sets"][0]["stragglers"][0]["error"],
                },
                {
                    "set": "shop", "tenant": "birch", "suspended": true, "version": 1, "state": "behind",
                    "since": "2026-02-02T00:00:00Z", "error": null,
                },
                {
                    "set": "shop", "tenant": "cedar", "suspended": false, "version": 3, "state": "ahead",
                    "since": "2026-02-02T00:00:00Z", "error": null,
                },
            ],
        })
    );
    assert_eq!(
        report["skipped"],
        json!([{ "state": "provisioning", "reason": "it is being created", "tenants": ["date"] }])
    );
}

#[test]
fn a_script_learns_by_the_exit_code_whether_somebody_is_behind() {
    let world = world();
    world.ok(&["migrate", "status"]);
    let (code, error) = world.error(&["migrate", "status", "--exit-code"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("tenants_behind")), "{error}");
    assert_eq!(error["details"]["behind"], 3);
    world.ok(&["migrate", "status", "--exit-code", "ash"]);
    // Whoever is ahead is not behind.
    world.ok(&["migrate", "status", "--exit-code", "--where", "slug=cedar"]);
}

#[test]
fn a_list_of_ids_is_of_those_who_are_not_at_the_newest() {
    let world = world();
    assert_eq!(world.ok(&["-o", "id", "migrate", "status"]), "beech\nbirch\ncedar\n");
    let (code, error) = world.error(&["migrate", "status", "oak"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("tenant_not_found")));
}

#[test]
fn a_table_that_no_person_looks_at_has_the_histogram_alone() {
    let world = world();
    let rows = world.ok(&["migrate", "status"]);
    let shop: Vec<&str> = rows.lines().filter(|line| line.starts_with("shop")).collect();
    assert_eq!(
        shop,
        [
            "shop\t\tnot_applied\t1\t",
            "shop\t1\tbehind\t1\tshop",
            "shop\t2\tcurrent\t1\tprice",
            "shop\t3\tahead\t1\t"
        ]
    );
    assert_eq!(rows.lines().count(), 6);
}
