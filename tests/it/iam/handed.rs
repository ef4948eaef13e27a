//! Secrets that are shown once, and the files that they are written into.

use std::path::PathBuf;

use nexus::infra::crypto::TotpSecret;
use nexus::kernel::ExposeSecret;
use sha2::{Digest, Sha256};

use super::{acme, error, json, sql, user};
use crate::support::machine::Machine;
use crate::support::world::World;

/// A place for a secret that cannot be had: a file that is there, or a folder that is not.
fn bad_places(world: &World) -> [(&'static str, i32, &'static str); 2] {
    std::fs::write(at(world, "taken"), "mine\n").unwrap();
    [("taken", 5, "file_exists"), ("nowhere/file", 2, "folder_missing")]
}

fn at(world: &World, name: &str) -> PathBuf {
    world.machine().path(&format!("work/{name}"))
}

fn refused(world: &World, args: &[&str], (place, code, word): (&'static str, i32, &'static str)) {
    assert_eq!(error(world, &[args, &[place]].concat()), (code, word.to_owned()), "{args:?}");
    assert_eq!(std::fs::read_to_string(at(world, "taken")).unwrap(), "mine\n");
}

#[test]
fn nobody_is_made_whose_invitation_has_no_place() {
    let world = acme();
    std::fs::write(at(&world, "people.csv"), "email\neve@acme.example\n").unwrap();
    for bad in bad_places(&world) {
        let one = ["user", "create", "--email", "eve@acme.example", "--invite", "--invitation-file"];
        refused(&world, &one, bad);
        refused(
            &world,
            &["--dry-run"].iter().chain(&one).copied().collect::<Vec<_>>(),
            ("taken", 5, "file_exists"),
        );
        refused(&world, &["user", "create", "--from", "people.csv", "--invitation-file"], bad);
    }
    assert_eq!(sql(&world, "select email from nexus.users"), ["ann@acme.example"]);
}

#[test]
fn nothing_is_set_up_for_an_operator_whose_invitation_has_no_place() {
    let world = World::new();
    let control = format!("{}_two", world.control);
    let settings = std::fs::read_to_string(at(&world, "nexus.toml")).unwrap();
    let other = Machine::new().with_settings(&settings.replace(&world.control, &control));
    let init = |file: &str| {
        let args = ["init", "--operator-email", "ops@example.com", "--invitation-file", file];
        other.output(&args, "")
    };
    let is_there = format!("select count(*) from pg_database where datname = '{control}'");
    std::fs::write(other.path("work/taken"), "mine\n").unwrap();
    for (file, code) in [("taken", 5), ("nowhere/file", 2)] {
        assert_eq!(init(file).status.code(), Some(code), "{file}");
        assert_eq!(world.sql("postgres", &is_there), ["0"], "{file}");
    }
    let made = init("invitation");
    let token = std::fs::read_to_string(other.path("work/invitation"));
    let hash = "select encode(token_hash, 'hex') from nexus.invitations";
    let hash = made.status.success().then(|| world.sql(&control, hash));
    world.sql("postgres", &format!("drop database if exists \"{control}\" with (force)"));
    let said = String::from_utf8_lossy(&made.stderr);
    assert!(said.contains("the operator's invitation is in invitation"), "{said}");
    let token = Sha256::digest(token.unwrap().trim().as_bytes());
    let token = token.iter().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    assert_eq!(hash.unwrap(), [token]);
}

#[test]
fn no_tenant_is_made_whose_invitation_has_no_place() {
    let world = World::new();
    let create =
        ["tenant", "create", "acme", "--admin-email", "ann@acme.example", "--invitation-file", "taken"];
    std::fs::write(at(&world, "taken"), "mine\n").unwrap();
    for more in [&create[..], &[&["--dry-run"], &create[..]].concat()] {
        let (code, error) = world.error(more);
        assert_eq!((code, &error["code"]), (5, &"file_exists".into()));
    }
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["0"]);
}

#[test]
fn an_older_token_stays_good_when_the_new_one_has_no_place() {
    let world = acme();
    user(&world, "bob@acme.example");
    json(&world, &["user", "invite", "bob@acme.example", "--invitation-file", "bob"]);
    json(&world, &["user", "password", "reset", "ann@acme.example", "--invitation-file", "ann"]);
    let tokens =
        |world: &World| sql(world, "select encode(token_hash, 'hex') from nexus.invitations order by 1");
    let before = tokens(&world);
    assert_eq!(before.len(), 2);
    for bad in bad_places(&world) {
        refused(&world, &["user", "invite", "bob@acme.example", "--invitation-file"], bad);
        refused(&world, &["user", "password", "reset", "ann@acme.example", "--invitation-file"], bad);
    }
    assert_eq!(tokens(&world), before);
}

#[test]
fn a_second_factor_is_not_turned_on_when_its_recovery_codes_have_no_place() {
    let world = acme();
    let ann = "ann@acme.example";
    json(&world, &["user", "factor", "enrol", ann, "--uri-file", "uri"]);
    let uri = std::fs::read_to_string(at(&world, "uri")).unwrap();
    let secret = uri.split("secret=").nth(1).unwrap().split('&').next().unwrap().trim().to_owned();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let code = TotpSecret::from_text(secret.into()).code(now).unwrap();
    let confirm = |place: &str| {
        let args = ["user", "factor", "confirm", ann, "--codes-file", place, "--tenant", "acme"];
        world.machine().output(&args, &format!("{}\n", code.expose_secret())).status.code()
    };
    for (place, expected, _) in bad_places(&world) {
        assert_eq!(confirm(place), Some(expected));
    }
    assert_eq!(json(&world, &["user", "show", ann])["second_factor"], false);
    // The code was not used up.
    assert_eq!(confirm("codes"), Some(0));
    assert_eq!(std::fs::read_to_string(at(&world, "codes")).unwrap().lines().count(), 10);
}

#[test]
fn what_is_refused_leaves_no_file_behind() {
    let world = acme();
    for args in [
        &["user", "invite", "nobody@acme.example", "--invitation-file", "left"][..],
        &["user", "create", "--email", "ann@acme.example", "--invite", "--invitation-file", "left"],
        &["user", "factor", "enrol", "nobody@acme.example", "--uri-file", "left"],
    ] {
        error(&world, args);
        assert!(!at(&world, "left").exists(), "{args:?}");
    }
}

#[test]
fn who_has_a_password_is_not_invited_and_who_has_none_is_not_reset() {
    let world = acme();
    user(&world, "bob@acme.example");
    for (args, hint) in [
        (
            ["user", "invite", "ann@acme.example", "--reveal"].to_vec(),
            "nexus user password reset ann@acme.example",
        ),
        (
            ["user", "password", "reset", "bob@acme.example", "--reveal"].to_vec(),
            "nexus user invite bob@acme.example",
        ),
    ] {
        let (code, error) = world.error(&[&args[..], &["--tenant", "acme"]].concat());
        assert_eq!((code, error["code"].as_str()), (5, Some("user_state")), "{error}");
        assert!(error["hint"].to_string().contains(hint), "{error}");
    }
    assert_eq!(sql(&world, "select count(*) from nexus.invitations"), ["0"]);
}

#[test]
fn a_token_file_that_is_not_there_is_a_wrong_command_line() {
    let world = acme();
    let args = ["user", "password", "set", "--token-file", "nowhere", "--password-stdin", "--tenant", "acme"];
    assert_eq!(world.machine().output(&args, "seven dry cats in a barn\n").status.code(), Some(2));
}
