//! Webhooks: events that are sent to receivers on this machine, and what is never sent anywhere.

mod addresses;
mod commands;
mod crash;
mod delivery;
mod https;
mod notices;
mod over_http;
pub mod receiver;
mod signatures;

use serde_json::Value;

use crate::support::worker::{TIMEOUT, Worker, end_leases, until};
use crate::support::world::World;
use receiver::{Receiver, Reply};

/// An installation with a tenant `acme`, whose webhooks may reach this machine.
fn acme() -> World {
    let world = World::new();
    allow(&world, "127.0.0.0/8,::1/128");
    world.ok(&["tenant", "create", "acme"]);
    world
}

/// Allows webhooks to reach networks.
pub fn allow(world: &World, networks: &str) {
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let section =
        format!("[context.t.outbound]\nallow_networks = \"{networks}\"\nplaintext_http = \"allow\"\n");
    std::fs::write(&file, format!("{settings}{section}")).unwrap();
}

/// A webhook of acme's; as it is shown once.
fn hook(world: &World, url: &str, events: &str) -> Value {
    world.json(&["webhook", "create", url, "--event", events, "--reveal", "--tenant", "acme"])
}

fn id(webhook: &Value) -> &str {
    webhook["id"].as_str().unwrap()
}

/// A command about a webhook of acme's.
fn of_acme(world: &World, verb: &str, args: &[&str]) -> Value {
    world.json(&[&["webhook", verb], args, &["--tenant", "acme"]].concat())
}

/// Writes an event in acme's outbox, as an app would: from plain SQL. Its id.
fn publish(world: &World, kind: &str, payload: &str) -> String {
    let event = format!(
        "insert into nexus.outbox (id, key, type, payload, actor)
         select gen_random_uuid(), 'k', '{kind}', '{payload}', 'test' returning id"
    );
    world.tenant_sql("acme", &event).remove(0)
}

/// As if the pauses of all jobs were over.
fn end_pauses(world: &World) {
    world.control_sql("update control.webhooks set paused_until = null");
    world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'scheduled'");
}

/// Waits until all deliveries are in these states, with so many attempts each.
fn until_deliveries(world: &World, wanted: &str) {
    let states =
        "select string_agg(state || ' ' || attempts, ', ' order by id) from control.webhook_deliveries";
    until(world, states, wanted);
}

/// No event waits in acme's outbox, and no job in the queue.
fn until_all_is_done(world: &World) {
    let waiting = "select count(*) from nexus.outbox where published_at is null";
    world.until(&world.database_of("acme"), waiting, |rows| rows == ["0"]);
    until(world, "select count(*) from control.jobs", "0");
}

/// The only delivery, as the command line shows it.
fn only_delivery(world: &World, webhook: &Value) -> Value {
    let all = of_acme(world, "deliveries", &[id(webhook)]);
    assert_eq!(all.as_array().unwrap().len(), 1, "{all}");
    all[0].clone()
}

/// A receiver that answers each request with the next of these, and takes all after them.
fn answering(replies: Vec<Reply>) -> Receiver {
    let mut replies = replies.into_iter();
    Receiver::with(move |_| replies.next().unwrap_or(Reply::status(204)))
}
