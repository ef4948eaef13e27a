//! Pages of events, who may see which, and tickets.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{AppLogin, Follower, PASSWORD, acme, all, positions, reader, until_published};
use crate::support::api::bearer;

#[test]
fn events_are_read_page_by_page_and_by_type() {
    let (world, server, ann) = acme();
    let app = AppLogin::of(&world, "acme");
    app.publish(&world, "invoice.paid", 30);
    app.publish(&world, "order.placed", 5);
    until_published(&world, "acme");
    let first = server.get("/events", &ann).ok();
    assert_eq!(first["data"].as_array().unwrap().len(), 20);
    assert_eq!(first["pagination"], json!({ "after": 20, "more": true }));
    let rest = server.get("/events?after=20&limit=100", &ann).ok();
    assert_eq!(positions(rest["data"].as_array().unwrap()), (21..=35).collect::<Vec<_>>());
    assert_eq!(rest["pagination"], json!({ "after": 35, "more": false }));
    assert_eq!(server.get("/events?after=35", &ann).ok()["data"], json!([]));
    assert_eq!(positions(&all(&server, &ann, "type=order.*")), (31..=35).collect::<Vec<_>>());
    assert_eq!(all(&server, &ann, "type=order.placed,invoice.paid").len(), 35);
    assert_eq!(all(&server, &ann, "type=user.*"), [Value::Null; 0]);
    for query in
        ["limit=0", "limit=101", "type=Order", "type=", "after=-1", "after=x", "before=3", "cursor=x"]
    {
        let answer = server.get(&format!("/events?{query}"), &ann);
        assert_eq!(answer.problem(), (400, "query_invalid".to_owned()), "{query}");
    }
}

#[test]
fn whoever_comes_too_late_hears_so() {
    let (world, server, ann) = acme();
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 10);
    until_published(&world, "acme");
    // As it is after a week.
    world.tenant_sql("acme", "delete from nexus.outbox where position <= 4");
    for (after, status) in [(0, 410), (3, 410), (4, 200), (10, 200), (11, 410)] {
        assert_eq!(server.get(&format!("/events?after={after}"), &ann).status, status, "{after}");
        let last = format!("Last-Event-ID: {after}");
        assert_eq!(Follower::by(&server, "", &ann, &[&last]).status, status, "{after}");
    }
    let late = server.get("/events?after=2", &ann);
    assert_eq!(late.problem(), (410, "cursor_expired".to_owned()));
    let details = late.json()["details"].clone();
    assert_eq!((&details["oldest"], &details["newest"]), (&json!(5), &json!(10)), "{details}");
    // Who names no position begins with what there is.
    assert_eq!(positions(&all(&server, &ann, "")), (5..=10).collect::<Vec<_>>());
    world.tenant_sql("acme", "delete from nexus.outbox");
    assert_eq!(server.get("/events?after=9", &ann).status, 410);
    assert_eq!(server.get("/events?after=10", &ann).ok()["data"], json!([]));
}

#[test]
fn one_hears_of_what_one_may_read() {
    let (world, server, ann) = acme();
    let events = reader(&server, &ann, "Listener", &["event:read"]);
    let users = reader(&server, &ann, "Personnel", &["event:read", "user:read"]);
    let nobody = reader(&server, &ann, "Stranger", &["user:read"]);
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 2);
    until_published(&world, "acme");
    let kinds = |token: &str| -> BTreeSet<String> {
        let first = |event: &Value| event["type"].as_str().unwrap().split('.').next().unwrap().to_owned();
        all(&server, token, "").iter().map(first).collect()
    };
    let words = |all: &[&str]| all.iter().map(|&word| word.to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(kinds(&events), words(&["invoice"]));
    assert_eq!(kinds(&users), words(&["invoice", "user"]));
    assert_eq!(kinds(&ann), words(&["invoice", "role", "user"]));
    assert_eq!(server.get("/events", &nobody).problem(), (403, "permission_missing".to_owned()));
    assert_eq!(Follower::by(&server, "", &nobody, &[]).status, 403);
    // A ticket gives nothing that its owner may not read.
    let ticket = server.change("POST", "/events/ticket", &nobody, &json!({})).ok();
    let path = format!("/events?ticket={}", ticket["ticket"].as_str().unwrap());
    assert_eq!(server.send("GET", &path, &[], &[]).problem(), (403, "permission_missing".to_owned()));
    // What may read everything of the business is told nothing of what apps say among themselves.
    let viewer = json!({ "email": "vi@acme.example", "password": PASSWORD, "roles": ["Viewer"] });
    server.change("POST", "/users", &ann, &viewer).ok();
    let viewer = server.token("acme", "vi@acme.example", PASSWORD);
    assert_eq!(server.get("/events", &viewer).status, 403);
}

#[test]
fn nobody_hears_of_another_tenant() {
    let (world, server, ann) = acme();
    world.tenant_of("birch", "bea@birch.example", PASSWORD);
    let bea = server.token("birch", "bea@birch.example", PASSWORD);
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 3);
    until_published(&world, "acme");
    assert_eq!(all(&server, &bea, ""), [Value::Null; 0]);
    for path in ["/events", "/events/ws"] {
        let answer = server.send("GET", path, &[&bearer(&bea), "X-Tenant-ID: acme"], &[]);
        assert_eq!(answer.problem(), (403, "tenant_mismatch".to_owned()), "{path}");
    }
    let ticket = server.change("POST", "/events/ticket", &bea, &json!({})).ok();
    let path = format!("/events?ticket={}", ticket["ticket"].as_str().unwrap());
    let answer = server.send("GET", &path, &["X-Tenant-ID: acme"], &[]);
    assert_eq!(answer.problem(), (403, "tenant_mismatch".to_owned()));
    assert_eq!(all(&server, &ann, "").len(), 3);
}

#[test]
fn a_ticket_opens_one_stream_and_a_token_has_no_place_in_a_url() {
    let (world, server, ann) = acme();
    let ticket = || {
        let given = server.send("POST", "/events/ticket", &[&bearer(&ann)], &[]);
        assert_eq!(given.status, 201, "{given:?}");
        given.json()["ticket"].as_str().unwrap().to_owned()
    };
    let one = ticket();
    let path = format!("/events?ticket={one}");
    let mut follower = Follower::open(&server, &path, &[]);
    assert_eq!(follower.status, 200);
    let again = server.send("GET", &path, &[], &[]);
    assert_eq!(again.problem(), (401, "ticket_invalid".to_owned()));
    AppLogin::of(&world, "acme").publish(&world, "invoice.paid", 1);
    assert_eq!(follower.take(1)[0]["type"], "invoice.paid");
    // Nobody who reads the database could use one.
    let kept = ticket();
    let rows = world.control_sql("select t::text from control.event_tickets as t");
    assert!(rows.len() == 1 && !rows[0].contains(&kept), "{rows:?}");
    for query in [format!("access_token={ann}"), format!("token={ann}"), format!("Access_Token={ann}")] {
        for path in ["/events", "/events/ws"] {
            let answer = server.send("GET", &format!("{path}?{query}"), &[], &[]);
            assert_eq!(answer.problem(), (400, "query_invalid".to_owned()), "{path}");
            assert!(!answer.body.contains(&ann), "{answer:?}");
        }
    }
    for wrong in ["nxe_x", "x", ""] {
        let answer = server.send("GET", &format!("/events?ticket={wrong}"), &[], &[]);
        assert_eq!(answer.problem(), (401, "ticket_invalid".to_owned()), "{wrong}");
    }
    // It is as good as its token, and for half a minute.
    let old = ticket();
    world.control_sql("update control.event_tickets set expires_at = now()");
    assert_eq!(server.send("GET", &format!("/events?ticket={old}"), &[], &[]).status, 401);
    let revoked = ticket();
    world.ok(&["token", "revoke", "--tenant", "acme", "--user", "ann@acme.example"]);
    super::until("the revocation is known", || server.get("/events", &ann).status == 401);
    assert_eq!(server.send("GET", &format!("/events?ticket={revoked}"), &[], &[]).status, 401);
}
