//! Requests that a client repeats under one `Idempotency-Key`.

use serde_json::{Value, json};

use super::{PASSWORD, acme, acme_and_token};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::lock_holder::LockHolder;
use crate::support::world::World;

const KEY: &str = "Idempotency-Key: 8e03978e-40d5-43dd-bc93-6894a57f9324";

fn create(server: &ApiServer, token: &str, key: &str, email: &str) -> Answer {
    server.send_json("POST", "/users", &[&bearer(token), key], &json!({ "email": email }))
}

fn count(world: &World, email: &str) -> String {
    world.tenant_sql("acme", &format!("select count(*) from nexus.users where email = '{email}'")).remove(0)
}

#[test]
fn a_repeated_request_is_answered_alike_and_made_once() {
    let (world, server, token) = acme_and_token();
    let first = create(&server, &token, KEY, "bob@acme.example");
    let again = create(&server, &token, KEY, "bob@acme.example");
    assert_eq!((first.status, again.status), (201, 201));
    assert_eq!(first.body, again.body);
    for header in ["location", "etag", "content-type"] {
        assert_eq!(first.header(header), again.header(header), "{header}");
    }
    assert_eq!(
        (first.header("idempotency-replayed"), again.header("idempotency-replayed")),
        (None, Some("true"))
    );
    assert_eq!(count(&world, "bob@acme.example"), "1");
    // The draft of the header has it in quotes.
    let quoted = "Idempotency-Key: \"8e03978e-40d5-43dd-bc93-6894a57f9324\"";
    assert_eq!(create(&server, &token, quoted, "bob@acme.example").body, first.body);
}

#[test]
fn the_same_key_for_another_request_is_refused() {
    let (world, server, token) = acme_and_token();
    create(&server, &token, KEY, "bob@acme.example").ok();
    let other = create(&server, &token, KEY, "cy@acme.example");
    assert_eq!(other.problem(), (422, "idempotency_key_reused".to_owned()));
    let elsewhere = server.send_json("POST", "/roles", &[&bearer(&token), KEY], &json!({ "name": "Clerk" }));
    assert_eq!(elsewhere.problem(), (422, "idempotency_key_reused".to_owned()));
    assert_eq!(count(&world, "cy@acme.example"), "0");
}

#[test]
fn a_key_is_of_one_user() {
    let (world, server, token) = acme_and_token();
    super::user(&server, &token, "bea@acme.example", &["Admin"]);
    let other = server.token("acme", "bea@acme.example", PASSWORD);
    create(&server, &token, KEY, "bob@acme.example").ok();
    let theirs = create(&server, &other, KEY, "cy@acme.example");
    assert_eq!(theirs.status, 201, "{theirs:?}");
    assert_eq!(count(&world, "cy@acme.example"), "1");
}

#[test]
fn of_many_at_once_on_two_servers_one_is_carried_out() {
    let (world, server, token) = acme_and_token();
    let second = ApiServer::start(&world);
    let answers: Vec<Answer> = std::thread::scope(|scope| {
        let sent: Vec<_> = (0..20)
            .map(|n| {
                let (server, token) = (if n % 2 == 0 { &server } else { &second }, &token);
                scope.spawn(move || create(server, token, KEY, "bob@acme.example"))
            })
            .collect();
        sent.into_iter().map(|it| it.join().unwrap()).collect()
    });
    let made: Vec<&Answer> = answers.iter().filter(|it| it.status == 201).collect();
    assert!(made.iter().all(|it| it.body == made[0].body), "{made:?}");
    assert_eq!(made.iter().filter(|it| it.header("idempotency-replayed").is_none()).count(), 1);
    for other in answers.iter().filter(|it| it.status != 201) {
        if other.status != 503 {
            assert_eq!(other.problem(), (409, "idempotency_key_in_use".to_owned()));
        }
        assert!(other.header("retry-after").is_some(), "{other:?}");
    }
    assert_eq!(count(&world, "bob@acme.example"), "1");
}

#[test]
fn a_conflict_stays_one_and_a_refusal_may_be_asked_again() {
    let (_world, server, token) = acme_and_token();
    create(&server, &token, "Idempotency-Key: other", "bob@acme.example").ok();
    let conflict = create(&server, &token, KEY, "bob@acme.example");
    assert_eq!(conflict.problem(), (409, "user_exists".to_owned()));
    let again = create(&server, &token, KEY, "bob@acme.example");
    assert_eq!((again.status, again.header("idempotency-replayed")), (409, Some("true")));

    let cy = super::user(&server, &token, "cy@acme.example", &[]);
    let theirs = server.token("acme", "cy@acme.example", PASSWORD);
    assert_eq!(create(&server, &theirs, KEY, "di@acme.example").status, 403);
    server.change("PUT", &format!("/users/{cy}/roles/Admin"), &token, &json!({})).ok();
    assert_eq!(create(&server, &theirs, KEY, "di@acme.example").status, 201);
}

#[test]
fn a_key_is_free_again_after_a_day() {
    let (world, server, token) = acme_and_token();
    create(&server, &token, KEY, "bob@acme.example").ok();
    create(&server, &token, "Idempotency-Key: b", "cy@acme.example").ok();
    world.tenant_sql("acme", "update nexus.idempotency_keys set created_at = now() - interval '25 hours'");
    create(&server, &token, KEY, "di@acme.example").ok();
    let kept = world.tenant_sql("acme", "select count(*) from nexus.idempotency_keys");
    assert_eq!(kept, ["1"], "those that are over are forgotten as new ones come");
}

#[test]
fn a_key_that_is_none_is_refused() {
    let (_world, server, token) = acme_and_token();
    for wrong in ["Idempotency-Key: ", "Idempotency-Key: a b", "Idempotency-Key: a\r\nIdempotency-Key: b"] {
        let refused = create(&server, &token, wrong, "bob@acme.example");
        assert_eq!(refused.problem(), (400, "header_invalid".to_owned()), "{wrong}");
    }
}

#[test]
fn what_is_kept_of_an_answer_is_sealed() {
    let (world, server, token) = acme_and_token();
    let body = json!({ "email": "bob@acme.example", "profile": { "note": "only-for-bob" } });
    server.send_json("POST", "/users", &[&bearer(&token), KEY], &body).ok();
    let kept = world.tenant_sql(
        "acme",
        "select position('only-for-bob' in encode(answer, 'escape')), length(answer) > 100
         from nexus.idempotency_keys",
    );
    assert_eq!(kept, ["0|t"]);
}

/// A server that dies at a point of a request with a key, and what the next one answers to the same.
fn killed_at(point: &str) -> (World, Answer) {
    let (world, server) = acme();
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    drop(server);
    let settings = [("timeout_seconds", "1")];
    let dying = ApiServer::start_to(&world, &settings, (point, "kill"));
    let headers = [&*bearer(&token), KEY, "Content-Type: application/json"];
    let body = json!({ "email": "bob@acme.example" }).to_string();
    let socket = dying.send_only("POST", "/users", &headers, body.as_bytes());
    // Nothing comes: it dies.
    assert!(!matches!(socket.peek(&mut [0]), Ok(1)));
    let server = ApiServer::start_with(&world, &settings);
    let mut answer = create(&server, &token, KEY, "bob@acme.example");
    // Until the lease of the dead one is over.
    for _ in 0..600 {
        if answer.status != 409 || answer.json()["code"] != "idempotency_key_in_use" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        answer = create(&server, &token, KEY, "bob@acme.example");
    }
    (world, answer)
}

#[test]
fn killed_before_anything_was_done_the_key_is_tried_again() {
    let (world, answer) = killed_at("idempotency.taken");
    assert_eq!(answer.status, 201, "{answer:?}");
    assert_eq!(count(&world, "bob@acme.example"), "1");
}

#[test]
fn killed_after_the_change_it_is_not_made_again() {
    let (world, answer) = killed_at("idempotency.answered");
    assert_eq!(answer.problem(), (409, "idempotency_answer_lost".to_owned()));
    assert_eq!(count(&world, "bob@acme.example"), "1");
}

#[test]
fn killed_after_an_operation_was_recorded_the_same_operation_is_the_answer() {
    let world = World::new();
    super::operator(&world, "ops@example.com", "Provisioner");
    let settings = [("timeout_seconds", "1")];
    let dying = ApiServer::start_to(&world, &settings, ("create.reserve.after", "kill"));
    let token = super::operator_token(&dying, "ops@example.com");
    let headers = [&*bearer(&token), KEY, "Content-Type: application/json"];
    let body = json!({ "slug": "acme" });
    let socket = dying.send_only("POST", "/tenants", &headers, body.to_string().as_bytes());
    assert!(!matches!(socket.peek(&mut [0]), Ok(1)));
    let server = ApiServer::start_with(&world, &settings);
    let again = || server.send_json("POST", "/tenants", &[&bearer(&token), KEY], &body);
    let mut answer = again();
    for _ in 0..600 {
        if answer.status != 409 || answer.json()["code"] != "idempotency_key_in_use" {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
        answer = again();
    }
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.header("idempotency-replayed"), Some("true"));
    let operations = world.control_sql("select id from control.operations");
    assert_eq!(answer.header("location"), Some(&*format!("/operations/{}", operations.join(","))));
    assert_eq!(
        (&answer.json()["operation"], &answer.json()["slug"]),
        (&json!(operations[0]), &json!("acme"))
    );
    super::done(&server, &token, &answer);
    // Nor does it change once the tenant is there.
    assert_eq!(again().json()["operation"], json!(operations[0]));
    assert_eq!(world.control_sql("select count(*) from control.operations"), ["1"]);
}

#[test]
fn killed_after_a_tenant_was_changed_the_change_is_not_made_again() {
    for body in [json!({ "name": "Acme Ltd", "limits": { "max_users": 7 } }), json!({ "slug": "apex" })] {
        let world = World::new();
        super::operator(&world, "ops@example.com", "Provisioner");
        world.tenant("acme");
        let path = format!("/tenants/{}", world.control_sql("select id from control.tenants")[0]);
        let settings = [("timeout_seconds", "1")];
        let dying = ApiServer::start_to(&world, &settings, ("idempotency.answered", "kill"));
        let token = super::operator_token(&dying, "ops@example.com");
        let headers = [&*bearer(&token), KEY, "Content-Type: application/json"];
        let socket = dying.send_only("PATCH", &path, &headers, body.to_string().as_bytes());
        assert!(!matches!(socket.peek(&mut [0]), Ok(1)));
        // Somebody else changes it meanwhile.
        let back = ["--name", "Other", "--max-users", "none"];
        let name = world.control_sql("select slug from control.tenants").remove(0);
        world.ok(&[&["tenant", "update", &name], &back[..]].concat());
        let server = ApiServer::start_with(&world, &settings);
        let again = || server.send_json("PATCH", &path, &[&bearer(&token), KEY], &body);
        let mut answer = again();
        for _ in 0..600 {
            if answer.status != 409 || answer.json()["code"] != "idempotency_key_in_use" {
                break;
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            answer = again();
        }
        assert_eq!(answer.problem(), (409, "idempotency_answer_lost".to_owned()), "{body}");
        let now = world.control_sql("select name, max_users is null, slug from control.tenants");
        assert_eq!(now, [format!("Other|t|{name}")]);
    }
}

#[test]
fn a_try_that_was_overtaken_changes_no_tenant() {
    let (world, _server, token) = super::operated("Provisioner");
    world.tenant("acme");
    let file = world.machine().path("pause");
    let paused =
        ApiServer::start_to(&world, &[], ("idempotency.taken", &format!("pause:{}", file.display())));
    for (method, path, body) in [
        ("PATCH", "/tenants/acme", json!({ "name": "Acme Ltd" })),
        ("PATCH", "/tenants/acme", json!({ "slug": "apex" })),
        ("POST", "/tenants/acme/suspend", json!({ "reason": "unpaid" })),
        ("POST", "/tenants", json!({ "slug": "birch" })),
    ] {
        world.control_sql("delete from nexus.idempotency_keys");
        std::fs::write(&file, "").unwrap();
        let answer = std::thread::scope(|scope| {
            let sent = scope.spawn(|| paused.send_json(method, path, &[&bearer(&token), KEY], &body));
            let taken = "select count(*) from nexus.idempotency_keys";
            world.until(&world.control, taken, |rows| rows == ["1"]);
            world.control_sql("update nexus.idempotency_keys set attempt = gen_random_uuid()");
            std::fs::remove_file(&file).unwrap();
            sent.join().unwrap()
        });
        assert_eq!(answer.problem(), (409, "idempotency_key_in_use".to_owned()), "{method} {path} {body}");
        let now = world.control_sql("select slug, name, state from control.tenants");
        assert_eq!(now, ["acme|acme|active"], "{method} {path} {body}");
    }
    assert_eq!(world.control_sql("select count(*) from control.operations"), ["1"]);
}

#[test]
fn a_client_that_goes_away_finds_the_answer_later() {
    let (world, server, token) = acme_and_token();
    let database = world.database_of("acme");
    let holder = LockHolder::of(&world, &database, "select from nexus.identity_lock for update");
    let headers = [&*bearer(&token), KEY, "Content-Type: application/json"];
    let body = json!({ "email": "bob@acme.example" }).to_string();
    let socket = server.send_only("POST", "/users", &headers, body.as_bytes());
    let waits =
        "select 1 from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock'";
    world.until(&world.database_of("acme"), waits, |rows| rows == ["1"]);
    drop(socket);
    let early = create(&server, &token, KEY, "bob@acme.example");
    assert_eq!(early.problem(), (409, "idempotency_key_in_use".to_owned()));
    drop(holder);
    let mut answer = create(&server, &token, KEY, "bob@acme.example");
    for _ in 0..600 {
        if answer.status != 409 {
            break;
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
        answer = create(&server, &token, KEY, "bob@acme.example");
    }
    assert_eq!((answer.status, answer.header("idempotency-replayed")), (201, Some("true")), "{answer:?}");
    assert_eq!(count(&world, "bob@acme.example"), "1");
}

#[test]
fn every_change_on_the_page_says_that_it_takes_a_key() {
    let (_world, server) = acme();
    let page = server.send("GET", "/openapi.json", &[], &[]).json();
    for (path, item) in page["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let names = operation["parameters"].as_array().cloned().unwrap_or_default();
            let takes = names.iter().any(|it| it["name"] == "Idempotency-Key");
            // Of what lets in, nothing is kept.
            let lets_in =
                path.starts_with("/auth/") || path.starts_with("/oauth/") || path == "/events/ticket";
            let should = method != "get" && !lets_in;
            assert_eq!(takes, should, "{method} {path}");
        }
    }
    assert_ne!(page["paths"]["/users"]["post"], Value::Null);
}
