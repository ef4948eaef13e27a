//! A control database that was restored from a backup is noticed by every verb, also where only the
//! control database was changed since.

use super::fsck;
use super::restored::{keep, restore_alone as restore, says_older};
use crate::support::world::World;

const ANN: &str = "ann@acme.example";
const BOB: &str = "bob@acme.example";
const OPS: &str = "ops@example.com";
const PASSWORD: &str = "seven horses in the rain\n";

/// Two tenants, two users of the first, an operator.
fn inhabited() -> World {
    let world = World::new();
    let with_password = |args: &[&str]| {
        let output = world.machine().output(args, PASSWORD);
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    };
    with_password(&["tenant", "create", "acme", "--admin-email", ANN, "--admin-password-stdin"]);
    world.ok(&["tenant", "create", "beta"]);
    with_password(&["user", "create", "-t", "acme", "--email", BOB, "--password-stdin"]);
    with_password(&["user", "create", "--email", OPS, "--password-stdin"]);
    world
}

/// Verbs that change something or hand out credentials, in an order in which all of them work.
const VERBS: &[&[&str]] = &[
    &["tenant", "update", "acme", "--name", "Acme"],
    &["tenant", "rename", "beta", "gamma"],
    &["tenant", "env", "acme", "--reveal"],
    &["tenant", "psql", "acme", "--", "-c", "select 1"],
    &["exec", "acme", "--", "select 1"],
    &["--yes", "exec", "acme", "--write", "--", "select 1"],
    &["token", "mint", "--tenant", "acme", "--user", ANN],
    &["token", "mint", "--user", OPS],
    &["--yes", "token", "revoke", "--tenant", "acme", "--user", ANN],
    &["key", "rotate", "--now"],
    &["key", "export", "--jwks"],
    &["user", "create", "-t", "acme", "--email", "cid@acme.example", "--invite"],
    &["user", "update", BOB, "-t", "acme", "--name", "Bob"],
    &["user", "disable", BOB, "-t", "acme"],
    &["user", "enable", BOB, "-t", "acme"],
    &["user", "sessions", "revoke", BOB, "-t", "acme"],
    &["role", "create", "Clerk", "-t", "acme"],
    &["role", "grant", "Clerk", "--user", BOB, "-t", "acme"],
    &["role", "revoke", "Clerk", "--user", BOB, "-t", "acme"],
    &["group", "create", "Sales", "-t", "acme"],
    &["group", "add", "Sales", BOB, "-t", "acme"],
    &["permission", "register", "invoice:read", "-t", "acme", "--description", "x"],
    &["api-key", "create", "-t", "acme", "--user", BOB, "--name", "ci", "--reveal"],
    &["operator", "grant", OPS, "-t", "acme", "--role", "Manager", "--for", "8h", "--reason", "x"],
    &["operator", "revoke", OPS, "-t", "acme"],
    &["user", "create", "--email", "new@example.com", "--invite"],
    &["user", "disable", OPS],
    &["cluster", "update", "default", "--label", "a=b"],
    &["store", "update", "default", "--label", "a=b"],
    &["pool", "set", "--size", "0"],
    &["tenant", "create", "delta"],
    &["tenant", "suspend", "acme", "--reason", "x"],
    &["tenant", "resume", "acme"],
];

const READS: &[&[&str]] = &[
    &["tenant", "list"],
    &["tenant", "show", "acme"],
    &["tenant", "env", "acme"],
    &["user", "list", "-t", "acme"],
    &["user", "list"],
    &["role", "list", "-t", "acme"],
    &["token", "list"],
    &["key", "list"],
    &["api-key", "list", "-t", "acme"],
    &["operation", "list"],
    &["operator", "list"],
    &["audit", "list"],
    &["cluster", "list"],
    &["store", "list"],
    &["pool", "list"],
    &["migrate", "set", "list"],
    &["migrate", "status"],
    &["secret", "status"],
];

/// What is written of all that is done, in the control database and in the realm of a tenant.
fn written(world: &World) -> Vec<String> {
    let database = "select database_name from control.tenants where slug = 'acme'";
    let realm = world.control_sql(database).remove(0);
    let mut written = world.control_sql(
        "select count(*) from control.audit_log union all select count(*) from nexus.audit_log
         union all select last_value from control.fences",
    );
    written.extend(world.sql(&realm, "select count(*) from nexus.audit_log"));
    written
}

#[test]
fn every_verb_that_changes_or_hands_out_something_is_refused_on_an_older_record_until_it_is_accepted() {
    let world = inhabited();
    keep(&world);
    world.ok(&["tenant", "update", "beta", "--name", "Beta"]);
    restore(&world);
    let before = written(&world);
    for verb in VERBS {
        says_older(&world, verb);
    }
    assert_eq!(written(&world), before);
    for verb in READS {
        world.ok(verb);
    }
    world.ok(&["--yes", "fsck", "--accept-record"]);
    for verb in VERBS {
        world.ok(verb);
    }
}

#[test]
fn whatever_was_done_since_the_backup_makes_it_known_by_itself() {
    let world = inhabited();
    world.ok(&["role", "create", "Clerk", "-t", "acme"]);
    world.ok(&["role", "grant", "Clerk", "--user", BOB, "-t", "acme"]);
    for done in [
        &["tenant", "update", "beta", "--name", "Beta"][..],
        &["tenant", "rename", "beta", "gamma"],
        &["tenant", "env", "acme", "--reveal"],
        &["token", "mint", "--tenant", "acme", "--user", ANN],
        &["--yes", "token", "revoke", "--tenant", "acme", "--user", ANN],
        &["key", "rotate", "--now"],
        &["role", "revoke", "Clerk", "--user", BOB, "-t", "acme"],
        &["user", "disable", BOB, "-t", "acme"],
        &["user", "create", "--email", "new@example.com", "--invite"],
        &["user", "disable", OPS],
        &["cluster", "update", "default", "--label", "a=b"],
    ] {
        keep(&world);
        world.ok(done);
        restore(&world);
        let (code, error) = world.error(&["tenant", "update", "acme", "--name", "Acme"]);
        assert_eq!((code, error["code"].as_str()), (9, Some("record_older_than_world")), "{done:?}: {error}");
        let (_, faults, _) = fsck(&world, &[]);
        assert!(faults.iter().any(|(code, _)| code == "record_older"), "{done:?}: {faults:?}");
        let doctor = world.run(&["doctor", "--only", "control.age"]);
        assert_eq!(doctor.status.code(), Some(9), "{done:?}");
        let accepted = world.json(&["--yes", "fsck", "--accept-record"]);
        assert_eq!(accepted["revoked_everything"], true, "{done:?}");
        world.ok(&["tenant", "update", "acme", "--label", "a=b"]);
        world.ok(&["tenant", "update", "acme", "--unlabel", "a"]);
    }
}

#[test]
fn a_token_that_was_revoked_since_the_backup_is_not_called_good() {
    let world = inhabited();
    let token = world.ok(&["token", "mint", "--tenant", "acme", "--user", ANN]);
    let verify = || world.machine().output(&["token", "verify"], &token).status.code();
    assert_eq!(verify(), Some(0));
    keep(&world);
    world.ok(&["--yes", "token", "revoke", "--tenant", "acme", "--user", ANN]);
    restore(&world);
    assert_eq!(verify(), Some(9));
    world.ok(&["--yes", "fsck", "--accept-record"]);
    assert_eq!(verify(), Some(3));
}

#[test]
fn a_control_database_on_a_server_that_never_saw_it_is_used_once_that_is_accepted() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world.sql("postgres", &format!("drop role nexus_record_{}", world.id.replace('-', "")));
    let update = ["tenant", "update", "acme", "--name", "Acme"];
    says_older(&world, &update);
    world.ok(&["--yes", "fsck", "--accept-record"]);
    world.ok(&update);
}

#[test]
fn what_another_program_writes_into_an_older_record_is_refused_too() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    keep(&world);
    world.ok(&["tenant", "update", "acme", "--name", "Acme"]);
    restore(&world);
    let insert = "insert into control.audit_log (caller, action) values ('machine:eve', 'test.write')";
    let refused = world.sql_as("nexus", &world.stack().password(), &world.control, insert);
    assert!(refused.is_err_and(|why| why.contains("restored from a backup")));
    says_older(&world, &["tenant", "update", "acme", "--name", "Acme"]);
}

#[test]
fn a_login_that_may_only_write_the_log_accepts_nothing() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let writer = format!("w_{}", &world.id[..8]);
    world.control_sql(&format!(
        "create role {writer} login password 'w'; grant usage on schema control to {writer};
         grant insert on control.audit_log to {writer};
         do $$ begin execute format('grant connect on database %I to {writer}', current_database()); end $$"
    ));
    let write = |setting: &str| {
        let insert = "insert into control.audit_log (caller, action) values ('machine:eve', 'test.write')";
        world.sql_as(&writer, "w", &world.control, &format!("set nexus.{setting} to yes; {insert}"))
    };
    keep(&world);
    write("record_stamped").unwrap();
    restore(&world);
    world.sql("postgres", &format!("grant connect on database {} to {writer}", world.control));
    says_older(&world, &["tenant", "update", "acme", "--name", "Acme"]);
    let refused = write("record_accepted");
    assert!(refused.as_ref().is_err_and(|why| why.contains("restored from a backup")), "{refused:?}");
    says_older(&world, &["tenant", "update", "acme", "--name", "Acme"]);
    world.control_sql(&format!("drop owned by {writer}; drop role {writer}"));
}

#[test]
fn an_upgrade_that_was_cut_short_before_the_platforms_realm_is_finished_by_the_next_init() {
    let world = World::new();
    world.control_sql("drop function nexus.record_stamped() cascade");
    world.error(&["init"]);
    let there = "select count(*) from pg_trigger where tgrelid = 'nexus.audit_log'::regclass and tgname = 'record_stamped'";
    assert_eq!(world.control_sql(there), ["1"]);
}

#[test]
fn changes_at_the_same_time_do_not_take_the_record_for_older() {
    let world = inhabited();
    let labels: Vec<String> = (0..6).map(|at| format!("k{at}=v")).collect();
    let children: Vec<_> = labels
        .iter()
        .flat_map(|label| {
            [
                world.command(&["tenant", "update", "acme", "--label", label]).spawn().unwrap(),
                world.command(&["token", "mint", "--tenant", "acme", "--user", ANN]).spawn().unwrap(),
            ]
        })
        .collect();
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(fsck(&world, &[]).0, 0);
}
