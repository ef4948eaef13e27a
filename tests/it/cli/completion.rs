//! Completion, as a shell asks for it.

use std::process::Command;
use std::time::Instant;

use crate::support::machine::Machine;
use crate::support::world::World;

/// What bash offers after a line, by the script that `nexus completions bash` prints.
fn offered(machine: &Machine, words: &[&str]) -> Vec<String> {
    let script = format!(
        "nexus() {{ '{}' \"$@\"; }}; source <(nexus completions bash | sed 's#\"nexus\" --#\"{}\" --#'); \
         COMP_WORDS=(nexus \"$@\"); COMP_CWORD=$#; _clap_complete_nexus nexus \"${{@: -1}}\"; \
         printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        env!("CARGO_BIN_EXE_nexus"),
        env!("CARGO_BIN_EXE_nexus"),
    );
    let mut command = Command::new("bash");
    command.args(["--norc", "-c", &script, "bash"]).args(words);
    machine.furnish(&mut command);
    let output = command.output().unwrap();
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().split_whitespace().map(str::to_owned).collect()
}

#[test]
fn verbs_flags_and_words_are_offered() {
    let machine = Machine::new();
    assert_eq!(offered(&machine, &["tenant", "re"]), ["rename", "resume", "repair"]);
    assert_eq!(offered(&machine, &["tenant", "create", "--admin-p"]), ["--admin-password-stdin"]);
    assert_eq!(offered(&machine, &["-o", "j"]), ["json"]);
}

#[test]
fn names_of_contexts_are_offered_from_the_file_in_use() {
    let machine = Machine::new()
        .with_settings("[context.prod.control]\nhost = \"a\"\n")
        .with_file("other.toml", "[context.staging.control]\nhost = \"b\"\n");
    assert_eq!(offered(&machine, &["context", "use", "p"]), ["prod"]);
    let other = machine.path("other.toml").display().to_string();
    assert_eq!(offered(&machine, &["--config", &other, "context", "use", "s"]), ["staging"]);
}

#[test]
fn where_nothing_can_be_reached_nothing_is_offered_and_nothing_said() {
    let unreachable = "[context.prod.control]\nhost = \"192.0.2.1\"\nuser = \"nexus\"\n\
                       [context.prod.store]\nendpoint = \"http://192.0.2.1\"\nadmin_token = \"env:NO\"\n";
    let settings = [unreachable, "not toml at all", ""];
    for text in settings {
        let machine = Machine::new().with_settings(text).with_variable("NEXUS_CONTEXT", "prod");
        let begun = Instant::now();
        assert!(offered(&machine, &["tenant", "show", "a"]).is_empty(), "{text}");
        assert!(begun.elapsed().as_secs() < 3, "{text}");
    }
    let machine = Machine::new();
    assert!(offered(&machine, &["tenant", "show", "a"]).is_empty());
    let left = std::fs::read_dir(machine.path("nexus")).unwrap().count();
    assert_eq!(left, 0, "completion starts no local stack");
}

#[test]
fn a_shell_that_is_not_known_is_answered_with_silence() {
    let machine = Machine::new().with_variable("NEXUS_COMPLETE", "csh");
    assert_eq!(machine.run(&["--", "nexus", "ten"]), "--- exit 0");
}

#[test]
fn names_in_a_realm_are_offered_from_the_realm_that_is_named() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    world.ok(&["role", "create", "Clerk", "--tenant", "acme"]);
    world.ok(&["group", "create", "staff", "--tenant", "acme"]);
    world.ok(&["custom-field", "create", "level", "--of", "users", "--type", "number", "--tenant", "acme"]);
    let after = |words: &[&str]| offered(world.machine(), words);
    assert_eq!(after(&["role", "show", "--tenant", "acme", "C"]), ["Clerk"]);
    assert_eq!(after(&["custom-field", "show", "-t", "acme", "--of", "users", "l"]), ["level"]);
    assert_eq!(after(&["custom-field", "show", "-t", "acme", "--of", "groups", "l"]), [""; 0]);
    assert_eq!(after(&["role", "show", "C"]), [""; 0], "the platform has no such role");
    assert_eq!(after(&["role", "grant", "-t", "acme", "Clerk", "--group", "s"]), ["staff"]);
    assert_eq!(after(&["user", "show", "--tenant", "acme", "an"]), ["ann@acme.example"]);
    assert_eq!(
        after(&["user", "can", "--tenant", "acme", "ann@acme.example", "operator:g"]),
        ["operator:grant"]
    );
}

#[test]
fn what_tenants_are_selected_by_is_offered() {
    let machine = Machine::new();
    assert_eq!(offered(&machine, &["tenant", "list", "--where", "cl"]), ["cluster="]);
    assert_eq!(offered(&machine, &["fsck", "--where", "state=active,la"]), ["state=active,label."]);
}
