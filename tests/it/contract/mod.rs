//! The page of the API, as others take it: linters, a fuzzer, and generators of clients that anybody may use.
//! They walk the page, and hold for each operation that is added to it.

pub mod breaking;
mod clients;
mod fuzz;
mod lint;
mod schema;

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// The page of the code.
pub fn page() -> Value {
    serde_json::to_value(nexus::http::openapi()).unwrap()
}

/// A file of this folder.
fn file(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/contract").join(name)
}

/// `scripts/contract`, which has what others made.
pub fn contract(args: &[&str]) -> Command {
    let mut command = Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/contract"));
    command.args(args).stdin(Stdio::null());
    command
}

/// A folder that `scripts/contract` names.
pub fn folder(name: &str) -> PathBuf {
    PathBuf::from(said(&mut contract(&[name])).trim())
}

/// What a command that must succeed writes.
pub fn said(command: &mut Command) -> String {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let stdout = String::from_utf8(stdout).unwrap();
    assert!(status.success(), "{command:?}: {stdout}{}", String::from_utf8_lossy(&stderr));
    stdout
}

/// Each operation of a page: path, method, and what is said of it.
fn operations(page: &Value) -> Vec<(&str, &str, &Value)> {
    let paths = page["paths"].as_object().unwrap().iter();
    paths
        .flat_map(|(path, methods)| {
            let methods = methods.as_object().unwrap().iter();
            methods.map(move |(method, operation)| (path.as_str(), method.as_str(), operation))
        })
        .collect()
}
