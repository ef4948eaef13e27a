//! The relay: events of outboxes become jobs, each once, whoever is killed where.

use std::time::Duration;

use super::{TIMEOUT, Worker, acme, ask_to_invite, end_leases, files, until, until_all_is_done, with_folder};

/// Every point between two statements on the way of a message.
const POINTS: [&str; 9] = [
    "relay.lease.taken",
    "relay.commit.before",
    "relay.jobs.written",
    "relay.events.marked",
    "jobs.claimed.1",
    "message.token.made",
    "message.file.written",
    "jobs.settle.before",
    "jobs.settle.after",
];

#[test]
fn killed_between_any_two_statements_no_message_is_lost_and_no_job_doubled() {
    let world = acme();
    with_folder(&world);
    for (at, point) in POINTS.into_iter().enumerate() {
        ask_to_invite(&world, &format!("p{at}@acme.example"));
        world.killed_at(point, &["worker"]);
        end_leases(&world);
        let worker = Worker::start(&world);
        until_all_is_done(&world);
        assert_eq!(files(&world), at + 1, "killed at {point}");
        assert_eq!(worker.stop().0, Some(0), "killed at {point}");
        // Each event once, and no message in another state.
        let known = "select count(*) || ' ' || (select count(*) from control.messages where state = 'sent')
                     from control.relayed_events";
        assert_eq!(world.control_sql(known), [format!("{0} {0}", at + 1)], "killed at {point}");
    }
}

#[test]
fn an_event_that_is_not_marked_is_known_by_its_id() {
    let world = acme();
    with_folder(&world);
    ask_to_invite(&world, "bob@acme.example");
    let _worker = Worker::start(&world);
    until_all_is_done(&world);
    // As a process leaves it that was killed before it could mark it, much later.
    world.tenant_sql("acme", "update nexus.outbox set published_at = null");
    ask_to_invite(&world, "eve@acme.example");
    until_all_is_done(&world);
    assert_eq!(files(&world), 2);
    let attempts = "select string_agg(attempts::text, ' ') from control.messages";
    assert_eq!(world.control_sql(attempts), ["1 1"], "neither was sent twice");
}

#[test]
fn what_the_owner_of_a_database_wrote_and_nobody_can_read_keeps_no_message_waiting() {
    let world = acme();
    with_folder(&world);
    world.tenant_sql(
        "acme",
        "insert into nexus.outbox (id, key, type, payload, actor, at)
         select ('00000000-0000-7000-8000-00000000000' || n)::uuid, 'k', 'mail.invitation', payload, 'owner', at
         from (values (1, jsonb_build_object('user', repeat('x', 60000)), now()), (2, '{\"user\": 1e400}', now()),
                      (3, '[]', 'infinity'), (4, '{\"user\": \"x\"}', '-infinity')) as odd (n, payload, at)",
    );
    ask_to_invite(&world, "bob@acme.example");
    let _worker = Worker::start(&world);
    until_all_is_done(&world);
    assert_eq!(files(&world), 1);
}

#[test]
fn two_workers_send_each_message_once() {
    let world = acme();
    with_folder(&world);
    let (_one, _two) = (Worker::start(&world), Worker::start(&world));
    for at in 0..20 {
        ask_to_invite(&world, &format!("p{at}@acme.example"));
    }
    until_all_is_done(&world);
    assert_eq!(files(&world), 20);
    assert_eq!(world.control_sql("select sum(attempts) from control.messages"), ["20"]);
}

#[test]
fn the_events_of_a_suspended_tenant_wait_and_a_job_of_a_deleted_one_is_forgotten() {
    let world = acme();
    with_folder(&world);
    ask_to_invite(&world, "bob@acme.example");
    world.killed_at("relay.jobs.written", &["worker"]);
    end_leases(&world);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    let _worker = Worker::start(&world);
    until(&world, "select last_error from control.jobs", "the tenant is not in use");
    assert_eq!(
        (files(&world), world.control_sql("select attempts from control.jobs")),
        (0, vec!["0".to_owned()])
    );
    world.ok(&["tenant", "resume", "acme"]);
    let id = world.json(&["job", "list"])[0]["id"].as_str().unwrap().to_owned();
    world.ok(&["job", "retry", &id]);
    until_all_is_done(&world);
    assert_eq!(files(&world), 1);
}

#[test]
fn another_realm_does_not_wait_for_one_that_is_held() {
    let world = acme();
    with_folder(&world);
    world.ok(&["tenant", "create", "birch"]);
    // A process that hangs holds the realm of acme for a while.
    world.control_sql(
        "insert into control.relays (tenant_id, owner, lease_until, fence)
         select id, gen_random_uuid(), now() + interval '1 hour', 7 from control.tenants where slug = 'acme'",
    );
    ask_to_invite(&world, "bob@acme.example");
    world.ok(&[
        "user",
        "create",
        "--tenant",
        "birch",
        "--email",
        "eve@birch.example",
        "--invite",
        "--reveal",
    ]);
    let event = "insert into nexus.outbox (id, key, type, payload, actor)
                 select gen_random_uuid(), id, 'mail.invitation', jsonb_build_object('user', id), 'test'
                 from nexus.users where email = 'eve@birch.example'";
    world.tenant_sql("birch", event);
    let _worker = Worker::start(&world);
    until(&world, "select count(*) from control.messages where state = 'sent'", "1");
    assert_eq!(
        world.tenant_sql(
            "acme",
            "select count(*) from nexus.outbox where published_at is null and type like 'mail.%'"
        ),
        ["1"]
    );
    end_leases(&world);
    until_all_is_done(&world);
    assert_eq!(files(&world), 2);
}

#[test]
fn a_worker_that_is_told_to_stop_ends_and_leaves_nothing_held() {
    let world = acme();
    with_folder(&world);
    let worker = Worker::start(&world);
    ask_to_invite(&world, "bob@acme.example");
    until_all_is_done(&world);
    let (code, took) = worker.stop();
    assert!(code == Some(0) && took < TIMEOUT / 3, "{code:?} after {took:?}");
    assert!(took < Duration::from_secs(20), "{took:?}");
    let held = "select count(*) from control.relays where lease_until > now()";
    assert_eq!(world.control_sql(held), ["0"]);
}
