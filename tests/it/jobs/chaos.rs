//! Workers and sessions that are killed at random moments: 400 jobs, 10,000 with `NEXUS_TEST_ALL=1`.

use std::env;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use nexus::app::{App, AppLimits};
use nexus::features::jobs::{Backoff, ClaimedJob, JobEnd, JobKind, Limits, Priority};
use nexus::kernel::AnyFailure;
use nexus::kernel::progress::Silent;
use nexus::settings::{Flags, Home, Loaded, Sources};
use nexus::worker::jobs;
use nexus::worker::registry::{Handler, Registry};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::queue::write;
use super::{TIMEOUT, end_leases};
use crate::iam::inside::{machine, run};
use crate::support::world::World;

static NOTHING: JobKind = JobKind {
    name: "test.nothing",
    priority: Priority::Normal,
    max_attempts: 1_000,
    timeout: Duration::from_secs(30),
    backoff: Backoff { first: Duration::from_millis(10), longest: Duration::from_millis(100) },
    limits: Limits::NONE,
};

const CONFIG: &str = "NEXUS_TEST_CHAOS_CONFIG";
const HOME: &str = "NEXUS_TEST_CHAOS_HOME";

/// Takes some milliseconds.
struct Short;

#[async_trait]
impl Handler for Short {
    async fn run(&self, _: &App, _: &ClaimedJob) -> Result<JobEnd, AnyFailure> {
        tokio::time::sleep(Duration::from_millis(3)).await;
        Ok(JobEnd::Done)
    }
}

/// What [`Worker`] runs: this program again. By itself it does nothing.
#[test]
fn works_until_it_is_killed() {
    let (Some(config), Some(home)) = (env::var_os(CONFIG), env::var_os(HOME)) else { return };
    let flags = Flags { config: Some(config.into()), context: Some("t".to_owned()) };
    let home = Some(Home::new(home.as_ref()));
    let sources = Sources { flags, variables: std::collections::BTreeMap::new(), user_folder: None, home };
    let settings = Loaded::read(&sources).unwrap().settings().unwrap();
    run(async {
        let app = App::load(&settings, AppLimits::default(), &machine(), &Silent).await.unwrap().app;
        let stop = CancellationToken::new();
        tokio::spawn(app.clone().run_wakeups(stop.clone()));
        jobs::run(app, Registry::new(None).with(&NOTHING, Arc::new(Short)), stop).await;
    });
}

/// A process that runs jobs, killed at last.
struct Worker(Child);

impl Worker {
    fn start(world: &World) -> Self {
        let name = "jobs::chaos::works_until_it_is_killed";
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", name]).stdout(Stdio::null()).stderr(Stdio::null());
        command.env(CONFIG, world.machine().path("work/nexus.toml")).env(HOME, world.machine().path("nexus"));
        Self(command.spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn whoever_is_killed_when_each_job_is_ended_once_and_none_is_lost() {
    let world = World::new();
    let jobs = if env::var_os("NEXUS_TEST_ALL").is_some() { 10_000 } else { 400 };
    // Each end of a job, with the fence that it was ended by.
    world.control_sql(
        "create table public.ended (id uuid primary key, fence bigint not null);
         create function public.note_end() returns trigger language plpgsql as
             $$ begin insert into public.ended values (old.id, old.fence); return old; end $$;
         create trigger note_end after delete on control.jobs for each row execute function public.note_end()",
    );
    for _ in 0..4 {
        write(&world, jobs / 4, (Uuid::now_v7(), "now()"));
    }
    // A job whose worker was killed was begun.
    world.control_sql("update control.jobs set max_attempts = 1000");
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::start(&world)).collect();
    let (mut kills, end) = (0, Instant::now() + TIMEOUT * 5);
    loop {
        let left = world.control_sql("select count(*) from control.jobs where state <> 'dead'");
        if left == ["0"] {
            break;
        }
        assert!(Instant::now() < end, "{left:?} jobs are left after {kills} kills");
        std::thread::sleep(Duration::from_millis(150));
        let at = kills % workers.len();
        workers[at] = Worker::start(&world);
        if kills % 4 == 3 {
            world.control_sql(
                "select pg_terminate_backend(pid) from pg_stat_activity
                 where datname = current_database() and pid <> pg_backend_pid() and random() < 0.5",
            );
        }
        kills += 1;
        // So that nobody waits for half a minute: who is dead does not renew, and who lives is refused.
        end_leases(&world);
    }
    let found = world.control_sql(
        "select (select count(*) from public.ended) || ' ' || (select count(*) from control.jobs) || ' '
             || (select coalesce(max(fence), 0) > 0 from public.ended)",
    );
    assert_eq!(found, [format!("{jobs} 0 true")], "after {kills} kills");
    drop(workers);
}
