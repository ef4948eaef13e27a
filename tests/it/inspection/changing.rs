//! An inspection while things change, and of places that do not answer.

use super::{Second, Seen, fsck, rows, seen, tenants};
use crate::fleet::Fleet;
use crate::fleet_verify::of;
use crate::support::world::World;

/// Faults of tenants only: other tests use the same server at the same time.
fn of_tenants(faults: &Seen) -> Seen {
    faults.iter().filter(|(_, tenant)| !tenant.is_empty()).cloned().collect()
}

#[test]
fn a_tenant_that_is_made_or_deleted_meanwhile_is_no_fault() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    std::thread::scope(|scope| {
        let maker = scope.spawn(|| {
            tenants(&world, 4, 12, &[]);
            for number in 4..8 {
                let slug = format!("t-{number:03}");
                world.ok(&["tenant", "delete", &slug, "--purge", "--yes", "--confirm", &slug]);
            }
        });
        while !maker.is_finished() {
            let (_, faults, _) = fsck(&world, &[]);
            assert_eq!(of_tenants(&faults), Seen::new());
        }
    });
}

#[test]
fn a_change_that_was_cut_short_is_a_fault_after_a_while_and_is_finished() {
    let world = World::new();
    world.killed_at("create.database.after", &["tenant", "create", "acme"]);
    let (_, faults, notices) = fsck(&world, &["--where", "slug=acme"]);
    assert_eq!((faults, notices), (Seen::new(), seen(&[("operation_pending", "acme")])));
    world.control_sql("update control.operations set updated_at = now() - interval '1 hour'");
    let (code, faults, _) = fsck(&world, &["--where", "slug=acme"]);
    assert_eq!((code, faults), (9, seen(&[("operation_unfinished", "acme")])));
    world.ok(&["fsck", "--where", "slug=acme", "--fix", "--yes"]);
    world.ok(&["tenant", "psql", "acme", "--", "-c", "select 1"]);
}

#[test]
fn a_server_that_does_not_answer_is_named_and_the_others_are_looked_at() {
    let world = World::new();
    let second = Second::start();
    second.register(&world);
    tenants(&world, 1, 2, &["--cluster", "second", "--store", "second"]);
    tenants(&world, 3, 4, &["--cluster", "default", "--store", "default"]);
    assert_eq!(fsck(&world, &["--cluster", "second"]).1, Seen::new());
    second.stop();
    let (code, rows) = rows(&world, &["--where", "slug=t-*"]);
    assert_eq!((code, of(&rows, "error")), (8, Seen::new()));
    assert_eq!(of(&rows, "unchecked"), seen(&[("cluster_unreachable", ""), ("store_unreachable", "")]));
    let role = world.control_sql("select app_role from control.tenants where slug = 't-003'").remove(0);
    world.sql("postgres", &format!("alter role {role} createrole"));
    let (code, faults, _) = fsck(&world, &["--where", "slug=t-*"]);
    assert_eq!(code, 9);
    assert!(faults.contains(&("role_powers".to_owned(), "t-003".to_owned())), "{faults:?}");
    let (code, error) = world.error(&["fsck", "--cluster", "nowhere"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("cluster_not_found")), "{error}");
}

#[test]
fn of_a_tenant_that_is_suspended_it_is_a_fault_that_anything_opens() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    world.ok(&["tenant", "suspend", "t-001", "--reason", "not paid"]);
    assert_eq!(fsck(&world, &["--where", "slug=t-001"]), (0, Seen::new(), Seen::new()));
    let row = world.control_sql("select app_role, database_name from control.tenants").remove(0);
    let (app, database) = row.split_once('|').unwrap();
    world.sql(
        "postgres",
        &format!("alter role {app} login; alter database {database} allow_connections true"),
    );
    let (code, faults, _) = fsck(&world, &["--where", "slug=t-001"]);
    assert_eq!((code, faults), (9, seen(&[("database_open", "t-001"), ("role_login", "t-001")])));
    world.ok(&["fsck", "--where", "slug=t-001", "--fix", "--yes"]);
    assert!(!world.run(&["tenant", "psql", "t-001", "--", "-c", "select 1"]).status.success());
}

#[test]
fn a_run_of_migrations_under_way_is_no_fault() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.world.ok(&["tenant", "suspend", "birch", "--reason", "late"]);
    fleet.file("1_slow", "select pg_sleep(4); create table books (id bigint primary key);");
    let running = fleet.world.command(&["migrate", "tenants", "--all", "--jobs", "2"]).spawn().unwrap();
    let at_it = "select count(*) from control.run_tenants where state = 'running'";
    while fleet.world.control_sql(at_it) != ["2"] {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let (_, faults, notices) = fsck(&fleet.world, &["--where", "slug=ash|birch"]);
    assert_eq!(fleet.world.control_sql(at_it), ["2"], "the run was over before it was looked at");
    assert_eq!((faults, notices), (Seen::new(), seen(&[("operation_pending", "birch")])));
    assert!(running.wait_with_output().unwrap().status.success());
    assert_eq!(fsck(&fleet.world, &["--where", "slug=ash|birch"]), (0, Seen::new(), Seen::new()));
}
