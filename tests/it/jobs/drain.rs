//! Waiting until jobs are done, and what is said of those that nobody runs.

use uuid::Uuid;

use super::queue::write;
use crate::support::world::World;

#[test]
fn drain_waits_for_what_it_names_and_says_what_is_left() {
    let world = World::new();
    world.ok(&["job", "drain"]);
    write(&world, 3, (Uuid::now_v7(), "now()"));
    write(&world, 2, (Uuid::nil(), "now() + interval '1 day'"));
    let (code, error) = world.error(&["job", "drain", "--timeout", "0s"]);
    assert_eq!((code, error["code"].as_str()), (7, Some("jobs_not_done")));
    assert_eq!(
        (&error["details"]["backlog"]["waiting"], &error["message"]),
        (&5.into(), &"5 jobs are not done after 0 s".into())
    );
    assert_eq!(
        world.error(&["job", "drain", "--due", "--timeout", "0s"]).1["details"]["backlog"]["waiting"],
        3
    );
    world.ok(&["job", "drain", "--kind", "test.other", "--timeout", "0s"]);
    // Those that wait for a person are not waited for.
    world.control_sql("update control.jobs set state = 'dead', due_at = null where due_at < now()");
    world.ok(&["job", "drain", "--due", "--timeout", "0s"]);
}

#[test]
fn drain_ends_when_the_last_job_is_done() {
    let world = World::new();
    write(&world, 1, (Uuid::nil(), "now()"));
    let draining = world.command(&["job", "drain", "--timeout", "1m"]).spawn().unwrap();
    world.control_sql("delete from control.jobs");
    let ended = draining.wait_with_output().unwrap();
    assert!(ended.status.success(), "{ended:?}");
    assert!(String::from_utf8(ended.stderr).unwrap().contains("no jobs are left"));
}

#[test]
fn a_job_whose_process_is_gone_and_that_nobody_takes_over_is_a_finding() {
    let world = World::new();
    write(&world, 1, (Uuid::nil(), "now()"));
    let found =
        || String::from_utf8(world.run(&["-o", "json", "doctor", "--only", "tenants"]).stdout).unwrap();
    let running = |ago: &str| {
        world.control_sql(&format!(
            "update control.jobs set state = 'running', lease_owner = gen_random_uuid(), due_at = now() - interval '{ago}'"
        ));
    };
    running("20 seconds");
    assert!(!found().contains("a process that is gone"), "another may take it over in time");
    running("40 seconds");
    assert!(found().contains("a process that is gone"));
}
