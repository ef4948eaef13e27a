//! Lists that are filtered by fields: `field=value`, `field[operator]=value`.

use serde_json::{Value, json};

use super::{acme_and_token, each, operated, user};
use crate::support::api::ApiServer;

fn emails(server: &ApiServer, token: &str, query: &str) -> Vec<String> {
    let found = server.get(&format!("/users?{query}"), token).ok();
    each(&found, "email").into_iter().map(|email| email.split('@').next().unwrap().to_owned()).collect()
}

/// The code, the reason and the hints of a query that is refused.
fn refused(server: &ApiServer, token: &str, path: &str) -> (String, Vec<String>) {
    let answer = server.get(path, token);
    assert_eq!(answer.problem(), (400, "query_invalid".to_owned()), "{path}");
    let hints = answer.json()["hints"].as_array().cloned().unwrap_or_default();
    let hints = hints.iter().map(|hint| hint.as_str().unwrap().to_owned()).collect();
    (answer.json()["errors"][0]["message"].as_str().unwrap_or_default().to_owned(), hints)
}

#[test]
fn users_are_filtered_by_what_is_compared() {
    let (world, server, token) = acme_and_token();
    for name in ["bob", "cy", "di"] {
        user(&server, &token, &format!("{name}@acme.example"), &[]);
    }
    user(&server, &token, "eve@other.example", &[]);
    let cy = server.get("/users?email=CY@acme.example", &token).ok()["data"][0].clone();
    let id = cy["id"].as_str().unwrap();
    server.send("POST", &format!("/users/{id}/disable"), &[&crate::support::api::bearer(&token)], &[]).ok();
    world.tenant_sql("acme", "update nexus.users set deleted_at = now() where email = 'di@acme.example'");
    world.tenant_sql(
        "acme",
        "update nexus.users set created_at = '2020-01-01T00:00:00Z', name = 'Bob 100%'
         where email = 'bob@acme.example'",
    );
    for (query, expected) in [
        ("state=active", vec!["ann", "bob", "eve"]),
        ("state[eq]=disabled", vec!["cy"]),
        ("state[in]=disabled,deleted", vec!["cy", "di"]),
        // Without a word for them the deleted stay out.
        ("state[ne]=active", vec!["cy"]),
        ("state[in]=active,disabled&state[ne]=active", vec!["cy"]),
        ("state=active&state[in]=disabled", vec![]),
        ("email[contains]=@ACME", vec!["ann", "bob", "cy"]),
        ("email[ne]=ann@acme.example", vec!["bob", "cy", "eve"]),
        ("email[in]=bob@acme.example,EVE@other.example", vec!["bob", "eve"]),
        ("name[contains]=100%25", vec!["bob"]),
        ("name[contains]=1_0", vec![]),
        ("created_at[lt]=2021-01-01T00:00:00Z", vec!["bob"]),
        ("created_at%5Bgt%5D=2021-01-01T00:00:00%2B02:00", vec!["ann", "cy", "eve"]),
        ("last_sign_in_at[gt]=2021-01-01T00:00:00Z", vec!["ann"]),
        ("second_factor=true", vec![]),
        ("state=active&email[contains]=acme&sort=-email&limit=1", vec!["bob"]),
    ] {
        assert_eq!(emails(&server, &token, query), expected, "{query}");
    }
    // Pages and the total are those of the filter.
    let first = server.get("/users?email[contains]=acme&limit=2", &token).ok();
    assert_eq!((&first["pagination"]["total"], each(&first, "email").len()), (&json!(3), 2));
    let next = first["pagination"]["next"].as_str().unwrap();
    let rest = server.get(&format!("/users?email[contains]=acme&limit=2&cursor={next}"), &token).ok();
    assert_eq!(each(&rest, "email"), ["cy@acme.example"]);
    assert_eq!(rest["pagination"]["next"], Value::Null);
}

#[test]
fn what_is_not_filtered_by_is_refused_with_the_nearest() {
    let (_world, server, token) = acme_and_token();
    for (path, reason, hint) in [
        ("/users?creatd_at[gt]=2020-01-01T00:00:00Z", "not filtered by it", Some("created_at[gt]")),
        ("/users?stat=active", "no field", Some("state")),
        ("/users?created_at[gte]=2020-01-01T00:00:00Z", "compared by lt, gt", Some("created_at[gt]")),
        ("/users?created_at=2020-01-01T00:00:00Z", "compared by lt, gt", None),
        ("/users?created_at[gt]=yesterday", "RFC 3339", None),
        ("/users?state=activ", "one of invited", Some("active")),
        ("/users?state[in]=active,lockd", "one of invited", Some("locked")),
        ("/users?email=nobody", "name@domain", None),
        ("/users?second_factor=yes", "true or false", None),
        ("/users?name=a%00b", "", None),
        ("/users?state=active&state=locked", "twice", None),
        ("/users?state=active&state[eq]=locked", "twice", None),
        ("/users?password_hash[contains]=x", "not filtered by it", None),
        ("/groups?members[gt]=1", "not filtered by it", None),
        ("/roles?built_in[in]=true", "compared by eq", None),
        ("/audit?acton[in]=role.grant", "not filtered by it", Some("action[in]")),
    ] {
        let (said, hints) = refused(&server, &token, path);
        assert!(said.contains(reason), "{path}: {said}");
        match hint {
            Some(hint) => assert_eq!(hints, [format!("did you mean {hint}?")], "{path}"),
            None => assert!(hints.len() < 2, "{path}: {hints:?}"),
        }
    }
    let many = vec!["a"; 101].join(",");
    refused(&server, &token, &format!("/users?name[in]={many}"));
}

#[test]
fn groups_roles_and_the_log_are_filtered_in_the_same_way() {
    let (_world, server, token) = acme_and_token();
    for (name, parent) in [("Office", Value::Null), ("Sales", json!("Office")), ("Sales EU", json!("Sales"))]
    {
        server.change("POST", "/groups", &token, &json!({ "name": name, "parent": parent })).ok();
    }
    let names = |path: &str| {
        let found = server.get(path, &token).ok();
        each(&found, "name").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(names("/groups?name[contains]=sales"), ["Sales", "Sales EU"]);
    assert_eq!(names("/groups?parent=Office"), ["Sales"]);
    assert_eq!(names("/groups?parent[ne]=Office"), ["Office", "Sales EU"]);
    assert_eq!(names("/groups?name[in]=Office,Sales&limit=1&page=2"), ["Sales"]);
    server.change("POST", "/roles", &token, &json!({ "name": "Accountant", "description": "books" })).ok();
    assert_eq!(names("/roles?built_in=false"), ["Accountant"]);
    assert_eq!(names("/roles?name[ne]=Admin&built_in=true"), ["Manager", "User", "Viewer"]);
    assert_eq!(names("/roles?description[contains]=BOOK"), ["Accountant"]);
    let actions = |path: &str| {
        let found = server.get(path, &token).ok();
        each(&found, "action").into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(actions("/audit?action=role.create"), ["role.create"]);
    assert_eq!(
        actions("/audit?action[in]=role.create,group.create&limit=2"),
        ["role.create", "group.create"]
    );
    assert!(!actions("/audit?action[ne]=role.create&at[gt]=2020-01-01T00:00:00Z").is_empty());
    assert_eq!(actions("/audit?at[lt]=2020-01-01T00:00:00Z"), Vec::<String>::new());
    assert_eq!(actions("/activity?action=group.create").len(), 3);
}

/// Whether the command line asks whether this was meant.
fn hinted(error: &Value, meant: &str) -> bool {
    error["hint"].as_str().unwrap_or_default().starts_with(&format!("did you mean {meant}?"))
}

#[test]
fn a_word_in_upper_case_is_refused_with_the_word_that_was_meant_at_both_doors() {
    let (world, server, token) = operated("Auditor");
    for (field, given, meant) in [
        ("tier", "Gold", "gold"),
        ("segment", "SME", "sme"),
        ("business_type", "Law-Firm", "law-firm"),
        ("module", "CRM", "crm"),
        ("state", "ACTIVE", "active"),
        ("slug", "Acme", "acme"),
        ("cluster", "Default", "default"),
        ("store", "Default", "default"),
    ] {
        let (_, hints) = refused(&server, &token, &format!("/tenants?{field}={given}"));
        assert_eq!(hints, [format!("did you mean {meant}?")], "{field}");
        let (exit, error) = world.error(&["tenant", "list", "--where", &format!("{field}={given}")]);
        assert_eq!(exit, 2, "{field}: {error}");
        assert!(hinted(&error, meant), "{field}: {error}");
        server.get(&format!("/tenants?{field}={meant}"), &token).ok();
        world.ok(&["tenant", "list", "--where", &format!("{field}={meant}")]);
    }
    refused(&server, &token, "/tenants?tier[in]=gold,Silver");
    refused(&server, &token, "/operations?state=DONE");
    let (_, hints) = refused(&server, &token, "/audit/platform?action=Tenant.create");
    assert_eq!(hints, ["did you mean tenant.create?"]);
    let (exit, error) = world.error(&["audit", "list", "--action", "Tenant.create"]);
    assert!(exit == 2 && hinted(&error, "tenant.create"), "{error}");
    let (_, error) = world.error(&["tenant", "create", "acme", "--tier", "Gold"]);
    assert!(hinted(&error, "gold"), "{error}");
    let (_, hints) = refused(&server, &token, "/tenants?where=tier=Gold");
    assert_eq!(hints, ["did you mean gold?"]);
    // A part of a name may have any case.
    server.get("/tenants?slug[contains]=ACM&name=Acme", &token).ok();
}

#[test]
fn a_last_page_that_is_just_full_has_no_next() {
    let (_world, server, token) = acme_and_token();
    for name in ["bob", "cy", "di"] {
        user(&server, &token, &format!("{name}@acme.example"), &[]);
    }
    for name in ["One", "Two"] {
        server.change("POST", "/groups", &token, &json!({ "name": name })).ok();
    }
    server.token("acme", "ann@acme.example", super::PASSWORD);
    for (path, rows) in [("/users", 4), ("/roles", 4), ("/groups", 2), ("/auth/sessions", 2)] {
        let whole = server.get(&format!("{path}?limit={rows}"), &token).ok();
        assert_eq!(whole["data"].as_array().unwrap().len(), rows, "{path}");
        assert_eq!(whole["pagination"]["next"], Value::Null, "{path}");
        assert_eq!(whole["pagination"]["total"], rows, "{path}");
        // The same by cursor: the second page is just full.
        let first = server.get(&format!("{path}?limit={}", rows / 2), &token).ok();
        let next = first["pagination"]["next"].as_str().unwrap_or_else(|| panic!("{path}"));
        let second = server.get(&format!("{path}?limit={}&cursor={next}", rows / 2), &token).ok();
        assert_eq!(second["data"].as_array().unwrap().len(), rows / 2, "{path}");
        assert_eq!(second["pagination"]["next"], Value::Null, "{path}");
        let both = [&first["data"], &second["data"]].map(|rows| rows.as_array().unwrap().clone()).concat();
        assert_eq!(json!(both), whole["data"], "{path}");
    }
    let log = server.get("/audit?action=user.create&limit=3", &token).ok();
    assert_eq!((log["data"].as_array().unwrap().len(), &log["pagination"]["next"]), (3, &Value::Null));
}

#[test]
fn tenants_are_filtered_by_what_operators_call_them() {
    let (world, server, token) = operated("Auditor");
    for (slug, rest) in [
        ("ash", &["--name", "Ash Ltd", "--tier", "gold", "--segment", "enterprise"][..]),
        ("beech", &["--name", "Beech 100%", "--tier", "silver", "--business-type", "law-firm"]),
        ("cedar", &[]),
        ("date", &["--tier", "gold"]),
    ] {
        world.ok(&[&["tenant", "create", slug], rest].concat());
    }
    world.ok(&["tenant", "suspend", "date", "--reason", "unpaid"]);
    world.ok(&["--yes", "tenant", "delete", "cedar", "--confirm", "cedar"]);
    world.control_sql("update control.tenants set created_at = '2020-01-01T00:00:00Z' where slug = 'beech'");
    for (query, expected) in [
        ("state=active", vec!["ash", "beech"]),
        ("state[in]=suspended,trashed", vec!["cedar", "date"]),
        // Without a word for them those that are deleted stay out.
        ("state[ne]=active", vec!["date"]),
        ("tier=gold", vec!["ash", "date"]),
        ("tier[ne]=gold", vec!["beech"]),
        ("tier[in]=gold,silver&state=active", vec!["ash", "beech"]),
        ("segment[ne]=enterprise", vec!["beech", "date"]),
        ("business_type=law-firm", vec!["beech"]),
        ("slug[contains]=E", vec!["beech", "date"]),
        ("slug[in]=ash,date&sort=-slug&limit=1", vec!["date"]),
        ("name=Ash%20Ltd", vec!["ash"]),
        ("name[contains]=100%25", vec!["beech"]),
        ("name[contains]=1_0", vec![]),
        ("cluster=default&store[ne]=default", vec![]),
        ("created_at[lt]=2020-01-01T00:00:00.000001Z", vec!["beech"]),
        ("created_at[lt]=2020-01-01T00:00:00Z", vec![]),
        ("created_at[gt]=2020-01-01T00:00:00Z", vec!["ash", "date"]),
        ("tier=gold&where=state=suspended", vec!["date"]),
    ] {
        let found = server.get(&format!("/tenants?{query}"), &token).ok();
        assert_eq!(each(&found, "slug"), expected, "{query}");
    }
    let first = server.get("/tenants?tier[in]=gold,silver&limit=2", &token).ok();
    assert_eq!((&first["pagination"]["total"], each(&first, "slug")), (&json!(3), vec!["ash", "beech"]));
    let next = first["pagination"]["next"].as_str().unwrap();
    let rest = server.get(&format!("/tenants?tier[in]=gold,silver&limit=2&cursor={next}"), &token).ok();
    assert_eq!(each(&rest, "slug"), ["date"]);
    for (query, reason, hint) in [
        ("teir[in]=gold", "not filtered by it", Some("tier[in]")),
        ("segmnt=x", "no field", Some("segment")),
        ("tier[gt]=gold", "compared by eq, ne, in", None),
        ("state=activ", "one of provisioning", Some("active")),
        ("created_at=2020-01-01T00:00:00Z", "compared by lt, gt", None),
        ("labels[in]=x", "not filtered by it", None),
    ] {
        let (said, hints) = refused(&server, &token, &format!("/tenants?{query}"));
        assert!(said.contains(reason), "{query}: {said}");
        match hint {
            Some(hint) => assert_eq!(hints, [format!("did you mean {hint}?")], "{query}"),
            None => assert!(hints.len() < 2, "{query}: {hints:?}"),
        }
    }
}

#[test]
fn operations_are_filtered_by_what_was_done_by_whom_and_when() {
    let (world, server, token) = operated("Auditor");
    for slug in ["ash", "beech"] {
        world.tenant(slug);
    }
    world.ok(&["tenant", "suspend", "ash", "--reason", "unpaid"]);
    world.control_sql("update control.operations set caller = 'machine:eve' where kind = 'suspend'");
    world.control_sql(
        "update control.operations set created_at = '2020-01-01T00:00:00Z', finished_at = '2020-01-01T00:01:00Z'
         from control.tenants where tenants.id = tenant_id and slug = 'beech'",
    );
    // Nobody is at work on it.
    world.control_sql(
        "insert into control.operations (id, tenant_id, kind, state, caller)
         select gen_random_uuid(), id, 'repair', 'running', 'system' from control.tenants where slug = 'beech'",
    );
    let found = |query: &str| {
        let list = server.get(&format!("/operations?{query}"), &token).ok();
        let mut all: Vec<String> = list["data"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| format!("{} {}", row["tenant"].as_str().unwrap(), row["kind"].as_str().unwrap()))
            .collect();
        all.sort();
        all
    };
    for (query, expected) in [
        ("kind=suspend", vec!["ash suspend"]),
        ("kind[in]=suspend,repair", vec!["ash suspend", "beech repair"]),
        ("kind[ne]=create", vec!["ash suspend", "beech repair"]),
        ("state=interrupted", vec!["beech repair"]),
        ("state[ne]=done", vec!["beech repair"]),
        ("state[in]=running,planned", vec![]),
        ("state[ne]=interrupted&kind[ne]=create", vec!["ash suspend"]),
        ("state=done&open=true", vec![]),
        ("caller=machine:eve", vec!["ash suspend"]),
        ("caller[contains]=EVE", vec!["ash suspend"]),
        ("caller[in]=machine:eve,system", vec!["ash suspend", "beech repair"]),
        ("created_at[lt]=2021-01-01T00:00:00Z", vec!["beech create"]),
        ("finished_at[lt]=2021-01-01T00:00:00Z", vec!["beech create"]),
        ("finished_at[gt]=2021-01-01T00:00:00Z&tenant=ash&kind=create", vec!["ash create"]),
    ] {
        assert_eq!(found(query), expected, "{query}");
    }
    for (query, reason, hint) in [
        ("kid[in]=create", "not filtered by it", Some("kind[in]")),
        ("kind=suspnd", "one of create", Some("suspend")),
        ("finished_at[gt]=yesterday", "RFC 3339", None),
        ("state=done&state[eq]=done", "twice", None),
    ] {
        let (said, hints) = refused(&server, &token, &format!("/operations?{query}"));
        assert!(said.contains(reason), "{query}: {said}");
        match hint {
            Some(hint) => assert_eq!(hints, [format!("did you mean {hint}?")], "{query}"),
            None => assert!(hints.len() < 2, "{query}: {hints:?}"),
        }
    }
}
