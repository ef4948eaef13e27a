//! What a dead process left is seen at once; what a living one works with is no fault.

use super::{Second, Seen, fsck, seen, tenants};
use crate::support::world::World;

/// A world on a server of its own, with tenants and a set with one file that none of them has.
fn with_a_file(second: &Second, count: usize) -> World {
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, count, &[]);
    let folder = world.machine().path("shop");
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join("1_a.sql"), "create table a (x bigint primary key);\n").unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    world
}

/// Has a session of this name on the server for a while.
fn with_session<T>(world: &World, application: &str, work: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let statement = format!("set application_name to '{application}'; select pg_sleep(60)");
        let session = scope.spawn(move || {
            // It ends early: that is what is looked for.
            let _ = world.sql_as("nexus", &world.stack().password(), "postgres", &statement);
        });
        let there = format!("select count(*) from pg_stat_activity where application_name = '{application}'");
        world.until("postgres", &there, |count| {
            assert!(!session.is_finished(), "the session is over");
            count != ["0"]
        });
        let done = work();
        let end = format!(
            "select pg_terminate_backend(pid) from pg_stat_activity where application_name = '{application}'"
        );
        world.sql("postgres", &end);
        done
    })
}

#[test]
fn what_a_run_left_whose_process_was_killed_is_seen_at_once_and_fixed() {
    let second = Second::start();
    let world = with_a_file(&second, 2);
    world.ok(&["tenant", "suspend", "t-001", "--reason", "unpaid"]);
    world.killed_at("fleet.open.after", &["migrate", "tenants", "t-001"]);
    let left = seen(&[("orphan_role", ""), ("database_open", "t-001")]);
    let (code, faults, _) = fsck(&world, &[]);
    assert_eq!((code, faults), (9, left));
    let runner = world.control_sql("select id from control.runners").remove(0);
    with_session(&world, &format!("nexus:run:{runner}"), || {
        let (_, faults, _) = fsck(&world, &[]);
        assert!(faults.contains(&("session_leftover".to_owned(), String::new())), "{faults:?}");
        assert_eq!(fsck(&world, &["--fix", "--yes"]), (0, Seen::new(), Seen::new()));
    });
    world.ok(&["migrate", "tenants", "--all"]);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()));
}

#[test]
fn what_a_living_run_works_with_is_no_fault() {
    let second = Second::start();
    let world = with_a_file(&second, 1);
    world.ok(&["tenant", "suspend", "t-001", "--reason", "unpaid"]);
    let paused = world.paused_at("fleet.open.after", &["migrate", "tenants", "t-001"]);
    let (code, faults, notices) = fsck(&world, &[]);
    assert_eq!((code, faults), (0, Seen::new()));
    assert_eq!(notices, seen(&[("operation_pending", "t-001")]));
    assert!(paused.go_on().status.success());
}

#[test]
fn a_copy_that_a_dead_rehearsal_left_is_seen_at_once() {
    let second = Second::start();
    let world = with_a_file(&second, 1);
    let rehearse = ["migrate", "rehearse", "--tenants", "1"];
    let paused = world.paused_at("rehearsal.copied", &rehearse);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()), "it is at work");
    assert!(paused.go_on().status.success());
    world.killed_at("rehearsal.copied", &rehearse);
    let (code, faults, _) = fsck(&world, &[]);
    assert_eq!((code, faults), (9, seen(&[("orphan_database", ""), ("orphan_role", "")])));
    world.ok(&rehearse);
    assert_eq!(fsck(&world, &[]), (0, Seen::new(), Seen::new()));
}

#[test]
fn a_session_of_an_operation_whose_process_is_gone_is_seen_at_once() {
    let second = Second::start();
    let world = World::of(second.stack, &second.stack.endpoint);
    tenants(&world, 1, 1, &[]);
    world.killed_at("suspend.intent.after", &["tenant", "suspend", "t-001", "--reason", "unpaid"]);
    let operation = world.control_sql("select id from control.operations where state = 'running'").remove(0);
    with_session(&world, &format!("nexus:{operation}"), || {
        let (code, faults, notices) = fsck(&world, &[]);
        assert_eq!((code, faults), (9, seen(&[("session_leftover", "")])));
        assert_eq!(notices, seen(&[("operation_pending", "t-001")]));
        let (code, faults, _) = fsck(&world, &["--fix", "--yes"]);
        assert_eq!((code, faults), (0, Seen::new()));
    });
}
