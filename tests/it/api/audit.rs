//! The realm's log over HTTP.

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token, user};

fn actions(answer: &Value) -> Vec<&str> {
    answer["data"].as_array().unwrap().iter().map(|row| row["action"].as_str().unwrap()).collect()
}

#[test]
fn an_administrator_sees_who_did_what_to_whom() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Viewer"]);
    server.change("PUT", &format!("/users/{bob}/roles/Manager"), &token, &json!({})).ok();
    server.login(Some("acme"), "bob@acme.example", PASSWORD).ok();
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    let list = |query: &str| server.get(&format!("/audit?{query}"), &token).ok();

    let all = list("");
    assert_eq!(actions(&all)[..2], ["user.sign_in", "role.grant"], "{all}");
    let row = &all["data"][1];
    assert_eq!(
        (&row["caller"], &row["user_id"], &row["detail"]),
        (&json!(format!("user:{ann}")), &json!(bob), &json!({ "role": "Manager" }))
    );
    assert_eq!(actions(&list("role=Manager")), ["role.grant"]);
    assert_eq!(actions(&list(&format!("by={ann}&action=role.grant&user={bob}"))), ["role.grant"]);
    assert_eq!(actions(&list("until=2020-01-01T00:00:00Z")), [""; 0]);
    assert_eq!(actions(&list("since=2020-01-01T00:00:00Z")), actions(&all));
    assert_eq!(actions(&list("group=Nobody")), [""; 0]);
    assert_eq!(server.get("/audit?rol=x", &token).problem(), (400, "query_invalid".to_owned()));
    assert_eq!(server.get("/audit?since=monday", &token).problem(), (400, "query_invalid".to_owned()));
    assert_eq!(server.get("/audit?total=exact", &token).problem(), (400, "query_invalid".to_owned()));
}

#[test]
fn the_log_is_gone_through_by_cursor() {
    let (_world, server, token) = acme_and_token();
    for name in ["bob", "cy", "di"] {
        user(&server, &token, &format!("{name}@acme.example"), &["Viewer"]);
    }
    let mut seen = Vec::new();
    let mut path = "/audit?limit=2".to_owned();
    loop {
        let page = server.get(&path, &token).ok();
        seen.extend(page["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()));
        let Some(next) = page["pagination"]["next"].as_str() else { break };
        path = format!("/audit?limit=2&cursor={next}");
    }
    let whole = server.get("/audit?limit=100", &token).ok();
    let whole: Vec<i64> =
        whole["data"].as_array().unwrap().iter().map(|row| row["id"].as_i64().unwrap()).collect();
    assert_eq!(seen, whole);
    assert!(seen.len() >= 4 && seen.is_sorted_by(|one, next| one > next), "{seen:?}");
}

#[test]
fn everybody_sees_their_own_activity_and_nobody_elses() {
    let (_world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Viewer"]);
    let cy = user(&server, &token, "cy@acme.example", &[]);
    let theirs = server.token("acme", "bob@acme.example", PASSWORD);
    let own = server.get("/activity", &theirs).ok();
    assert_eq!(actions(&own)[0], "user.sign_in");
    assert!(actions(&own).contains(&"user.create"), "{own}");
    assert_eq!(server.get(&format!("/activity?user={bob}"), &theirs).ok(), own);
    assert_eq!(server.get(&format!("/activity?user={cy}"), &theirs).problem().0, 403);
    // Whoever may read everything of the business may not read the log.
    assert_eq!(server.get("/audit", &theirs).problem().0, 403);
    assert_eq!(server.get(&format!("/activity?user={bob}"), &token).ok(), own);
}

#[test]
fn who_may_read_the_log_is_a_matter_of_one_permission() {
    let (_world, server, token) = acme_and_token();
    server.change("POST", "/roles", &token, &json!({ "name": "Inspector" })).ok();
    server.change("PUT", "/roles/Inspector/permissions/audit:read", &token, &json!({})).ok();
    user(&server, &token, "bob@acme.example", &["Inspector"]);
    let theirs = server.token("acme", "bob@acme.example", PASSWORD);
    server.get("/audit", &theirs).ok();
}
