//! Many users in one request.

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token};

fn users(names: impl IntoIterator<Item = String>) -> Value {
    let all: Vec<Value> =
        names.into_iter().map(|name| json!({ "email": format!("{name}@acme.example") })).collect();
    json!({ "users": all })
}

#[test]
fn each_of_many_users_has_a_result() {
    let (_world, server, token) = acme_and_token();
    let body = json!({ "users": [
        { "email": "bob@acme.example", "roles": ["Viewer"] },
        { "email": "ann@acme.example" },
        { "email": "cy@acme.example", "password": "password1" },
        { "email": "di@acme.example", "password": PASSWORD },
        { "email": "BOB@acme.example" },
    ] });
    let answer = server.change("POST", "/users/bulk?invite=true", &token, &body);
    assert!(!answer.body.contains("password1"));
    let done = answer.ok();
    assert_eq!((&done["created"], &done["unchanged"], &done["failed"]), (&json!(2), &json!(2), &json!(1)));
    let results = done["results"].as_array().unwrap();
    let outcomes: Vec<&str> = results.iter().map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["created", "unchanged", "failed", "created", "unchanged"]);
    assert!(results.iter().all(|it| it.get("invitation").is_none()), "it is sent, not answered");
    assert!(results[2]["code"].as_str().unwrap().starts_with("password"), "{results:?}");
    let bob = server.get(&format!("/users/{}", results[0]["id"].as_str().unwrap()), &token).ok();
    assert_eq!(bob["roles"], json!(["Viewer"]));
    assert_eq!(server.login(Some("acme"), "di@acme.example", PASSWORD).status, 200);
}

#[test]
fn all_are_created_or_none() {
    let (_world, server, token) = acme_and_token();
    let count = || server.get("/users?total=exact", &token).ok()["pagination"]["total"].clone();
    let body = json!({ "users": [
        { "email": "bob@acme.example" },
        { "email": "cy@acme.example", "password": "password1" },
        { "email": "ann@acme.example" },
        { "email": "bob@acme.example" },
    ] });
    let answer = server.change("POST", "/users/bulk?atomic=true", &token, &body);
    assert_eq!(answer.problem(), (409, "none_created".to_owned()));
    let document = answer.json();
    let errors = document["errors"].as_array().unwrap();
    let pointers: Vec<&str> = errors.iter().map(|it| it["pointer"].as_str().unwrap()).collect();
    assert_eq!(pointers, ["/users/1", "/users/2", "/users/3"]);
    assert_eq!((&errors[1]["code"], &errors[2]["code"]), (&json!("user_exists"), &json!("user_exists")));
    assert_eq!(count(), 1);
    let many = users((0..700).map(|at| format!("u{at}")));
    let done = server.change("POST", "/users/bulk?atomic=true&invite=true", &token, &many).ok();
    assert_eq!(done["created"], 700);
    let results = done["results"].as_array().unwrap();
    assert!(results.iter().enumerate().all(|(at, it)| it["index"] == at && it["outcome"] == "created"));
    assert_eq!(count(), 701);
}

#[test]
fn a_thousand_users_are_the_most() {
    let (_world, server, token) = acme_and_token();
    let done =
        server.change("POST", "/users/bulk", &token, &users((0..1000).map(|at| format!("u{at}")))).ok();
    assert_eq!(
        (&done["created"], done["results"][999]["email"].as_str()),
        (&json!(1000), Some("u999@acme.example"))
    );
    for wrong in [users((0..1001).map(|at| format!("v{at}"))), users([])] {
        let answer = server.change("POST", "/users/bulk", &token, &wrong);
        assert_eq!(answer.problem(), (400, "body_invalid".to_owned()));
        assert_eq!(answer.json()["errors"][0]["pointer"], "/users");
    }
    let role = json!({ "users": [{ "email": "w@acme.example" }, { "email": "x@acme.example", "roles": ["Viewr"] }] });
    assert_eq!(
        server.change("POST", "/users/bulk", &token, &role).problem(),
        (404, "role_not_found".to_owned())
    );
    assert_eq!(server.get("/users?total=exact", &token).ok()["pagination"]["total"], 1001);
}
