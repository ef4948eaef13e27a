//! What becomes of events at receivers that take them, refuse them, or say nothing.

use serde_json::json;

use super::receiver::{Receiver, Reply};
use super::{
    Worker, acme, answering, end_pauses, hook, id, of_acme, only_delivery, publish, until, until_all_is_done,
    until_deliveries,
};

#[test]
fn events_that_match_are_sent_and_others_and_messages_to_people_are_not() {
    let (world, receiver) = (acme(), Receiver::taking());
    hook(&world, &receiver.url("/orders"), "order.*");
    hook(&world, &receiver.url("/all"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", r#"{"order": 7}"#);
    publish(&world, "user.created", "{}");
    publish(&world, "mail.unheard_of", "{}");
    let got = receiver.until(3);
    let mut seen: Vec<_> = got.iter().map(|it| format!("{} {}", it.path, it.event()["type"])).collect();
    seen.sort();
    assert_eq!(seen, [r#"/all "order.shipped""#, r#"/all "user.created""#, r#"/orders "order.shipped""#]);
    until(&world, "select count(*) from control.webhook_deliveries where state = 'delivered'", "3");
}

#[test]
fn what_fails_is_sent_again_with_the_same_id_and_a_new_time() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(500), Reply::status(404)]));
    let made = hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    // The first pause is five seconds, a fifth more or less.
    let pause =
        "select extract(epoch from next_at - updated_at) between 3.9 and 6.1 from control.webhook_deliveries";
    assert_eq!(world.control_sql(pause), ["t"]);
    end_pauses(&world);
    until_deliveries(&world, "waiting 2");
    let waiting = only_delivery(&world, &made);
    assert_eq!(
        (&waiting["last_status"], &waiting["last_error"]),
        (&json!(404), &json!("the answer was 404"))
    );
    end_pauses(&world);
    until_all_is_done(&world);
    let got = receiver.got();
    assert_eq!(got.len(), 3);
    assert!(got.iter().all(|it| it.header("webhook-id") == got[0].header("webhook-id")));
    let done = only_delivery(&world, &made);
    assert_eq!((&done["state"], &done["attempts"]), (&json!("delivered"), &json!(3)));
    assert!(of_acme(&world, "show", &[id(&made)])["failing_since"].is_null());
}

#[test]
fn after_the_tenth_attempt_it_has_failed_and_can_be_sent_again_by_a_person() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(500); 2]));
    let made = hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    world.control_sql("update control.webhook_deliveries set attempts = 9");
    end_pauses(&world);
    until_deliveries(&world, "failed 10");
    until_all_is_done(&world);
    let delivery = only_delivery(&world, &made);
    of_acme(&world, "redeliver", &[id(&made), delivery["id"].as_str().unwrap()]);
    until_deliveries(&world, "delivered 1");
    let got = receiver.got();
    assert_eq!(got[0].header("webhook-id"), got[2].header("webhook-id"));
}

#[test]
fn a_receiver_that_says_it_is_gone_is_disabled_at_once() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(410)]));
    let made = hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "failed 1");
    let after = of_acme(&world, "show", &[id(&made)]);
    assert_eq!((&after["state"], &after["disabled_reason"]), (&json!("disabled"), &json!("gone")));
    let log = world.json(&["audit", "list", "--action", "webhook.disable"]);
    assert_eq!((&log[0]["caller"], &log[0]["detail"]["reason"]), (&json!("system"), &json!("gone")));
    publish(&world, "order.shipped", "{}");
    until_all_is_done(&world);
    assert_eq!(receiver.got().len(), 1, "nothing is sent to it any more");
}

#[test]
fn a_webhook_is_disabled_only_after_five_days_without_a_success() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(500); 2]));
    let made = hook(&world, &receiver.url("/"), "order.*");
    let _worker = Worker::start(&world);
    let since = |age: &str| {
        world.control_sql(&format!("update control.webhooks set failing_since = now() - interval '{age}'"));
    };
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    since("119 hours");
    end_pauses(&world);
    until_deliveries(&world, "waiting 2");
    assert_eq!(of_acme(&world, "show", &[id(&made)])["state"], "active");
    since("121 hours");
    // A success in between counts.
    world.control_sql("update control.webhooks set last_success_at = now()");
    end_pauses(&world);
    until_all_is_done(&world);
    assert_eq!(of_acme(&world, "show", &[id(&made)])["state"], "active");
}

#[test]
fn what_was_missed_while_it_was_disabled_is_sent_by_one_call_and_what_was_taken_is_not() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(204), Reply::status(500)]));
    let made = hook(&world, &receiver.url("/"), "order.*");
    let _worker = Worker::start(&world);
    let taken = publish(&world, "order.taken", "{}");
    until_deliveries(&world, "delivered 1");
    publish(&world, "order.refused", "{}");
    until_deliveries(&world, "delivered 1, waiting 1");
    world.control_sql("update control.webhooks set failing_since = now() - interval '6 days'");
    world.control_sql("update control.webhooks set last_success_at = now() - interval '6 days'");
    let refuse = "update control.webhook_deliveries set attempts = 9 where state = 'waiting'";
    world.control_sql(refuse);
    of_acme(&world, "disable", &[id(&made)]);
    end_pauses(&world);
    publish(&world, "order.missed", "{}");
    publish(&world, "user.created", "{}");
    until_all_is_done(&world);
    let (code, error) = world.error(&["webhook", "replay", id(&made), "--tenant", "acme"]);
    assert_eq!((code, &error["code"]), (5, &json!("webhook_disabled")));
    of_acme(&world, "enable", &[id(&made)]);
    let replayed = of_acme(&world, "replay", &[id(&made)]);
    assert_eq!((&replayed["events"], &replayed["more"]), (&json!(2), &json!(false)));
    until_all_is_done(&world);
    let mut kinds: Vec<_> = receiver.got().iter().map(|it| it.event()["type"].to_string()).collect();
    kinds.sort();
    let wanted = [r#""order.missed""#, r#""order.refused""#, r#""order.refused""#, r#""order.taken""#];
    assert_eq!(kinds, wanted, "{taken} was sent once");
    // Nothing is missed any more.
    let (code, error) = world.error(&["webhook", "replay", id(&made), "--tenant", "acme"]);
    assert_eq!((code, &error["code"]), (2, &json!("webhook_missed_nothing")));
    let again = of_acme(&world, "replay", &[id(&made), "--since", "1d"]);
    assert_eq!(again["events"], 0);
    let (code, error) = world.error(&["webhook", "replay", id(&made), "--since", "8d", "--tenant", "acme"]);
    assert_eq!((code, &error["code"]), (5, &json!("webhook_events_expired")));
}

#[test]
fn a_receiver_that_is_busy_is_left_alone_for_as_long_as_it_asks() {
    let wait = || Reply::Status(429, vec![("Retry-After", "600".to_owned())], String::new());
    let (world, receiver) = (acme(), answering(vec![wait()]));
    hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    let pause =
        "select extract(epoch from next_at - updated_at) between 599 and 601 from control.webhook_deliveries";
    assert_eq!(world.control_sql(pause), ["t"]);
    // Other events wait too, and that is no attempt.
    publish(&world, "order.paid", "{}");
    let left = "select count(*) from control.jobs where last_error = 'the receiver asked to be left alone for a while'";
    until(&world, left, "1");
    assert_eq!(receiver.got().len(), 1);
    end_pauses(&world);
    until_all_is_done(&world);
    assert_eq!(receiver.got().len(), 3);
}

#[test]
fn a_redirect_is_a_failure_and_nobody_goes_where_it_leads() {
    let inner = Receiver::taking();
    let place = inner.url("/secret");
    let (world, receiver) = (
        acme(),
        Receiver::with(move |got| {
            let status: u16 = got.path.trim_start_matches('/').parse().unwrap();
            Reply::Status(status, vec![("Location", place.clone())], String::new())
        }),
    );
    let _worker = Worker::start(&world);
    for status in [301, 302, 303, 307, 308] {
        hook(&world, &receiver.url(&format!("/{status}")), "*");
    }
    publish(&world, "order.shipped", "{}");
    receiver.until(5);
    until(&world, "select count(*) from control.webhook_deliveries where attempts > 0", "5");
    assert_eq!(inner.connections(), 0);
    let errors =
        "select count(*) from control.webhook_deliveries where last_error like '%redirects are not followed'";
    assert_eq!(world.control_sql(errors), ["5"]);
}

#[test]
fn answers_of_any_size_and_shape_are_survived_and_kept_short() {
    let long = format!("HTTP/1.1 200 OK\r\n\r\n{}", "x".repeat(5_000_000)).into_bytes();
    let headers = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a: b\r\n".repeat(100_000)).into_bytes();
    let one_header = format!("HTTP/1.1 200 OK\r\nx: {}\r\n\r\n", "y".repeat(1_000_000)).into_bytes();
    let odd = b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n\xff\x00\x1b[1m".to_vec();
    let replies = [long, headers, one_header, odd, b"rubbish".to_vec(), Vec::new()];
    let world = acme();
    let _worker = Worker::start(&world);
    for (at, reply) in replies.into_iter().enumerate() {
        let receiver = answering(vec![Reply::Raw(reply)]);
        let made = hook(&world, &receiver.url("/"), &format!("order.n{at}"));
        publish(&world, &format!("order.n{at}"), "{}");
        receiver.until(1);
        let count = "select count(*) from control.webhook_deliveries where attempts > 0";
        until(&world, count, &(at + 1).to_string());
        let delivery = only_delivery(&world, &made);
        let state = if [0, 3].contains(&at) { "delivered" } else { "waiting" };
        assert_eq!(delivery["state"], state, "{at}: {delivery}");
        assert!(delivery["last_response"].as_str().unwrap_or_default().len() <= 1_024, "{at}");
        assert!(!delivery["last_response"].to_string().contains("u001b"), "{at}: {delivery}");
    }
}

#[test]
fn who_says_nothing_is_given_up_and_costs_others_nothing() {
    let (world, silent) = (acme(), Receiver::with(|_| Reply::Silence));
    let good = Receiver::taking();
    for at in 0..6 {
        hook(&world, &silent.url(&format!("/{at}")), "*");
    }
    let made = hook(&world, &good.url("/"), "*");
    // It has taken something before.
    world.control_sql(&format!(
        "update control.webhooks set last_success_at = now() where id = '{}'",
        id(&made)
    ));
    let _worker = Worker::start(&world);
    for _ in 0..5 {
        publish(&world, "order.shipped", "{}");
    }
    good.until(5);
    // Nobody else was given up meanwhile.
    let given_up =
        "select count(*) from control.webhook_deliveries where attempts > 0 and state <> 'delivered'";
    assert_eq!(world.control_sql(given_up), ["0"]);
    until(
        &world,
        "select count(*) > 0 from control.webhook_deliveries where last_error = 'no answer within 20 s'",
        "t",
    );
}

#[test]
fn what_waits_for_a_webhook_that_is_deleted_is_forgotten() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(500)]));
    let made = hook(&world, &receiver.url("/"), "*");
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    world.ok(&["webhook", "delete", id(&made), "--tenant", "acme", "--yes", "--confirm", "127.0.0.1"]);
    end_pauses(&world);
    until_all_is_done(&world);
    assert_eq!(receiver.got().len(), 1);
    let sealed = "select count(*) from control.sealed_secrets where name like 'webhook.%'";
    assert_eq!(world.control_sql(sealed), ["0"]);
}

#[test]
fn the_events_of_a_suspended_tenant_wait() {
    let (world, receiver) = (acme(), answering(vec![Reply::status(500)]));
    hook(&world, &receiver.url("/"), "*");
    let worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_deliveries(&world, "waiting 1");
    drop(worker);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    end_pauses(&world);
    let _worker = Worker::start(&world);
    until(&world, "select last_error from control.jobs", "the tenant is not in use");
    world.ok(&["tenant", "resume", "acme"]);
    end_pauses(&world);
    until_deliveries(&world, "delivered 2");
}

#[test]
fn where_too_many_deliveries_wait_others_fail_and_nothing_else_waits_for_them() {
    let (world, receiver) = (acme(), Receiver::taking());
    let made = hook(&world, &receiver.url("/"), "order.*");
    let webhook = id(&made);
    world.control_sql(&format!(
        "insert into control.webhook_deliveries
             (id, tenant_id, webhook_id, event_id, event_type, event_at, state, next_at)
         select gen_random_uuid(), tenant_id, id, gen_random_uuid(), 'order.old', now(), 'waiting', now()
         from control.webhooks cross join generate_series(1, 10000) where id = '{webhook}'"
    ));
    let _worker = Worker::start(&world);
    publish(&world, "order.shipped", "{}");
    until_all_is_done(&world);
    let failed =
        "select event_type || ': ' || last_error from control.webhook_deliveries where state = 'failed'";
    assert_eq!(world.control_sql(failed), ["order.shipped: too many deliveries wait"]);
    assert!(of_acme(&world, "show", &[webhook])["missed_since"].is_string());
    world.control_sql("update control.webhook_deliveries set state = 'delivered' where state = 'waiting'");
    assert_eq!(of_acme(&world, "replay", &[webhook])["events"], 1);
    until_all_is_done(&world);
    assert_eq!(receiver.until(1)[0].event()["type"], "order.shipped");
}

#[test]
fn a_replay_has_what_a_transaction_that_stayed_open_wrote_before_the_webhook_was_disabled() {
    let (world, receiver) = (acme(), Receiver::taking());
    let made = hook(&world, &receiver.url("/"), "order.*");
    of_acme(&world, "disable", &[id(&made)]);
    let _worker = Worker::start(&world);
    publish(&world, "order.early", "{}");
    until_all_is_done(&world);
    let early =
        "update nexus.outbox set at = now() - interval '1 hour' where type = 'order.early' returning type";
    assert_eq!(world.tenant_sql("acme", early), ["order.early"]);
    of_acme(&world, "enable", &[id(&made)]);
    assert_eq!(of_acme(&world, "replay", &[id(&made)])["events"], 1);
    assert_eq!(receiver.until(1)[0].event()["type"], "order.early");
}
