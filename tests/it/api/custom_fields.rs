//! Custom fields: defined, given values of their types, filtered by, deleted with what they held.

use serde_json::{Value, json};

use super::{PASSWORD, acme_and_token, each, user};
use crate::support::api::{ApiServer, bearer};

fn define(server: &ApiServer, token: &str, field: &Value) -> String {
    server.change("POST", "/custom-fields", token, field).ok()["id"].as_str().unwrap().to_owned()
}

/// A list's addresses or names, without what follows an `@`.
fn found(server: &ApiServer, token: &str, path: &str) -> Vec<String> {
    let list = server.get(path, token).ok();
    let name = if path.starts_with("/users") { "email" } else { "name" };
    each(&list, name).into_iter().map(|text| text.split('@').next().unwrap().to_owned()).collect()
}

/// The pointers of what is wrong with a body.
fn wrong(server: &ApiServer, token: &str, (method, path): (&str, &str), body: &Value) -> Vec<String> {
    let answer = server.change(method, path, token, body);
    assert_eq!(answer.problem(), (400, "fields_invalid".to_owned()), "{body}");
    let errors = answer.json()["errors"].clone();
    errors.as_array().unwrap().iter().map(|it| it["pointer"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_field_is_defined_changed_and_deleted_with_its_values() {
    let (_world, server, token) = acme_and_token();
    let new = json!({ "applies_to": "users", "name": "team", "type": "choice", "choices": ["eu", "us"],
                      "description": "where they work" });
    let made = server.change("POST", "/custom-fields", &token, &new);
    assert_eq!(made.status, 201);
    let place = made.header("location").unwrap().to_owned();
    let field = made.ok();
    assert_eq!((&field["type"], &field["required"]), (&json!("choice"), &json!(false)));
    assert_eq!(server.get(&place, &token).ok(), field);
    let again = server.change("POST", "/custom-fields", &token, &new);
    assert_eq!(again.problem(), (409, "custom_field_exists".to_owned()));
    // Groups have fields of their own.
    define(&server, &token, &json!({ "applies_to": "groups", "name": "team", "type": "text" }));
    let all = server.get("/custom-fields", &token).ok();
    assert_eq!(each(&all, "applies_to"), ["groups", "users"]);
    for (body, code) in [
        (json!({ "applies_to": "users", "name": "Team", "type": "text" }), "body_invalid"),
        (json!({ "applies_to": "tenants", "name": "team", "type": "text" }), "body_invalid"),
        (
            json!({ "applies_to": "users", "name": "a", "type": "text", "choices": ["x"] }),
            "custom_field_invalid",
        ),
        (json!({ "applies_to": "users", "name": "a", "type": "choice" }), "custom_field_invalid"),
        (json!({ "applies_to": "users", "name": "a", "type": "text", "unique": true }), "body_invalid"),
    ] {
        let refused = server.change("POST", "/custom-fields", &token, &body);
        assert_eq!(refused.problem(), (400, code.to_owned()), "{body}");
    }
    let bob = json!({ "email": "bob@acme.example", "fields": { "team": "eu" } });
    let bob = server.change("POST", "/users", &token, &bob).ok();
    assert_eq!(bob["fields"], json!({ "team": "eu" }));
    let choices = |all: &[&str]| server.change("PATCH", &place, &token, &json!({ "choices": all }));
    assert_eq!(choices(&["us"]).problem(), (409, "choice_in_use".to_owned()));
    assert_eq!(choices(&["eu", "asia"]).ok()["choices"], json!(["eu", "asia"]));
    let gone = server.send("DELETE", &place, &[&bearer(&token), "If-Match: \"old\""], &[]);
    assert_eq!(gone.problem(), (412, "precondition_failed".to_owned()));
    assert_eq!(server.send("DELETE", &place, &[&bearer(&token)], &[]).ok()["outcome"], "done");
    let place_of_bob = format!("/users/{}", bob["id"].as_str().unwrap());
    assert_eq!(server.get(&place_of_bob, &token).ok()["fields"], json!({}));
    assert_eq!(server.get(&place, &token).problem(), (404, "custom_field_not_found".to_owned()));
    let log = server.get("/audit?action[contains]=custom_field", &token).ok();
    assert_eq!(each(&log, "action")[..2], ["custom_field.delete", "custom_field.update"]);
    assert_eq!(log["data"][0]["detail"]["values"], 1);
}

#[test]
fn values_are_checked_where_they_are_given() {
    let (world, server, token) = acme_and_token();
    for (name, kind) in [("level", "number"), ("note", "text"), ("since", "date"), ("remote", "boolean")] {
        define(&server, &token, &json!({ "applies_to": "users", "name": name, "type": kind }));
    }
    define(&server, &token, &json!({ "applies_to": "groups", "name": "cost_center", "type": "number" }));
    let with = |fields: Value| json!({ "email": "bob@acme.example", "fields": fields });
    let post = ("POST", "/users");
    let both = wrong(&server, &token, post, &with(json!({ "level": "3", "since": "2026-02-30" })));
    assert_eq!(both, ["/fields/level", "/fields/since"]);
    let slip = server.change("POST", "/users", &token, &with(json!({ "levl": 3 })));
    assert_eq!(slip.problem(), (400, "fields_invalid".to_owned()));
    assert_eq!(slip.json()["hints"], json!(["did you mean level?"]));
    let rows = json!({ "users": [{ "email": "a@acme.example" }, { "email": "b@acme.example", "fields": { "remote": 1 } }] });
    assert_eq!(wrong(&server, &token, ("POST", "/users/bulk"), &rows), ["/users/1/fields/remote"]);
    assert_eq!(found(&server, &token, "/users"), ["ann"], "nobody was created");
    let fields = json!({ "level": 3, "note": "a b", "since": "2026-02-28", "remote": true });
    let bob = server.change("POST", "/users", &token, &with(fields.clone())).ok();
    assert_eq!(bob["fields"], fields);
    let place = format!("/users/{}", bob["id"].as_str().unwrap());
    let seen = server.get(&place, &token).header("etag").unwrap().to_owned();
    let changed =
        server.change("PATCH", &place, &token, &json!({ "fields": { "level": null, "note": "c" } }));
    assert_eq!(changed.ok()["fields"], json!({ "note": "c", "since": "2026-02-28", "remote": true }));
    assert_ne!(changed.header("etag"), Some(&*seen));
    // The command line says and shows the same.
    let shown = world.json(&["user", "update", "bob@acme.example", "--field", "level=7", "--tenant", "acme"]);
    assert_eq!(shown["fields"]["level"], 7);
    let office = json!({ "name": "Office", "fields": { "cost_center": 4711 } });
    assert_eq!(
        server.change("POST", "/groups", &token, &office).ok()["fields"],
        json!({ "cost_center": 4711 })
    );
    let group = ("PATCH", "/groups/Office");
    assert_eq!(wrong(&server, &token, group, &json!({ "fields": { "level": 1 } })), ["/fields/level"]);
    let moved = server.change(group.0, group.1, &token, &json!({ "fields": { "cost_center": null } })).ok();
    assert_eq!(moved["fields"], json!({}));
}

#[test]
fn a_required_field_is_asked_for_where_users_are_created_or_fields_change() {
    let (_world, server, token) = acme_and_token();
    let ann = server.get("/auth/me", &token).ok()["id"].as_str().unwrap().to_owned();
    define(
        &server,
        &token,
        &json!({ "applies_to": "users", "name": "badge", "type": "text", "required": true }),
    );
    define(&server, &token, &json!({ "applies_to": "users", "name": "note", "type": "text" }));
    let bob = json!({ "email": "bob@acme.example" });
    assert_eq!(wrong(&server, &token, ("POST", "/users"), &bob), ["/fields/badge"]);
    let ann = format!("/users/{ann}");
    // Who was there before goes on as they are, until their fields change.
    server.change("PATCH", &ann, &token, &json!({ "name": "Ann" })).ok();
    let note = json!({ "fields": { "note": "x" } });
    assert_eq!(wrong(&server, &token, ("PATCH", &ann), &note), ["/fields/badge"]);
    let both = json!({ "fields": { "note": "x", "badge": "7" } });
    assert_eq!(
        server.change("PATCH", &ann, &token, &both).ok()["fields"],
        json!({ "badge": "7", "note": "x" })
    );
    let none = json!({ "fields": { "badge": null } });
    assert_eq!(wrong(&server, &token, ("PATCH", &ann), &none), ["/fields/badge"]);
}

#[test]
fn users_and_groups_are_filtered_by_their_fields() {
    let (_world, server, token) = acme_and_token();
    let users = |name: &str, kind: &str| json!({ "applies_to": "users", "name": name, "type": kind });
    define(
        &server,
        &token,
        &json!({ "applies_to": "users", "name": "team", "type": "choice", "choices": ["eu", "us"] }),
    );
    for (name, kind) in [("level", "number"), ("note", "text"), ("since", "date"), ("remote", "boolean")] {
        define(&server, &token, &users(name, kind));
    }
    define(&server, &token, &json!({ "applies_to": "groups", "name": "city", "type": "text" }));
    for (name, fields) in [
        (
            "bob",
            json!({ "team": "eu", "level": 3, "note": "Night shift", "since": "2024-05-01", "remote": true }),
        ),
        ("cy", json!({ "team": "us", "level": 10, "since": "2025-01-01", "remote": false })),
        ("di", json!({ "team": "eu", "level": 3.0 })),
    ] {
        let body = json!({ "email": format!("{name}@acme.example"), "fields": fields });
        server.change("POST", "/users", &token, &body).ok();
    }
    server.change("POST", "/groups", &token, &json!({ "name": "Office", "fields": { "city": "Graz" } })).ok();
    server.change("POST", "/groups", &token, &json!({ "name": "Plant", "fields": { "city": "Linz" } })).ok();
    for (path, expected) in [
        ("/users?fields[team]=eu", vec!["bob", "di"]),
        ("/users?fields[team][in]=eu,us&limit=100", vec!["bob", "cy", "di"]),
        ("/users?fields[team][ne]=eu", vec!["ann", "cy"]),
        ("/users?fields[level]=3", vec!["bob", "di"]),
        ("/users?fields[level][gt]=3", vec!["cy"]),
        ("/users?fields[level][lt]=9.5", vec!["bob", "di"]),
        ("/users?fields[since][lt]=2025-01-01", vec!["bob"]),
        ("/users?fields[remote]=false", vec!["cy"]),
        ("/users?fields[note][contains]=night", vec!["bob"]),
        ("/users?fields[team]=eu&fields[level][gt]=1&email[contains]=di@", vec!["di"]),
        ("/groups?fields[city]=Graz", vec!["Office"]),
        ("/groups?fields[city][ne]=Graz", vec!["Plant"]),
    ] {
        assert_eq!(found(&server, &token, path), expected, "{path}");
    }
    let first = server.get("/users?fields[team]=eu&limit=1", &token).ok();
    assert_eq!(first["pagination"]["total"], 2);
    for (path, hint) in [
        ("/users?fields[tema]=eu", Some("fields[team]")),
        ("/users?fields[team]=asia", None),
        ("/users?fields[level][gte]=3", Some("fields[level][gt]")),
        ("/users?fields[level]=three", None),
        ("/users?fields[since][gt]=yesterday", None),
        ("/users?fields[team]=eu&fields[team][eq]=us", None),
        ("/groups?fields[team]=eu", None),
        ("/roles?fields[team]=eu", None),
    ] {
        let refused = server.get(path, &token);
        assert_eq!(refused.problem(), (400, "query_invalid".to_owned()), "{path}");
        let hints = hint.map(|hint| json!([format!("did you mean {hint}?")])).unwrap_or_default();
        assert_eq!(refused.json()["hints"], hints, "{path}");
    }
}

#[test]
fn who_sees_and_changes_the_fields_is_said_by_the_rights_on_settings() {
    let (_world, server, token) = acme_and_token();
    let field = define(&server, &token, &json!({ "applies_to": "users", "name": "team", "type": "text" }));
    user(&server, &token, "bob@acme.example", &["Manager"]);
    let bob = server.token("acme", "bob@acme.example", PASSWORD);
    let missing = (403, "permission_missing".to_owned());
    assert_eq!(server.get("/custom-fields", &bob).problem(), missing);
    let new = json!({ "applies_to": "users", "name": "b", "type": "text" });
    assert_eq!(server.change("POST", "/custom-fields", &bob, &new).problem(), missing);
    let one = format!("/custom-fields/{field}");
    assert_eq!(server.change("PATCH", &one, &bob, &json!({ "required": true })).problem(), missing);
    assert_eq!(server.send("DELETE", &one, &[&bearer(&bob)], &[]).problem(), missing);
    // Values are part of the user.
    let cy = json!({ "email": "cy@acme.example", "fields": { "team": "eu" } });
    assert_eq!(server.change("POST", "/users", &bob, &cy).ok()["fields"]["team"], "eu");
}

#[test]
fn erased_users_keep_no_values() {
    let (world, server, token) = acme_and_token();
    define(&server, &token, &json!({ "applies_to": "users", "name": "badge", "type": "text" }));
    let bob = json!({ "email": "bob@acme.example", "fields": { "badge": "4711" } });
    let bob = server.change("POST", "/users", &token, &bob).ok()["id"].as_str().unwrap().to_owned();
    server.send("DELETE", &format!("/users/{bob}"), &[&bearer(&token)], &[]).ok();
    world.tenant_sql("acme", "update nexus.users set deleted_at = '2020-01-01' where deleted_at is not null");
    world.ok(&["--yes", "user", "purge", "--due", "--tenant", "acme"]);
    let left = format!("select fields from nexus.users where id = '{bob}'");
    assert_eq!(world.tenant_sql("acme", &left), ["{}"]);
}

#[test]
fn a_realm_of_an_older_version_has_users_without_fields() {
    let (world, server, token) = acme_and_token();
    let fields = "alter table nexus.users drop column fields; alter table nexus.groups drop column fields;
                  drop table nexus.custom_fields";
    world.tenant_sql("acme", fields);
    let bob = user(&server, &token, "bob@acme.example", &[]);
    assert_eq!(server.get(&format!("/users/{bob}"), &token).ok()["fields"], json!({}));
    assert_eq!(found(&server, &token, "/users?email[contains]=acme"), ["ann", "bob"]);
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    assert_eq!(server.get("/groups", &token).ok()["data"][0]["fields"], json!({}));
    assert_eq!(server.get("/custom-fields", &token).ok()["data"], json!([]));
    let new = json!({ "applies_to": "users", "name": "team", "type": "text" });
    let refused = server.change("POST", "/custom-fields", &token, &new);
    assert_eq!(refused.problem(), (503, "realm_outdated".to_owned()));
    let slip = json!({ "email": "cy@acme.example", "fields": { "team": "eu" } });
    assert_eq!(server.change("POST", "/users", &token, &slip).problem().1, "fields_invalid");
}

#[test]
fn the_values_of_many_go_in_portions_and_what_stopped_halfway_is_finished() {
    let (world, server, token) = acme_and_token();
    let level = define(&server, &token, &json!({ "applies_to": "users", "name": "level", "type": "number" }));
    define(&server, &token, &json!({ "applies_to": "users", "name": "note", "type": "text" }));
    world.tenant_sql(
        "acme",
        "insert into nexus.users (id, email, email_key, name, state, fields)
         select gen_random_uuid(), 'u' || n || '@acme.example', 'u' || n || '@acme.example', '', 'active',
                jsonb_build_object('level', n, 'note', 'x')
         from generate_series(1, 5000) as n",
    );
    let left = "select count(*) filter (where fields ? 'level'), count(*) filter (where fields ? 'note')
                from nexus.users";
    let path = format!("/custom-fields/{level}");
    let dying = ApiServer::start_to(&world, &[], ("custom_field.cleared", "kill"));
    let waiting = dying.send_only("DELETE", &path, &[&bearer(&token)], &[]);
    assert_eq!(dying.died(), Some(9));
    drop(waiting);
    assert_eq!(world.tenant_sql("acme", left), ["3000|5000"]);
    assert_eq!(server.get(&path, &token).ok()["name"], "level");
    let planned = ["--dry-run", "custom-field", "delete", "level", "--of", "users", "--tenant", "acme"];
    assert_eq!(world.json(&planned)["outcome"], "planned");
    assert_eq!(world.tenant_sql("acme", left), ["3000|5000"]);
    assert_eq!(server.send("DELETE", &path, &[&bearer(&token)], &[]).ok()["outcome"], "done");
    assert_eq!(world.tenant_sql("acme", left), ["0|5000"]);
    assert_eq!(server.get(&path, &token).problem(), (404, "custom_field_not_found".to_owned()));
    let log = server.get("/audit?action[contains]=custom_field", &token).ok();
    let values: Vec<_> = log["data"].as_array().unwrap().iter().map(|row| &row["detail"]["values"]).collect();
    assert_eq!(
        each(&log, "action")[..3],
        ["custom_field.delete", "custom_field.clear", "custom_field.clear"]
    );
    assert_eq!(values[..3], [&json!(3000), &json!(2000), &json!(2000)]);
}
