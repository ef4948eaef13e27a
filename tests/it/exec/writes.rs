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
    let (code, lines, _) = exec(&world, &["--all", "--write", "--yes", "--confirm", "2", "--", INSERT]);
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

    assert_eq!(
        write("with gone as (delete from nexus.settings returning *) select key from gone"),
        [json!({ "tenant": "t-001", "row": { "key": "a" } })]
    );
    assert_eq!(world.sql(&database(&world, "t-001"), "select count(*) from nexus.settings"), ["0"]);
}

#[test]
fn rows_of_every_type_are_told_whatever_kind_of_statement_gives_them() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let role = world.control_sql("select app_role from control.tenants").remove(0);
    world.sql(
        &database(&world, "t-001"),
        &format!(
            "create table public.kinds (id int primary key, wide bigint, price numeric, yes bool, at timestamptz,
                 key uuid, document jsonb, list int[], words text[], nothing text, bytes bytea, name text);
             grant all on public.kinds to \"{role}\";
             create procedure public.count_up(inout n int, inout sure bool, inout word text) language plpgsql
                 as $$ begin n := n + 1; end $$"
        ),
    );
    let write = |statement: &str| exec(&world, &["t-001", "--write", "--yes", "--", statement]).1;
    let row = json!({
        "id": 1, "wide": 9_007_199_254_740_993_i64, "price": 12.5, "yes": true, "at": "2026-01-02T03:04:05+00:00",
        "key": "00000000-0000-0000-0000-000000000001", "document": { "k": [1] }, "list": [1, 2],
        "words": ["a", "b c"], "nothing": null, "bytes": "\\x00ff", "name": "x",
    });
    let row = json!([{ "tenant": "t-001", "row": row }]);
    let insert = "insert into kinds values (1, 9007199254740993, 12.5, true, '2026-01-02 03:04:05+00',
        '00000000-0000-0000-0000-000000000001', '{\"k\": [1]}', '{1,2}', '{a,b c}', null, '\\x00ff', 'x') returning *";
    assert_eq!(json!(write(insert)), row);
    assert_eq!(
        json!(write("with recursive gone as (delete from kinds returning *) select * from gone")),
        row
    );
    assert_eq!(json!(write(&format!("with n as (select 1) {insert}"))), row);
    assert_eq!(
        json!(write("with a as (select 1), gone as (delete from kinds returning id, yes) table gone"))[0]["row"],
        json!({ "id": 1, "yes": true })
    );
    assert_eq!(world.sql(&database(&world, "t-001"), "select count(*) from kinds"), ["0"]);
    let called = json!({ "n": 2, "sure": true, "word": "w" });
    assert_eq!(write("call count_up(1, true, 'w')")[0]["row"], called);
    let explained = exec(&world, &["t-001", "--", "explain (format json) select 1"]).1;
    assert_eq!(explained[0]["row"]["QUERY PLAN"][0]["Plan"]["Node Type"], "Result", "{explained:?}");
}

#[test]
fn a_plan_names_the_tenants_and_runs_nothing() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    world.ok(&["tenant", "suspend", "t-002", "--reason", "unpaid"]);
    let planned = world.json(&["--dry-run", "exec", "--all", "--write", "--", INSERT]);
    assert_eq!(
        planned,
        json!([{ "tenant": "t-001", "outcome": "planned" }, { "tenant": "t-002", "outcome": "skipped" }])
    );
    assert_eq!(world.sql(&database(&world, "t-001"), "select count(*) from nexus.settings"), ["0"]);
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'fleet.exec'"),
        ["0"]
    );
}
