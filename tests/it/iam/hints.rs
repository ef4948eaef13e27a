//! What is hinted is pasted: it must work in the same realm, and run nothing else.

use std::process::Command;

use serde_json::Value;

use super::{acme, json, user};
use crate::support::world::World;

/// The hints of a command in the tenant's realm that must fail.
fn hints(world: &World, args: &[&str]) -> Vec<String> {
    let (_, error) = world.error(&[args, &["--tenant", "acme"]].concat());
    error["hint"].as_str().unwrap_or_default().lines().map(str::to_owned).collect()
}

/// The words that `nexus` gets where a hint's command is pasted into bash, which is given nothing
/// else to run.
fn pasted(hint: &str) -> Vec<String> {
    let command = &hint[hint.find("nexus ").unwrap()..];
    let folder = tempfile::tempdir().unwrap();
    let script = format!("nexus() {{ printf '%s\\n' \"$@\"; }}\n{command}");
    let out = Command::new("bash").args(["-c", &script]).current_dir(folder.path()).output().unwrap();
    assert!(out.status.success(), "{hint}: {}", String::from_utf8_lossy(&out.stderr));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "{hint} ran something");
    String::from_utf8(out.stdout).unwrap().lines().map(str::to_owned).collect()
}

/// What a person reads of `nexus user can … --explain`.
fn explained(world: &World, args: &[&str]) -> String {
    let args = [&["user", "can"][..], args, &["--explain", "--tenant", "acme"]].concat();
    String::from_utf8(world.run(&args).stderr).unwrap()
}

#[test]
fn every_hint_names_the_realm_that_the_command_was_about() {
    let world = acme();
    json(&world, &["group", "create", "Office"]);
    json(&world, &["group", "create", "Finance", "--parent", "Office"]);
    user(&world, "bob@acme.example");
    json(&world, &["user", "disable", "bob@acme.example"]);
    let role = "see which there are: nexus role list --tenant acme";
    let cases: [(&[&str], &[&str]); 9] = [
        (&["role", "show", "Zzz"], &[role]),
        (&["user", "show", "zzz@zzz.test"], &["see which there are: nexus user list --tenant acme"]),
        (
            &["user", "invite", "bob@acme.example", "--reveal"],
            &["enable them first: nexus user enable bob@acme.example --tenant acme"],
        ),
        (
            &["role", "allow", "User", "zz:zz"],
            &["register it: nexus permission register zz:zz --tenant acme --description TEXT"],
        ),
        (
            &["role", "revoke", "Admin", "--user", "ann@acme.example"],
            &["make another administrator first: nexus role grant Admin --user E-MAIL --tenant acme"],
        ),
        (
            &["group", "delete", "Office", "--yes", "--confirm", "Office"],
            &[
                "see them: nexus group tree --tenant acme",
                "move each away first: nexus group move Finance --to-top --tenant acme",
            ],
        ),
        (&["group", "create", "Office"], &["see the existing one: nexus group show Office --tenant acme"]),
        (
            &["user", "create", "--email", "ann@acme.example", "--invite"],
            &["see the existing one: nexus user show ann@acme.example --tenant acme"],
        ),
        (
            &["user", "sessions", "revoke", "--session", "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d"],
            &["see which there are: nexus user sessions list E-MAIL --tenant acme"],
        ),
    ];
    for (args, expected) in cases {
        assert_eq!(hints(&world, args), expected, "{args:?}");
    }
}

#[test]
fn a_role_that_would_help_is_granted_where_the_question_was_asked() {
    let world = acme();
    user(&world, "bob@acme.example");
    super::sql(&world, "update nexus.users set state = 'active'");
    let note = explained(&world, &["bob@acme.example", "role:grant"]);
    assert!(note.contains("nexus role grant Admin --user bob@acme.example --tenant acme\n"), "{note}");
}

#[test]
fn an_operator_is_looked_for_among_the_platforms_users() {
    let world = acme();
    world.json(&["user", "create", "--email", "carl@example.com", "--invite"]);
    let grant = |who: &str| {
        hints(&world, &["operator", "grant", who, "--role", "Viewer", "--for", "8h", "--reason", "ticket"])
    };
    assert_eq!(grant("zoe@elsewhere.test"), ["see which there are: nexus user list"]);
    assert_eq!(grant("karl@example.com"), ["did you mean carl@example.com?"]);
}

#[test]
fn a_name_that_is_meant_is_written_as_one_word() {
    let world = acme();
    json(&world, &["group", "create", "Sales $(id)"]);
    json(&world, &["role", "create", "Sales NA"]);
    assert_eq!(hints(&world, &["group", "show", "Sales $(ie)"]), ["did you mean 'Sales $(id)'?"]);
    assert_eq!(hints(&world, &["role", "show", "Sales MA"]), ["did you mean 'Sales NA'?"]);
}

#[test]
fn a_name_that_somebody_chose_is_one_word_of_the_command_and_runs_nothing() {
    let world = acme();
    let nasty = "x' $(touch pwned1) '";
    let address = "a`touch${IFS}pwned2`@x.example";
    json(&world, &["permission", "register", "invoice:print", "--description", "print"]);
    json(&world, &["role", "create", nasty, "--allow", "invoice:print"]);
    user(&world, address);
    super::sql(&world, "update nexus.users set state = 'active'");
    let (_, taken) = world.error(&["role", "create", nasty, "--tenant", "acme"]);
    let shown = pasted(taken["hint"].as_str().unwrap());
    assert_eq!(shown, ["role", "show", nasty, "--tenant", "acme"]);
    let (_, taken) = world.error(&["user", "create", "--email", address, "--invite", "--tenant", "acme"]);
    assert_eq!(pasted(taken["hint"].as_str().unwrap()), ["user", "show", address, "--tenant", "acme"]);
    let note = explained(&world, &[address, "invoice:print"]);
    let grant = pasted(&note);
    assert_eq!(grant, ["role", "grant", nasty, "--user", address, "--tenant", "acme"]);
}

#[test]
fn the_flags_that_confirm_can_be_pasted() {
    let world = acme();
    json(&world, &["group", "create", "Sales NA"]);
    let said = hints(&world, &["group", "delete", "Sales NA"]);
    assert_eq!(said, ["to do it, pass --yes --confirm 'Sales NA'"]);
}

#[test]
fn a_misspelt_colleague_is_found_by_the_name_before_the_domain() {
    let world = acme();
    user(&world, "carl@acme.example");
    assert_eq!(hints(&world, &["user", "show", "karl@acme.example"]), ["did you mean carl@acme.example?"]);
    let nobody = hints(&world, &["user", "show", "zoe@acme.example"]);
    assert_eq!(nobody, ["see which there are: nexus user list --tenant acme"]);
}

#[test]
fn a_pattern_for_nothing_is_not_hinted_to_be_registered() {
    let world = acme();
    let (code, error) = world.error(&["role", "allow", "User", "zzz:*", "--tenant", "acme"]);
    assert_eq!((code, &error["code"]), (2, &Value::from("permission_unknown")));
    let hint = error["hint"].as_str().unwrap();
    assert!(!hint.contains("register zzz:*"), "{hint}");
    assert!(hint.contains("nexus permission list --tenant acme"), "{hint}");
}

#[test]
fn a_condition_that_is_not_met_is_not_asked_for_again() {
    let world = acme();
    user(&world, "bob@acme.example");
    super::sql(&world, "update nexus.users set state = 'active'");
    json(&world, &["permission", "register", "invoice:print", "--description", "print"]);
    json(&world, &["role", "create", "Clerk"]);
    json(&world, &["role", "allow", "Clerk", "invoice:print", "--when", "amount <= 1000"]);
    json(&world, &["role", "grant", "Clerk", "--user", "bob@acme.example"]);
    let untold = explained(&world, &["bob@acme.example", "invoice:print"]);
    assert!(untold.contains("--with KEY=VALUE"), "{untold}");
    let told = explained(&world, &["bob@acme.example", "invoice:print", "--with", "amount=2000"]);
    assert!(told.contains("amount <= 1000") && !told.contains("KEY=VALUE"), "{told}");
}

#[test]
fn a_hint_stays_on_the_installation_that_the_command_named() {
    let world = acme();
    let (_, error) = world.error(&["--context", "t", "user", "show", "zoe@zzz.test", "--tenant", "acme"]);
    assert_eq!(error["hint"], "see which there are: nexus --context t user list --tenant acme");
}
