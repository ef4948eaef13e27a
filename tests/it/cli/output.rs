//! Where output goes, and what it looks like there.

use std::process::Stdio;

use insta::assert_snapshot;

use crate::support::machine::Machine;

#[test]
fn on_a_terminal_a_list_is_a_table_and_elsewhere_rows_with_tabs() {
    let machine = Machine::new();
    assert_snapshot!(machine.on_terminal(&["context", "list"], ""), @r"
    NAME   CURRENT  KIND   CONTROL
    local  yes      local
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["context", "list"]), @r"
    --- stdout
    local	yes	local	
    --- exit 0
    ");
}

#[test]
fn a_thing_is_names_and_values_in_both() {
    let machine = Machine::new().with_variable("NO_COLOR", "1");
    assert_snapshot!(machine.on_terminal(&["context", "show"], ""), @r"
    name        local
    chosen by   default
    kind        local
    home        [M]/nexus
    master key  file:[M]/nexus/keys/local.key
    --- exit 0
    ");
    assert_snapshot!(machine.run(&["context", "show"]), @r"
    --- stdout
    name	local
    chosen_by	default
    kind	local
    file	
    home	[M]/nexus
    control	
    cluster	
    store	
    master_key	file:[M]/nexus/keys/local.key
    --- exit 0
    ");
}

#[test]
fn colour_is_for_terminals_that_want_it() {
    let coloured = |machine: &Machine| machine.on_terminal(&["tennant"], "").contains('\u{1b}');
    assert!(coloured(&Machine::new()));
    assert!(!coloured(&Machine::new().with_variable("NO_COLOR", "1")));
    assert!(!Machine::new().run(&["tennant"]).contains('\u{1b}'));
    let help = |machine: &Machine| machine.on_terminal(&["--help"], "").contains('\u{1b}');
    assert!(help(&Machine::new()));
    assert!(!help(&Machine::new().with_variable("NO_COLOR", "1")));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    for args in [&["man"][..], &["context", "list"], &["--help"], &["completions", "bash"]] {
        let mut child = Machine::new()
            .command(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn output_that_cannot_be_written_is_a_failure() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let output = Machine::new().command(&["context", "list"]).stdout(full).output().unwrap();
    assert_eq!(output.status.code(), Some(8));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.starts_with("error: cannot write to standard output: "), "{said}");
}

#[test]
fn quiet_leaves_data_and_errors() {
    let machine = Machine::new();
    assert_eq!(machine.run(&["--quiet", "context", "use", "local"]), "--- exit 0");
    assert!(machine.run(&["--quiet", "tennant"]).starts_with("--- stderr\nerror: "));
}

#[test]
fn a_value_cannot_command_the_terminal() {
    // The shell's `printf` has no part in it: the name of a folder is data like any other.
    let machine = Machine::new().with_variable("NEXUS_HOME", "/tmp/a\u{1b}[2Jb\tc");
    let seen = machine.run(&["context", "show"]);
    assert!(seen.contains("home\t/tmp/a\\u{1b}[2Jb\\tc\n"), "{seen}");
    assert!(!machine.on_terminal(&["context", "show"], "").contains("\u{1b}[2J"));
}

#[test]
fn the_process_leaves_no_core_and_starts_at_once() {
    let machine = Machine::new();
    let begun = std::time::Instant::now();
    for _ in 0..20 {
        assert!(machine.output(&["--version"], "").status.success());
    }
    // Ten milliseconds each in a release; this build is not optimised and the machine is shared.
    assert!(begun.elapsed().as_millis() < 20 * 100, "{:?}", begun.elapsed());
}

#[test]
fn a_list_of_five_thousand_is_written_in_each_format() {
    let sections = (0..5000).map(|n| format!("[context.c{n}.control]\nhost = \"h{n}\"\n"));
    let settings = sections.collect::<Vec<_>>().concat();
    let machine = Machine::new().with_settings(&settings);
    for format in ["table", "json", "yaml", "csv", "id"] {
        let output = machine.output(&["-o", format, "context", "list"], "");
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(output.status.success() && text.contains("c4999"), "{format}");
    }
    let output = machine.output(&["-o", "json", "context", "list"], "");
    let list: Vec<serde_json::Value> = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list.len(), 5001);
    assert_eq!(machine.on_terminal(&["context", "list"], "").lines().count(), 5003);
}
