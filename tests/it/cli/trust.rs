//! What others could have written is not believed: settings, the home, keys, passwords.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use serde_json::Value;

use crate::support::machine::Machine;

/// A user that is neither root nor who runs the tests.
const SOMEBODY: u32 = 64_001;

fn settings(ran: &Path) -> String {
    format!(
        "default_context = \"prod\"\n[context.prod.control]\nhost = \"127.0.0.1\"\nport = 1\ntls = \"disable\"\n\
         user = \"nexus\"\npassword = \"cmd:touch {}\"\n\
         [context.prod.store]\nendpoint = \"http://127.0.0.1:1\"\nadmin_token = \"env:PATH\"\n",
        ran.display()
    )
}

/// Every way to make a path somebody else's to change: with its undoing.
fn spoil(path: &Path) -> Vec<Box<dyn Fn() + '_>> {
    let before = fs::metadata(path).unwrap().permissions().mode() & 0o7777;
    let mode = move |mode: u32| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    let mut ways: Vec<Box<dyn Fn() + '_>> = vec![Box::new(move || mode(before | 0o002))];
    if nix::unistd::geteuid().is_root() {
        ways.push(Box::new(move || {
            mode(before);
            chown(path, Some(SOMEBODY), Some(SOMEBODY)).unwrap();
        }));
        ways.push(Box::new(move || {
            chown(path, Some(0), Some(SOMEBODY)).unwrap();
            mode(before | 0o020);
        }));
    }
    let me = (nix::unistd::geteuid().as_raw(), nix::unistd::getegid().as_raw());
    ways.push(Box::new(move || {
        chown(path, Some(me.0), Some(me.1)).unwrap();
        mode(before);
    }));
    ways
}

fn code(machine: &Machine, args: &[&str]) -> (i32, String) {
    let args: Vec<&str> = ["-o", "json"].iter().chain(args).copied().collect();
    let output = machine.output(&args, "");
    let object = serde_json::from_slice::<Value>(&output.stderr).unwrap_or_default();
    (output.status.code().unwrap(), object["error"]["code"].as_str().unwrap_or_default().to_owned())
}

#[test]
fn a_settings_file_that_others_could_have_written_runs_none_of_its_commands() {
    for place in
        ["work/nexus.toml", "home/.config/nexus/nexus.toml", "nexus/nexus.toml", "named.toml", "link.toml"]
    {
        let machine = Machine::new();
        let ran = machine.path("ran");
        let file = if place == "link.toml" { "elsewhere/nexus.toml" } else { place };
        let mut machine = machine.with_file(file, &settings(&ran));
        if place == "link.toml" {
            std::os::unix::fs::symlink(machine.path(file), machine.path(place)).unwrap();
        }
        if place.ends_with("d.toml") || place == "link.toml" {
            let named = machine.path(place).display().to_string();
            machine = machine.with_variable("NEXUS_CONFIG", &named);
        }
        let path = machine.path(file);
        for spoilt in [path.as_path(), path.parent().unwrap()] {
            let ways = spoil(spoilt);
            for way in &ways[..ways.len() - 1] {
                way();
                let refused = (3, "settings_file_untrusted".to_owned());
                assert_eq!(code(&machine, &["tenant", "list"]), refused, "{place}, {}", spoilt.display());
                assert!(!ran.exists(), "{place}, {}", spoilt.display());
            }
            ways.last().unwrap()();
        }
        // Nothing but that was wrong with it.
        assert_ne!(code(&machine, &["tenant", "list"]).0, 3, "{place}");
        assert!(ran.exists(), "{place}");
    }
}

#[test]
fn a_home_that_others_could_have_made_is_refused_before_anything_is_made_in_it() {
    let machine = Machine::new();
    let home = machine.path("nexus");
    for verb in [&["local", "up"][..], &["local", "status"], &["tenant", "list"], &["init"]] {
        let ways = spoil(&home);
        for way in &ways[..ways.len() - 1] {
            way();
            assert_eq!(code(&machine, verb), (3, "home_untrusted".to_owned()), "{verb:?}");
            assert_eq!(fs::read_dir(&home).unwrap().count(), 0, "{verb:?}");
        }
        ways.last().unwrap()();
    }
    assert_eq!(code(&machine, &["local", "status"]).0, 0);
}

#[test]
fn the_refusal_says_what_is_wrong_and_what_to_type() {
    let machine = Machine::new().with_settings("[log]\nlevel = \"info\"\n");
    fs::set_permissions(machine.path("work"), fs::Permissions::from_mode(0o777)).unwrap();
    insta::assert_snapshot!(machine.run(&["config", "show"]), @r"
    --- stderr
    error: the settings file [M]/work/nexus.toml is not trusted: [M]/work can be written by everybody (mode 0777)
    hint: chmod go-w [M]/work
    hint: or read it and use a copy: nexus --config COPY_OF_nexus.toml …
    --- exit 3
    ");
}

#[test]
fn a_home_that_postgresqls_programs_cannot_take_is_refused_at_the_start() {
    for (name, what) in [("a,b", "a comma"), ("a\nb", "a control character")] {
        let machine = Machine::new();
        let home = machine.path(name).display().to_string();
        let machine = machine.with_variable("NEXUS_HOME", &home);
        let output = machine.output(&["local", "up"], "");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains(what) && said.contains("NEXUS_HOME"), "{said}");
        assert!(!machine.path(name).exists());
    }
}
