//! `/api-keys`.

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token, call, each, refused, user};
use crate::support::api::bearer;

#[test]
fn a_key_is_created_shown_once_listed_and_revoked() {
    let (world, server, token) = acme_and_token();
    let new = json!({ "name": "till", "scopes": ["user:read"], "expires_in": "90d" });
    let made = server.change("POST", "/api-keys", &token, &new);
    assert_eq!(made.status, 201, "{made:?}");
    let body = made.json();
    let (id, key) = (body["id"].as_str().unwrap(), body["key"].as_str().unwrap());
    // Without a user it is one's own.
    assert_eq!((&body["email"], &body["state"]), (&json!("ann@acme.example"), &json!("good")));
    let path = format!("/api-keys/{id}");
    assert_eq!(made.header("location"), Some(&*path));
    let shown = server.get(&path, &token);
    assert_eq!(shown.header("etag"), made.header("etag"));
    assert!(!shown.body.contains(&key[4..]));
    let tag = format!("If-None-Match: {}", shown.header("etag").unwrap());
    assert_eq!(server.send("GET", &path, &[&bearer(&token), &tag], &[]).status, 304);
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", key)];
    assert_eq!(server.send_form("/oauth/token", &[], &form).status, 200);
    // The key itself is no access token.
    assert_eq!(server.get("/users", key).problem(), (401, "token_invalid".to_owned()));
    let again = server.change("POST", "/api-keys", &token, &new);
    assert_eq!(again.problem(), (409, "api_key_exists".to_owned()));
    assert_eq!(call(&server, "DELETE", &path, &token)["state"], "revoked");
    let token = server.token("acme", "ann@acme.example", PASSWORD);
    assert_eq!(server.send_form("/oauth/token", &[], &form).status, 401);
    assert_eq!(server.get("/api-keys", &token).ok()["data"], json!([]));
    assert_eq!(each(&server.get("/api-keys?all_states=true", &token).ok(), "state"), ["revoked"]);
    let logs =
        world.control_sql("select action from control.audit_log where action like 'api_key.%' order by id");
    assert_eq!(logs, ["api_key.create", "api_key.create", "api_key.revoke"]);
}

#[test]
fn keys_are_gone_through_by_cursor_and_by_user() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Viewer"]);
    for (name, who) in [
        ("a", "ann@acme.example"),
        ("b", &*bob),
        ("c", "ann@acme.example"),
        ("d", "bob@acme.example"),
        ("e", &*bob),
    ] {
        server.change("POST", "/api-keys", &token, &json!({ "user": who, "name": name })).ok();
    }
    let mut seen: Vec<String> = Vec::new();
    let mut path = "/api-keys?limit=2".to_owned();
    loop {
        let page = server.get(&path, &token).ok();
        assert_eq!(
            (&page["pagination"]["total"], &page["pagination"]["total_exact"]),
            (&json!(5), &json!(true))
        );
        seen.extend(each(&page, "name").into_iter().map(str::to_owned));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        path = format!("/api-keys?limit=2&cursor={next}");
    }
    assert_eq!(seen, ["e", "d", "c", "b", "a"]);
    for who in ["bob@acme.example", &*bob] {
        assert_eq!(
            each(&server.get(&format!("/api-keys?user={who}&total=none"), &token).ok(), "name"),
            ["e", "d", "b"]
        );
    }
    assert_eq!(
        server.get("/api-keys?user=nobody@acme.example", &token).problem(),
        (404, "user_not_found".to_owned())
    );
    assert_eq!(server.get("/api-keys?usr=x", &token).problem(), (400, "query_invalid".to_owned()));
    assert_eq!(server.get("/api-keys?cursor=x", &token).problem(), (400, "query_invalid".to_owned()));
}

#[test]
fn nobody_makes_or_sees_keys_without_the_permission_and_none_for_who_holds_more() {
    let (_world, server, ann) = acme_and_token();
    user(&server, &ann, "bob@acme.example", &["Viewer"]);
    let made = server.change("POST", "/api-keys", &ann, &json!({ "name": "x" })).ok();
    let path = format!("/api-keys/{}", made["id"].as_str().unwrap());
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let missing = (403, "permission_missing".to_owned());
    assert_eq!(refused(&server, "GET", "/api-keys", &bob), missing);
    assert_eq!(refused(&server, "GET", &path, &bob), missing);
    assert_eq!(refused(&server, "DELETE", &path, &bob), missing);
    let new = |user: &str| json!({ "user": user, "name": "mine" });
    assert_eq!(server.change("POST", "/api-keys", &bob, &new("bob@acme.example")).problem(), missing);
    // Who may make keys makes none for those who hold more than they do.
    server
        .change("POST", "/roles", &ann, &json!({ "name": "Keeper", "permissions": ["api-key:create"] }))
        .ok();
    user(&server, &ann, "kim@acme.example", &["Keeper"]);
    let kim = server.token("acme", "kim@acme.example", PASSWORD);
    let above = server.change("POST", "/api-keys", &kim, &new("ann@acme.example"));
    assert_eq!(above.problem(), (403, "permission_not_held".to_owned()));
    assert_eq!(server.change("POST", "/api-keys", &kim, &json!({ "name": "own" })).status, 201);
    let wide = json!({ "name": "wide", "scopes": ["user:read"] });
    assert_eq!(
        server.change("POST", "/api-keys", &kim, &wide).problem(),
        (403, "permission_not_held".to_owned())
    );
    for wrong in [
        json!({}),
        json!({ "name": "a b" }),
        json!({ "name": "x", "expires_in": "0s" }),
        json!({ "name": "x", "scope": [] }),
    ] {
        let answer = server.change("POST", "/api-keys", &ann, &wrong);
        assert_eq!(answer.problem(), (400, "body_invalid".to_owned()), "{wrong}");
    }
    let nobody = "/api-keys/00000000-0000-7000-8000-000000000000";
    assert_eq!(refused(&server, "GET", nobody, &ann), (404, "api_key_not_found".to_owned()));
    assert_eq!(refused(&server, "DELETE", nobody, &ann), (404, "api_key_not_found".to_owned()));
    assert_ne!(made["key"], Value::Null);
}
