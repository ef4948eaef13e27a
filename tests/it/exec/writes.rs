//! With `--write`.

use serde_json::json;

use super::{database, exec, sorted};
use crate::inspection::tenants;
use crate::support::world::World;

const INSERT: &str = "insert into nexus.settings values ('card', '\"4111 1111\"')";

#[test]
fn a_statement_that_may_write_is_agreed_to_first_and_its_hash_is_in_the_audit_log() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let (code, error) = world.error(&["exec", "--all", "--write", "--", INSERT]);
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_required")));
    let (code, lines, _) = exec(&world, &["--all", "--write", "--yes", "--", INSERT]);
    assert_eq!(code, 0);
    assert_eq!(
        sorted(lines),
        [json!({ "tenant": "t-001", "rows_affected": 1 }), json!({ "tenant": "t-002", "rows_affected": 1 })]
    );
    for slug in ["t-001", "t-002"] {
        assert_eq!(world.sql(&database(&world, slug), "select count(*) from nexus.settings"), ["1"]);
    }
    let log = world.control_sql("select detail from control.audit_log where action = 'fleet.exec'");
    assert_eq!(log.len(), 1, "what was not agreed to is not recorded as done");
    let hash = world.control_sql(&format!(
        "select encode(sha256(convert_to('{}', 'UTF8')), 'hex')",
        INSERT.replace('\'', "''")
    ));
    assert!(log[0].contains(&hash[0]) && !log[0].contains("4111"), "{log:?}");
}

#[test]
fn rows_that_a_change_returns_are_told() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let write = |statement: &str| exec(&world, &["t-001", "--write", "--yes", "--", statement]).1;
    assert_eq!(
        write("insert into nexus.settings values ('a', '1') returning key, value"),
        [json!({ "tenant": "t-001", "row": { "key": "a", "value": 1 } })]
    );
    // What changes rows within a WITH cannot be part of another statement: it is done, and counted.
    assert_eq!(
        write("with gone as (delete from nexus.settings returning *) select key from gone"),
        [json!({ "tenant": "t-001", "row": { "key": "a" } })]
    );
    assert_eq!(world.sql(&database(&world, "t-001"), "select count(*) from nexus.settings"), ["0"]);
}

#[test]
fn a_plan_names_the_tenants_and_runs_nothing() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    world.ok(&["tenant", "suspend", "t-002", "--reason", "unpaid"]);
    let planned = world.json(&["--dry-run", "exec", "--all", "--write", "--", INSERT]);
    assert_eq!(
        planned,
        json!([{ "tenant": "t-001", "outcome": "planned" }, { "tenant": "t-002", "outcome": "left_out" }])
    );
    assert_eq!(world.sql(&database(&world, "t-001"), "select count(*) from nexus.settings"), ["0"]);
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'fleet.exec'"),
        ["0"]
    );
}
