//! Who may do what to the log, and what no session can change about it.

use super::{verified, world_with_rows};
use crate::support::world::World;

#[test]
fn a_login_that_may_insert_can_append_and_nothing_else() {
    let world = world_with_rows(3);
    let login = format!("t_{}", uuid::Uuid::new_v4().simple());
    world.control_sql(&format!(
        "create role {login} login password 'only-for-this-test'; grant connect on database {} to {login};
         grant usage on schema control to {login}; grant insert on control.audit_log to {login}",
        world.control
    ));
    let run = |statement: &str| world.sql_as(&login, "only-for-this-test", &world.control, statement);
    let insert = "insert into control.audit_log (caller, action) values ('machine:eve', 'test.write')";
    run(insert).unwrap();
    // Names that stand before the system's: none of them is asked.
    world.control_sql(&format!(
        "create schema trap; grant usage on schema trap to {login};
         create function trap.sha256(bytea) returns bytea language sql as $$ select '\\x00'::bytea $$;
         create function trap.length(bytea) returns int language sql as $$ select 0 $$;
         create function trap.clock_timestamp() returns timestamptz language sql as $$ select 'epoch'::timestamptz $$;
         create function trap.join(bytea, bytea) returns bytea language sql as $$ select ''::bytea $$;
         create operator trap.|| (function = trap.join, leftarg = bytea, rightarg = bytea);
         create table trap.audit_head (sequence bigint, hash bytea)"
    ));
    run(&format!("set search_path = trap, control, pg_catalog; {insert}")).unwrap();
    for statement in [
        "alter table control.audit_log disable trigger chain",
        "alter table control.audit_log disable trigger all",
        "drop trigger append_only on control.audit_log",
        "set session_replication_role = replica",
        "update control.audit_log set caller = 'x'",
        "delete from control.audit_log",
        "truncate control.audit_log",
        "update control.audit_head set sequence = 0",
        "select * from control.audit_head",
        "create or replace function control.audit_log_chain() returns trigger language plpgsql as 'begin return new; end'",
    ] {
        let refusal = run(statement).expect_err(statement);
        assert!(
            refusal.contains("permission denied") || refusal.contains("must be owner"),
            "{statement}: {refusal}"
        );
    }
    let view = verified(&world, &[]);
    world.control_sql(&format!("drop owned by {login}; drop role {login}"));
    assert_eq!(view["rows"], 5);
}

#[test]
fn no_setting_of_a_session_changes_a_hash_and_none_takes_the_chain_away() {
    let world = world_with_rows(2);
    for setting in [
        "timezone = 'Pacific/Kiritimati'",
        "datestyle = 'German, DMY'",
        "intervalstyle = 'sql_standard'",
        "bytea_output = 'escape'",
        "client_encoding = 'LATIN1'",
        "extra_float_digits = -15",
        "session_replication_role = 'replica'",
        "default_transaction_isolation = 'serializable'",
    ] {
        world.control_sql(&format!(
            "set {setting}; insert into control.audit_log (caller, action, detail)
             values ('machine:ann', 'test.write', '{{\"n\": 1.50}}')"
        ));
    }
    assert_eq!(verified(&world, &[])["rows"], 10);
}

#[test]
fn a_writer_cannot_choose_its_time_its_position_or_its_hash() {
    let world = world_with_rows(2);
    world.control_sql(
        "insert into control.audit_log (caller, action, at, sequence, hash)
         values ('machine:eve', 'test.write', '2001-01-01', 77, sha256('x'))",
    );
    let view = verified(&world, &[]);
    assert_eq!((&view["rows"], &view["position"]), (&3.into(), &3.into()));
    assert_eq!(world.control_sql("select count(*) from control.audit_log where at < '2002-01-01'"), ["0"]);
}

#[test]
fn a_session_that_plays_a_replica_cannot_change_a_row_either() {
    let world: World = world_with_rows(2);
    let password = world.stack().password();
    let statement = "set session_replication_role = replica; delete from control.audit_log";
    let refusal = world.sql_as("nexus", &password, &world.control, statement).expect_err(statement);
    assert!(refusal.contains("the audit log is append-only"), "{refusal}");
}
