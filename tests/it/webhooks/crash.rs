//! Killed anywhere on the way: nothing is lost, and what comes twice has the same id.

use std::collections::BTreeSet;

use super::receiver::Receiver;
use super::{Worker, acme, end_leases, hook, id, of_acme, only_delivery, publish, until_all_is_done};

/// Every point between two statements on the way of an event.
const POINTS: [&str; 10] = [
    "relay.lease.taken",
    "relay.commit.before",
    "relay.jobs.written",
    "relay.events.marked",
    "jobs.claimed.1",
    "webhook.written",
    "webhook.sent",
    "webhook.recorded",
    "jobs.settle.before",
    "jobs.settle.after",
];

#[test]
fn killed_between_any_two_statements_no_event_is_lost() {
    let (world, receiver) = (acme(), Receiver::taking());
    hook(&world, &receiver.url("/"), "*");
    let mut published = BTreeSet::new();
    for point in POINTS {
        let event = publish(&world, "order.shipped", "{}");
        published.insert(format!("evt_{}", event.replace('-', "")));
        world.killed_at(point, &["worker"]);
        end_leases(&world);
        let worker = Worker::start(&world);
        until_all_is_done(&world);
        drop(worker);
        let got: BTreeSet<_> = receiver.got().iter().map(|it| it.header("webhook-id").to_owned()).collect();
        assert_eq!(got, published, "killed at {point}");
    }
    // Twice comes only what was sent and not recorded yet.
    assert_eq!(receiver.got().len(), POINTS.len() + 1);
    let states = "select string_agg(distinct state, ' ') || count(*) from control.webhook_deliveries";
    assert_eq!(world.control_sql(states), [format!("delivered{}", POINTS.len())]);
}

#[test]
fn two_workers_send_each_event_once() {
    let (world, receiver) = (acme(), Receiver::taking());
    hook(&world, &receiver.url("/"), "*");
    let (_one, _two) = (Worker::start(&world), Worker::start(&world));
    for _ in 0..20 {
        publish(&world, "order.shipped", "{}");
    }
    until_all_is_done(&world);
    assert_eq!(receiver.got().len(), 20);
}

#[test]
fn what_is_sent_again_while_its_job_ends_is_sent_again() {
    for point in ["webhook.recorded", "jobs.settle.before"] {
        let (world, receiver) = (acme(), Receiver::taking());
        let made = hook(&world, &receiver.url("/"), "*");
        publish(&world, "order.shipped", "{}");
        let paused = world.paused_at(point, &["worker"]);
        let delivery = only_delivery(&world, &made);
        assert_eq!(delivery["state"], "delivered", "at {point}");
        of_acme(&world, "redeliver", &[id(&made), delivery["id"].as_str().unwrap()]);
        let pid = nix::unistd::Pid::from_raw(i32::try_from(paused.pid()).unwrap());
        let worker = std::thread::spawn(|| paused.go_on());
        receiver.until(2);
        until_all_is_done(&world);
        let states = "select string_agg(state, ' ') from control.webhook_deliveries";
        assert_eq!(world.control_sql(states), ["delivered"], "at {point}");
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGTERM).unwrap();
        worker.join().unwrap();
    }
}
