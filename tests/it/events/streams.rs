//! Events as they come.

use std::time::Duration;

use serde_json::json;

use super::{AppLogin, Follower, acme, positions, reader, until};
use crate::support::api::ApiServer;

#[test]
fn events_are_told_as_they_come() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "invoice.old", 1);
    super::until_published(&world, "acme");
    let mut follower = Follower::by(&server, "?type=invoice.*", &ann, &["Accept-Encoding: gzip"]);
    assert_eq!(follower.status, 200);
    for header in ["content-type: text/event-stream", "x-accel-buffering: no", "cache-control: no-store"] {
        assert!(follower.headers.iter().any(|line| line.to_lowercase() == header), "{:?}", follower.headers);
    }
    assert!(!follower.headers.iter().any(|line| line.to_lowercase().starts_with("content-encoding")));
    app.publish(&world, "order.placed", 1);
    app.publish(&world, "invoice.paid", 2);
    let events = follower.take(2);
    assert_eq!(positions(&events), [3, 4]);
    assert_eq!(events[1]["payload"], json!({ "n": 2 }));
    // And from the beginning, to whoever wants it.
    assert_eq!(positions(&Follower::by(&server, "?after=0", &ann, &[]).take(4)), [1, 2, 3, 4]);
}

#[test]
fn what_another_process_relays_is_told() {
    let (world, server, ann) = acme();
    let second = ApiServer::start(&world);
    let mut followers: Vec<_> =
        (0..10).map(|at| Follower::by(if at % 2 == 0 { &server } else { &second }, "", &ann, &[])).collect();
    for _ in 0..20 {
        AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 5);
    }
    for follower in &mut followers {
        assert_eq!(positions(&follower.take(100)), (1..=100).collect::<Vec<_>>());
    }
}

#[test]
fn over_twenty_cuts_of_the_stream_nothing_of_a_thousand_is_lost_or_told_twice() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    let second = ApiServer::start_with(&world, &[("requests_a_minute", "1000000")]);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for _ in 0..20 {
                app.publish(&world, "invoice.paid", 50);
            }
        });
        let (mut seen, mut cuts) = (Vec::<i64>::new(), 0);
        while seen.len() < 1_000 {
            let from = format!("Last-Event-ID: {}", seen.last().copied().unwrap_or_default());
            let mut follower =
                Follower::by(if cuts % 2 == 0 { &server } else { &second }, "", &ann, &[&from]);
            let some = follower.take(48.min(1_000 - seen.len()));
            seen.extend(positions(&some));
            cuts += 1;
        }
        assert_eq!(seen, (1..=1_000).collect::<Vec<_>>());
        assert!(cuts > 20, "{cuts}");
    });
}

#[test]
fn whoever_is_slow_is_told_everything_all_the_same() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    let mut slow = Follower::by(&server, "", &ann, &[]);
    // More than sockets and the server hold for one.
    let long = "do $$ begin for n in 1..1200 loop
            perform nexus.publish('invoice.paid', 'k', to_jsonb(repeat('x', 20000))); commit;
        end loop; end $$";
    app.sql(&world, long).unwrap();
    super::until_published(&world, "acme");
    std::thread::sleep(Duration::from_secs(2));
    assert_eq!(positions(&slow.take(1_200)), (1..=1_200).collect::<Vec<_>>());
}

#[test]
fn a_stream_ends_with_its_token_its_user_and_its_tenant() {
    let (world, server, ann) = acme();
    let stranger = reader(&server, &ann, "Listener", &["event:read"]);
    let revoked = Follower::by(&server, "", &stranger, &[]);
    world.ok(&["token", "revoke", "--tenant", "acme", "--user", "listener@acme.example"]);
    assert_eq!(revoked.end().as_deref(), Some("token_revoked"));
    let other = server.token("acme", "listener@acme.example", super::PASSWORD);
    let disabled = Follower::by(&server, "", &other, &[]);
    world.ok(&["user", "disable", "listener@acme.example", "--tenant", "acme", "--yes"]);
    assert_eq!(disabled.end().as_deref(), Some("token_revoked"));
    let suspended = Follower::by(&server, "", &ann, &[]);
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    let why = suspended.end().unwrap();
    assert!(["token_revoked", "closing"].contains(&why.as_str()), "{why}");
    assert_eq!(server.get("/events", &ann).problem().0, 401);
}

#[test]
fn a_stream_ends_when_its_token_does_and_when_its_user_may_not_hear_any_more() {
    let (world, server, ann) = acme();
    let token = world.ok(&["token", "mint", "--user", "ann@acme.example", "--tenant", "acme", "--ttl", "4s"]);
    let short = Follower::by(&server, "", token.trim(), &[]);
    assert_eq!(short.status, 200);
    assert_eq!(short.end().as_deref(), Some("token_expired"));
    let listener = reader(&server, &ann, "Listener", &["event:read"]);
    let mut follower = Follower::by(&server, "?type=invoice.*", &listener, &[]);
    world.ok(&["role", "revoke", "Listener", "--user", "listener@acme.example", "--tenant", "acme", "--yes"]);
    let (kind, ..) = follower.next().unwrap();
    assert!(["forbidden", "token_revoked"].contains(&kind.as_str()), "{kind}");
}

#[test]
fn who_may_see_more_or_less_hears_more_or_less() {
    let (world, server, ann) = acme();
    let listener = reader(&server, &ann, "Listener", &["event:read"]);
    let mut follower = Follower::by(&server, "", &listener, &[]);
    server.change("PUT", "/roles/Listener/permissions/user:read", &ann, &json!({})).ok();
    until("user:read is granted", || server.get("/users", &listener).status == 200);
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "invoice.paid", 1);
    assert_eq!(follower.take(1)[0]["type"], "invoice.paid");
    world.ok(&["user", "create", "--tenant", "acme", "--email", "bob@acme.example", "--invite", "--reveal"]);
    assert_eq!(follower.take(1)[0]["type"], "user.created");
}

#[test]
fn a_server_that_stops_says_so_and_another_goes_on() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    let followers: Vec<_> = (0..50).map(|_| Follower::by(&server, "", &ann, &[])).collect();
    let (code, took) = server.stop();
    assert_eq!(code, Some(0));
    assert!(took < Duration::from_secs(10), "{took:?}");
    for follower in followers {
        assert_eq!(follower.end().as_deref(), Some("closing"));
    }
    app.publish(&world, "invoice.paid", 3);
    let second = ApiServer::start(&world);
    let mut follower = Follower::by(&second, "", &ann, &["Last-Event-ID: 0"]);
    assert_eq!(positions(&follower.take(3)), [1, 2, 3]);
}

#[test]
fn many_idle_streams_hold_no_session() {
    let (world, server, ann) = acme();
    let followers: Vec<_> = (0..90).map(|_| Follower::by(&server, "", &ann, &[])).collect();
    let database = world.database_of("acme");
    let sessions = format!("select count(*) < 10 from pg_stat_activity where datname = '{database}'");
    assert_eq!(world.sql("postgres", &sessions), ["t"]);
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 1);
    for mut follower in followers {
        follower.take(1);
    }
}
