//! What could not be looked at is not well: a fault is planted, one connection is cut at each message
//! that Nexus sends, and no check says that all is well. A seeded sample; all messages with
//! `NEXUS_TEST_ALL=1`.

use super::tenants;
use crate::support::pg_proxy::{Operation, PgProxy};
use crate::support::proxy::{Fault, Proxy};
use crate::support::world::World;

/// How many messages of a run are tried.
fn sample(points: usize, most: usize) -> Vec<usize> {
    if std::env::var_os("NEXUS_TEST_ALL").is_some() {
        return (0..points).collect();
    }
    // Spread evenly, from a place that differs between runs of different lengths.
    (0..most.min(points)).map(|n| (n * points / most.min(points) + 7 * n) % points).collect()
}

/// Runs a command with each of these messages cut; at which it said that all is well.
fn false_wells(world: &World, args: &[&str], (operation, most): (Operation, usize)) -> Vec<usize> {
    let proxy = PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    let args: Vec<&str> = ["--config", &config].iter().chain(args).copied().collect();
    let whole = world.run(&args);
    assert_ne!(whole.status.code(), Some(0), "{args:?} does not see the planted fault");
    let points = proxy.points().len();
    assert!(points > 3, "{args:?}: {points}");
    let mut wells = Vec::new();
    for point in sample(points, most) {
        proxy.reset();
        proxy.at(point, operation);
        let output = world.run(&args);
        let code = output.status.code();
        assert!(matches!(code, Some(0 | 6 | 8 | 9)), "{args:?} at {point}: {code:?}: {output:?}");
        if code == Some(0) {
            wells.push(point);
        }
    }
    wells
}

#[test]
fn an_inspection_with_a_broken_connection_never_says_that_all_is_well() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let role = world.control_sql("select app_role from control.tenants where slug = 't-001'").remove(0);
    world.sql("postgres", &format!("alter role {role} createdb"));
    for operation in [Operation::Cut, Operation::LoseAnswer] {
        let wells = false_wells(&world, &["fsck"], (operation, 8));
        assert!(wells.is_empty(), "{operation:?}: {wells:?}");
    }
}

#[test]
fn a_verification_with_a_broken_connection_never_says_that_all_is_well() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let database =
        world.control_sql("select database_name from control.tenants where slug = 't-001'").remove(0);
    world.sql(&database, "create table nexus.planted (id bigint)");
    let wells = false_wells(&world, &["migrate", "verify"], (Operation::Cut, 8));
    assert!(wells.is_empty(), "{wells:?}");
}

#[test]
fn a_verification_does_not_call_a_tenant_well_whose_database_is_gone() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let database =
        world.control_sql("select database_name from control.tenants where slug = 't-001'").remove(0);
    world.sql("postgres", &format!("drop database {database} with (force)"));
    let (code, error) = world.error(&["migrate", "verify"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("schema_drift")), "{error}");
}

#[test]
fn a_doctor_with_a_broken_connection_never_says_that_all_is_well() {
    let world = World::new();
    world.control_sql("update control.audit_head set sequence = sequence + 1");
    let wells = false_wells(&world, &["doctor"], (Operation::Cut, 6));
    assert!(wells.is_empty(), "{wells:?}");
}

#[test]
fn a_check_of_the_audit_log_with_a_broken_connection_never_says_that_all_is_well() {
    let world = World::new();
    world.control_sql("update control.audit_head set sequence = sequence + 1");
    let wells = false_wells(&world, &["audit", "verify"], (Operation::Cut, 6));
    assert!(wells.is_empty(), "{wells:?}");
}

#[test]
fn a_proof_with_a_broken_connection_proves_nothing() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let names = "select database_name || '|' || app_role from control.tenants order by slug";
    let rows = world.control_sql(names);
    let (database, _) = rows[0].split_once('|').unwrap();
    let (_, role) = rows[1].split_once('|').unwrap();
    world.sql("postgres", &format!("grant connect on database {database} to {role}"));
    let wells = false_wells(&world, &["tenant", "prove", "--all"], (Operation::Cut, 6));
    assert!(wells.is_empty(), "{wells:?}");
}

#[test]
fn an_inspection_whose_store_hangs_up_at_any_request_never_says_that_all_is_well() {
    let stack = crate::support::stack::shared();
    let proxy = Proxy::before(&stack.endpoint);
    let world = World::on(&proxy.endpoint);
    tenants(&world, 1, 1, &[]);
    let id = world.control_sql("select id from control.tenants").remove(0);
    let key = world.control_sql("select access_key_id from control.tenants").remove(0);
    let body = serde_json::json!({ "owner": format!("nexus:{}:{id}", world.id), "fence": 1_000_000, "disabled": true });
    let answer = crate::crash::foreign::change_store(&world, "PATCH", &format!("keys/{key}"), &body);
    assert!(answer.contains(" 20"), "{answer}");
    assert_eq!(world.run(&["fsck"]).status.code(), Some(9));
    for pass in 0..6 {
        proxy.break_after(pass, Fault::HangUp);
        let output = world.run(&["fsck"]);
        proxy.fix();
        assert!(matches!(output.status.code(), Some(8 | 9)), "{pass}: {output:?}");
    }
}
