//! Registering: who may, what is told to whom, and that nobody learns who there is.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::PASSWORD;
use super::mail::{Post, token_of};
use crate::support::api::Answer;
use crate::support::lock_holder::LockHolder;

const OTHER: &str = "eight wet dogs on a hill";

fn account(email: &str, password: &str) -> Value {
    json!({ "email": email, "password": password, "name": "Eve" })
}

fn login(post: &Post, email: &str, password: &str) -> Answer {
    post.server.login(Some("acme"), email, password)
}

fn refused(answer: &Answer, status: u16, code: &str) {
    assert_eq!(answer.problem(), (status, code.to_owned()));
}

#[test]
fn a_tenant_says_who_may_register() {
    let post = Post::new();
    let eve = account("eve@acme.example", PASSWORD);
    refused(&post.send("/auth/register", &eve), 403, "registration_closed");
    post.registration("invited");
    assert_eq!(post.world.json(&["iam", "show", "--tenant", "acme"])["registration"], "invited");
    refused(&post.send("/auth/register", &eve), 403, "invitation_needed");
    let with = |email: &str, token: &str| {
        let mut body = account(email, PASSWORD);
        body["invitation"] = json!(token);
        post.send("/auth/register", &body)
    };
    refused(&with("eve@acme.example", "nonsense"), 401, "token_invalid");
    let ann = post.server.token("acme", "ann@acme.example", PASSWORD);
    post.server.change("POST", "/users?invite=true", &ann, &json!({ "email": "eve@acme.example" })).ok();
    let token = token_of(&post.last(1));
    refused(&with("mallory@acme.example", &token), 401, "token_invalid");
    assert_eq!(with("EVE@acme.example", &token).status, 202);
    assert_eq!(login(&post, "eve@acme.example", PASSWORD).status, 200);
    refused(&with("eve@acme.example", &token), 401, "token_invalid");
    // The platform's realm has a word of its own.
    let operator = post.server.send_json("POST", "/auth/register", &[], &account("op@x.example", PASSWORD));
    refused(&operator, 403, "registration_closed");
}

#[test]
fn who_registers_signs_in_once_the_address_is_confirmed() {
    let post = Post::new();
    post.registration("open");
    let answer = post.send("/auth/register", &account("eve@acme.example", PASSWORD));
    assert_eq!((answer.status, answer.body.as_str()), (202, ""));
    let message = post.last(1);
    assert!(
        message.contains("\r\nTo: eve@acme.example\r\n") && message.contains("/verify-email#"),
        "{message}"
    );
    refused(&login(&post, "eve@acme.example", PASSWORD), 401, "sign_in_refused");
    let token = token_of(&message);
    // It confirms, and sets no password.
    let redeem = post.send("/auth/password", &json!({ "token": token, "password": OTHER }));
    refused(&redeem, 401, "token_invalid");
    post.sql("update nexus.invitations set expires_at = now() - interval '1 minute'");
    refused(
        &post.send("/auth/verify-email", &json!({ "token": token, "password": PASSWORD })),
        401,
        "token_expired",
    );
    post.later();
    assert_eq!(post.send("/auth/resend", &json!({ "email": "eve@acme.example" })).status, 202);
    let fresh = token_of(&post.last(2));
    post.nothing_waits();
    refused(
        &post.send("/auth/verify-email", &json!({ "token": token, "password": PASSWORD })),
        401,
        "token_invalid",
    );
    let verify = || post.send("/auth/verify-email", &json!({ "token": fresh, "password": PASSWORD }));
    let done = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| verify().status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(done.iter().filter(|status| **status == 204).count(), 1, "{done:?}");
    let pair = login(&post, "eve@acme.example", PASSWORD).ok();
    let me = post.server.get("/auth/me", pair["access_token"].as_str().unwrap()).ok();
    assert_eq!((&me["name"], &me["roles"], &me["state"]), (&json!("Eve"), &json!([]), &json!("active")));
    let log = post.sql("select action from nexus.audit_log where user_id = (select id from nexus.users where name = 'Eve') order by id");
    assert_eq!(log, ["user.register", "user.message.resend", "user.verify", "user.sign_in"]);
}

#[test]
fn the_password_counts_that_was_given_with_the_message_that_is_answered() {
    let post = Post::new();
    post.registration("open");
    let register = |password: &str| {
        assert_eq!(post.send("/auth/register", &account("eve@acme.example", password)).status, 202);
    };
    register(PASSWORD);
    let first = token_of(&post.last(1));
    // Within the minute nothing is replaced: else whoever asks next would choose the password.
    register(OTHER);
    post.nothing_waits();
    post.later();
    register(OTHER);
    let second = token_of(&post.last(2));
    post.nothing_waits();
    refused(
        &post.send("/auth/verify-email", &json!({ "token": first, "password": PASSWORD })),
        401,
        "token_invalid",
    );
    // Who confirms an address knows what was registered with it.
    let confirm =
        |password: &str| post.send("/auth/verify-email", &json!({ "token": second, "password": password }));
    refused(&confirm(PASSWORD), 401, "sign_in_refused");
    assert_eq!(confirm(OTHER).status, 204);
    refused(&login(&post, "eve@acme.example", PASSWORD), 401, "sign_in_refused");
    assert_eq!(login(&post, "eve@acme.example", OTHER).status, 200);
}

#[test]
fn who_has_an_account_is_told_so_and_keeps_the_password() {
    let post = Post::new();
    post.registration("open");
    assert_eq!(post.send("/auth/register", &account("Ann@Acme.example", OTHER)).status, 202);
    let message = post.last(1);
    assert!(message.contains("You already have an account") && !message.contains("token="), "{message}");
    assert_eq!(login(&post, "ann@acme.example", PASSWORD).status, 200);
    refused(&login(&post, "ann@acme.example", OTHER), 401, "sign_in_refused");
    // Who was invited gets the invitation again, and chooses the password by that.
    let ann = post.server.token("acme", "ann@acme.example", PASSWORD);
    let bob = json!({ "email": "bob@acme.example", "roles": ["Admin"] });
    post.server.change("POST", "/users?invite=true", &ann, &bob).ok();
    post.last(2);
    post.later();
    assert_eq!(post.send("/auth/register", &account("bob@acme.example", OTHER)).status, 202);
    let token = token_of(&post.last(3));
    refused(
        &post.send("/auth/verify-email", &json!({ "token": token, "password": PASSWORD })),
        401,
        "token_invalid",
    );
    assert_eq!(post.send("/auth/password", &json!({ "token": token, "password": PASSWORD })).status, 204);
    refused(&login(&post, "bob@acme.example", OTHER), 401, "sign_in_refused");
    // Who was shut out hears that, and nothing else.
    post.world.ok(&["user", "disable", "bob@acme.example", "--tenant", "acme", "--yes"]);
    post.later();
    assert_eq!(post.send("/auth/register", &account("bob@acme.example", OTHER)).status, 202);
    assert_eq!(
        post.sql("select count(*) from nexus.outbox where type like 'mail.%' and type <> 'mail.disabled'"),
        ["3"]
    );
    // Nor does who was created, and whom nobody has invited.
    post.server.change("POST", "/users", &ann, &json!({ "email": "cy@acme.example" })).ok();
    assert_eq!(post.send("/auth/register", &account("cy@acme.example", OTHER)).status, 202);
    assert_eq!(
        post.sql("select count(*) from nexus.outbox where type like 'mail.%' and type <> 'mail.disabled'"),
        ["3"]
    );
}

#[test]
fn a_password_is_refused_before_anything_is_asked_of_the_address() {
    let post = Post::new();
    post.registration("open");
    let answers: BTreeSet<String> = ["new@acme.example", "ann@acme.example"]
        .into_iter()
        .map(|email| bytes(&post.send("/auth/register", &account(email, "short"))))
        .collect();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert!(answers.first().unwrap().contains("password_short"));
    assert_eq!(post.sql("select count(*) from nexus.message_limits"), ["0"]);
}

/// What tells two answers apart, but for the request's id, the time, and what is left of a limit.
fn bytes(answer: &Answer) -> String {
    let own = answer.header("x-request-id").unwrap();
    let headers: Vec<_> = answer
        .headers
        .iter()
        .filter(|(name, _)| !["x-request-id", "date", "ratelimit"].contains(&name.as_str()))
        .map(|(name, value)| format!("{name}: {value}"))
        .collect();
    format!("{} {headers:?} {}", answer.status, answer.body.replace(own, "ID"))
}

#[test]
fn nobody_learns_from_an_answer_who_there_is() {
    let post = Post::new();
    post.registration("open");
    for email in ["unverified@acme.example", "late@acme.example"] {
        post.send("/auth/register", &account(email, PASSWORD));
    }
    let ann = post.server.token("acme", "ann@acme.example", PASSWORD);
    for email in ["locked@acme.example", "off@acme.example"] {
        super::user(&post.server, &ann, email, &[]);
    }
    post.world.ok(&["user", "disable", "off@acme.example", "--tenant", "acme", "--yes"]);
    post.sql("update nexus.users set state = 'locked' where email = 'locked@acme.example'");
    let kinds = ["new", "ann", "unverified", "locked", "off"];
    for path in ["/auth/register", "/auth/forgot", "/auth/resend", "/auth/login"] {
        let mut answers = BTreeSet::new();
        for sample in 0..50 {
            // Beyond the limits of messages, too.
            if sample % 2 == 0 {
                post.later();
            }
            for kind in kinds {
                let email = match kind {
                    "new" => format!("new{sample}{}@acme.example", path.len()),
                    known => format!("{known}@acme.example"),
                };
                let body = match path {
                    "/auth/register" => account(&email, OTHER),
                    "/auth/login" => json!({ "email": email, "password": OTHER }),
                    _ => json!({ "email": email }),
                };
                answers.insert(bytes(&post.send(path, &body)));
            }
        }
        assert_eq!(answers.len(), 1, "{path}: {answers:#?}");
    }
}

#[test]
fn an_address_gets_one_message_a_minute_five_an_hour_and_twenty_a_day() {
    let post = Post::new();
    let second = Post::serve(&post.world);
    let asked = json!({ "email": "ann@acme.example" });
    let forgot = |server: &crate::support::api::ApiServer, path: &str| {
        server.send_json("POST", path, &["X-Tenant-ID: acme"], &asked).status
    };
    let count =
        || post.sql("select count(*) from nexus.outbox where type like 'mail.%'")[0].parse::<u32>().unwrap();
    // At once, and by two servers.
    let statuses = std::thread::scope(|scope| {
        let servers = [&post.server, &second];
        let all: Vec<_> =
            (0..20).map(|at| scope.spawn(move || forgot(servers[at % 2], "/auth/forgot"))).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<BTreeSet<_>>()
    });
    assert_eq!((statuses, count()), (BTreeSet::from([202]), 1));
    let asked_before = |times: u32, ago: &str| {
        post.sql(&format!(
            "update nexus.message_limits set times = array_fill(now() - interval '{ago}', array[{times}])"
        ));
        let before = count();
        assert_eq!(forgot(&post.server, "/auth/forgot"), 202);
        count() - before
    };
    assert_eq!(asked_before(1, "50 seconds"), 0);
    assert_eq!(asked_before(4, "2 minutes"), 1);
    assert_eq!(asked_before(5, "50 minutes"), 0);
    assert_eq!(asked_before(19, "2 hours"), 1);
    assert_eq!(asked_before(20, "23 hours"), 0);
    assert_eq!(asked_before(20, "25 hours"), 1);
    // All kinds of messages count together.
    post.registration("open");
    let register = account("ann@acme.example", PASSWORD);
    let before = count();
    assert_eq!(post.send("/auth/register", &register).status, 202);
    assert_eq!(count(), before);
}

#[test]
fn who_never_confirms_is_forgotten_after_a_week() {
    let post = Post::new();
    post.registration("open");
    for name in ["old", "kept"] {
        post.send("/auth/register", &account(&format!("{name}@acme.example"), PASSWORD));
    }
    post.messages(2);
    post.nothing_waits();
    post.world.ok(&["role", "grant", "Viewer", "--user", "kept@acme.example", "--tenant", "acme"]);
    post.sql("update nexus.invitations set expires_at = now() - interval '8 days'");
    post.send("/auth/register", &account("new@acme.example", PASSWORD));
    assert_eq!(
        post.sql("select email from nexus.users order by email"),
        ["ann@acme.example", "kept@acme.example", "new@acme.example"]
    );
}

#[test]
fn whoever_waits_for_a_user_holds_no_token_of_theirs() {
    let post = Post::new();
    post.registration("open");
    assert_eq!(post.send("/auth/register", &account("eve@acme.example", PASSWORD)).status, 202);
    let verify = token_of(&post.last(1));
    let ann = post.server.token("acme", "ann@acme.example", PASSWORD);
    post.server.change("POST", "/users?invite=true", &ann, &json!({ "email": "bob@acme.example" })).ok();
    let invited = token_of(&post.last(2));
    let database = post.world.database_of("acme");
    for (email, path, token) in
        [("eve@acme.example", "/auth/verify-email", verify), ("bob@acme.example", "/auth/password", invited)]
    {
        // Somebody is at the user's row.
        let lock = format!("select from nexus.users where email = '{email}' for update");
        let held = LockHolder::of(&post.world, &database, &lock);
        std::thread::scope(|scope| {
            let body = json!({ "token": token, "password": PASSWORD });
            let post = &post;
            let asked = scope.spawn(move || post.send(path, &body));
            let waiting = format!(
                "select count(*) from pg_stat_activity where datname = '{database}' and wait_event_type = 'Lock'"
            );
            post.world.until("postgres", &waiting, |rows| rows == ["1"]);
            // Were the token's row locked, this would be refused: with whoever is at the user, each would wait
            // for the other.
            let free = format!(
                "select count(*) from (select from nexus.invitations join nexus.users on users.id = user_id
                                       where email = '{email}' for update of invitations nowait) as free"
            );
            assert_eq!(post.world.tenant_sql("acme", &free), ["1"], "{path}");
            drop(held);
            let answer = asked.join().unwrap();
            assert_eq!(answer.status, 204, "{path}: {answer:?}");
        });
    }
}
