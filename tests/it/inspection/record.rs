//! Rows that decide who gets whose credentials: whoever changes one in the control database, and does
//! not have the master key, is found out.

use super::{fsck, tenants};
use crate::support::world::World;

/// Changes the control database by hand; which check then finds it.
fn is_found(world: &World, what: &str, statement: &str, undo: &str) {
    world.control_sql(statement);
    let (code, faults, _) = fsck(world, &[]);
    assert_eq!(code, 9, "{what}");
    let expected =
        ["record_row_changed", "record_row_unsealed", "signing_keys_changed", "revocations_changed"];
    assert!(faults.iter().any(|(code, _)| expected.contains(&code.as_str())), "{what}: {faults:?}");
    assert_eq!(world.run(&["audit", "verify"]).status.code(), Some(9), "{what}: audit verify");
    assert_eq!(world.run(&["doctor", "--only", "control", "key"]).status.code(), Some(9), "{what}: doctor");
    world.control_sql(undo);
}

fn swap(column: &str) -> String {
    format!(
        "set session_replication_role to replica;
         create table control.kept as select id, {column} as it from control.tenants;
         update control.tenants set {column} = 'x-' || {column};
         update control.tenants set {column} = kept.it from control.kept
         where kept.id = (select other.id from control.tenants as other where other.id <> tenants.id limit 1)"
    )
}

#[test]
fn a_row_that_was_changed_by_hand_is_found() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    assert_eq!(fsck(&world, &[]).0, 0, "nothing is wrong before");
    for column in ["slug", "database_name", "app_role", "bucket"] {
        let back = format!("update control.tenants set {column} = 'y-' || {column};
            update control.tenants set {column} = kept.it from control.kept where kept.id = tenants.id; drop table control.kept");
        is_found(&world, column, &swap(column), &back);
    }
    is_found(
        &world,
        "a master key's fingerprint",
        "set session_replication_role to replica; update control.master_keys set id = 'mk-0000000000000000'",
        "set session_replication_role to replica;
         update control.master_keys set id = (select master_key_id from control.data_keys limit 1)",
    );
    is_found(
        &world,
        "a checksum that was taken away",
        "create table control.kept as select id, slug_checksum as it from control.tenants;
         update control.tenants set slug_checksum = null where slug = 't-001'",
        "update control.tenants set slug_checksum = kept.it from control.kept where kept.id = tenants.id; drop table control.kept",
    );
    assert_eq!(fsck(&world, &[]).0, 0, "nothing is wrong afterwards");
}

#[test]
fn signing_keys_and_revocations_that_were_changed_by_hand_are_found() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["key", "rotate", "--now"]);
    world.ok(&["key", "rotate", "--now"]);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    world.ok(&["tenant", "resume", "acme"]);
    assert_eq!(fsck(&world, &[]).0, 0, "nothing is wrong before");
    let keep = "create table control.kept as select * from control.signing_keys;";
    let back =
        "delete from control.signing_keys; insert into control.signing_keys select * from control.kept;
                drop table control.kept";
    is_found(
        &world,
        "two keys that changed places",
        &format!(
            "{keep} update control.signing_keys set state = 'gone' where state = 'active';
                  update control.signing_keys set state = 'active' where state = 'next'"
        ),
        back,
    );
    is_found(
        &world,
        "a key that was deleted",
        &format!("{keep} delete from control.signing_keys where state = 'next'"),
        back,
    );
    is_found(
        &world,
        "a revocation that was deleted",
        "create table control.kept as select * from control.token_revocations; delete from control.token_revocations",
        "insert into control.token_revocations overriding system value select * from control.kept; drop table control.kept",
    );
}

#[test]
fn who_deletes_the_last_revocation_and_writes_its_ledger_again_is_found() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    for _ in 0..2 {
        world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
        world.ok(&["tenant", "resume", "acme"]);
    }
    assert_eq!(fsck(&world, &[]).0, 0, "nothing is wrong before");
    let last = "(select max(generation) from control.revocation_ledger)";
    world.control_sql(&format!(
        "create table control.kept_rows as select * from control.token_revocations where generation = {last};
         create table control.kept_ledger as select * from control.revocation_ledger where generation = {last}"
    ));
    let deleted = format!(
        "delete from control.token_revocations where generation = {last};
         delete from control.revocation_ledger where generation = {last};
         update control.token_state set revocations_generation = revocations_generation - 1"
    );
    is_found(
        &world,
        "a revocation with its place in the ledger",
        &deleted,
        "alter table control.token_revocations disable trigger user;
         insert into control.token_revocations overriding system value select * from control.kept_rows;
         alter table control.token_revocations enable trigger user;
         alter table control.token_revocations enable always trigger revocation_noted;
         insert into control.revocation_ledger select * from control.kept_ledger;
         update control.token_state set revocations_generation = revocations_generation + 1",
    );
    assert_eq!(fsck(&world, &[]).0, 0, "nothing is wrong afterwards");
    // The oldest, with all that the ledger says of it.
    let first = "(select min(generation) from control.revocation_ledger)";
    is_found(
        &world,
        "the oldest revocation with its place in the ledger",
        &format!(
            "delete from control.token_revocations where generation = {first};
             delete from control.revocation_ledger where generation = {first}"
        ),
        "select 1",
    );
}

#[test]
fn nothing_that_a_tenant_can_read_on_its_server_tells_another() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let env = world.env("t-001");
    let field = |name: &str| env[name].as_str().unwrap_or_default().to_owned();
    let (user, password, database) = (field("PGUSER"), field("PGPASSWORD"), field("PGDATABASE"));
    let told = "select string_agg(it, ' ') from (
        select description from pg_shdescription union all select rolname::text from pg_roles
        union all select datname::text from pg_database
        union all select array_to_string(setconfig, ' ') from pg_db_role_setting
        union all select coalesce(application_name, '') from pg_stat_activity
        union all select coalesce(setting, '') from pg_settings) as all_of_it (it)";
    let told = world.sql_as(&user, &password, &database, told).unwrap().remove(0);
    for row in world.control_sql("select id || '|' || slug from control.tenants") {
        let (id, slug) = row.split_once('|').unwrap();
        let short = id.replace('-', "");
        for secret in [id, &short, slug, &id[..13]] {
            assert!(!told.contains(secret), "{secret} is told");
        }
    }
}

#[test]
fn marks_of_an_earlier_version_are_ours_and_are_replaced() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let row =
        "select id || '|' || app_role || '|' || owner_role || '|' || database_name from control.tenants";
    let row = world.control_sql(row).remove(0);
    let cells: Vec<&str> = row.split('|').collect();
    let mark = format!("nexus:{}:{}", world.id, cells[0]);
    for object in
        [format!("role {}", cells[1]), format!("role {}", cells[2]), format!("database {}", cells[3])]
    {
        world.sql("postgres", &format!("comment on {object} is '{mark}'"));
    }
    let (code, faults, _) = fsck(&world, &[]);
    assert_eq!((code, faults), (9, super::seen(&[("mark_old", "t-001")])));
    world.ok(&["--yes", "fsck", "--fix"]);
    let left = format!("select count(*) from pg_shdescription where description = '{mark}'");
    assert_eq!(world.sql("postgres", &left), ["0"]);
}

#[test]
fn a_revocation_that_was_deleted_is_settled_by_an_acceptance() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    for _ in 0..2 {
        world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
        world.ok(&["tenant", "resume", "acme"]);
    }
    for deleted in [
        "delete from control.token_revocations where id = (select max(id) from control.token_revocations)",
        "delete from control.token_revocations where id = (select min(id) from control.token_revocations)",
        "update control.token_state set revocations_generation = revocations_generation - 1",
        "update control.token_revocations set expires_at = expires_at + interval '1 day'",
        "delete from control.revocation_ledger",
    ] {
        world.control_sql(deleted);
        assert_eq!(fsck(&world, &[]).1, super::seen(&[("revocations_changed", "")]), "{deleted}");
        let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
        assert_eq!(accepted["revocations"], true, "{deleted}");
        assert_eq!(fsck(&world, &[]).0, 0, "{deleted}: afterwards");
        world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
        world.ok(&["tenant", "resume", "acme"]);
        assert_eq!(fsck(&world, &[]).0, 0, "{deleted}: after another revocation");
    }
}
