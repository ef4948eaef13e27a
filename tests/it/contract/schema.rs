//! `nexus schema`: what commands write with `-o json` is what it says.

use std::fs;

use serde_json::{Value, json};

use super::{contract, file, page, said};
use crate::support::machine::Machine;
use crate::support::world::World;

#[test]
fn what_commands_write_is_of_the_published_schema() {
    let world = World::new();
    world.tenant_of("acme", "ann@acme.example", "seven dry cats in a barn");
    world.ok(&["group", "create", "Sales", "--tenant", "acme"]);
    world.ok(&["group", "create", "Sales EU", "--parent", "Sales", "--tenant", "acme"]);
    world.ok(&[
        "user",
        "create",
        "--email",
        "bob@acme.example",
        "--role",
        "Viewer",
        "--invite",
        "--tenant",
        "acme",
    ]);
    let commands: [(&str, &[&str]); 11] = [
        ("User", &["user", "list"]),
        ("User", &["user", "show", "ann@acme.example"]),
        ("Role", &["role", "list"]),
        ("RoleDetail", &["role", "show", "Manager"]),
        ("Group", &["group", "list"]),
        ("Group", &["group", "show", "Sales EU"]),
        ("PermissionView", &["permission", "list"]),
        ("HeldView", &["user", "roles", "bob@acme.example"]),
        ("Membership", &["user", "groups", "bob@acme.example"]),
        ("DecisionView", &["user", "can", "ann@acme.example", "user:read"]),
        ("Changed", &["role", "grant", "User", "--user", "bob@acme.example"]),
    ];
    let given = commands.map(|(name, command)| {
        let written = world.json(&[command, &["--tenant", "acme"]].concat());
        let rows = if written.is_array() { written } else { json!([written]) };
        assert!(name == "Membership" || !rows.as_array().unwrap().is_empty(), "{command:?}");
        let schema: Value = serde_json::from_str(&world.ok(&["schema", name])).unwrap();
        json!({ "name": command.join(" "), "schema": schema, "rows": rows })
    });
    let path = world.machine().path("given.json");
    fs::write(&path, json!(given).to_string()).unwrap();
    let program = file("validate.py").display().to_string();
    let seen = said(&mut contract(&["python", &program, &path.display().to_string()]));
    assert!(seen.trim().parse::<u32>().unwrap() > 20, "{seen}");
}

#[test]
fn without_a_server_or_settings_the_page_and_each_type_are_printed() {
    let machine = Machine::new();
    let written = |args: &[&str]| {
        let output = machine.output(args, "");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let printed: Value = serde_json::from_str(&written(&["schema", "--openapi"])).unwrap();
    assert_eq!(printed, page());
    let names = written(&["-o", "id", "schema"]);
    let names: Vec<&str> = names.lines().collect();
    let described = page()["components"]["schemas"].as_object().unwrap().len();
    assert_eq!(names.len(), described);
    for name in names {
        let schema: Value = serde_json::from_str(&written(&["schema", name])).unwrap();
        assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema", "{name}");
        assert!(!schema.to_string().contains("#/components/"), "{name}");
    }
}

#[test]
fn a_name_that_there_is_not_is_refused_with_the_nearest() {
    let output = Machine::new().output(&["-o", "json", "schema", "Usr"], "");
    assert_eq!(output.status.code(), Some(4));
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!(error["error"]["code"], "schema_not_found");
    assert_eq!(error["error"]["hint"], "did you mean User?");
}
