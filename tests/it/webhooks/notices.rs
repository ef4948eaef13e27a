//! Administrators are told when a webhook fails for a day, and when it is disabled: once each.

use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::{
    Worker, answering, end_leases, end_pauses, hook, id, of_acme, publish, until, until_all_is_done,
    until_deliveries,
};
use crate::support::world::World;

/// Every point between two statements on the way of a notice.
const POINTS: [&str; 4] =
    ["webhook.publish.commit", "subscriber.handled", "notification.notice.commit", "relay.jobs.written"];

/// An installation with a tenant `acme`, whose administrator is Ann, and a folder for messages.
fn acme_of_ann() -> World {
    let world = World::new();
    super::allow(&world, "127.0.0.0/8,::1/128");
    world.tenant_of("acme", "ann@acme.example", crate::api::PASSWORD);
    let folder = world.machine().path("work/mail");
    let file = world.machine().path("work/nexus.toml");
    let settings = std::fs::read_to_string(&file).unwrap();
    let section = format!("[context.t.serve]\nmail_folder = \"{}\"\n", folder.display());
    std::fs::write(&file, format!("{settings}{section}")).unwrap();
    world
}

/// The titles in Ann's inbox, and the subjects of her mail.
fn told(world: &World) -> (Vec<String>, Vec<String>) {
    let inbox = world.tenant_sql("acme", "select title from nexus.inbox order by position");
    let Ok(folder) = std::fs::read_dir(world.machine().path("work/mail")) else { return (inbox, Vec::new()) };
    let mut mail: Vec<String> = folder
        .map(|entry| std::fs::read_to_string(entry.unwrap().path()).unwrap())
        .filter_map(|text| {
            Some(text.lines().find(|line| line.starts_with("Subject: "))?["Subject: ".len()..].to_owned())
        })
        .filter(|subject| subject.contains("webhook"))
        .collect();
    mail.sort();
    (inbox, mail)
}

const FAILING: &str = "A webhook of acme is failing";
const DISABLED: &str = "A webhook of acme was disabled";

#[test]
fn administrators_are_told_once_that_a_webhook_fails_and_once_that_it_is_disabled() {
    let (world, receiver) = (acme_of_ann(), answering(vec![Reply::status(500); 9]));
    let made = hook(&world, &receiver.url("/"), "order.*");
    let _worker = Worker::start(&world);
    let since = |age: &str| {
        world.control_sql(&format!("update control.webhooks set failing_since = now() - interval '{age}'"));
    };
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    since("23 hours");
    end_pauses(&world);
    until_deliveries(&world, "waiting 2");
    since("25 hours");
    end_pauses(&world);
    until_deliveries(&world, "waiting 3");
    crate::events::until("nobody is told", || {
        told(&world) == (vec![FAILING.to_owned()], vec![FAILING.to_owned()])
    });
    // It goes on failing.
    end_pauses(&world);
    until_deliveries(&world, "waiting 4");
    since("121 hours");
    end_pauses(&world);
    until_deliveries(&world, "waiting 5");
    let both = vec![FAILING.to_owned(), DISABLED.to_owned()];
    crate::events::until("nobody is told that it is disabled", || {
        told(&world) == (both.clone(), both.clone())
    });
    assert_eq!(of_acme(&world, "show", &[id(&made)])["disabled_reason"], "failing");
    let events = "select string_agg(type || ' ' || (payload ->> 'webhook_id'), ', ' order by position) from nexus.outbox
                  where type like 'webhook.%'";
    let hook = id(&made);
    assert_eq!(
        world.tenant_sql("acme", events),
        [format!("webhook.failing {hook}, webhook.disabled {hook}")]
    );
}

#[test]
fn what_an_administrator_disables_is_an_event_and_no_notice() {
    let (world, receiver) = (acme_of_ann(), Receiver::taking());
    let made = hook(&world, &receiver.url("/"), "order.*");
    let _worker = Worker::start(&world);
    of_acme(&world, "disable", &[id(&made)]);
    let reached = "select count(*) from control.event_subscriptions where subscriber = 'webhook.notices' and position > 0";
    until(&world, reached, "1");
    let payload = "select payload from nexus.outbox where type = 'webhook.disabled'";
    let found: serde_json::Value = serde_json::from_str(&world.tenant_sql("acme", payload)[0]).unwrap();
    assert_eq!(found, json!({ "webhook_id": id(&made), "reason": "request" }));
    assert_eq!(told(&world).0, [""; 0]);
}

#[test]
fn killed_between_any_two_statements_administrators_are_told_once() {
    for point in POINTS {
        let (world, receiver) = (acme_of_ann(), answering(vec![Reply::status(410)]));
        hook(&world, &receiver.url("/"), "order.*");
        publish(&world, "order.shipped", "{}");
        world.killed_at(point, &["worker"]);
        end_leases(&world);
        world.control_sql("update control.event_subscriptions set lease_until = '-infinity'");
        let worker = Worker::start(&world);
        crate::events::until("nobody is told", || !told(&world).0.is_empty());
        until_all_is_done(&world);
        drop(worker);
        let once = vec![DISABLED.to_owned()];
        assert_eq!(told(&world), (once.clone(), once), "killed at {point}");
        let events = "select count(*) from nexus.outbox where type = 'webhook.disabled'";
        assert_eq!(world.tenant_sql("acme", events), ["1"], "killed at {point}");
    }
}
