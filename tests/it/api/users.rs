//! `/users`: created, shown, changed, shut out, deleted; what they may do, where they are signed in.

use serde_json::json;

use super::{PASSWORD, acme_and_token, call, each, refused, user};
use crate::support::api::bearer;

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_user_is_created_shown_changed_and_deleted() {
    let (_world, server, token) = acme_and_token();
    let new = json!({ "email": "bob@acme.example", "name": "Bob", "profile": { "team": "eu", "level": 3 },
                      "roles": ["Viewer"], "password": PASSWORD });
    let made = server.change("POST", "/users", &token, &new);
    assert_eq!(made.status, 201);
    let place = made.header("location").unwrap().to_owned();
    let bob = made.ok();
    assert_eq!(place, format!("/users/{}", bob["id"].as_str().unwrap()));
    assert_eq!((&bob["state"], &bob["roles"]), (&json!("active"), &json!(["Viewer"])));
    assert_eq!(bob.get("invitation"), None);
    assert!(!made.body.contains(PASSWORD));
    assert_eq!(server.get(&place, &token).ok(), bob);
    assert_eq!(server.login(Some("acme"), "bob@acme.example", PASSWORD).status, 200);
    let change = json!({ "name": "Bob Birch", "profile": { "level": 4, "team": null } });
    let changed = server.change("PATCH", &place, &token, &change).ok();
    assert_eq!((&changed["name"], &changed["profile"]), (&json!("Bob Birch"), &json!({ "level": 4 })));
    assert_eq!(changed["email"], "bob@acme.example");
    let deleted = call(&server, "DELETE", &place, &token);
    assert_eq!(
        deleted,
        json!({ "action": "user.delete", "subject": "bob@acme.example", "object": "", "outcome": "done" })
    );
    assert_eq!(call(&server, "DELETE", &place, &token)["outcome"], "unchanged");
    assert_eq!(server.get(&place, &token).ok()["state"], "deleted");
    assert_eq!(server.change("PATCH", &place, &token, &change).problem(), code(409, "user_state"));
    assert_eq!(call(&server, "POST", &format!("{place}/undelete"), &token)["outcome"], "done");
    assert_eq!(server.get(&place, &token).ok()["state"], "active");
}

#[test]
fn an_invitation_is_asked_for_with_the_user_and_told_in_no_answer() {
    let (_world, server, token) = acme_and_token();
    let new = json!({ "email": "bob@acme.example" });
    let made = server.change("POST", "/users?invite=true", &token, &new).ok();
    assert_eq!((&made["state"], made.get("invitation")), (&json!("invited"), None));
    let again = server.change("POST", "/users?invite=true", &token, &new);
    assert_eq!(again.problem(), code(409, "user_exists"));
    let invite = format!("/users/{}/invitation", made["id"].as_str().unwrap());
    assert_eq!(call(&server, "POST", &invite, &token)["action"], "user.invite");
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    let has_password = refused(&server, "POST", &format!("/users/{ann}/invitation"), &token);
    assert_eq!(has_password, code(409, "user_state"));
}

#[test]
fn what_cannot_be_used_is_refused_and_named() {
    let (_world, server, token) = acme_and_token();
    for (body, pointer) in [
        (json!({ "email": "nobody" }), "/email"),
        (json!({ "email": "a@b.example", "naem": "x" }), "/naem"),
        (json!({ "email": "a@b.example", "roles": ["a,b"] }), "/roles/0"),
        (json!({ "name": "x" }), ""),
    ] {
        let answer = server.change("POST", "/users", &token, &body);
        assert_eq!(answer.problem(), code(400, "body_invalid"), "{body}");
        assert_eq!(answer.json()["errors"][0]["pointer"], pointer, "{body}");
    }
    let weak = json!({ "email": "a@b.example", "password": "password1" });
    let answer = server.change("POST", "/users", &token, &weak);
    assert_eq!(answer.status, 400, "{answer:?}");
    assert!(!answer.body.contains("password1"));
    let roles = json!({ "email": "a@b.example", "roles": ["Viewr"] });
    let answer = server.change("POST", "/users", &token, &roles);
    assert_eq!(answer.problem(), code(404, "role_not_found"));
    assert_eq!(answer.json()["hints"][0], "did you mean Viewer?");
    assert_eq!(refused(&server, "GET", "/users/ann@acme.example", &token), code(400, "path_invalid"));
    let nobody = "/users/00000000-0000-7000-8000-000000000000";
    assert_eq!(refused(&server, "GET", nobody, &token), code(404, "user_not_found"));
    assert_eq!(
        server.change("POST", "/users?invte=true", &token, &weak).problem(),
        code(400, "query_invalid")
    );
}

#[test]
fn who_is_shut_out_is_so_at_once_and_can_be_let_in_again() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Manager"]);
    let own = server.token("acme", "bob@acme.example", PASSWORD);
    assert_eq!(server.get("/users", &own).status, 200);
    assert_eq!(call(&server, "POST", &format!("/users/{bob}/disable"), &token)["outcome"], "done");
    assert_eq!(server.get("/users", &own).status / 100, 4);
    assert_eq!(server.login(Some("acme"), "bob@acme.example", PASSWORD).status, 401);
    assert_eq!(call(&server, "POST", &format!("/users/{bob}/enable"), &token)["outcome"], "done");
    assert_eq!(server.login(Some("acme"), "bob@acme.example", PASSWORD).status, 200);
    assert_eq!(call(&server, "POST", &format!("/users/{bob}/unlock"), &token)["outcome"], "unchanged");
    // Ann is the last administrator.
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    assert_eq!(
        refused(&server, "POST", &format!("/users/{ann}/disable"), &token),
        code(403, "last_administrator")
    );
    assert_eq!(refused(&server, "DELETE", &format!("/users/{ann}"), &token), code(403, "last_administrator"));
}

#[test]
fn what_a_user_may_do_is_answered_with_the_way_there() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    let put = |path: &str, body| server.change("PUT", path, &token, &body).ok();
    put("/permissions/invoice:approve", json!({ "description": "approve invoices" }));
    server.change("POST", "/roles", &token, &json!({ "name": "Approver" })).ok();
    put("/roles/Approver/permissions/invoice:approve", json!({ "when": "amount <= 100" }));
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    call(&server, "PUT", "/groups/Office/roles/Approver", &token);
    call(&server, "PUT", &format!("/groups/Office/members/{bob}"), &token);
    let can = |query: &str| server.get(&format!("/users/{bob}/can?permission={query}"), &token);
    assert_eq!(can("invoice:approve").ok()["reason"], "condition");
    let yes = can("invoice:approve&with=%7B%22amount%22%3A99%7D").ok();
    assert_eq!((&yes["allowed"], &yes["path"][1]), (&json!(true), &json!("group Office")));
    assert_eq!(can("invoice:approve&with=%7B%22amount%22%3A101%7D").ok()["allowed"], false);
    assert_eq!(can("invoice:aprove").problem(), code(400, "permission_unknown"));
    assert_eq!(can("invoice").problem(), code(400, "query_invalid"));
    assert_eq!(can("invoice:approve&with=1").problem(), code(400, "query_invalid"));
    let held = server.get(&format!("/users/{bob}/roles"), &token).ok();
    assert_eq!(held["data"][0]["permissions"], json!(["invoice:approve when amount <= 100"]));
    assert_eq!(each(&server.get(&format!("/users/{bob}/groups"), &token).ok(), "group"), ["Office"]);
}

#[test]
fn a_role_is_granted_and_revoked_by_name_or_id() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    let manager = server.get("/roles/Manager", &token).ok()["id"].as_str().unwrap().to_owned();
    for role in ["Manager", &manager] {
        let path = format!("/users/{bob}/roles/{role}");
        let roles = || server.get(&format!("/users/{bob}"), &token).ok()["roles"].clone();
        assert_eq!(call(&server, "PUT", &path, &token)["outcome"], "done");
        assert_eq!(call(&server, "PUT", &path, &token)["outcome"], "unchanged");
        assert_eq!(roles(), json!(["Manager"]));
        assert_eq!(call(&server, "DELETE", &path, &token)["outcome"], "done");
        assert_eq!(roles(), json!([]));
    }
    let missing = refused(&server, "PUT", &format!("/users/{bob}/roles/Maneger"), &token);
    assert_eq!(missing, code(404, "role_not_found"));
}

#[test]
fn a_users_sessions_are_listed_and_ended() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &[]);
    for _ in 0..3 {
        server.token("acme", "bob@acme.example", PASSWORD);
    }
    let path = format!("/users/{bob}/sessions");
    let first = server.get(&format!("{path}?limit=2"), &token).ok();
    let next = first["pagination"]["next"].as_str().unwrap();
    let rest = server.get(&format!("{path}?limit=2&cursor={next}"), &token).ok();
    let ids = [each(&first, "id"), each(&rest, "id")].concat();
    let newest_first = ids.is_sorted_by(|one, two| one > two);
    assert!(ids.len() == 3 && newest_first && rest["pagination"]["next"].is_null(), "{ids:?}");
    // A session is ended as its owner's alone.
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    let other = refused(&server, "DELETE", &format!("/users/{ann}/sessions/{}", ids[0]), &token);
    assert_eq!(other, code(404, "not_found"));
    assert_eq!(call(&server, "DELETE", &format!("{path}/{}", ids[0]), &token)["outcome"], "done");
    assert_eq!(call(&server, "DELETE", &path, &token)["object"], "2 sessions");
    assert_eq!(call(&server, "DELETE", &path, &token)["outcome"], "unchanged");
}

#[test]
fn who_has_no_right_is_refused_and_changes_nothing() {
    let (world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Viewer"]);
    let viewer = server.token("acme", "bob@acme.example", PASSWORD);
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    crate::events::settle(&world, "acme");
    let before = crate::rights::everything(&world);
    let named = json!({ "name": "X" });
    for (method, path, body) in [
        ("POST", "/users", json!({ "email": "cy@acme.example" })),
        ("POST", "/users", json!({ "email": "cy@acme.example", "password": PASSWORD })),
        ("POST", "/users/bulk", json!({ "users": [{ "email": "cy@acme.example" }] })),
        ("PATCH", &format!("/users/{ann}"), named.clone()),
        ("POST", "/roles", named.clone()),
        ("PATCH", "/roles/User", named.clone()),
        ("PUT", "/roles/User/permissions/user:read", json!({})),
        ("POST", "/groups", named.clone()),
        ("PATCH", "/groups/Office", named),
        ("POST", "/groups/Office/move", json!({ "to": null })),
        ("PUT", "/permissions/a:b", json!({ "description": "x" })),
    ] {
        let answer = server.change(method, path, &viewer, &body);
        assert_eq!(answer.problem(), code(403, "permission_missing"), "{method} {path}");
    }
    for (method, path) in [
        ("DELETE", format!("/users/{ann}")),
        ("POST", format!("/users/{ann}/disable")),
        ("POST", format!("/users/{ann}/enable")),
        ("POST", format!("/users/{ann}/unlock")),
        ("POST", format!("/users/{ann}/undelete")),
        ("PUT", format!("/users/{bob}/roles/Admin")),
        ("DELETE", format!("/users/{ann}/roles/Admin")),
        ("DELETE", format!("/users/{ann}/sessions")),
        ("DELETE", "/roles/User".to_owned()),
        ("DELETE", "/roles/Viewer/permissions/user:read".to_owned()),
        ("DELETE", "/groups/Office".to_owned()),
        ("PUT", format!("/groups/Office/members/{bob}")),
        ("DELETE", format!("/groups/Office/members/{bob}")),
        ("PUT", "/groups/Office/roles/Admin".to_owned()),
        ("DELETE", "/groups/Office/roles/Admin".to_owned()),
    ] {
        assert_eq!(
            refused(&server, method, &path, &viewer),
            code(403, "permission_missing"),
            "{method} {path}"
        );
    }
    assert_eq!(before, crate::rights::everything(&world));
    // Everybody may see themselves.
    assert_eq!(server.send("GET", &format!("/users/{bob}"), &[&bearer(&viewer)], &[]).status, 200);
}
