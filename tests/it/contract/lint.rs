//! The page is what linters and the standard ask of one.

use std::fs;

use serde_json::Value;
use tempfile::TempDir;

use super::{contract, file, page, said};

fn written() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("openapi.json");
    fs::write(&path, page().to_string()).unwrap();
    let path = path.display().to_string();
    (folder, path)
}

#[test]
fn it_is_of_openapi_3_1() {
    let (_folder, path) = written();
    said(&mut contract(&["python", "-m", "openapi_spec_validator", "--schema", "3.1", &path]));
}

#[test]
fn spectral_finds_nothing() {
    let (_folder, path) = written();
    let rules = file("spectral.json").display().to_string();
    let args = ["tool", "spectral", "lint", &path, "--ruleset", &rules, "-f", "json", "-F", "hint", "-q"];
    let found = contract(&args).output().unwrap();
    let said = String::from_utf8_lossy(&found.stdout);
    assert!(found.status.success(), "{said}{}", String::from_utf8_lossy(&found.stderr));
}

#[test]
fn redocly_finds_nothing() {
    let (_folder, path) = written();
    let rules = file("redocly.yaml").display().to_string();
    let mut command = contract(&["tool", "redocly", "lint", &path, "--config", &rules, "--format", "json"]);
    let found = command.output().unwrap();
    let found: Value = serde_json::from_slice(&found.stdout).unwrap();
    assert_eq!(
        (&found["totals"]["errors"], &found["totals"]["warnings"]),
        (&0.into(), &0.into()),
        "{found:#}"
    );
}
