//! Exports are verified by themselves, in any language.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::{finding, tamper, verified, world_with_rows, write_rows};
use crate::support::machine::Machine;
use crate::support::world::World;

/// An installation with rows that are awkward to write.
fn awkward() -> World {
    let world = world_with_rows(4);
    world.control_sql(
        "insert into control.audit_log (caller, action, tenant_id, detail) values
         ('machine:ann \"O''Neil\", é \u{1F511}', E'line\\nbreak\\ttab,comma', null,
          '{ \"b\" : 1.10, \"a\":\"\\u00e9 \\u0000\", \"b\":2 }'),
         ('', '', gen_random_uuid(), '[]')",
    );
    write_rows(&world, 3);
    world
}

fn export(world: &World, args: &[&str], name: &str) -> String {
    let path = world.machine().path(name).display().to_string();
    let args: Vec<&str> = ["audit", "export", "--file", &path].iter().chain(args).copied().collect();
    world.ok(&args);
    path
}

#[test]
fn an_export_in_either_format_is_verified_without_the_database() {
    let world = awkward();
    let head = verified(&world, &[]);
    for format in ["jsonl", "csv"] {
        let path = export(&world, &["--format", format], format);
        let elsewhere = Machine::new();
        let output = elsewhere.output(&["-o", "json", "audit", "verify", "--file", &path], "");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let view: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(view, head);
        assert_eq!(fs::read_dir(elsewhere.path("nexus")).unwrap().count(), 0, "nothing was started");
        let piped = world.ok(&["audit", "export", "--format", format]);
        assert_eq!(piped, fs::read_to_string(&path).unwrap());
        let output = elsewhere.output(&["audit", "verify", "--file", "-"], &piped);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn an_edited_export_shows() {
    let world = awkward();
    let path = export(&world, &[], "all");
    let text = fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let joined = |lines: &[&str]| lines.join("\n") + "\n";
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let hash = lines[2].split("\"hash\":").nth(1).unwrap();
    let cases = [
        ("audit_row_edited", text.replacen("machine:ann", "machine:eve", 1)),
        ("audit_row_edited", text.replacen("1.10", "1.1", 1)),
        ("audit_rows_missing", joined(&[&lines[..3], &lines[4..]].concat())),
        ("audit_row_reordered", joined(&swapped)),
        ("audit_row_forged", joined(&[&lines[..3], &lines[2..]].concat())),
        ("audit_export_unreadable", text.replacen("{\"sequence\":3", "{\"note\":1,\"sequence\":3", 1)),
        ("audit_export_unreadable", text.replacen(hash, &hash.to_uppercase(), 1)),
        ("audit_export_unreadable", text[..text.len() - 20].to_owned()),
        ("audit_wiped", String::new()),
    ];
    for (code, content) in cases {
        assert_ne!(content, text);
        fs::write(&path, &content).unwrap();
        assert_eq!(finding(&world, &["--file", &path]).0, code, "{content}");
    }
    let csv = export(&world, &["--format", "csv"], "csv");
    let text = fs::read_to_string(&csv).unwrap();
    fs::write(&csv, text.replacen("machine:ann", "machine:eve", 1)).unwrap();
    assert_eq!(finding(&world, &["--file", &csv]), ("audit_row_edited".to_owned(), 2));
}

#[test]
fn an_export_whose_tail_is_cut_shows_by_an_anchor() {
    let world = awkward();
    let anchors = world.machine().path("anchors").display().to_string();
    world.ok(&["audit", "anchor", "--file", &anchors]);
    let path = export(&world, &[], "all");
    assert_eq!(verified(&world, &["--file", &path, "--anchor", &anchors])["anchors"], 1);
    let text = fs::read_to_string(&path).unwrap();
    let short: String = text.lines().take(6).map(|line| line.to_owned() + "\n").collect();
    fs::write(&path, short).unwrap();
    assert_eq!(verified(&world, &["--file", &path])["rows"], 6, "without an anchor nothing shows");
    assert_eq!(finding(&world, &["--file", &path, "--anchor", &anchors]), ("audit_tail_cut".to_owned(), 7));
}

#[test]
fn an_export_of_a_period_is_one_piece_that_is_verified() {
    let world = world_with_rows(3);
    let anchors = world.machine().path("anchors").display().to_string();
    world.ok(&["audit", "anchor", "--file", &anchors]);
    write_rows(&world, 2);
    let list = world.json(&["audit", "list", "--all"]);
    let at = |sequence: i64| {
        let rows = list.as_array().unwrap();
        let row = rows.iter().find(|row| row["sequence"] == sequence).unwrap();
        row["at"].as_str().unwrap().to_owned()
    };
    let part = export(&world, &["--since", &at(3), "--until", &at(5)], "part");
    let view = verified(&world, &["--file", &part, "--anchor", &anchors]);
    assert_eq!((&view["first"], &view["position"], &view["anchors"]), (&3.into(), &4.into(), &1.into()));
    let later = export(&world, &["--since", &at(5)], "later");
    let view = verified(&world, &["--file", &later, "--anchor", &anchors]);
    assert_eq!((&view["first"], &view["anchors"]), (&5.into(), &0.into()));
    let none = world.ok(&["audit", "export", "--until", &at(1)]);
    assert_eq!(none, "");
}

#[test]
fn an_export_of_a_log_that_was_tampered_with_shows_it() {
    let world = awkward();
    tamper(&world, "update control.audit_log set caller = 'machine:eve' where sequence = 3");
    let path = export(&world, &[], "all");
    assert_eq!(finding(&world, &["--file", &path]), ("audit_row_edited".to_owned(), 3));
}

#[test]
fn an_export_never_overwrites_a_file_and_a_dry_run_makes_none() {
    use std::os::unix::fs::PermissionsExt;
    let world = world_with_rows(3);
    let name = world.machine().path("all").display().to_string();
    let planned = world.json(&["--dry-run", "audit", "export", "--file", &name]);
    assert_eq!(planned["rows"], 3);
    assert!(!Path::new(&name).exists());
    let path = export(&world, &[], "all");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let before = fs::read(&path).unwrap();
    let (exit, error) = world.error(&["audit", "export", "--file", &path]);
    assert_eq!((exit, error["code"].as_str()), (5, Some("file_exists")));
    assert_eq!(fs::read(&path).unwrap(), before);
}

/// The program that the documentation shows to an auditor.
fn documented_program() -> String {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/audit.md");
    let page = fs::read_to_string(page).unwrap();
    let (_, rest) = page.split_once("```python\n").unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_documented_program_in_another_language_comes_to_the_same_head() {
    let world = awkward();
    let head = verified(&world, &[]);
    let path = export(&world, &[], "all");
    let program = world.machine().path("verify.py");
    fs::write(&program, documented_program()).unwrap();
    let run = || Command::new("python3").arg(&program).arg(&path).output().unwrap();
    let output = run();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let expected = format!("{} {}\n", head["position"], head["hash"].as_str().unwrap());
    assert_eq!(String::from_utf8_lossy(&output.stdout), expected);
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, text.replacen("test.write", "test.read", 1)).unwrap();
    assert!(!run().status.success());
}
