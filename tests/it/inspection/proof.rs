//! Proofs that tenants are kept apart.

use serde_json::Value;

use super::{Second, tenants};
use crate::support::garage;
use crate::support::world::World;

/// Runs `nexus tenant prove`: its exit code, attempts by kind, what it says.
fn prove(world: &World, args: &[&str]) -> (i32, Vec<Value>, String) {
    let args: Vec<&str> = ["-o", "json", "tenant", "prove"].iter().chain(args).copied().collect();
    let output = world.run(&args);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let rows = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{said}"));
    (output.status.code().unwrap(), rows, said)
}

fn total(rows: &[Value], field: &str) -> u64 {
    rows.iter().map(|row| row[field].as_u64().unwrap()).sum()
}

#[test]
fn of_twenty_tenants_on_two_servers_and_two_kinds_of_store_nobody_is_let_in_anywhere() {
    let world = World::new();
    let second = Second::start();
    second.register(&world);
    garage::register(&world, "garage");
    for (first, cluster, store) in [
        (1, "default", "default"),
        (6, "default", "second"),
        (11, "second", "default"),
        (16, "second", "garage"),
    ] {
        tenants(&world, first, first + 4, &["--cluster", cluster, "--store", store]);
    }
    let (code, rows, said) = prove(&world, &["--all", "--pairs", "19"]);
    assert_eq!(code, 0, "{said}");
    let (tried, refused, gone) = (total(&rows, "tried"), total(&rows, "refused"), total(&rows, "missing"));
    assert_eq!((tried, gone), (refused, 0), "{rows:?}");
    let of = |kind: &str| rows.iter().find(|row| row["kind"] == kind).unwrap()["tried"].as_u64().unwrap();
    assert_eq!((of("database"), of("maintenance")), (380, 40));
    // Roles are tried on the tenant's own server: nine others there, two roles each.
    assert_eq!(of("role"), 20 * 9 * 2);
    for way in ["list", "get", "put", "delete", "copy", "multipart", "presigned-get", "presigned-put"] {
        assert_eq!(of(&format!("bucket-{way}")), 380, "{way}");
    }
}

#[test]
fn a_grant_that_lets_a_neighbour_in_is_found_and_told_in_full() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    let cell = |column: &str, slug: &str| {
        world.control_sql(&format!("select {column} from control.tenants where slug = '{slug}'")).remove(0)
    };
    let (database, app) = (cell("database_name", "t-002"), cell("app_role", "t-001"));
    world.sql("postgres", &format!("grant connect on database {database} to {app}"));
    let (code, rows, said) = prove(&world, &["--all", "--pairs", "2"]);
    assert_eq!((code, total(&rows, "allowed")), (9, 1), "{said}");
    let breaches: Vec<&Value> = rows.iter().flat_map(|row| row["breaches"].as_array().unwrap()).collect();
    let expected = serde_json::json!({
        "kind": "database", "tenant": "t-001", "neighbour": "t-002", "object": format!("database {database}"),
        "unclear": "",
    });
    assert_eq!(breaches, [&expected]);
    assert!(said.contains("\"not_isolated\""), "{said}");
    let (code, rows, _) = prove(&world, &["t-003", "--pairs", "2"]);
    assert_eq!((code, total(&rows, "allowed")), (0, 0));
}

#[test]
fn a_tenant_that_cannot_even_open_what_is_its_own_proves_nothing() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let app = world.control_sql("select app_role from control.tenants where slug = 't-001'").remove(0);
    world.sql("postgres", &format!("alter role {app} password 'another'"));
    let (code, _, said) = prove(&world, &["--all"]);
    assert_eq!(code, 8, "{said}");
    assert!(said.contains("\"not_proved\""), "{said}");
}

#[test]
fn a_report_is_checked_without_a_server_and_a_changed_one_is_refused() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let (code, _, said) = prove(&world, &["--all", "--report", "proof.json"]);
    assert_eq!(code, 0, "{said}");
    let key = world.ok(&["tenant", "prove", "--public-key"]);
    let other = World::new();
    std::fs::write(world.machine().path("work/nexus.pub"), &key).unwrap();
    std::fs::write(world.machine().path("work/other.pub"), other.ok(&["tenant", "prove", "--public-key"]))
        .unwrap();
    let path = world.machine().path("work/proof.json");
    let report = std::fs::read_to_string(&path).unwrap();
    // No server of any kind can be reached from here on.
    let away = crate::support::machine::Machine::new();
    let verify = |args: &[&str], text: &str| {
        std::fs::write(away.path("work/proof.json"), text).unwrap();
        for name in ["nexus.pub", "other.pub"] {
            std::fs::copy(world.machine().path(&format!("work/{name}")), away.path(&format!("work/{name}")))
                .unwrap();
        }
        let args: Vec<&str> =
            ["tenant", "prove", "--verify", "proof.json"].iter().chain(args).copied().collect();
        let output = away.output(&args, "");
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    assert_eq!(verify(&["--key", "nexus.pub"], &report), (0, String::new()));
    let (code, said) = verify(&[], &report);
    assert_eq!(code, 0);
    assert!(said.contains("only integrity was checked, not origin"), "{said}");
    assert_eq!(verify(&["--key", "other.pub"], &report).0, 9);
    assert_eq!(verify(&["--key", "proof.json"], &report).0, 2);
    // The same things in another order and with other spaces are the same report.
    let value: Value = serde_json::from_str(&report).unwrap();
    assert_eq!(verify(&["--key", "nexus.pub"], &value.to_string()).0, 0);
    let mut edited = 0;
    for (from, to) in [
        ("\"refused\": 2", "\"refused\": 3"),
        ("t-001", "t-009"),
        (
            "\"breaches\": []",
            "\"breaches\": [{\"kind\":\"\",\"tenant\":\"\",\"neighbour\":\"\",\"object\":\"\",\"unclear\":\"\"}]",
        ),
        ("\"ended_at\": \"2", "\"ended_at\": \"3"),
        ("\"signature\": \"", "\"signature\": \"AAAA"),
    ] {
        let changed = report.replacen(from, to, 1);
        assert_ne!(changed, report, "{from} is not in the report");
        for args in [&["--key", "nexus.pub"][..], &[]] {
            let (code, said) = verify(args, &changed);
            assert_eq!(code, 9, "{from}: {said}");
        }
        edited += 1;
    }
    assert_eq!(edited, 5);
    let owner = value["proof"]["installation"].as_str().unwrap();
    assert_eq!(owner, world.id);
}
