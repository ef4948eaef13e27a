//! What hangs on a tenant elsewhere: a purge takes away what is only a right, and names the rest
//! before anything is destroyed.

use super::{column, state};
use crate::crash::settled::{create, delete as purge, is_settled};
use crate::support::pg_proxy::PgProxy;
use crate::support::private::Private;
use crate::support::world::World;

/// A database of somebody's on the server, which goes with the test.
struct Elsewhere<'a>(&'a World, String);

impl<'a> Elsewhere<'a> {
    fn new(world: &'a World) -> Self {
        let name = format!("elsewhere_{}", &world.id[..8]);
        world.sql("postgres", &format!("create database {name}"));
        Self(world, name)
    }
}

impl Drop for Elsewhere<'_> {
    fn drop(&mut self) {
        let statement = format!("drop database if exists {} with (force)", self.1);
        let _ = self.0.sql_as("nexus", &self.0.stack().password(), "postgres", &statement);
    }
}

#[test]
fn rights_in_other_databases_go_with_the_tenant() {
    let world = World::new();
    world.ok(&create("acme"));
    let other = Elsewhere::new(&world);
    let (app, owner) = (column(&world, "acme", "app_role"), column(&world, "acme", "owner_role"));
    world.sql(
        &other.1,
        &format!(
            "create table note (t text); grant select on note to {app}; grant usage on schema public to {owner};
             create policy theirs on note to {app};
             alter default privileges for role {owner} grant select on tables to {app}"
        ),
    );
    world.sql("postgres", &format!("grant connect, create on database {} to {app}", other.1));
    world.ok(&purge("acme"));
    is_settled(&world, "rights elsewhere");
    assert_eq!(world.sql(&other.1, "select count(*) from note"), ["0"], "the table stays");
    world.ok(&create("acme"));
}

#[test]
fn what_a_tenants_role_owns_elsewhere_is_named_before_anything_is_destroyed() {
    let world = World::new();
    let other = Elsewhere::new(&world);
    world.sql(&other.1, "create table bills ()");
    for named in ["bills", other.1.as_str()] {
        world.ok(&create("acme"));
        let (app, database) = (column(&world, "acme", "app_role"), column(&world, "acme", "database_name"));
        let give_to = |owner: &str| match named {
            "bills" => world.sql(&other.1, &format!("alter table bills owner to {owner}")),
            name => world.sql("postgres", &format!("alter database {name} owner to {owner}")),
        };
        give_to(&app);
        let (code, error) = world.error(&purge("acme"));
        assert_eq!((code, error["code"].as_str()), (5, Some("cluster_held_by")), "{error}");
        assert!(error["message"].as_str().unwrap().contains(named), "{named}: {error}");
        let hint = error["hint"].as_str().unwrap();
        assert!(hint.starts_with("as a superuser"), "what a person does comes first: {hint}");
        let there = format!("select count(*) from pg_database where datname = '{database}'");
        assert_eq!(world.sql("postgres", &there), ["1"], "nothing was destroyed");
        give_to("nexus");
        world.ok(&["operation", "resume", error["operation"].as_str().unwrap()]);
        is_settled(&world, named);
    }
}

/// One server for all that needs settings of its own.
#[test]
fn a_purge_ends_prepared_transactions_subscriptions_and_slots() {
    let private = Private::with_settings("-c max_prepared_transactions=4 -c wal_level=logical");
    let world = World::of(private.stack(), &private.stack().endpoint);
    for closed in [false, true] {
        world.ok(&create("acme"));
        let database = column(&world, "acme", "database_name");
        world.sql(
            &database,
            "create subscription news connection 'host=/nowhere' publication news
             with (connect = false, enabled = false, slot_name = 'news', create_slot = false)",
        );
        world.sql(&database, "select pg_create_logical_replication_slot('reader', 'test_decoding')");
        world.sql(&database, "begin; create table half (); prepare transaction 'two phases'");
        if closed {
            world.ok(&super::suspend("acme"));
        }
        world.ok(&purge("acme"));
        is_settled(&world, "a prepared transaction");
        assert_eq!(world.sql("postgres", "select count(*) from pg_prepared_xacts"), ["0"]);
    }
}

#[test]
fn tenants_are_made_after_the_systems_collations_changed() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.ok(&create("one"));
    // As after an upgrade of the system's libraries: all that was recorded is older. (C has no version.)
    let old = "update pg_database set datcollversion = '1.1' where datcollversion is not null or datname = 'template0'";
    world.sql("postgres", old);
    world.ok(&create("two"));
    let template = "select database_name from control.templates where state = 'ready'";
    let name = world.control_sql(template).remove(0);
    let closed =
        format!("select datallowconn or not datistemplate from pg_database where datname = '{name}'");
    assert_eq!(world.sql("postgres", &closed), ["f"]);
    is_settled(&world, "another collation");
}

#[test]
fn a_resume_finishes_a_suspension_that_was_interrupted() {
    let world = World::new();
    world.ok(&create("acme"));
    world.killed_at("suspend.intent.after", &super::suspend("acme"));
    let output = world.run(&super::resume("acme"));
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && text.contains("finishing suspend first"), "{text}");
    assert_eq!(state(&world, "acme"), "active");
    super::doors_are_as_recorded(&world, "resumed");
    // The other way round nobody is let in on the way.
    world.ok(&super::suspend("acme"));
    world.killed_at("resume.open-logins.before", &super::resume("acme"));
    world.ok(&super::delete("acme"));
    assert_eq!(state(&world, "acme"), "trashed");
    super::doors_are_as_recorded(&world, "deleted");
    is_settled(&world, "all finished");
}

#[test]
fn a_purge_takes_the_place_of_a_repair_that_cannot_be_finished() {
    let world = World::new();
    world.ok(&create("acme"));
    let role = column(&world, "acme", "app_role");
    world.sql("postgres", &format!("alter role {role} password 'changed by the tenant'"));
    world.killed_at("repair.roles.before", &["tenant", "repair", "acme"]);
    let database = column(&world, "acme", "database_name");
    world.sql("postgres", &format!("drop database {database} with (force)"));
    let (code, error) = world.error(&["tenant", "repair", "acme"]);
    assert_eq!(code, 9, "{error}");
    let hint = error["hint"].as_str().unwrap();
    assert!(
        hint.starts_with("bring it back from a backup") && hint.contains("nexus tenant delete acme --purge"),
        "{hint}"
    );
    world.ok(&purge("acme"));
    is_settled(&world, "given up");
}

#[test]
fn a_suspension_waits_for_the_server_six_times_at_most() {
    let world = World::new();
    let proxy = PgProxy::before(world.stack());
    let config = world.behind(&proxy);
    world.ok(&create("acme"));
    proxy.reset();
    world.ok(&[&["--config", &config][..], &super::suspend("acme")].concat());
    let trips: usize = proxy.round_trips().values().sum();
    let points: Vec<String> = proxy
        .points()
        .into_iter()
        .map(|it| format!("{} {}: {:.60}", it.waited, it.database, it.asks))
        .collect();
    assert!(trips <= 6, "{trips}: {points:#?}");
}
