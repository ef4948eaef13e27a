//! Anchors: the head of the chain, kept elsewhere.

use std::fs;

use serde_json::Value;

use super::{finding, tamper, verified, world_with_rows, write_rows};

fn anchors(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn each_night_adds_a_line_and_every_line_is_compared() {
    let world = world_with_rows(3);
    let path = world.machine().path("anchors");
    let name = path.display().to_string();
    for _ in 0..3 {
        world.ok(&["audit", "anchor", "--file", &name]);
        write_rows(&world, 2);
    }
    let kept = anchors(&fs::read_to_string(&path).unwrap());
    let positions: Vec<_> = kept.iter().map(|anchor| anchor["position"].as_i64().unwrap()).collect();
    assert_eq!(positions, [3, 5, 7]);
    assert!(kept.iter().all(|anchor| anchor["installation"] == world.id.as_str()));
    let view = verified(&world, &["--anchor", &name]);
    assert_eq!((view["anchors"].as_i64(), view["position"].as_i64()), (Some(3), Some(9)));
}

#[test]
fn an_anchor_is_one_line_that_a_pipe_can_keep() {
    let world = world_with_rows(3);
    for args in [&["audit", "anchor"][..], &["-o", "json", "audit", "anchor"]] {
        let text = world.ok(args);
        assert_eq!(text.lines().count(), 1);
        let path = world.machine().path("kept");
        fs::write(&path, &text).unwrap();
        assert_eq!(verified(&world, &["--anchor", &path.display().to_string()])["anchors"], 1);
    }
    let text = world.ok(&["audit", "anchor"]);
    let output = world.machine().output(&["-o", "json", "audit", "verify", "--anchor", "-"], &text);
    let view: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(view["anchors"], 1);
}

#[test]
fn a_log_that_does_not_fit_its_anchors_gets_no_other() {
    let world = world_with_rows(6);
    let path = world.machine().path("anchors");
    let name = path.display().to_string();
    world.ok(&["audit", "anchor", "--file", &name]);
    let before = fs::read_to_string(&path).unwrap();
    tamper(
        &world,
        "delete from control.audit_log where sequence > 4;
         update control.audit_head set (sequence, hash) =
             (select sequence, hash from control.audit_log where sequence = 4)",
    );
    let (exit, error) = world.error(&["audit", "anchor", "--file", &name]);
    assert_eq!((exit, error["code"].as_str()), (9, Some("audit_tail_cut")));
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn a_dry_run_writes_no_anchor() {
    let world = world_with_rows(2);
    let path = world.machine().path("anchors");
    let text = world.ok(&["--dry-run", "audit", "anchor", "--file", &path.display().to_string()]);
    assert_eq!(anchors(&text)[0]["position"], 2);
    assert!(!path.exists());
}

#[test]
fn an_anchor_of_another_installation_is_told_as_such() {
    let (world, other) = (world_with_rows(4), world_with_rows(4));
    let path = other.machine().path("anchors").display().to_string();
    other.ok(&["audit", "anchor", "--file", &path]);
    assert_eq!(finding(&world, &["--anchor", &path]).0, "audit_anchor_foreign");
}

#[test]
fn a_file_without_an_anchor_proves_nothing_and_says_so() {
    let world = world_with_rows(2);
    for (content, code) in [("", "audit_anchor_empty"), ("{}\n", "audit_anchor_unreadable")] {
        let path = world.machine().path("anchors");
        fs::write(&path, content).unwrap();
        assert_eq!(finding(&world, &["--anchor", &path.display().to_string()]).0, code);
    }
    let (exit, error) = world.error(&["audit", "verify", "--anchor", "nowhere"]);
    assert_eq!((exit, error["code"].as_str()), (4, Some("file_missing")));
}
