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

pub use queue::{session, write};

use serde_json::Value;

use crate::support::worker::{TIMEOUT, Worker, end_leases, until};
use crate::support::world::World;

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
