//! The audit log as a chain: what shows, and what a script reads of it.

mod anchors;
mod export;
mod list;
mod over_http;
mod privileges;
mod shapes;
mod tampering;
mod upgrade;
mod writers;

use serde_json::Value;

use crate::support::world::World;

/// An installation whose log has so many rows: that of `init`, then rows of tests.
fn world_with_rows(rows: u32) -> World {
    let world = World::new();
    write_rows(&world, rows - 1);
    world
}

/// Writes rows as any writer does.
fn write_rows(world: &World, rows: u32) {
    world.control_sql(&format!(
        "insert into control.audit_log (caller, action, tenant_id, operation_id, detail)
         select 'machine:ann', 'test.write', gen_random_uuid(), gen_random_uuid(), json_build_object('n', n)
         from generate_series(1, {rows}) as n"
    ));
}

/// Runs statements as a superuser who takes the triggers away first and puts them back.
fn tamper(world: &World, statements: &str) {
    world.control_sql(&format!(
        "begin; alter table control.audit_log disable trigger all; {statements};
         alter table control.audit_log enable always trigger chain;
         alter table control.audit_log enable always trigger append_only; commit"
    ));
}

/// Computes all hashes anew from a row on, and the head: what a careful forger would do.
fn chain_anew(from: i64) -> String {
    format!(
        "do $$ declare item record; previous bytea; last bigint; begin
             select coalesce((select hash from control.audit_log where sequence = {from} - 1),
                             decode(repeat('00', 32), 'hex')) into previous;
             last := {from} - 1;
             for item in select * from control.audit_log where sequence >= {from} order by sequence loop
                 previous := control.audit_hash(previous, item.sequence, item.id, item.at, item.caller,
                     item.action, item.tenant_id, item.operation_id, item.detail);
                 update control.audit_log set hash = previous where id = item.id;
                 last := item.sequence;
             end loop;
             update control.audit_head set sequence = last, hash = previous;
         end $$"
    )
}

/// What a verification finds: its exit code is 9; the finding's code and position.
fn finding(world: &World, args: &[&str]) -> (String, i64) {
    let args: Vec<&str> = ["audit", "verify"].iter().chain(args).copied().collect();
    let (exit, error) = world.error(&args);
    assert_eq!(exit, 9, "{error}");
    (error["code"].as_str().unwrap().to_owned(), error["details"]["position"].as_i64().unwrap_or(-1))
}

/// What a verification that finds nothing tells.
fn verified(world: &World, args: &[&str]) -> Value {
    let args: Vec<&str> = ["audit", "verify"].iter().chain(args).copied().collect();
    let view = world.json(&args);
    assert_eq!(view["outcome"], "intact");
    view
}
