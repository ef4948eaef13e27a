//! Faults of many kinds, planted among many tenants: 60 of them, 300 with `NEXUS_TEST_ALL=1`.

use serde_json::json;

use super::{Second, Seen, fsck, seen, tenants};
use crate::crash::foreign::change_store;
use crate::support::world::World;

/// Enough that a fault is one among many.
fn many() -> usize {
    if std::env::var_os("NEXUS_TEST_ALL").is_some() { 300 } else { 60 }
}

/// What a tenant's row says.
pub(super) struct Row {
    pub(super) id: String,
    pub(super) database: String,
    pub(super) owner: String,
    pub(super) app: String,
    pub(super) bucket: String,
    pub(super) key: String,
}

pub(super) fn row(world: &World, number: usize) -> Row {
    let rows = world.control_sql(&format!(
        "select id, database_name, owner_role, app_role, bucket, access_key_id from control.tenants
         where slug = 't-{number:03}'"
    ));
    let mut cells = rows[0].split('|').map(str::to_owned);
    let mut next = || cells.next().unwrap();
    Row { id: next(), database: next(), owner: next(), app: next(), bucket: next(), key: next() }
}

/// Plants a fault in a tenant of its own each; what should be found.
fn plant(world: &World) -> Vec<(&'static str, &'static str)> {
    let at = |number| row(world, number);
    let server = |statement: String| world.sql("postgres", &statement);
    let mark = |id: &str| format!("nexus:{}:{id}", world.id);
    let (one, two) = (at(1), at(2));
    server(format!("grant connect on database {} to {}", one.database, two.app));
    server(format!("alter role {} createdb bypassrls", at(3).app));
    server(format!("alter role {} password 'another'", at(4).app));
    server(format!("alter role {} set search_path to evil, public", at(5).app));
    server(format!("grant pg_read_all_data to {}", at(6).app));
    server(format!("alter database {} is_template true", at(7).database));
    server(format!("alter database {} allow_connections false", at(8).database));
    server("grant connect on database postgres to public".to_owned());
    server(format!("alter role {} connection limit 999", at(9).app));
    server(format!("alter role {} valid until '2030-01-01'", at(10).app));
    server(format!("drop database {} with (force)", at(11).database));
    server(format!(
        "create role lost; comment on role lost is '{}'",
        mark(&uuid::Uuid::now_v7().to_string())
    ));
    server("create database lost".to_owned());
    server("revoke all on database lost from public".to_owned());
    server(format!("comment on database lost is '{}'", mark(&uuid::Uuid::now_v7().to_string())));
    world.control_sql("update control.tenants set schema_version = 1 where slug = 't-012'");
    world.control_sql(&format!(
        "update control.sealed_secrets set sealed = decode(repeat('00', length(sealed)), 'hex') where tenant_id = '{}'",
        at(13).id
    ));
    let tenant = at(14);
    let owner = json!({ "owner": mark(&tenant.id), "fence": 1_000 });
    change_store(world, "DELETE", &format!("keys/{}", tenant.key), &owner);
    let tenant = at(15);
    world.sql(&tenant.database, &format!("grant insert on nexus.user_roles to {}", tenant.app));
    world.sql(&at(16).database, "grant usage, create on schema public to public");
    world.sql(&at(17).database, "alter schema nexus owner to nexus");
    let tenant = at(18);
    let further = json!({
        "owner": mark(&tenant.id), "fence": 1_000, "buckets": [tenant.bucket], "secret": "s".repeat(40),
    });
    change_store(world, "PUT", "keys/NXAAAAAAAAAAAAAAAAAA", &further);
    let tenant = at(19);
    let off = json!({ "owner": mark(&tenant.id), "fence": 1_000, "disabled": true });
    change_store(world, "PATCH", &format!("keys/{}", tenant.key), &off);
    server(format!("alter database {} owner to nexus", at(20).database));
    let tenant = at(21);
    let gone = json!({ "owner": mark(&tenant.id), "fence": 1_000, "purge": true });
    change_store(world, "DELETE", &format!("buckets/{}", tenant.bucket), &gone);
    let orphan = json!({ "owner": mark(&uuid::Uuid::now_v7().to_string()), "fence": 1 });
    change_store(world, "PUT", "buckets/lost-bucket", &orphan);
    server(format!("alter role {} rename to {}_away", at(22).app, at(22).app));
    world.sql(&at(23).database, &format!("grant select on nexus.users to {}", two.app));
    server(format!("revoke connect on database {d} from {a}", d = at(24).database, a = at(24).app));
    server(format!("grant connect, temporary on database {} to public", at(25).database));
    server(format!("comment on database {} is null", at(26).database));
    server(format!("alter role {} login", at(27).owner));
    trap(world, &at(28).database);
    vec![
        ("database_foreign_grant", "t-001"),
        ("role_powers", "t-003"),
        ("role_password", "t-004"),
        ("role_search_path", "t-005"),
        ("role_member", "t-006"),
        ("database_is_template", "t-007"),
        ("database_closed", "t-008"),
        ("maintenance_public", ""),
        ("role_connection_limit", "t-009"),
        ("role_expires", "t-010"),
        ("database_missing", "t-011"),
        ("orphan_role", ""),
        ("orphan_database", ""),
        ("schema_version", "t-012"),
        ("sealed_damaged", "t-013"),
        ("key_missing", "t-014"),
        ("inside_app_excess", "t-015"),
        ("inside_public", "t-016"),
        ("inside_owner", "t-017"),
        ("key_extra", "t-018"),
        ("key_disabled", "t-019"),
        ("database_owner", "t-020"),
        ("bucket_missing", "t-021"),
        ("orphan_bucket", ""),
        ("role_missing", "t-022"),
        // The role under its new name is let into the database, and no row knows it.
        ("database_foreign_grant", "t-022"),
        ("orphan_role", "t-022"),
        ("inside_foreign_grant", "t-023"),
        ("database_app_shut_out", "t-024"),
        ("database_public", "t-025"),
        ("database_unmarked", "t-026"),
        ("role_login", "t-027"),
    ]
}

fn trap(world: &World, database: &str) {
    let function = "create function public.bang() returns event_trigger language plpgsql as 'begin end'";
    world.sql(database, function);
    world.sql(database, "create event trigger bang on ddl_command_end execute function public.bang()");
}

/// What a mending must leave to a person.
const BY_HAND: [(&str, &str); 3] =
    [("database_missing", "t-011"), ("sealed_damaged", "t-013"), ("bucket_missing", "t-021")];

#[test]
fn every_planted_fault_is_found_and_nothing_else_and_mended_where_that_loses_nothing() {
    let second = Second::start();
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, many(), &[]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()), "an installation that nobody touched");

    let planted = seen(&plant(&world));
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!(faults, planted);
    assert_eq!((code, notices), (9, seen(&[("trap_event_trigger", "t-028")])));
    let (code, faults, _) = fsck(&world, &["--where", "slug=t-003|t-004|t-050"]);
    assert_eq!((code, faults), (9, seen(&[("role_powers", "t-003"), ("role_password", "t-004")])));

    let (code, faults, _) = fsck(&world, &["--fix", "--yes"]);
    let kept = [&BY_HAND[..], &[("orphan_database", ""), ("orphan_bucket", "")]].concat();
    assert_eq!((code, faults), (9, seen(&kept)), "what holds data was kept, the rest was mended");
    let (code, faults, _) = fsck(&world, &["--fix", "--drop-orphans", "--yes", "--confirm", "2"]);
    assert_eq!((code, faults), (9, seen(&BY_HAND)));

    let log = || world.control_sql("select count(*) from control.audit_log");
    let before = log();
    let (code, faults, _) = fsck(&world, &[]);
    assert_eq!((code, faults), (9, seen(&BY_HAND)));
    assert_eq!(log(), before, "an inspection changed something");
    for slug in ["t-004", "t-008", "t-014", "t-020", "t-022", "t-024"] {
        world.ok(&["tenant", "psql", slug, "--", "-c", "select 1 from nexus.roles"]);
    }
}

#[test]
fn tenants_in_the_trash_and_in_a_pool_are_no_fault() {
    let second = Second::start();
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, 2, &[]);
    world.ok(&["tenant", "delete", "t-001", "--yes", "--confirm", "t-001"]);
    world.ok(&["pool", "set", "--size", "1"]);
    world.ok(&["pool", "fill"]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()));
}

#[test]
fn nothing_is_mended_that_was_not_agreed_to() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let app = row(&world, 1).app;
    world.sql("postgres", &format!("alter role {app} createdb"));
    let log = || world.control_sql("select count(*) from control.audit_log");
    let before = log();
    let (code, error) = world.error(&["fsck", "--where", "slug=t-001", "--fix"]);
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_required")), "{error}");
    let planned = world.json(&["--dry-run", "fsck", "--where", "slug=t-001", "--fix"]);
    assert_eq!(planned[0]["action"], "repair tenant t-001");
    assert_eq!(planned[0]["codes"], json!(["role_powers"]));
    // A bucket that nobody has needs its number said.
    let orphan = json!({ "owner": format!("nexus:{}:{}", world.id, uuid::Uuid::now_v7()), "fence": 1 });
    let bucket = format!("lost-{}", uuid::Uuid::new_v4().simple());
    change_store(&world, "PUT", &format!("buckets/{bucket}"), &orphan);
    let drop = ["fsck", "--fix", "--drop-orphans", "--yes", "--confirm"];
    let (code, error) = world.error(&[&drop[..], &["3"]].concat());
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_mismatch")), "{error}");
    assert_eq!(log(), before);
    world.run(&[&drop[..], &["1"]].concat());
    assert!(!world.there().buckets.contains(&bucket));
    assert_eq!(fsck(&world, &["--where", "slug=t-001"]).0, 0);
}
