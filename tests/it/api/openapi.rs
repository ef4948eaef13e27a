//! The page of the API says what there is, and reading changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use serde_json::{Value, json};
use uuid::Uuid;

use super::{acme_and_token, call, operator, operator_token, user};
use crate::support::world::World;

/// Every operation of the page: path, method, and what is said of it.
fn operations(page: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = page["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}

/// All references within a value.
fn references<'a>(value: &'a Value, found: &mut BTreeSet<&'a str>) {
    match value {
        Value::Object(fields) => {
            found.extend(fields.get("$ref").and_then(Value::as_str));
            fields.values().for_each(|value| references(value, found));
        }
        Value::Array(values) => values.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

/// The files of a folder, at any depth.
fn files(folder: &Path, found: &mut Vec<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files(&path, found);
        } else {
            found.push(std::fs::read_to_string(path).unwrap());
        }
    }
}

/// The names under which types are described, each as often as it is given.
fn described() -> Vec<String> {
    let mut texts = Vec::new();
    files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut texts);
    let mut names = Vec::new();
    for text in &texts {
        for (at, _) in text.match_indices("#[derive(") {
            let Some(length) = text[at..].find(")]") else { continue };
            let end = at + length;
            if !text[at..end].split(|c: char| !c.is_alphanumeric()).any(|word| word == "ToSchema") {
                continue;
            }
            let rest = &text[end..];
            let Some(item) = ["struct ", "enum "]
                .iter()
                .filter_map(|word| rest.find(word).map(|at| at + word.len()))
                .min()
            else {
                continue;
            };
            let head = &rest[..item];
            let name = match head.split_once("schema(as = ") {
                Some((_, name)) => name,
                None => &rest[item..],
            };
            let name: String = name.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            names.push(name);
        }
    }
    names
}

#[test]
fn every_operation_says_what_it_needs_and_every_type_is_described_once() {
    let (_world, server, _) = acme_and_token();
    let page = server.send("GET", "/openapi.json", &[], &[]).ok();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&page) {
        let id = operation["operationId"].as_str().unwrap();
        assert!(ids.insert(id), "{id} is there twice");
        let open = operation["security"] == json!([{}]);
        let permission = operation["x-permission"].as_str().is_some_and(|text| text.contains(':'));
        // Who has signed in may see and change what is their own.
        let is_own = path.starts_with("/notifications/inbox") || path == "/events/ticket";
        let own = operation["tags"][0] == "auth" || is_own;
        assert!(open || permission || own, "{method} {path}: {operation}");
    }
    let schemas: BTreeSet<&str> =
        page["components"]["schemas"].as_object().unwrap().keys().map(String::as_str).collect();
    let mut found = BTreeSet::new();
    references(&page, &mut found);
    for reference in found {
        let name = reference.strip_prefix("#/components/schemas/").unwrap_or_else(|| panic!("{reference}"));
        assert!(schemas.contains(name), "{name} is not described");
    }
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for name in described() {
        *count.entry(name).or_default() += 1;
    }
    let twice: Vec<_> = count.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "of two types of one name the last would be described: {twice:?}");
    // A list is described with its rows; how far it is counted stands where it is asked.
    let expected: BTreeSet<&str> =
        count.keys().map(String::as_str).filter(|name| !["List", "TotalParam"].contains(name)).collect();
    let single: BTreeSet<&str> = schemas.into_iter().filter(|name| !name.starts_with("List_")).collect();
    assert_eq!(single, expected);
    assert!(!page.to_string().contains("\"nullable\""));
}

/// All rows, but for how many requests tenants have made: readings are requests.
fn all_but_counts(world: &World) -> Vec<String> {
    let mut all = crate::rights::everything(world);
    all.retain(|table| !table.starts_with("control.request_counts "));
    all
}

#[test]
fn reading_changes_nothing() {
    let (world, server, token) = acme_and_token();
    let bob = user(&server, &token, "bob@acme.example", &["Viewer"]);
    server.change("POST", "/groups", &token, &json!({ "name": "Office" })).ok();
    call(&server, "PUT", &format!("/groups/Office/members/{bob}"), &token);
    let key = server.change("POST", "/api-keys", &token, &json!({ "name": "till" })).ok();
    let key = key["id"].as_str().unwrap().to_owned();
    let file = super::files::ready(&server, &token, "a.txt")["id"].as_str().unwrap().to_owned();
    let page = server.send("GET", "/openapi.json", &[], &[]).ok();
    operator(&world, "op@example.com", "Admin");
    let operators = operator_token(&server, "op@example.com");
    let operation_id =
        server.get("/operations", &operators).ok()["data"][0]["id"].as_str().unwrap().to_owned();
    let field = json!({ "applies_to": "users", "name": "team", "type": "text" });
    let field =
        server.change("POST", "/custom-fields", &token, &field).ok()["id"].as_str().unwrap().to_owned();
    crate::jobs::write(&world, 1, (Uuid::nil(), "now() + interval '1 day'"));
    let job_id = world.control_sql("select id from control.jobs").remove(0);
    let news = json!({ "kind": "app.news", "to": ["x@x.example"], "subject": "News", "text": "x" });
    let sent = server.change("POST", "/notifications/send", &token, &news);
    let notification = sent.json()["ids"][0].as_str().unwrap().to_owned();
    let provider = json!({ "host": "smtp.acme.example", "from": "no-reply@acme.example" });
    server.change("PUT", "/notifications/provider", &token, &provider).ok();
    let hook = json!({ "url": "https://hooks.acme.example/", "events": ["*"] });
    let hook = server.change("POST", "/webhooks", &token, &hook).json()["id"].as_str().unwrap().to_owned();
    let service = json!({ "name": "mail.preview", "url": "https://preview.acme.example/" });
    assert_eq!(server.change("POST", "/services", &token, &service).status, 201);
    let delivery = "insert into control.webhook_deliveries
                        (id, tenant_id, webhook_id, event_id, event_type, event_at, state)
                    select gen_random_uuid(), tenant_id, id, gen_random_uuid(), 'a.b', now(), 'failed'
                    from control.webhooks returning id";
    let delivery = world.control_sql(delivery).remove(0);
    crate::events::settle(&world, "acme");
    let before = all_but_counts(&world);
    let mut seen = 0;
    for (path, method, operation) in operations(&page) {
        if method != "get" {
            continue;
        }
        let is_operators =
            ["/tenants", "/operations", "/jobs", "/clusters", "/stores", "/migrations", "/audit/platform"]
                .iter()
                .any(|collection| path.starts_with(collection));
        let id = match path.split('/').nth(1) {
            Some("api-keys") => &key,
            Some("files") => &file,
            Some("custom-fields") => &field,
            Some("tenants") => "acme",
            Some("operations") => &operation_id,
            Some("jobs") => &job_id,
            Some("notifications") => &notification,
            Some("webhooks") => &hook,
            _ => &bob,
        };
        let mut address = path.replace("{id}", id).replace("{role}", "Admin").replace("{group}", "Office");
        address = address.replace("{name}", "default").replace("{delivery}", &delivery);
        address = address.replace("{service}", "mail.preview");
        address = address.replace("{kind}", "account.invitation");
        address = address.replace("{channel}", "email").replace("{language}", "en");
        assert!(!address.contains('{'), "{address}");
        for parameter in operation["parameters"].as_array().into_iter().flatten() {
            if parameter["in"] == "query" && parameter["required"] == true {
                assert_eq!(parameter["name"], "permission", "{path}");
                address.push_str("?permission=user:read");
            }
        }
        let token = if is_operators { &operators } else { &token };
        assert_eq!(server.get(&address, token).status, 200, "{address}");
        seen += 1;
    }
    assert!(seen >= 14, "{seen}");
    assert_eq!(before, all_but_counts(&world));
}
