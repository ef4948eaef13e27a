//! `deploy/` and `docs/deploy.md`: files for tools that are not ours, checked by those that know them; and
//! commands and settings in them are Nexus's.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use nexus::cli::grammar;
use nexus::settings::serve::RELOADED;
use serde_norway::Value;

use super::blocks;
use crate::support::machine::Machine;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn yaml(path: &str) -> Value {
    let text = read(path);
    let mut value: Value = serde_norway::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"));
    value.apply_merge().unwrap();
    value
}

fn files(folder: &str, ending: &str) -> Vec<String> {
    let entries = fs::read_dir(root().join(folder)).unwrap();
    let paths = entries.map(|entry| entry.unwrap().path()).collect::<Vec<PathBuf>>();
    let mut names: Vec<String> = paths
        .iter()
        .map(|path| format!("{folder}/{}", path.file_name().unwrap().to_string_lossy()))
        .filter(|name| name.ends_with(ending))
        .collect();
    names.sort();
    assert!(!names.is_empty(), "{folder}");
    names
}

/// The tool finds nothing wrong; what it says.
fn checked(what: &str) -> String {
    let output = Command::new(root().join("scripts/deploy-check")).arg(what).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said).into_owned();
    assert!(output.status.success(), "{what}: {said}");
    said
}

/// It is a command line of Nexus.
fn parses<'a>(words: impl IntoIterator<Item = &'a str>, from: &str) {
    let words: Vec<&str> = ["nexus"].into_iter().chain(words).collect();
    if let Err(error) = grammar().try_get_matches_from(&words) {
        panic!("{from}: {words:?}: {error}");
    }
}

/// The settings of a context `prod` are right.
fn are_settings(machine: &Machine, variables: &BTreeMap<String, String>) {
    let mut command = machine.command(&["-o", "json", "config", "show"]);
    let output = command.envs(variables).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{said}");
    let shown: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let context = shown.as_array().unwrap().iter().find(|row| row["key"] == "context").unwrap();
    assert_eq!(context["value"], "prod");
}

#[cfg(target_os = "linux")]
#[test]
fn each_unit_is_one_and_is_confined() {
    let said = checked("systemd");
    assert_eq!(said.matches("Overall exposure level").count(), 2, "{said}");
    for unit in files("deploy/systemd", ".service") {
        let text = read(&unit);
        let start =
            text.lines().find_map(|line| line.strip_prefix("ExecStart=/usr/local/bin/nexus ")).unwrap();
        parses(start.split_whitespace(), &unit);
        // What is said at SIGTERM is that requests have 25 s.
        assert!(text.contains("TimeoutStopSec=35s"), "{unit}");
    }
}

#[test]
fn the_manifests_are_kubernetes_s() {
    checked("kubernetes");
    let kinds: Vec<String> = files("deploy/kubernetes", ".yaml")
        .iter()
        .map(|file| yaml(file)["kind"].as_str().unwrap().to_owned())
        .collect();
    for kind in ["Deployment", "Service", "PodDisruptionBudget", "NetworkPolicy", "Job", "ConfigMap"] {
        assert!(kinds.iter().any(|it| it == kind), "{kind}");
    }
    for (file, path) in
        [("deployment", "deploy/kubernetes/deployment.yaml"), ("init", "deploy/kubernetes/init.yaml")]
    {
        let container = &yaml(path)["spec"]["template"]["spec"]["containers"][0];
        parses(container["args"].as_sequence().unwrap().iter().map(|word| word.as_str().unwrap()), file);
    }
    let resources = yaml("deploy/kubernetes/kustomization.yaml")["resources"].clone();
    assert_eq!(resources.as_sequence().unwrap().len(), kinds.len() - 1);
}

#[test]
fn the_settings_of_the_manifests_are_nexus_s() {
    let settings = yaml("deploy/kubernetes/settings.yaml")["data"]["nexus.toml"].clone();
    let settings = settings.as_str().unwrap();
    are_settings(&Machine::new().with_settings(settings), &BTreeMap::new());
    // Each secret that they refer to is one that the pods get.
    let pods = read("deploy/kubernetes/deployment.yaml");
    let init = read("deploy/kubernetes/init.yaml");
    let names: Vec<&str> =
        settings.split("\"env:").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
    assert_eq!(names.len(), 3);
    for name in names {
        let given = format!("- name: {name}\n");
        assert!(pods.contains(&given) && init.contains(&given), "{name}");
    }
}

#[test]
fn the_compose_file_is_one_and_its_settings_are_nexus_s() {
    checked("compose");
    let compose = yaml("deploy/compose/compose.yaml");
    let example = read("deploy/compose/env.example");
    for name in ["api", "init"] {
        let service = &compose["services"][name];
        let words = service["command"].as_sequence().unwrap();
        parses(words.iter().map(|word| word.as_str().unwrap()), name);
        let mut variables = BTreeMap::new();
        for (name, value) in service["environment"].as_mapping().unwrap() {
            let (name, value) = (name.as_str().unwrap(), value.as_str().unwrap());
            if let Some(secret) = value.strip_prefix("${") {
                let secret = secret.split(':').next().unwrap();
                assert!(example.contains(&format!("\n{secret}=\n")), "{secret} is not in env.example");
            }
            variables.insert(name.to_owned(), value.to_owned());
        }
        are_settings(&Machine::new(), &variables);
    }
    // As many processes as the balancer knows.
    let replicas = compose["services"]["api"]["deploy"]["replicas"].as_u64().unwrap();
    assert!(read("deploy/compose/haproxy.cfg").contains(&format!("server-template api {replicas} api:8420")));
}

#[test]
fn the_image_is_built_as_its_linter_wants_and_starts_nexus() {
    checked("containerfile");
    let text = read("deploy/Containerfile");
    let command = text.lines().find_map(|line| line.strip_prefix("CMD ")).unwrap();
    let words: Vec<String> = serde_json::from_str(command).unwrap();
    parses(words.iter().map(String::as_str), "Containerfile");
    assert!(text.contains("\nUSER 65532:65532\n"));
}

#[test]
fn what_the_page_says_to_type_is_nexus_s() {
    let page = read("docs/deploy.md");
    let commands: Vec<String> = blocks(&page, "console").concat().lines().map(str::to_owned).collect();
    assert_eq!(commands.len(), 2);
    for command in commands {
        let words = command.strip_prefix("$ nexus ").unwrap().to_owned();
        parses(words.split_whitespace(), "docs/deploy.md");
    }
    for key in RELOADED.iter().filter(|key| !key.starts_with("tls_")) {
        assert!(page.contains(&format!("`{key}`")), "{key}");
    }
    // Each file that the page leads to is there.
    for link in page.split("](../").skip(1).map(|rest| rest.split(')').next().unwrap()) {
        assert!(root().join(link).exists(), "{link}");
    }
}
