//! What is due again and again: each job once, whoever is killed when.

use std::time::Duration;

use nexus::features::jobs::schedules::{self, Missed, Schedule};
use nexus::features::jobs::{Backoff, JobKind, Limits, Priority};
use nexus::kernel::Caller;

use super::queue::session;
use super::{Worker, until};
use crate::iam::inside::run;
use crate::support::world::World;

static NOTHING: JobKind = JobKind {
    name: "test.nothing",
    priority: Priority::Normal,
    max_attempts: 3,
    timeout: Duration::from_secs(30),
    backoff: Backoff { first: Duration::from_secs(1), longest: Duration::from_secs(1) },
    limits: Limits::ONE,
};

static SKIPPING: Schedule = schedule("test.skip", Missed::Skip);
static CATCHING_UP: Schedule = schedule("test.once", Missed::Once);

const fn schedule(name: &'static str, missed_runs: Missed) -> Schedule {
    Schedule { name, kind: &NOTHING, expression: "0 3 * * *", time_zone: "Europe/Berlin", missed_runs }
}

/// Its moment was so long ago.
fn due(world: &World, name: &str, ago: &str) {
    let statement =
        format!("update control.job_schedules set next_at = now() - interval '{ago}' where name = '{name}'");
    world.control_sql(&statement);
}

const JOBS: &str = "select count(*) from control.jobs where kind = 'test.nothing'";

#[test]
fn a_moment_that_is_due_gives_one_job_however_many_processes_look() {
    let world = World::new();
    run(async {
        let (mut one, mut two) = (session(&world).await, session(&world).await);
        let all = [&CATCHING_UP];
        for session in [&mut one, &mut two] {
            schedules::register_schedules(&mut session.control, &Caller::System, &all).await.unwrap();
            let (written, wait) =
                schedules::run_due_schedules(&mut session.control, &Caller::System, &all).await.unwrap();
            assert!(written == 0 && wait.unwrap().is_positive(), "it is not due");
        }
        due(&world, CATCHING_UP.name, "5 seconds");
        let (a, b) = tokio::join!(
            schedules::run_due_schedules(&mut one.control, &Caller::System, &all),
            schedules::run_due_schedules(&mut two.control, &Caller::System, &all)
        );
        assert_eq!((a.unwrap().0 + b.unwrap().0, world.control_sql(JOBS)), (1, vec!["1".to_owned()]));
        let state = "select last_at < now(), next_at > now() from control.job_schedules";
        assert_eq!(world.control_sql(state), ["t|t"]);
    });
}

#[test]
fn moments_at_which_no_process_ran_are_skipped_or_made_up_for_once() {
    let world = World::new();
    run(async {
        let mut session = session(&world).await;
        for (schedule, jobs) in [(&SKIPPING, "0"), (&CATCHING_UP, "1")] {
            schedules::register_schedules(&mut session.control, &Caller::System, &[schedule]).await.unwrap();
            due(&world, schedule.name, "3 days");
            schedules::run_due_schedules(&mut session.control, &Caller::System, &[schedule]).await.unwrap();
            assert_eq!(world.control_sql(JOBS), [jobs], "{}", schedule.name);
            let next = "select bool_and(next_at > now()) from control.job_schedules";
            assert_eq!(world.control_sql(next), ["t"]);
        }
    });
}

#[test]
fn no_second_job_is_written_while_the_one_before_is_not_done() {
    let world = World::new();
    run(async {
        let mut session = session(&world).await;
        let all = [&CATCHING_UP];
        schedules::register_schedules(&mut session.control, &Caller::System, &all).await.unwrap();
        for _ in 0..2 {
            due(&world, CATCHING_UP.name, "5 seconds");
            schedules::run_due_schedules(&mut session.control, &Caller::System, &all).await.unwrap();
        }
        assert_eq!(world.control_sql(JOBS), ["1"]);
        // One that is dead holds up nothing.
        world.control_sql("update control.jobs set state = 'dead', fair_seq = null");
        due(&world, CATCHING_UP.name, "4 seconds");
        schedules::run_due_schedules(&mut session.control, &Caller::System, &all).await.unwrap();
        assert_eq!(world.control_sql(JOBS), ["2"]);
    });
}

#[test]
fn killed_beside_the_commit_a_scheduled_job_is_written_and_run_once() {
    let world = World::new();
    let row = "insert into control.job_schedules values
               ('pool.fill', 'pool.fill', 'every 5m', 'UTC', 'once', now(), null)";
    world.control_sql(row);
    for (point, jobs) in [("schedule.commit.before", "0"), ("schedule.commit.after", "1")] {
        world.control_sql(
            "update control.job_schedules set next_at = now(), last_at = null where name = 'pool.fill'",
        );
        world.control_sql("delete from control.jobs");
        world.killed_at(point, &["worker"]);
        assert_eq!(world.control_sql("select count(*) from control.jobs"), [jobs], "killed at {point}");
        let _worker = Worker::start(&world);
        until(
            &world,
            "select count(*) from control.job_schedules where last_at is not null and next_at > now()",
            "1",
        );
        until(&world, "select count(*) from control.jobs", "0");
    }
}

#[test]
fn pools_are_filled_and_deleted_tenants_purged_by_themselves() {
    let world = World::new();
    world.ok(&["pool", "set", "--size", "1"]);
    world.ok(&["tenant", "create", "acme"]);
    world.ok(&["tenant", "create", "kept"]);
    for slug in ["acme", "kept"] {
        world.ok(&["tenant", "delete", slug, "--yes", "--confirm", slug]);
    }
    world.control_sql("update control.tenants set purge_after = now() where slug = 'acme'");
    let _worker = Worker::start(&world);
    until(&world, "select count(*) from control.job_schedules", "2");
    world.control_sql("update control.job_schedules set next_at = now()");
    until(&world, "select count(*) from control.tenants where state = 'deleted'", "1");
    until(&world, "select count(*) from control.job_schedules where last_at is not null", "2");
    until(&world, "select count(*) from control.jobs", "0");
    let pool = world.json(&["pool", "list"]);
    assert_eq!((&pool[0]["size"], &pool[0]["ready"]), (&1.into(), &1.into()), "{pool}");
    // The time of the other is not over.
    assert_eq!(world.json(&["tenant", "list", "--where", "state=trashed"])[0]["slug"], "kept");
}

#[test]
fn schedules_are_listed_and_one_that_is_late_is_said() {
    let world = World::new();
    let worker = Worker::start(&world);
    until(&world, "select count(*) from control.job_schedules", "2");
    drop(worker);
    let rows = world.json(&["job", "schedule", "list"]);
    let row = &rows[1];
    assert_eq!(
        (&row["name"], &row["expression"], &row["time_zone"], &row["is_late"]),
        (&"tenant.purge_due".into(), &"20 3 * * *".into(), &"UTC".into(), &false.into())
    );
    due(&world, "tenant.purge_due", "3 minutes");
    assert_eq!(world.json(&["job", "schedule", "list"])[1]["is_late"], true);
    let report = world.run(&["-o", "json", "doctor", "--only", "tenants"]);
    let text = String::from_utf8(report.stdout).unwrap();
    assert!(text.contains("so no process runs jobs: tenant.purge_due"), "{text}");
}
