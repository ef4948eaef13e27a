//! The page of the API: a promise to those who built on it.

use std::collections::BTreeSet;
use std::path::Path;

use serde_json::Value;

fn page() -> Value {
    serde_json::to_value(nexus::http::openapi()).unwrap()
}

/// Each operation of the page: path, method, what is said of it.
fn operations(page: &Value) -> Vec<(String, String, Value)> {
    let mut found = Vec::new();
    for (path, methods) in page["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            found.push((path.clone(), method.clone(), operation.clone()));
        }
    }
    found
}

#[test]
fn the_page_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let page = format!("{:#}\n", page());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        std::fs::write(&path, &page).unwrap();
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(there == page, "docs/openapi.json is not up to date: run the tests with UPDATE_GENERATED=1");
}

#[test]
fn each_operation_has_an_id_of_its_own_and_says_what_it_asks_for() {
    let page = page();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&page) {
        let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{method} {path} has no id"));
        assert!(ids.insert(id.to_owned()), "{id} twice");
        assert!(operation["summary"].is_string(), "{id} has no summary");
        assert!(operation["security"].is_array(), "{id} does not say whether it needs a token");
    }
}

#[test]
fn the_page_is_of_openapi_3_1_and_refers_to_what_it_has() {
    let page = page();
    let text = page.to_string();
    // 3.1 has null as a type; what 3.0 wrote for it means nothing there.
    assert!(!text.contains("\"nullable\""));
    let schemas = page["components"]["schemas"].as_object().unwrap();
    for part in text.split("#/components/schemas/").skip(1) {
        let name = part.split('"').next().unwrap();
        assert!(schemas.contains_key(name), "{name} is referred to and not there");
    }
}
