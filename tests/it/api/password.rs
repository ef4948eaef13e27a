//! Passwords that people forget or change, and what ends then.

use serde_json::{Value, json};

use super::mail::{Post, token_of};
use super::{PASSWORD, user};
use crate::support::api::{Answer, bearer};

const NEW: &str = "eight wet dogs on a hill";
const WRONG: &str = "nine sly foxes in a den";

fn refreshed(post: &Post, pair: &Value) -> Answer {
    let body = json!({ "refresh_token": pair["refresh_token"] });
    post.server.send_json("POST", "/auth/refresh-token", &[], &body)
}

fn signed_in(post: &Post, password: &str) -> Value {
    post.server.login(Some("acme"), "ann@acme.example", password).ok()
}

fn access(pair: &Value) -> &str {
    pair["access_token"].as_str().unwrap()
}

/// Asks until an access token is good no more; that takes up to two seconds.
fn dies(post: &Post, token: &str) {
    let end = std::time::Instant::now() + std::time::Duration::from_mins(1);
    while post.server.get("/auth/me", token).status != 401 {
        assert!(std::time::Instant::now() < end, "it lives");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
}

#[test]
fn a_forgotten_password_is_set_anew_once() {
    let post = Post::new();
    let old = signed_in(&post, PASSWORD);
    assert_eq!(post.send("/auth/forgot", &json!({ "email": "ann@acme.example" })).status, 202);
    let message = post.last(1);
    assert!(
        message.contains("\r\nTo: ann@acme.example\r\n") && message.contains("/reset-password#"),
        "{message}"
    );
    let token = token_of(&message);
    post.nothing_waits();
    let reset =
        |password: &str| post.send("/auth/password", &json!({ "token": token, "password": password }));
    assert_eq!(reset("short").problem(), (400, "password_short".to_owned()));
    let statuses = std::thread::scope(|scope| {
        let all: Vec<_> = (0..10).map(|_| scope.spawn(|| reset(NEW).status)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert_eq!(statuses.iter().filter(|status| **status == 204).count(), 1, "{statuses:?}");
    assert!(statuses.iter().all(|status| [204, 401].contains(status)), "{statuses:?}");
    assert_eq!(refreshed(&post, &old).status, 401);
    assert_eq!(post.server.login(Some("acme"), "ann@acme.example", PASSWORD).status, 401);
    signed_in(&post, NEW);
    // Nobody has that address, and no row waits for it.
    assert_eq!(post.send("/auth/forgot", &json!({ "email": "nobody@acme.example" })).status, 202);
    let asked =
        "select type, count(*) from nexus.outbox where type like 'mail.%' group by type order by type";
    assert_eq!(post.sql(asked), ["mail.password_changed|1", "mail.password_reset|1"]);
}

#[test]
fn a_reset_that_is_too_old_says_so() {
    let post = Post::new();
    post.send("/auth/forgot", &json!({ "email": "ann@acme.example" }));
    let token = token_of(&post.last(1));
    post.nothing_waits();
    post.sql("update nexus.invitations set expires_at = now() - interval '1 minute'");
    let answer = post.send("/auth/password", &json!({ "token": token, "password": NEW }));
    assert_eq!(answer.problem(), (401, "token_expired".to_owned()));
}

#[test]
fn who_changes_the_password_goes_on_and_everybody_else_is_out() {
    let post = Post::new();
    let (own, other) = (signed_in(&post, PASSWORD), signed_in(&post, PASSWORD));
    let change = |token: &str, current: &str, new: &str| {
        let body = json!({ "current": current, "new": new, "client": "web" });
        post.server.change("POST", "/auth/password/change", token, &body)
    };
    assert_eq!(change(access(&own), WRONG, NEW).problem(), (403, "password_wrong".to_owned()));
    assert_eq!(
        post.sql("select failed_attempts from nexus.users"),
        ["1"],
        "counted as a wrong one at sign-in"
    );
    assert_eq!(change(access(&own), PASSWORD, "short").problem(), (400, "password_short".to_owned()));
    let changed = change(access(&own), PASSWORD, NEW);
    assert_eq!(changed.header("cache-control"), Some("no-store"));
    let next = changed.ok();
    assert_eq!(post.server.get("/auth/me", access(&next)).status, 200);
    assert_eq!(refreshed(&post, &next).status, 200);
    for pair in [&own, &other] {
        assert_eq!(refreshed(&post, pair).status, 401);
        dies(&post, access(pair));
    }
    let open = "select client from nexus.sessions where revoked_at is null";
    assert_eq!(post.sql(open), ["web"]);
    assert_eq!(post.server.login(Some("acme"), "ann@acme.example", PASSWORD).status, 401);
    let log = post.sql("select count(*) from nexus.audit_log where action = 'user.password.change'");
    assert_eq!(log, ["1"]);
}

#[test]
fn a_password_is_not_guessed_by_changing_it() {
    let post = Post::new();
    let pair = signed_in(&post, PASSWORD);
    let guess = || {
        let body = json!({ "current": WRONG, "new": NEW });
        post.server.change("POST", "/auth/password/change", access(&pair), &body).status
    };
    let statuses = std::thread::scope(|scope| {
        let all: Vec<_> = (0..50).map(|_| scope.spawn(guess)).collect();
        all.into_iter().map(|one| one.join().unwrap()).collect::<Vec<_>>()
    });
    assert!(statuses.iter().all(|status| [403, 503].contains(status)), "{statuses:?}");
    let counted: u32 = post.sql("select failed_total from nexus.users")[0].parse().unwrap();
    assert!(counted <= 10, "{counted}");
    if counted == 10 {
        let right = json!({ "current": PASSWORD, "new": NEW });
        let answer = post.server.change("POST", "/auth/password/change", access(&pair), &right);
        assert_eq!(answer.problem(), (403, "password_wrong".to_owned()));
    }
}

#[test]
fn a_token_that_allows_less_changes_no_password() {
    let post = Post::new();
    let mint =
        ["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--permission", "user:update"];
    let narrow = post.world.ok(&mint).trim().to_owned();
    let body = json!({ "current": PASSWORD, "new": NEW });
    let answer = post.server.change("POST", "/auth/password/change", &narrow, &body);
    assert_eq!(answer.problem(), (403, "permission_missing".to_owned()));
}

#[test]
fn signing_out_ends_this_session_the_others_or_all() {
    let post = Post::new();
    let ann = signed_in(&post, PASSWORD);
    user(&post.server, access(&ann), "bob@acme.example", &[]);
    let bob = post.server.login(Some("acme"), "bob@acme.example", PASSWORD).ok();
    let out = |pair: &Value, scope: &str| {
        let body = json!({ "refresh_token": pair["refresh_token"], "scope": scope });
        assert_eq!(post.server.send_json("POST", "/auth/logout", &[], &body).status, 204, "{scope}");
    };
    let (one, two, three) =
        (signed_in(&post, PASSWORD), signed_in(&post, PASSWORD), signed_in(&post, PASSWORD));
    out(&one, "this");
    dies(&post, access(&one));
    assert_eq!((refreshed(&post, &one).status, post.server.get("/auth/me", access(&two)).status), (401, 200));
    out(&two, "others");
    assert_eq!(refreshed(&post, &three).status, 401);
    dies(&post, access(&three));
    let two = refreshed(&post, &two).ok();
    assert_eq!(post.server.get("/auth/me", access(&two)).status, 200);
    let four = signed_in(&post, PASSWORD);
    // A token that is good no more ends nothing.
    out(&three, "all");
    out(&four, "all");
    for pair in [&two, &four] {
        assert_eq!(refreshed(&post, pair).status, 401);
        dies(&post, access(pair));
    }
    assert_eq!(refreshed(&post, &bob).status, 200, "of another user nothing ends");
    let wrong = json!({ "refresh_token": "x", "scope": "everybody" });
    assert_eq!(post.server.send_json("POST", "/auth/logout", &[], &wrong).problem().1, "body_invalid");
    assert_eq!(post.server.send("GET", "/auth/logout", &[&bearer("x")], &[]).status, 405);
}
