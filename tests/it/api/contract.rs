//! The page of the API: a promise to those who built on it.

use std::path::Path;

use crate::contract::breaking::breaking;
use crate::contract::page;

#[test]
fn the_page_in_the_repository_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/openapi.json");
    let there = std::fs::read_to_string(&path).unwrap();
    let current = page();
    let breaks = breaking(&serde_json::from_str(&there).unwrap(), &current).join("\n");
    let page = format!("{current:#}\n");
    let update = std::env::var("UPDATE_GENERATED").ok();
    assert!(
        breaks.is_empty() || update.as_deref() == Some("breaking"),
        "clients of the API would break; if that is meant, say so in CHANGELOG.md, and run the tests with \
         UPDATE_GENERATED=breaking:\n{breaks}"
    );
    if update.is_some() {
        std::fs::write(&path, &page).unwrap();
        return;
    }
    assert!(there == page, "docs/openapi.json is not up to date: run the tests with UPDATE_GENERATED=1");
}

#[test]
fn the_page_is_of_openapi_3_1() {
    let text = page().to_string();
    // 3.1 has null as a type; what 3.0 wrote for it means nothing there.
    assert!(!text.contains("\"nullable\""));
}
