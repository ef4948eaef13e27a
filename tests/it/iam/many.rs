//! Many at once: users from files, and a realm as a file declares it.

use serde_json::Value;

use super::{acme, error, json, sql};
use crate::support::world::World;

fn file(world: &World, name: &str, text: &str) {
    std::fs::write(world.machine().path(&format!("work/{name}")), text).unwrap();
}

#[test]
fn every_line_of_a_file_has_its_result() {
    let world = acme();
    json(&world, &["group", "create", "Sales"]);
    file(
        &world,
        "people.csv",
        "email,name,roles,groups,password\n\
         bob@acme.example,Bob,User;Viewer,Sales,seven dry cats in a barn\n\
         ANN@acme.example,Ann,,,\n\
         eve@acme.example,\"Eve, of course\",,Sales,\n\
         dan@acme.example,Dan,,,short\n",
    );
    let args =
        ["user", "create", "--from", "people.csv", "--invitation-file", "tokens.csv", "--tenant", "acme"];
    let dry = json(&world, &[&["--dry-run"], &args[..4]].concat());
    assert_eq!(dry.as_array().unwrap().len(), 4);
    assert_eq!(sql(&world, "select count(*) from nexus.users"), ["1"]);
    let output = world.run(&[&["-o", "json"], &args[..]].concat());
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let mut rows: Vec<Value> = serde_json::from_slice(&output.stdout).unwrap();
    rows.sort_by_key(|row| row["line"].as_u64());
    let seen: Vec<_> = rows.iter().map(|row| row["outcome"].as_str().unwrap()).collect();
    assert_eq!(seen, ["created", "unchanged", "created", "failed"]);
    assert_eq!(rows[3]["code"], "password_short");
    let bob = json(&world, &["user", "show", "bob@acme.example"]);
    assert_eq!((&bob["state"], &bob["roles"]), (&"active".into(), &serde_json::json!(["User", "Viewer"])));
    assert_eq!(json(&world, &["user", "show", "eve@acme.example"])["state"], "invited");
    let tokens = std::fs::read_to_string(world.machine().path("work/tokens.csv")).unwrap();
    assert!(tokens.starts_with("email,invitation\neve@acme.example,nxi_"), "{tokens}");
    assert_eq!(tokens.lines().count(), 2);
    let all =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(!all.contains("seven dry") && !all.contains("nxi_"));
}

#[test]
fn one_wrong_line_or_name_and_nothing_is_made() {
    let world = acme();
    for (text, expected) in [
        ("email\nnobody\n", 2),
        ("email\na@x.example\nA@X.example\n", 2),
        ("email,roles\na@x.example,Usher\n", 4),
        ("email,groups\na@x.example,Nowhere\n", 4),
        ("name\nA\n", 2),
    ] {
        file(&world, "people.csv", text);
        assert_eq!(error(&world, &["user", "create", "--from", "people.csv"]).0, expected, "{text}");
    }
    assert_eq!(sql(&world, "select count(*) from nexus.users"), ["1"]);
}

#[test]
fn what_is_exported_can_be_made_elsewhere() {
    let world = acme();
    world.ok(&["tenant", "create", "birch"]);
    json(
        &world,
        &["user", "create", "--email", "bob@acme.example", "--role", "User", "--set", "team=eu", "--invite"],
    );
    for format in ["csv", "jsonl"] {
        let text = world.ok(&["user", "export", "--format", format, "--tenant", "acme"]);
        let args = ["-o", "json", "user", "create", "--from", "-", "--tenant", "birch"];
        let output = world.machine().output(&args, &text);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let bob = world.json(&["user", "show", "bob@acme.example", "--tenant", "birch"]);
    assert_eq!((&bob["roles"][0], &bob["profile"]["team"]), (&"User".into(), &"eu".into()));
}

#[test]
fn who_was_shut_out_stays_so_in_another_realm() {
    let world = acme();
    world.ok(&["tenant", "create", "birch"]);
    for email in ["bob@acme.example", "eve@acme.example"] {
        super::user(&world, email);
    }
    json(&world, &["user", "disable", "bob@acme.example"]);
    let text = world.ok(&["user", "export", "--tenant", "acme"]);
    let args = ["user", "create", "--from", "-", "--reveal", "--tenant", "birch"];
    let output = world.machine().output(&args, &text);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let state = |email: &str| world.json(&["user", "show", email, "--tenant", "birch"])["state"].clone();
    let seen = ["bob@acme.example", "eve@acme.example", "ann@acme.example"].map(state);
    assert_eq!(seen, ["disabled", "invited", "invited"]);
    // Nobody hands an invitation to who is shut out; let in, he is invited.
    let told = String::from_utf8(output.stdout).unwrap();
    let invited: Vec<_> = told.lines().filter(|line| line.contains("nxi_")).collect();
    assert!(invited.len() == 2 && !invited.concat().contains("bob@"), "{told}");
    world.ok(&["user", "enable", "bob@acme.example", "--tenant", "birch"]);
    assert_eq!(state("bob@acme.example"), "invited");
}

#[test]
fn an_export_is_json_where_json_is_asked_for() {
    let world = acme();
    super::user(&world, "bob@acme.example");
    json(&world, &["user", "update", "bob@acme.example", "--set", "team=eu"]);
    let users = json(&world, &["user", "export"]);
    let emails: Vec<_> = users.as_array().unwrap().iter().map(|user| user["email"].clone()).collect();
    assert_eq!(emails, ["ann@acme.example", "bob@acme.example"]);
    assert_eq!(users[1]["profile"]["team"], "eu");
    // What is said of the export itself counts more.
    let csv = world.ok(&["-o", "json", "user", "export", "--format", "csv", "--tenant", "acme"]);
    assert!(csv.starts_with("id,email,"), "{csv}");
}

#[test]
fn a_declaration_without_a_table_takes_nothing_away() {
    let world = acme();
    json(&world, &["group", "create", "Office"]);
    json(&world, &["role", "create", "Extra"]);
    for nothing in ["", "# the generator failed\n"] {
        file(&world, "nothing.toml", nothing);
        for more in ["--yes", "--dry-run"] {
            let refused = error(&world, &[more, "iam", "apply", "nothing.toml", "--prune"]);
            assert_eq!(refused, (2, "declaration_invalid".to_owned()));
        }
    }
    assert_eq!(json(&world, &["group", "list"])[0]["name"], "Office");
    json(&world, &["role", "show", "Extra"]);
    // On purpose.
    file(&world, "nothing.toml", "[groups]\n");
    json(&world, &["--yes", "iam", "apply", "nothing.toml", "--prune"]);
    assert_eq!(json(&world, &["group", "list"]), serde_json::json!([]));
}

#[test]
fn what_is_too_long_is_refused_and_not_repeated() {
    let world = acme();
    let refused = |args: &[&str], input: &str, expected: &str| {
        let output = world.machine().output(&[args, &["--tenant", "acme"]].concat(), input);
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{}", said.get(..2000).unwrap_or(&said));
        assert!(said.contains(expected) && said.len() < 2000, "{}", said.get(..2000).unwrap_or(&said));
    };
    let import = ["user", "create", "--from", "-"];
    let long = "a".repeat(300 << 10);
    refused(&import, &format!("email,name\na@b.example,{long}\n"), "line 2 of standard input is longer");
    refused(&import, &long, "line 1 of standard input is longer");
    refused(&import, &long[..200 << 10], "unknown field");
    refused(&import, "", "standard input is empty");
    let apply = ["iam", "apply", "-"];
    refused(&apply, &"a".repeat(5 << 20), "standard input is longer than 4 MiB");
    refused(&apply, &"a".repeat(3 << 20), "line 1, column");
}

const DECLARATION: &str = r#"
[permissions]
"invoice:create" = "create invoices"
"invoice:delete" = "delete invoices"
[roles.Accountant]
description = "keeps the books"
permissions = ["invoice:create", { allow = "invoice:delete", when = "owner" }]
[groups.Office]
[groups.Finance]
parent = "Office"
roles = ["Accountant"]
members = ["ann@acme.example"]
[grants]
"ann@acme.example" = ["Admin", "Viewer"]
"#;

#[test]
fn a_declaration_is_shown_then_applied_then_without_a_difference() {
    let world = acme();
    file(&world, "acme.toml", DECLARATION);
    let shown = json(&world, &["--dry-run", "iam", "apply", "acme.toml"]);
    assert_eq!(json(&world, &["group", "list"]), serde_json::json!([]));
    let applied = json(&world, &["iam", "apply", "acme.toml"]);
    assert_eq!(shown, applied);
    let texts: Vec<String> = applied
        .as_array()
        .unwrap()
        .iter()
        .map(|it| ["sign", "what", "name", "detail"].map(|key| it[key].as_str().unwrap()).join(" "))
        .collect();
    assert!(texts.contains(&"+ role Accountant invoice:delete when owner".to_owned()), "{texts:?}");
    assert!(texts.contains(&"~ group Finance in Office".to_owned()), "{texts:?}");
    assert!(texts.contains(&"+ grant ann@acme.example Viewer".to_owned()), "{texts:?}");
    assert_eq!(json(&world, &["iam", "apply", "acme.toml"]), serde_json::json!([]));
    let can = ["user", "can", "ann@acme.example", "invoice:create", "--explain"];
    assert_eq!(json(&world, &can)["allowed"], true);
}

#[test]
fn pruning_takes_away_what_the_file_does_not_name_and_groups_can_change_places() {
    let world = acme();
    file(&world, "acme.toml", DECLARATION);
    json(&world, &["iam", "apply", "acme.toml"]);
    super::user(&world, "bob@acme.example");
    json(&world, &["role", "grant", "Manager", "--user", "bob@acme.example"]);
    json(&world, &["role", "create", "Extra"]);
    json(&world, &["group", "create", "Old"]);
    json(&world, &["group", "create", "Older", "--parent", "Old"]);
    let swapped = DECLARATION.replace("[groups.Office]", "[groups.Office]\nparent = \"Finance\"");
    file(&world, "acme.toml", &swapped.replace("parent = \"Office\"", ""));
    let refused = error(&world, &["iam", "apply", "acme.toml", "--prune"]);
    assert_eq!(refused, (3, "confirmation_required".to_owned()));
    json(&world, &["--yes", "iam", "apply", "acme.toml", "--prune"]);
    assert_eq!(world.ok(&["-o", "id", "group", "tree", "-t", "acme"]), "Finance\nOffice\n");
    assert_eq!(
        world.ok(&["-o", "id", "role", "list", "-t", "acme"]),
        "Accountant\nAdmin\nManager\nUser\nViewer\n"
    );
    assert_eq!(json(&world, &["user", "show", "bob@acme.example"])["roles"], serde_json::json!([]));
    // A wrong declaration changes nothing.
    for (bad, code) in [
        ("[roles.A]\npermissions = ['invoice:crate']", "permission_unknown"),
        ("[roles.A]\n[grants]\n'ann@acme.example' = []", "last_administrator"),
        ("[roles.A]\n[roles.Admin]\npermissions = []", "last_administrator"),
        ("[groups.A]\nparent = 'B'\n[groups.B]\nparent = 'A'", "group_cycle"),
        ("[groups.A]\nmembers = ['nobody@acme.example']", "user_not_found"),
    ] {
        file(&world, "bad.toml", bad);
        assert_eq!(error(&world, &["--yes", "iam", "apply", "bad.toml"]).1, code);
    }
    assert_eq!(error(&world, &["role", "show", "A"]).0, 4);
}
