//! `/roles` and `/permissions`.

use serde_json::{Value, json};

use super::{acme_and_token, call, each, refused};

fn code(status: u16, code: &str) -> (u16, String) {
    (status, code.to_owned())
}

#[test]
fn a_role_is_created_changed_and_deleted() {
    let (_world, server, token) = acme_and_token();
    let new = json!({ "name": "Accountant", "description": "keeps the books", "permissions": ["user:*"] });
    let made = server.change("POST", "/roles", &token, &new);
    assert_eq!(made.status, 201);
    let role = made.ok();
    let place = made.header("location").unwrap();
    assert_eq!(place, format!("/roles/{}", role["id"].as_str().unwrap()));
    assert_eq!(role["permissions"], json!(["user:*"]));
    assert!(role["covers"]["user:*"].as_array().unwrap().contains(&json!("user:create")));
    assert_eq!(server.get(place, &token).ok(), role);
    assert_eq!(server.get("/roles/Accountant", &token).ok(), role);
    let renamed = server.change("PATCH", "/roles/Accountant", &token, &json!({ "name": "Book keeper" })).ok();
    assert_eq!(
        (&renamed["name"], &renamed["description"]),
        (&json!("Book keeper"), &json!("keeps the books"))
    );
    assert_eq!(server.get("/roles/Book%20keeper", &token).ok()["id"], role["id"]);
    assert_eq!(refused(&server, "GET", "/roles/Accountant", &token), code(404, "role_not_found"));
    assert_eq!(
        server.change("POST", "/roles", &token, &json!({ "name": "Admin" })).problem(),
        code(409, "role_exists")
    );
    assert_eq!(
        server.change("PATCH", "/roles/Admin", &token, &json!({ "name": "A" })).problem(),
        code(409, "role_built_in")
    );
    assert_eq!(refused(&server, "DELETE", "/roles/Admin", &token), code(409, "role_built_in"));
    assert_eq!(call(&server, "DELETE", place, &token)["outcome"], "done");
    assert_eq!(refused(&server, "DELETE", place, &token), code(404, "role_not_found"));
}

#[test]
fn a_role_allows_what_is_registered() {
    let (_world, server, token) = acme_and_token();
    server.change("POST", "/roles", &token, &json!({ "name": "Accountant" })).ok();
    let allow = |permission: &str, body: Value| {
        server.change("PUT", &format!("/roles/Accountant/permissions/{permission}"), &token, &body)
    };
    assert_eq!(allow("invoice:create", json!({})).problem(), code(400, "permission_unknown"));
    let register = |text: &str| {
        server.change("PUT", "/permissions/invoice:create", &token, &json!({ "description": text })).ok()
    };
    assert_eq!(register("create invoices")["outcome"], "done");
    assert_eq!(register("create invoices")["outcome"], "unchanged");
    assert_eq!(register("write invoices")["outcome"], "done");
    assert_eq!(allow("invoice:create", json!({ "when": "owner" })).ok()["outcome"], "done");
    assert_eq!(allow("invoice:create", json!({ "when": "owner" })).ok()["outcome"], "unchanged");
    assert_eq!(allow("invoice:create", json!({ "when": "owner and" })).problem(), code(400, "body_invalid"));
    assert_eq!(allow("invoice", json!({})).problem(), code(400, "path_invalid"));
    let held = || server.get("/roles/Accountant", &token).ok()["permissions"].clone();
    assert_eq!(held(), json!(["invoice:create when owner"]));
    let listed = server.get("/permissions?limit=100", &token).ok();
    let row = listed["data"].as_array().unwrap().iter().find(|row| row["name"] == "invoice:create").unwrap();
    assert_eq!(row["description"], "write invoices");
    assert!(row["roles"].as_array().unwrap().contains(&json!("Accountant")));
    let path = "/roles/Accountant/permissions/invoice:create";
    assert_eq!(call(&server, "DELETE", path, &token)["outcome"], "done");
    assert_eq!(call(&server, "DELETE", path, &token)["outcome"], "unchanged");
    assert_eq!(held(), json!([]));
    let covered = refused(&server, "DELETE", "/roles/Admin/permissions/user:read", &token);
    assert_eq!(covered, code(409, "permission_covered"));
}

#[test]
fn lists_of_everything_are_gone_through_by_cursor() {
    let (_world, server, token) = acme_and_token();
    for path in ["/roles", "/permissions"] {
        let whole = server.get(&format!("{path}?limit=100"), &token).ok();
        let (mut seen, mut at) = (Vec::new(), format!("{path}?limit=3"));
        loop {
            let part = server.get(&at, &token).ok();
            seen.extend(each(&part, "name").into_iter().map(str::to_owned));
            assert_eq!(part["pagination"]["total"], whole["pagination"]["total"]);
            let Some(next) = part["pagination"]["next"].as_str() else { break };
            at = format!("{path}?limit=3&cursor={next}");
        }
        assert!(seen.is_sorted() && seen == each(&whole, "name"), "{seen:?}");
        let second = server.get(&format!("{path}?limit=3&page=2&total=none"), &token).ok();
        assert_eq!(each(&second, "name"), seen[3..seen.len().min(6)]);
        assert_eq!(second["pagination"]["total"], Value::Null);
    }
    let unknown = server.get("/roles?limt=3", &token);
    assert_eq!(unknown.problem(), code(400, "query_invalid"));
    assert_eq!(unknown.json()["hints"], json!(["did you mean limit?"]));
    assert_eq!(server.get("/roles?limit=101", &token).problem(), code(400, "query_invalid"));
    assert_eq!(server.get("/roles?cursor=x", &token).problem(), code(400, "query_invalid"));
}
