//! `/groups`: they nest, have members and carry roles.

use serde_json::json;

use super::{acme_and_token, call, each, refused, user};

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_group_is_created_moved_and_deleted() {
    let (_world, server, token) = acme_and_token();
    let post = |path: &str, body| server.change("POST", path, &token, &body);
    let made = post("/groups", json!({ "name": "Sales", "description": "sells" }));
    assert_eq!(made.status, 201);
    let sales = made.ok();
    assert_eq!(made.header("location"), Some(&*format!("/groups/{}", sales["id"].as_str().unwrap())));
    let part = post("/groups", json!({ "name": "Sales EU", "parent": "Sales" })).ok();
    assert_eq!(part["parent"], "Sales");
    assert_eq!(post("/groups", json!({ "name": "Sales" })).problem(), code(409, "group_exists"));
    assert_eq!(
        post("/groups", json!({ "name": "X", "parent": "Saels" })).problem(),
        code(404, "group_not_found")
    );
    assert_eq!(post("/groups/Sales/move", json!({ "to": "Sales EU" })).problem(), code(409, "group_cycle"));
    assert_eq!(post("/groups/Sales/move", json!({})).problem(), code(400, "body_invalid"));
    assert_eq!(refused(&server, "DELETE", "/groups/Sales", &token), code(409, "group_not_empty"));
    assert_eq!(post("/groups/Sales%20EU/move", json!({ "to": null })).ok()["outcome"], "done");
    let renamed = server.change("PATCH", "/groups/Sales", &token, &json!({ "name": "Selling" })).ok();
    assert_eq!((&renamed["name"], &renamed["id"]), (&json!("Selling"), &sales["id"]));
    assert_eq!(each(&server.get("/groups", &token).ok(), "name"), ["Sales EU", "Selling"]);
    assert_eq!(
        call(&server, "DELETE", &format!("/groups/{}", sales["id"].as_str().unwrap()), &token)["outcome"],
        "done"
    );
    assert_eq!(refused(&server, "GET", "/groups/Selling", &token), code(404, "group_not_found"));
}

#[test]
fn members_are_added_listed_and_removed() {
    let (_world, server, token) = acme_and_token();
    let post = |body| server.change("POST", "/groups", &token, &body).ok();
    post(json!({ "name": "Office" }));
    post(json!({ "name": "Finance", "parent": "Office" }));
    let ids = ["bob", "cy", "di"].map(|name| user(&server, &token, &format!("{name}@acme.example"), &[]));
    for id in &ids {
        let path = format!("/groups/Finance/members/{id}");
        assert_eq!(call(&server, "PUT", &path, &token)["outcome"], "done");
        assert_eq!(call(&server, "PUT", &path, &token)["outcome"], "unchanged");
    }
    let members = server.get("/groups/Office/members?limit=2", &token).ok();
    assert_eq!(each(&members, "email"), ["bob@acme.example", "cy@acme.example"]);
    let next = members["pagination"]["next"].as_str().unwrap();
    let rest = server.get(&format!("/groups/Office/members?limit=2&cursor={next}"), &token).ok();
    assert_eq!(each(&rest, "email"), ["di@acme.example"]);
    let office = server.get("/groups/Office", &token).ok()["id"].as_str().unwrap().to_owned();
    let by_id = server.get(&format!("/groups/{office}/members"), &token).ok();
    assert_eq!(by_id["pagination"]["total"], 3);
    let filtered = server.get(&format!("/users?group={office}"), &token).ok();
    assert_eq!(filtered["data"], by_id["data"]);
    let path = format!("/groups/Finance/members/{}", ids[0]);
    assert_eq!(call(&server, "DELETE", &path, &token)["outcome"], "done");
    assert_eq!(call(&server, "DELETE", &path, &token)["outcome"], "unchanged");
    let nobody = "/groups/Finance/members/00000000-0000-7000-8000-000000000000";
    assert_eq!(refused(&server, "PUT", nobody, &token), code(404, "user_not_found"));
    assert_eq!(refused(&server, "GET", "/groups/Fnance/members", &token), code(404, "group_not_found"));
}
