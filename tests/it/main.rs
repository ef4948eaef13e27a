//! What Nexus does, seen from outside: one test binary.

#![expect(unreachable_pub, reason = "what a test shares is public to the others")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod adopt;
mod api;
mod app;
mod audit;
mod aws;
mod cli;
mod contract;
mod crash;
mod docs;
mod doctor;
mod events;
mod exec;
mod fleet;
mod fleet_verify;
mod handlers;
mod iam;
mod inspection;
mod interleave;
mod isolation;
mod jobs;
mod life;
mod mail;
mod migrations;
mod notifications;
mod operations;
mod outages;
mod placement;
mod pool;
mod rights;
mod service_calls;
#[path = "../services/mod.rs"]
mod services;
mod sql;
mod stores;
mod stores_garage;
mod support;
mod tenants;
mod tokens;
mod webhooks;

use std::fs;
use std::path::Path;

#[test]
fn every_test_file_is_part_of_this_binary() {
    fn check(folder: &Path, parent: &str) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            // A folder of what is no Rust is another's.
            if path.is_dir() && !path.join("package.json").exists() {
                let inner = path.join("mod.rs");
                assert!(parent.contains(&format!("mod {name};")), "{} is forgotten", path.display());
                check(&path, &fs::read_to_string(&inner).unwrap());
            } else if path.extension().is_some_and(|end| end == "rs") && name != "mod" && name != "main" {
                assert!(parent.contains(&format!("mod {name};")), "{} is forgotten", path.display());
            }
        }
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it");
    check(&folder, &fs::read_to_string(folder.join("main.rs")).unwrap());
}
