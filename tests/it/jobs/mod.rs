//! Background jobs: the queue, the relay, messages that are really sent.

mod chaos;
mod commands;
mod drain;
mod fairness;
mod mail;
mod over_http;
mod queue;
mod relay;
mod schedules;
mod shares;
mod wakeups;

pub use queue::write;

use std::io::{BufRead, BufReader};
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::world::World;

/// How long anything may take before a test says that it hangs.
const TIMEOUT: Duration = Duration::from_mins(1);

/// Where servers of an installation write messages as files.
const FOLDER: &str = "work/mail";

/// Adds to the settings of an installation.
fn set(world: &World, section: &str, lines: &[String]) {
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, format!("{settings}[context.t.{section}]\n{}\n", lines.join("\n"))).unwrap();
}

/// Gives the processes of an installation a folder for messages.
fn with_folder(world: &World) {
    let folder = world.machine().path(FOLDER);
    set(world, "serve", &[format!("mail_folder = \"{}\"", folder.display())]);
}

/// The messages in that folder.
fn files(world: &World) -> usize {
    let Ok(folder) = std::fs::read_dir(world.machine().path(FOLDER)) else { return 0 };
    folder.filter(|entry| entry.as_ref().unwrap().path().extension().is_some_and(|end| end == "eml")).count()
}

/// An installation with a tenant `acme`.
fn acme() -> World {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    world
}

/// Makes a user, and writes the event that asks to invite them as an app would: from plain SQL.
fn ask_to_invite(world: &World, email: &str) {
    world.ok(&["user", "create", "--tenant", "acme", "--email", email, "--invite", "--reveal"]);
    let event = "insert into nexus.outbox (id, key, type, payload, actor)
                 select gen_random_uuid(), id, 'mail.invitation', jsonb_build_object('user', id), 'test'
                 from nexus.users where email = ";
    world.tenant_sql("acme", &format!("{event}'{email}'"));
}

/// As if the time of leases were over: of jobs, and of realms that are relayed.
fn end_leases(world: &World) {
    world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'running'");
    world.control_sql("update control.relays set lease_until = '-infinity'");
}

/// `nexus worker`, once it works, for as long as this lives.
struct Worker(std::process::Child);

impl Worker {
    fn start(world: &World) -> Self {
        let mut child = world.command(&["worker"]).stderr(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said: Vec<String> =
            lines.by_ref().map_while(Result::ok).take_while(|line| !line.contains("running jobs")).collect();
        assert!(child.try_wait().unwrap().is_none(), "it ended: {said:?}");
        // What nobody reads would fill the pipe and stop it.
        std::thread::spawn(move || lines.for_each(drop));
        Self(child)
    }

    /// Asks it to stop; its exit code, and how long that took.
    fn stop(mut self) -> (Option<i32>, Duration) {
        let since = Instant::now();
        let process = nix::unistd::Pid::from_raw(self.0.id().try_into().unwrap());
        nix::sys::signal::kill(process, nix::sys::signal::Signal::SIGTERM).unwrap();
        (self.0.wait().unwrap().code(), since.elapsed())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Waits until a statement in the control database gives this.
fn until(world: &World, statement: &str, wanted: &str) {
    let end = Instant::now() + TIMEOUT;
    loop {
        let found = world.control_sql(statement);
        if found == [wanted] {
            return;
        }
        assert!(Instant::now() < end, "{statement}: {found:?}, not {wanted}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// No event waits in the tenant's outbox, and no job in the queue.
fn until_all_is_done(world: &World) {
    let waiting = "select count(*) from nexus.outbox where published_at is null";
    world.until(&world.database_of("acme"), waiting, |rows| rows == ["0"]);
    until(world, "select count(*) from control.jobs", "0");
}

/// The only job of a state, as the command line shows it.
fn only_job(world: &World, state: &str) -> Value {
    let jobs = world.json(&["job", "list", "--state", state]);
    let jobs = jobs.as_array().unwrap();
    assert_eq!(jobs.len(), 1, "{jobs:?}");
    jobs[0].clone()
}
