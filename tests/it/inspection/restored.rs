//! A control database that was restored from an older backup: it is noticed, nothing that lives is
//! destroyed or opened, and there is a way on.

use super::{fsck, tenants};
use crate::support::world::{Inventory, World};

const BACKUP: &str = "_backup";

/// Keeps the control database as it is now.
pub(super) fn keep(world: &World) {
    let name = &world.control;
    world.sql("postgres", &format!("create database {name}{BACKUP} template {name}"));
}

/// Puts back what was kept, and nothing beside it.
pub(super) fn restore_alone(world: &World) {
    let name = &world.control;
    world.sql("postgres", &format!("drop database {name} with (force)"));
    world.sql("postgres", &format!("alter database {name}{BACKUP} rename to {name}"));
    // As pg_dump --create keeps it.
    world.sql("postgres", &format!("revoke all on database {name} from public"));
}

/// Puts back what was kept with what its own server kept of it, as if that had been put back as a whole
/// and tenants were on another: numbers of changes are left to tell.
fn restore(world: &World) {
    restore_alone(world);
    let role = format!("nexus_record_{}", world.id.replace('-', ""));
    world.control_sql(&format!(
        "set timezone to 'UTC';
         do $$ begin
             execute format('alter role {role} valid until %L', (select stamp from control.installation));
         end $$"
    ));
}

fn create(world: &World, slug: &str) {
    world.ok(&["tenant", "create", slug]);
}

/// Registers a set of migrations with one file that no tenant has.
fn with_a_file(world: &World) {
    let folder = world.machine().path("shop");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1_a.up.sql"), "create table a (x bigint primary key);\n").unwrap();
    std::fs::write(folder.join("1_a.down.sql"), "drop table a;\n").unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
}

/// Whether a verb says that the record is older than the world.
pub(super) fn says_older(world: &World, args: &[&str]) {
    let (code, error) = world.error(args);
    assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")), "{args:?}: {error}");
}

fn login(world: &World, role: &str) -> bool {
    world.sql("postgres", &format!("select rolcanlogin from pg_roles where rolname = '{role}'")) == ["t"]
}

fn role(world: &World, slug: &str) -> String {
    world.control_sql(&format!("select app_role from control.tenants where slug = '{slug}'")).remove(0)
}

/// An older record than the world: since the backup `newer` was made, `shut` was suspended and `gone`
/// was put into the trash.
fn older() -> (World, Inventory, [String; 2]) {
    let world = World::new();
    for slug in ["stays", "shut", "gone"] {
        create(&world, slug);
    }
    keep(&world);
    create(&world, "newer");
    world.ok(&["tenant", "suspend", "shut", "--reason", "unpaid"]);
    world.ok(&["tenant", "delete", "gone", "--yes", "--confirm", "gone"]);
    let closed = [role(&world, "shut"), role(&world, "gone")];
    let there = world.there();
    restore(&world);
    (world, there, closed)
}

#[test]
fn a_repair_destroys_and_opens_nothing_while_the_record_is_older_than_the_world() {
    let (world, there, closed) = older();
    let fence = world.control_sql("select last_value from control.fences");
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!(code, 9);
    assert!(faults.iter().any(|(code, _)| code == "record_older"), "{faults:?}");
    assert!(notices.iter().any(|(code, _)| code == "newer_than_record"), "{notices:?}");
    let (code, error) = world.error(&["--yes", "fsck", "--fix"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")));
    let (code, error) = world.error(&["--yes", "fsck", "--fix", "--drop-orphans", "--confirm", "4"]);
    assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")));
    for args in [
        &["tenant", "repair", "shut"][..],
        &["tenant", "create", "another"],
        &["tenant", "suspend", "stays", "--reason", "x"],
    ] {
        let (code, error) = world.error(args);
        assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")), "{args:?}: {error}");
        assert_eq!(world.control_sql("select last_value from control.fences"), fence, "{args:?}");
    }
    let all = world.run(&["--yes", "-o", "json", "tenant", "repair", "--all"]);
    let said = String::from_utf8_lossy(&all.stderr);
    assert!(all.status.code() == Some(9) && said.contains("--accept-record"), "{said}");
    assert!(!said.contains("operation list"), "no operation was begun: {said}");
    assert_eq!(world.control_sql("select last_value from control.fences"), fence, "repair --all");
    let doctor = world.run(&["doctor", "--only", "control.age"]);
    assert_eq!(doctor.status.code(), Some(9), "{}", String::from_utf8_lossy(&doctor.stdout));
    assert_eq!(world.there(), there);
    assert_eq!(closed.map(|role| login(&world, &role)), [false, false]);
}

#[test]
fn no_verb_of_migrate_changes_a_tenant_while_the_record_is_older_than_the_world() {
    let world = World::new();
    create(&world, "acme");
    create(&world, "shut");
    with_a_file(&world);
    world.ok(&["migrate", "tenants", "--all"]);
    let run = world.control_sql("select id from control.runs order by created_at desc limit 1").remove(0);
    std::fs::write(world.machine().path("shop/2_b.sql"), "create table b ();\n").unwrap();
    keep(&world);
    world.ok(&["tenant", "suspend", "shut", "--reason", "unpaid"]);
    let there = world.there();
    restore(&world);
    says_older(&world, &["migrate", "tenants", "--all"]);
    says_older(&world, &["migrate", "tenants", "acme"]);
    says_older(&world, &["--yes", "migrate", "runs", "rollback", &run]);
    says_older(&world, &["migrate", "rehearse", "--tenants", "1"]);
    let database =
        world.control_sql("select database_name from control.tenants where slug = 'acme'").remove(0);
    let tables = "select string_agg(tablename, ' ' order by tablename) from pg_tables
                  where schemaname = 'public' and tablename <> '_sqlx_migrations'";
    assert_eq!(world.sql(&database, tables), ["a"]);
    assert_eq!(world.there(), there, "no login is left");
    let open = "select count(*) from control.runs where state = 'running'";
    assert_eq!(world.control_sql(open), ["0"]);
    world.ok(&["--yes", "fsck", "--accept-record"]);
    world.ok(&["migrate", "tenants", "acme"]);
    assert_eq!(world.sql(&database, tables), ["a b"]);
}

#[test]
fn a_run_that_died_before_the_backup_closes_nobody_who_was_let_in_since() {
    let world = World::new();
    create(&world, "acme");
    with_a_file(&world);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid"]);
    world.killed_at("fleet.open.after", &["migrate", "tenants", "--all"]);
    keep(&world);
    world.ok(&["migrate", "tenants", "--all"]);
    world.ok(&["tenant", "resume", "acme"]);
    let app = role(&world, "acme");
    restore(&world);
    says_older(&world, &["migrate", "tenants", "--all"]);
    assert!(login(&world, &app));
    let name = world.control_sql("select database_name from control.tenants where slug = 'acme'").remove(0);
    let open = format!("select datallowconn from pg_database where datname = '{name}'");
    assert_eq!(world.sql("postgres", &open), ["t"]);
}

#[test]
fn a_suspension_or_a_deletion_alone_makes_an_older_record_known() {
    let world = World::new();
    for (slug, verb) in [("acme", "suspend"), ("gone", "delete")] {
        create(&world, slug);
        keep(&world);
        match verb {
            "suspend" => world.ok(&["tenant", "suspend", slug, "--reason", "unpaid"]),
            _ => world.ok(&["tenant", "delete", slug, "--yes", "--confirm", slug]),
        };
        let app = role(&world, slug);
        restore(&world);
        says_older(&world, &["tenant", "repair", slug]);
        assert!(!login(&world, &app), "{verb}");
        world.ok(&["--yes", "fsck", "--accept-record"]);
    }
}

#[test]
fn a_store_that_has_seen_more_than_the_record_is_heard() {
    let world = World::new();
    create(&world, "stays");
    keep(&world);
    create(&world, "gone");
    world.ok(&["tenant", "delete", "gone", "--purge", "--yes", "--confirm", "gone"]);
    restore(&world);
    // As if the servers had come out of a backup, too.
    world.sql("postgres", &format!("delete from nexus_world.high_water where installation = '{}'", world.id));
    let found = world.run(&["-o", "json", "fsck"]);
    let found: Vec<serde_json::Value> = serde_json::from_slice(&found.stdout).unwrap();
    let older: Vec<_> = found.iter().filter(|it| it["code"] == "record_older").collect();
    assert_eq!(older.len(), 1, "{found:?}");
    assert_eq!(older[0]["place"], "store", "{found:?}");
}

#[test]
fn an_older_record_that_is_accepted_works_and_spares_what_it_does_not_know() {
    let (world, there, closed) = older();
    let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
    let mut suspended: Vec<&str> =
        accepted["suspended"].as_array().unwrap().iter().map(|it| it.as_str().unwrap()).collect();
    suspended.sort_unstable();
    assert_eq!(suspended, ["gone", "shut"]);
    assert_eq!(world.run(&["doctor", "--only", "control.age"]).status.code(), Some(0));
    world.run(&["--yes", "fsck", "--fix"]);
    world.run(&["--yes", "fsck", "--fix", "--drop-orphans", "--confirm", "0"]);
    world.run(&["--yes", "tenant", "repair", "--all"]);
    assert_eq!(world.there(), there, "what the record does not know is still there");
    assert_eq!(closed.map(|role| login(&world, &role)), [false, false]);
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!((code, faults.len()), (0, 0), "{faults:?}");
    assert!(notices.iter().any(|(code, _)| code == "unmanaged"), "{notices:?}");
    create(&world, "after");
    world.ok(&["tenant", "suspend", "stays", "--reason", "x"]);
    world.ok(&["tenant", "resume", "stays"]);
    let (code, error) = world.error(&["--yes", "fsck", "--accept-record"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("nothing_to_accept")));
}

#[test]
fn a_key_is_not_deleted_while_the_bucket_that_it_opens_is_kept() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let there = world.there();
    // As if the row had never been written.
    for table in [
        "operation_steps where operation_id in (select id from control.operations)",
        "operations",
        "tenant_versions",
        "tenants",
    ] {
        world.control_sql(&format!("delete from control.{table}"));
    }
    world.run(&["--yes", "fsck", "--fix"]);
    assert_eq!(world.there(), there);
}

#[test]
fn an_older_record_is_noticed_by_what_the_object_store_alone_was_told() {
    let (world, _, _) = older();
    // The server has forgotten, e.g. because it is another one.
    let forget = format!("delete from nexus_world.high_water where installation = '{}'", world.id);
    world.sql("postgres", &forget);
    let (code, faults, _) = fsck(&world, &[]);
    assert!(code == 9 && faults.iter().any(|(code, _)| code == "record_older"), "{faults:?}");
}

/// A list of an acceptance's answer, in order.
fn sorted(accepted: &serde_json::Value, what: &str) -> Vec<String> {
    let names = accepted[what].as_array().unwrap().iter();
    let mut names: Vec<String> = names.map(|it| it.as_str().unwrap().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn one_sign_that_a_tenant_was_shut_is_enough_to_keep_it_suspended() {
    let world = World::new();
    for slug in ["ash", "birch", "cedar", "date"] {
        create(&world, slug);
    }
    let database = |slug: &str| {
        let asked = format!("select database_name from control.tenants where slug = '{slug}'");
        world.control_sql(&asked).remove(0)
    };
    keep(&world);
    world.ok(&["tenant", "suspend", "birch", "--reason", "unpaid"]);
    restore(&world);
    for statement in [
        format!("alter role {} login", role(&world, "birch")),
        format!("alter database {} allow_connections true", database("birch")),
        format!("alter role {} nologin", role(&world, "cedar")),
        format!("alter database {} allow_connections false", database("ash")),
        // Not a sign of it.
        format!("alter role {} connection limit 3", role(&world, "date")),
    ] {
        world.sql("postgres", &statement);
    }
    let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
    assert_eq!(sorted(&accepted, "suspended"), ["ash", "birch", "cedar"]);
    world.run(&["--yes", "fsck", "--fix"]);
    assert_eq!(["ash", "birch", "cedar"].map(|slug| login(&world, &role(&world, slug))), [false; 3]);
    assert!(login(&world, &role(&world, "date")));
}

#[test]
fn a_tenant_that_was_undeleted_since_the_backup_is_not_purged() {
    let world = World::new();
    for slug in ["lives", "resumed", "gone"] {
        create(&world, slug);
    }
    for slug in ["lives", "gone"] {
        world.ok(&["tenant", "delete", slug, "--yes", "--confirm", slug]);
    }
    world.ok(&["tenant", "suspend", "resumed", "--reason", "unpaid"]);
    world.control_sql("update control.tenants set purge_after = now() where state = 'trashed'");
    keep(&world);
    world.ok(&["tenant", "undelete", "lives"]);
    world.ok(&["tenant", "resume", "resumed"]);
    let app = role(&world, "lives");
    let there = world.there();
    restore(&world);
    says_older(&world, &["tenant", "delete", "lives", "--purge", "--yes", "--confirm", "lives"]);
    let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
    assert_eq!(sorted(&accepted, "untrashed"), ["lives"]);
    assert_eq!(sorted(&accepted, "open"), ["resumed"]);
    assert_eq!(sorted(&accepted, "suspended"), [] as [&str; 0]);
    let row = "select state, purge_after is null, suspension_reason like '%trash%' from control.tenants
               where slug = 'lives'";
    assert_eq!(world.control_sql(row), ["suspended|t|t"]);
    assert!(login(&world, &app), "an acceptance closes nobody by itself");
    assert_eq!(world.there(), there);
    let purged = world.json(&["--yes", "tenant", "purge", "--due"]);
    assert_eq!(purged.as_array().unwrap().len(), 1, "{purged}");
    assert_eq!(purged[0]["slug"], "gone");
    world.ok(&["tenant", "resume", "lives"]);
    assert!(login(&world, &app));
}

#[test]
fn what_was_revoked_since_the_backup_is_not_good_again() {
    let world = World::new();
    let create = ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--admin-password-stdin"];
    assert!(world.machine().output(&create, "seven horses in the rain\n").status.success());
    keep(&world);
    let token = world.ok(&["token", "mint", "--tenant", "acme", "--user", "ann@acme.example"]);
    world.ok(&["--yes", "token", "revoke", "--tenant", "acme", "--user", "ann@acme.example"]);
    world.ok(&["tenant", "suspend", "acme", "--reason", "x"]);
    restore(&world);
    let verify = || world.machine().output(&["token", "verify"], &token).status.code();
    let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
    assert_eq!(accepted["revoked_everything"], true);
    assert_eq!(verify(), Some(3), "a token that was revoked");
    let everybody = "select count(*) from control.token_revocations
                     where jti is null and tenant_id is null and user_id is null and not sessions_go_on";
    assert_eq!(world.control_sql(everybody), ["1"]);
    let (_, faults, _) = fsck(&world, &[]);
    assert!(!faults.iter().any(|(code, _)| code == "revocations_changed"), "{faults:?}");
}
