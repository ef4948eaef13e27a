//! A secret is looked for when it is used: who reads the control database needs no other.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use crate::outages::verbs::VERBS;
use crate::support::world::World;

/// The last words of verbs that read the record, or a realm.
const READING: [&str; 8] = ["list", "show", "tree", "members", "roles", "groups", "can", "status"];

const UNSET: &str = "context.t.store.admin_token refers to env:S3T, which is not set";

/// An installation with a tenant, and settings of it whose store's token is not to be had.
fn without_token() -> (World, String) {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    let settings = fs::read_to_string(world.machine().path("work/nexus.toml")).unwrap();
    let (before, _) = settings.split_once("admin_token = ").unwrap();
    let path = world.machine().path("work/unset.toml");
    fs::write(&path, format!("{before}admin_token = \"env:S3T\"\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    (world, path.display().to_string())
}

#[test]
fn verbs_that_read_the_record_need_no_token_of_the_store() {
    let (world, config) = without_token();
    let mut read = 0;
    for (verb, words) in VERBS {
        let verb: Vec<&str> = verb.split(' ').collect();
        if !READING.contains(verb.last().unwrap()) {
            continue;
        }
        let words = words.split(' ').filter(|word| !word.is_empty());
        let line: Vec<&str> =
            ["-o", "json", "--config", &config].into_iter().chain(verb).chain(words).collect();
        let output = world.run(&line);
        let said = String::from_utf8_lossy(&output.stderr);
        // Names that nothing has are not found, which is an answer.
        let answered =
            output.status.success() || said.contains("not_found") || said.contains("permission_unknown");
        assert!(answered && !said.contains("S3T"), "{line:?}: {said}");
        read += 1;
    }
    assert!(read >= 30, "{read}");
    for line in [
        &["tenant", "env", "acme"][..],
        &["audit", "verify"],
        &["token", "mint", "--tenant", "acme", "--user", "ann@acme.example", "--dry-run"],
    ] {
        let output = world.run(&[&["--config", &config], line].concat());
        assert!(!String::from_utf8_lossy(&output.stderr).contains("S3T"), "{line:?}");
    }
}

#[test]
fn who_needs_the_token_is_told_which_setting_wants_it_before_anything_is_changed() {
    let (world, config) = without_token();
    let operations = world.control_sql("select count(*) from control.operations");
    for line in [
        &["tenant", "create", "beta"][..],
        &["tenant", "suspend", "acme", "--reason", "unpaid"],
        &["tenant", "repair", "acme"],
        &["tenant", "delete", "acme", "--yes", "--confirm", "acme"],
    ] {
        let (code, error) = world.error(&[&["--config", &config], line].concat());
        assert_eq!((code, error["code"].as_str()), (2, Some("secret_unset")), "{line:?}: {error}");
        assert_eq!(error["message"], UNSET);
        assert_eq!(error["details"]["key"], "context.t.store.admin_token");
        assert!(error["hint"].as_str().unwrap().contains("config show"), "{error}");
    }
    assert_eq!(world.control_sql("select count(*) from control.operations"), operations);
    assert_eq!(world.json(&["tenant", "show", "acme"])["state"], "active");
}
