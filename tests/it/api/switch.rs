//! An operator's way into a tenant's realm.

use serde_json::{Value, json};

use super::{PASSWORD, acme, user};
use crate::support::api::{Answer, ApiServer, bearer};
use crate::support::world::World;
use crate::tokens::claims;

const OPS: &str = "ops@example.com";

/// `acme`, a server, and an operator who may do everything to the platform and has signed in.
fn operator() -> (World, ApiServer, String) {
    let (world, server) = acme();
    let args = ["user", "create", "--email", OPS, "--role", "Admin", "--password-stdin"];
    assert!(world.machine().output(&args, &format!("{PASSWORD}\n")).status.success());
    let token = server.login(None, OPS, PASSWORD).ok()["access_token"].as_str().unwrap().to_owned();
    (world, server, token)
}

fn grant(world: &World, role: &str, length: &str) {
    let args =
        ["operator", "grant", OPS, "-t", "acme", "--role", role, "--for", length, "--reason", "ticket 4711"];
    world.ok(&args);
}

fn switch(server: &ApiServer, token: &str, body: &Value) -> Answer {
    server.change("POST", "/auth/switch", token, body)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap().to_owned()
}

#[test]
fn an_operator_with_access_gets_a_token_of_the_tenants_realm_and_both_logs_name_them() {
    let (world, server, ops) = operator();
    grant(&world, "Manager", "8h");
    let answer = switch(&server, &ops, &json!({ "tenant": "acme", "reason": "ticket 4711" }));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    let given = answer.ok();
    assert_eq!(given["issued_token_type"], "urn:ietf:params:oauth:token-type:access_token");
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(900)));
    assert_eq!(given["refresh_token"], Value::Null);
    let token = text(&given["access_token"]);
    let (said, own) = (claims(&token), claims(&ops));
    assert_eq!((&said["tenant"], &said["roles"]), (&json!("acme"), &json!(["Manager"])));
    let name = format!("operator:{}", text(&own["sub"]));
    assert_eq!((&said["sub"], &said["act"]["sub"]), (&own["sub"], &json!(name)));
    // It is good there, with and without the tenant's name, for what the role allows.
    assert_eq!(server.get("/users", &token).status, 200);
    let named = [&*bearer(&token), "X-Tenant-ID: acme"];
    assert_eq!(server.send("GET", "/users", &named, &[]).status, 200);
    let bob = user(&server, &token, "bob@acme.example", &[]);
    assert_eq!(
        server.change("POST", "/roles", &token, &json!({ "name": "Mine" })).problem().1,
        "permission_missing"
    );
    let disabled = server.send("DELETE", &format!("/users/{bob}"), &[&bearer(&token)], &[]);
    assert_eq!(disabled.status, 200, "{disabled:?}");
    let database = &world.control_sql("select database_name from control.tenants where slug = 'acme'")[0];
    let inside = "select caller, detail->>'reason' from nexus.audit_log where action = 'token.switch'";
    assert_eq!(world.sql(database, inside), [format!("{name}|ticket 4711")]);
    let made = "select caller from nexus.audit_log where action = 'user.create' order by id desc limit 1";
    assert_eq!(world.sql(database, made), std::slice::from_ref(&name));
    let outside = "select caller, slug, detail->>'reason' from control.audit_log
                   join control.tenants on tenants.id = tenant_id where action = 'token.switch'";
    assert_eq!(world.control_sql(outside), [format!("{name}|acme|ticket 4711")]);
    // The platform's own token is good in no tenant.
    let named = [&*bearer(&ops), "X-Tenant-ID: acme"];
    assert_eq!(server.send("GET", "/users", &named, &[]).problem(), (403, "tenant_mismatch".to_owned()));
}

#[test]
fn nobody_else_is_let_in_and_nobody_learns_which_tenants_there_are() {
    let (world, server, ops) = operator();
    world.tenant("other");
    let refused = |token: &str, tenant: &str| {
        let answer = switch(&server, token, &json!({ "tenant": tenant }));
        assert_eq!(answer.problem(), (403, "switch_refused".to_owned()), "{tenant}");
        text(&answer.json()["detail"]).replace(tenant, "TENANT")
    };
    // Whatever they may do to the platform: without access, of a tenant that is there and of one that is not.
    assert_eq!(refused(&ops, "acme"), refused(&ops, "nobody"));
    grant(&world, "Viewer", "8h");
    refused(&ops, "other");
    // A tenant's user is no operator, and a token that acts for another is not theirs.
    refused(&server.token("acme", "ann@acme.example", PASSWORD), "acme");
    let acting = ["token", "mint", "--as", OPS, "--reason", "a test"];
    refused(world.ok(&acting).trim(), "acme");
    let token = text(&switch(&server, &ops, &json!({ "tenant": "acme" })).ok()["access_token"]);
    refused(&token, "acme");
    refused(&token, "other");
    assert_eq!(
        server.send_json("POST", "/auth/switch", &[], &json!({ "tenant": "acme" })).problem().1,
        "token_missing"
    );
    assert_eq!(
        switch(&server, &ops, &json!({ "tenant": "acme", "resaon": "x" })).problem().1,
        "body_invalid"
    );
    world.ok(&["tenant", "suspend", "acme", "--reason", "unpaid", "--yes"]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    refused(&ops, "acme");
    assert_eq!(server.get("/users", &token).problem(), (401, "token_invalid".to_owned()));
}

#[test]
fn a_token_that_was_switched_makes_no_tokens_and_keys_and_ends_with_its_access() {
    let (world, server, ops) = operator();
    grant(&world, "Admin", "5m");
    let given = switch(&server, &ops, &json!({ "tenant": "acme" })).ok();
    let left = given["expires_in"].as_i64().unwrap();
    assert!((200..=300).contains(&left), "{left}");
    let token = text(&given["access_token"]);
    let (id, key) =
        ("00000000-0000-7000-8000-000000000000", json!({ "user": "ann@acme.example", "name": "x" }));
    assert_eq!(
        server.change("POST", "/api-keys", &token, &key).problem(),
        (403, "permission_missing".to_owned())
    );
    assert_eq!(server.get("/api-keys", &token).problem().1, "permission_missing");
    let path = format!("/api-keys/{id}");
    assert_eq!(server.send("DELETE", &path, &[&bearer(&token)], &[]).problem().1, "permission_missing");
    let told = server.send_form("/oauth/introspect", &[&bearer(&token)], &[("token", &token)]);
    assert_eq!((told.status, &told.json()["error"]), (403, &json!("insufficient_scope")));
    assert_eq!(server.get("/users", &token).status, 200);
    world.ok(&["operator", "revoke", OPS, "--tenant", "acme"]);
    assert_eq!(server.get("/users", &token).problem(), (403, "permission_missing".to_owned()));
    assert_eq!(switch(&server, &ops, &json!({ "tenant": "acme" })).problem().1, "switch_refused");
}

#[test]
fn what_is_taken_from_an_operator_is_taken_from_their_token_in_the_tenant() {
    let (world, server, ops) = operator();
    grant(&world, "Manager", "8h");
    let token = text(&switch(&server, &ops, &json!({ "tenant": "acme" })).ok()["access_token"]);
    assert_eq!(server.get("/users", &token).status, 200);
    // A narrow token stays narrow.
    let narrow = world.ok(&["token", "mint", "--user", OPS, "--permission", "role:read"]);
    let narrow = text(&switch(&server, narrow.trim(), &json!({ "tenant": "acme" })).ok()["access_token"]);
    assert_eq!(server.get("/users", &narrow).problem(), (403, "permission_missing".to_owned()));
    world.ok(&["token", "revoke", "--user", OPS]);
    std::thread::sleep(std::time::Duration::from_secs(2));
    for token in [&token, &narrow, &ops] {
        assert_eq!(server.get("/users", token).problem(), (401, "token_invalid".to_owned()));
    }
}
