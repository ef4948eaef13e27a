//! The page of the API: a promise to those who built on it.

use std::path::Path;

use serde_json::Value;

fn page() -> Value {
    serde_json::to_value(nexus::http::openapi()).unwrap()
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
fn the_page_is_of_openapi_3_1() {
    let text = page().to_string();
    // 3.1 has null as a type; what 3.0 wrote for it means nothing there.
    assert!(!text.contains("\"nullable\""));
}
