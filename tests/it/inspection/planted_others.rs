//! The faults that are not in `planted.rs`: those of a server as a whole, of what stands in the way of
//! Nexus, and those that only a person may put right.

use serde_json::json;

use super::planted::row;
use super::{Second, Seen, fsck, seen, tenants};
use crate::crash::foreign::change_store;
use crate::support::world::World;

/// Plants a fault in a tenant of its own each; the faults and the notices that should be found.
fn plant(world: &World) -> (Seen, Seen) {
    let at = |number| row(world, number);
    let server = |statement: String| world.sql("postgres", &statement);
    world.control_sql("update control.tenants set state = 'provisioning' where slug = 't-001'");
    server(format!("comment on database {} is 'somebody else''s'", at(2).database));
    server(format!("update pg_database set datconnlimit = -2 where datname = '{}'", at(3).database));
    server(format!("alter database {} connection limit 3", at(4).database));
    server(format!("grant create on database {} to {}", at(5).database, at(5).app));
    server(format!("alter database {} set work_mem to '5MB'", at(6).database));
    server(format!("comment on role {} is 'somebody else''s'", at(7).app));
    server(format!("alter role {} noinherit", at(8).owner));
    server(format!("grant connect on database postgres to {}", at(9).app));
    server("create database shop_x".to_owned());
    world.sql("shop_x", &format!("create table bills (); grant select on bills to {}", at(10).app));
    world.sql("shop_x", &format!("create table notes (); alter table notes owner to {}", at(11).app));
    server("create role stranger; grant nexus_app to stranger".to_owned());
    server("alter role nexus_app createdb; grant pg_monitor to nexus_app".to_owned());
    world.sql(&at(12).database, "update nexus._sqlx_migrations set checksum = '\\x00'");
    world.sql(&at(13).database, "alter table nexus._sqlx_migrations rename column success to went_well");
    let function = "returns int language sql as 'select 1'";
    world.sql(&at(14).database, &format!("create function pg_catalog.bang() {function}"));
    world.sql(&at(15).database, &format!("create function public.root() {function} security definer"));
    server(format!("alter role {} in database {} set work_mem to '5MB'", at(16).app, at(16).database));
    server(format!("create role helper; grant {} to helper", at(17).owner));
    world.control_sql(&format!("delete from control.data_keys where tenant_id = '{}'", at(18).id));
    let tenant = at(19);
    let mark = |id: &str| format!("nexus:{}:{id}", world.id);
    let gone = json!({ "owner": mark(&tenant.id), "fence": 1_000, "purge": true });
    change_store(world, "DELETE", &format!("buckets/{}", tenant.bucket), &gone);
    let other = json!({ "owner": format!("other:{}", world.id), "fence": 1 });
    change_store(world, "PUT", &format!("buckets/{}", tenant.bucket), &other);
    world.control_sql("update control.tenants set state = 'deleted' where slug = 't-020'");
    let faults = seen(&[
        ("state_without_operation", "t-001"),
        ("database_foreign", "t-002"),
        ("database_half_dropped", "t-003"),
        ("database_connection_limit", "t-004"),
        ("database_app_excess", "t-005"),
        ("role_foreign", "t-007"),
        ("role_inherit", "t-008"),
        ("maintenance_grant", ""),
        ("role_owns_elsewhere", ""),
        ("app_role_powerful", ""),
        ("schema_history", "t-012"),
        ("inside_unreadable", "t-013"),
        ("role_setting", "t-016"),
        ("role_granted", "t-017"),
        ("sealed_missing", "t-018"),
        ("bucket_foreign", "t-019"),
        ("sealed_orphan", ""),
        ("orphan_database", "t-020"),
        ("orphan_role", "t-020"),
        ("orphan_bucket", "t-020"),
        ("orphan_key", "t-020"),
    ]);
    let notices = seen(&[
        ("database_setting", "t-006"),
        ("other_database_public", ""),
        ("role_elsewhere", ""),
        ("app_role_foreign_member", ""),
        ("trap_in_catalog", "t-014"),
        ("trap_definer", "t-015"),
    ]);
    (faults, notices)
}

#[test]
fn every_other_fault_is_found_and_nothing_else_and_those_that_can_be_are_fixed() {
    let second = Second::start();
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, 20, &[]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()), "an installation that nobody touched");
    let (faults, notices) = plant(&world);
    let (code, found, told) = fsck(&world, &[]);
    assert_eq!(found, faults);
    assert_eq!((code, told), (9, notices));
    let (code, left, _) = fsck(&world, &["--fix", "--drop-orphans", "--yes", "--confirm", "2"]);
    let by_hand = seen(&[
        ("state_without_operation", "t-001"),
        ("database_foreign", "t-002"),
        ("database_half_dropped", "t-003"),
        ("role_foreign", "t-007"),
        ("role_owns_elsewhere", ""),
        ("schema_history", "t-012"),
        ("inside_unreadable", "t-013"),
        ("sealed_missing", "t-018"),
        ("bucket_foreign", "t-019"),
    ]);
    assert_eq!((code, left), (9, by_hand));
    let powers = "select rolcreatedb or pg_has_role('nexus_app', 'pg_monitor', 'member')
                  from pg_roles where rolname = 'nexus_app'";
    assert_eq!(world.sql("postgres", powers), ["f"]);
}

#[test]
fn a_template_that_is_not_as_it_was_built_is_found_and_built_again() {
    let second = Second::start();
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, 1, &[]);
    let template = || {
        let ready = "select database_name from control.templates where state = 'ready'";
        world.control_sql(ready).remove(0)
    };
    let inside = |statement: &str| {
        let name = template();
        let doors = |open: bool| format!("alter database {name} allow_connections {open}");
        world.sql("postgres", &doors(true));
        world.sql(&name, statement);
        world.sql("postgres", &doors(false));
    };
    let is_found = |code: &str, fix: &[&str]| {
        let (exit, faults, _) = fsck(&world, &[]);
        assert_eq!((exit, faults), (9, seen(&[(code, "")])));
        assert_eq!(fsck(&world, fix), (0, Seen::new(), Seen::new()), "{code}");
    };
    let fix = ["--fix", "--yes"];
    world.sql("postgres", "create role somebody");
    inside("create table public.stray (); alter table public.stray owner to somebody");
    is_found("template_owner", &fix);
    inside("grant select on nexus.users to somebody");
    is_found("template_owner", &fix);
    world.sql("postgres", &format!("alter database {} is_template false", template()));
    is_found("template_open", &fix);
    world.sql("postgres", &format!("alter database {} is_template false", template()));
    world.sql("postgres", &format!("drop database {}", template()));
    is_found("template_missing", &fix);
    let mark = format!("nexus:{}:template", world.id);
    world.sql("postgres", "create database forgotten allow_connections false is_template true");
    world.sql("postgres", "revoke all on database forgotten from public");
    world.sql("postgres", &format!("comment on database forgotten is '{mark}'"));
    is_found("orphan_template", &["--fix", "--drop-orphans", "--yes", "--confirm", "1"]);
    world.sql("postgres", &format!("comment on database {} is 'somebody else''s'", template()));
    let (exit, faults, _) = fsck(&world, &["--fix", "--yes"]);
    assert_eq!((exit, faults), (9, seen(&[("template_foreign", "")])));
}

#[test]
fn credentials_of_a_server_that_were_changed_are_found() {
    let world = World::new();
    let second = Second::start();
    second.register(&world);
    world.control_sql(
        "update control.sealed_secrets set sealed = decode(repeat('00', length(sealed)), 'hex')
         where name = 'cluster.second.password'",
    );
    let (code, faults, _) = fsck(&world, &[]);
    assert_eq!(code, 9);
    for wanted in ["place_credentials", "platform_secrets_damaged"] {
        assert!(faults.contains(&(wanted.to_owned(), String::new())), "{wanted}: {faults:?}");
    }
}

#[test]
fn what_hangs_on_lost_data_is_not_said_to_be_for_fix() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let row = "select database_name || ' ' || owner_role || ' ' || app_role || ' ' || bucket || ' '
               || access_key_id from control.tenants where slug = 't-001'";
    let row = world.control_sql(row).remove(0);
    let cells: Vec<&str> = row.split(' ').collect();
    world.sql("postgres", &format!("drop database {} with (force)", cells[0]));
    world.sql("postgres", &format!("drop role {}, {}", cells[1], cells[2]));
    let id = world.control_sql("select id from control.tenants where slug = 't-001'").remove(0);
    let body = serde_json::json!({ "owner": format!("nexus:{}:{id}", world.id), "fence": 1_000_000 });
    for path in [format!("keys/{}", cells[4]), format!("buckets/{}", cells[3])] {
        let answer = change_store(&world, "DELETE", &path, &body);
        assert!(answer.contains(" 20"), "{path}: {answer}");
    }
    let lost = [
        ("bucket_missing", "t-001"),
        ("database_missing", "t-001"),
        ("key_missing", "t-001"),
        ("role_missing", "t-001"),
    ];
    assert_eq!(fsck(&world, &["--fix", "--yes"]).1, seen(&lost));
    let (code, error) = world.error(&["fsck"]);
    assert_eq!((code, &error["details"]["fixable"]), (9, &serde_json::json!(0)), "{error}");
}
