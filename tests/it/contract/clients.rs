//! Clients that stock generators make of the page: they compile, and one of them does what an app does.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{contract, file, folder, page, said};
use crate::support::api::ApiServer;
use crate::support::world::World;

/// How strictly what others generate is compiled; where it looks for packages as bundlers do.
const STRICT: [&str; 10] = [
    "--noEmit",
    "--strict",
    "--module",
    "preserve",
    "--moduleResolution",
    "bundler",
    "--target",
    "es2022",
    "--lib",
    "es2022,dom,dom.iterable",
];

/// A folder with the page, and the packages that a client is built with.
fn place() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("openapi.json"), page().to_string()).unwrap();
    symlink(folder("modules"), place.path().join("node_modules")).unwrap();
    place
}

fn run(place: &Path, args: &[&str]) -> String {
    said(contract(args).current_dir(place))
}

fn compile(place: &Path, file: &str) {
    run(place, &[&["tool", "tsc"][..], &STRICT, &[file]].concat());
}

/// How many operations the page has.
fn count() -> usize {
    super::operations(&page()).len()
}

#[test]
fn hey_api_builds_a_client() {
    let place = place();
    let place = place.path();
    let client = ["-c", "@hey-api/client-fetch", "--no-log-file"];
    run(place, &[&["tool", "openapi-ts", "-i", "openapi.json", "-o", "made"][..], &client].concat());
    compile(place, "made/index.ts");
    let calls = fs::read_to_string(place.join("made/sdk.gen.ts")).unwrap();
    assert_eq!(calls.matches("export const ").count(), count());
}

#[test]
fn swagger_typescript_api_builds_a_client() {
    let place = place();
    let place = place.path();
    let to = ["--output", "made", "--name", "api.ts"];
    run(
        place,
        &[&["tool", "swagger-typescript-api", "generate", "--path", "openapi.json"][..], &to].concat(),
    );
    compile(place, "made/api.ts");
    let calls = fs::read_to_string(place.join("made/api.ts")).unwrap();
    assert_eq!(calls.matches("this.request<").count() + calls.matches("this.http.request<").count(), count());
}

#[test]
fn openapi_python_client_builds_a_client() {
    let place = place();
    let place = place.path();
    let to = ["--output-path", "made", "--meta", "none"];
    run(place, &[&["openapi-python-client", "generate", "--path", "openapi.json"][..], &to].concat());
    let imported = run(
        place,
        &[
            "python",
            "-c",
            "import sys, pkgutil, importlib\n\
             sys.path.insert(0, '.')\n\
             import made\n\
             names = [module.name for module in pkgutil.walk_packages(made.__path__, 'made.')]\n\
             calls = [importlib.import_module(name) for name in names]\n\
             print(sum(hasattr(module, 'sync_detailed') for module in calls))",
        ],
    );
    assert_eq!(imported.trim(), count().to_string());
}

#[test]
fn an_app_signs_in_creates_pages_changes_and_reads_errors_by_a_generated_client() {
    let world = World::new();
    let password = "seven dry cats in a barn";
    world.tenant_of("acme", "ann@acme.example", password);
    let server = ApiServer::start(&world);
    let place = place();
    let place = place.path();
    for name in ["package.json", "tsconfig.json", "client.ts"] {
        fs::copy(file("client").join(name), place.join(name)).unwrap();
    }
    run(place, &["tool", "openapi-typescript", "openapi.json", "-o", "nexus.d.ts"]);
    run(place, &["tool", "tsc", "-p", "."]);
    let mut node = Command::new("node");
    node.arg("out/client.js").current_dir(place).stdin(Stdio::null());
    node.env("NEXUS_URL", format!("http://{}", server.address)).env("NEXUS_PASSWORD", password);
    let seen: Value = serde_json::from_str(&said(&mut node)).unwrap();
    let expected = json!({
        "refused": [401, "sign_in_refused"],
        "replayed": [true, "true"],
        "taken": [409, "user_exists"],
        "reused": [422, "idempotency_key_reused"],
        "seen": ["ann@acme.example", "bob@acme.example", "cy@acme.example", "di@acme.example"],
        "pages": 2,
        "changed": "Bob Birch",
        "stale": [412, "precondition_failed"],
        "unknown": [404, "user_not_found"],
    });
    assert_eq!(seen, expected);
}
