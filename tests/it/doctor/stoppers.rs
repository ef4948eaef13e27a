//! What will stop Nexus and is not its own: each planted on a server of its own, and found with what to
//! type.

use super::{Seen, examined};
use crate::support::private::Private;
use crate::support::world::World;

/// Finds a warning or problem of the tenants' server; what was found, and the fix.
fn found(seen: &Seen, check: &str, result: &str) -> (String, String) {
    let (found, fix) = seen.one(&format!("cluster.{check}"), result);
    assert!(!fix.is_empty(), "{check} has no fix: {found}");
    (found, fix)
}

fn sql(world: &World, statement: &str) {
    world.sql("postgres", statement);
}

/// Has a session open that ran a statement, while something else is done.
fn meanwhile<T>(world: &World, statement: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let batch = format!("set application_name to 'holder'; {statement}; select pg_sleep(60)");
        let session = scope.spawn(move || {
            let _ = world.sql_as("nexus", &world.stack().password(), "postgres", &batch);
        });
        let sleeps = "select count(*) from pg_stat_activity
                      where application_name = 'holder' and wait_event = 'PgSleep'";
        world.until("postgres", sleeps, |count| {
            assert!(!session.is_finished(), "the session is over");
            count != ["0"]
        });
        let done = work();
        sql(
            world,
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'holder'",
        );
        done
    })
}

/// One server for all that needs settings of its own.
#[test]
fn what_will_stop_nexus_is_found_before_it_does() {
    let private = Private::with_settings(
        "-c max_prepared_transactions=4 -c wal_level=logical -c max_slot_wal_keep_size=16MB",
    );
    let world = World::of(private.stack(), &private.stack().endpoint);
    sql(&world, "create database \"else where\"");
    world.sql("else where", "begin; create table half (); prepare transaction 'two phases'");
    let old =
        "select count(*) from pg_prepared_xacts where prepared < clock_timestamp() - interval '1 second'";
    world.until("postgres", old, |count| count != ["0"]);
    let (what, fix) = found(&examined(&world), "prepared", "warning");
    assert!(
        what.contains("two phases") && fix.contains("-d 'else where' -c \"rollback prepared 'two phases'\""),
        "{what} {fix}"
    );
    world.sql("else where", "rollback prepared 'two phases'");

    sql(&world, "select pg_create_logical_replication_slot('reader', 'test_decoding')");
    for number in 0..6 {
        sql(&world, &format!("create table filler_{number} ()"));
        sql(&world, "select pg_switch_wal()");
    }
    sql(&world, "checkpoint");
    let (what, fix) = found(&examined(&world), "slots", "warning");
    assert!(what.contains("reader") && fix.contains("pg_drop_replication_slot('reader')"), "{what} {fix}");
    sql(&world, "select pg_drop_replication_slot('reader')");

    sql(&world, "update pg_database set datcollversion = '1.1' where datname = 'template1'");
    let (what, fix) = found(&examined(&world), "collation", "error");
    assert!(
        what.contains("template1")
            && fix.contains("-d template1 -c ")
            && fix.contains("refresh collation version"),
        "{what} {fix}"
    );
    sql(&world, "update pg_database set datcollversion = null where datname = 'template1'");

    sql(&world, "create database broken");
    sql(&world, "update pg_database set datconnlimit = -2 where datname = 'broken'");
    let (what, fix) = found(&examined(&world), "damaged", "warning");
    assert!(what.contains("broken") && fix.contains("'drop database \"broken\"'"), "{what} {fix}");
    sql(&world, "drop database broken");

    sql(
        &world,
        "do $$ begin execute format('alter role nexus valid until %L', now() + interval '3 days'); end $$",
    );
    let (what, fix) = found(&examined(&world), "expiry", "warning");
    assert!(what.contains("nexus") && fix.contains("valid until"), "{what} {fix}");
    sql(&world, "alter role nexus valid until 'infinity'");

    let hba = private.path().join("local/pg/pg_hba.conf");
    let text = std::fs::read_to_string(&hba).unwrap();
    std::fs::write(&hba, format!("{text}\nnonsense all all\n")).unwrap();
    let (what, _) = found(&examined(&world), "files", "warning");
    assert!(what.contains("pg_hba.conf"), "{what}");
    std::fs::write(&hba, text).unwrap();
}

#[test]
fn a_lock_table_that_fills_is_found_with_who_fills_it() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    let room = "select current_setting('max_locks_per_transaction')::int
                       * (current_setting('max_connections')::int + current_setting('max_prepared_transactions')::int)";
    let room: i64 = world.sql("postgres", room).remove(0).parse().unwrap();
    for (share, result) in [(60, "warning"), (95, "error")] {
        let take =
            format!("select count(pg_advisory_lock(n)) from generate_series(1, {}) as n", room * share / 100);
        let seen = meanwhile(&world, &take, || examined(&world));
        let (what, fix) = found(&seen, "locks", result);
        assert!(what.contains("nexus") && fix.contains("pg_terminate_backend"), "{what} {fix}");
    }
}
