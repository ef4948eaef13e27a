//! Capital and small letters: an address is one however it is written, and a search finds what it names.
//!
//! A seeded sample of the letters that have two cases; all of them with `NEXUS_TEST_ALL=1`.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};
use unicode_normalization::UnicodeNormalization;

use super::acme;
use crate::support::dice::Dice;
use crate::support::world::World;

/// Addresses in two ways of writing them: Greek's final sigma, a long s, the Kelvin sign, a capital sharp
/// s, a letter of two, letters that are put together.
const ADDRESSES: [(&str, &str); 6] = [
    ("ΝΙΚΟΣ@x.example", "νικος@X.example"),
    ("ſam@x.example", "SAM@x.example"),
    ("\u{212a}im@x.example", "kim@x.example"),
    ("GROẞ@x.example", "groß@x.example"),
    ("ǅon@x.example", "ǆON@x.example"),
    ("JOSÉ@BÜCHER.example", "jose\u{301}@xn--bcher-kva.example"),
];

fn in_acme(world: &World, args: &[&str]) -> Value {
    world.json(&[args, &["--tenant", "acme"]].concat())
}

fn emails(rows: &Value) -> Vec<&str> {
    rows.as_array().unwrap().iter().map(|row| row["email"].as_str().unwrap()).collect()
}

#[test]
fn an_address_is_the_same_one_in_every_verb_however_it_is_written() {
    let world = acme();
    let lines: Vec<String> = ADDRESSES
        .iter()
        .map(|(email, _)| json!({ "email": email, "password": "nine wet dogs on a hill" }).to_string())
        .collect();
    let file = world.machine().path("work/users");
    fs::write(&file, lines.join("\n")).unwrap();
    world.ok(&["user", "create", "--tenant", "acme", "--from", file.to_str().unwrap()]);
    for (email, other) in ADDRESSES {
        let kept = in_acme(&world, &["user", "show", other])["email"].as_str().unwrap().to_owned();
        assert_eq!(in_acme(&world, &["user", "show", email])["email"], kept.as_str());
        for written in [email, other] {
            assert_eq!(
                emails(&in_acme(&world, &["user", "list", "--search", written])),
                [kept.as_str()],
                "{written}"
            );
            let keys = in_acme(&world, &["api-key", "list", "--user", written]);
            assert_eq!(keys, json!([]));
        }
    }
    let (email, other) = ADDRESSES[0];
    world.ok(&["token", "mint", "--tenant", "acme", "--user", email]);
    for written in [email, other] {
        assert_eq!(
            world.json(&["token", "list", "--user", written]).as_array().unwrap().len(),
            1,
            "{written}"
        );
        assert_eq!(in_acme(&world, &["token", "list", "--user", written]).as_array().unwrap().len(), 1);
    }
    let key = world.machine().path("work/dev.key");
    let mut export =
        world.command(&["key", "export", "--tenant", "acme", "--development", key.to_str().unwrap()]);
    export.env("NEXUS_CONTEXT_T_TOKENS_DEVELOPMENT_KEYS", "accept");
    assert!(export.status().unwrap().success());
    let offline = ["token", "mint", "--offline", "--key", key.to_str().unwrap(), "--user", other];
    world.ok(&[&offline[..], &["--tenant", "acme"]].concat());
}

#[test]
fn a_search_finds_every_name_by_the_name_itself() {
    let world = acme();
    let has_cases = |c: &char| c.to_lowercase().ne([*c]) || c.to_uppercase().ne([*c]);
    let letters: Vec<char> = ('\0'..=char::MAX).filter(has_cases).collect();
    assert!(letters.len() > 2000);
    let line = |(number, c): (usize, &char)| {
        json!({ "email": format!("u{number}@x.example"), "name": format!("Q {c} Q") }).to_string()
    };
    let lines: Vec<String> = letters.iter().enumerate().map(line).collect();
    let file = world.machine().path("work/users");
    fs::write(&file, lines.join("\n")).unwrap();
    world.ok(&["user", "create", "--tenant", "acme", "--reveal", "--from", file.to_str().unwrap()]);
    let mut dice = Dice(3);
    let all = std::env::var_os("NEXUS_TEST_ALL").is_some();
    let mut tried: Vec<char> = "Σςſ\u{212a}İıẞǅΰ".chars().collect();
    tried.extend(if all { letters } else { (0..25).map(|_| dice.one(&letters)).collect() });
    for c in tried {
        // Names are kept in one form of Unicode.
        let name: String = format!("Q {c} Q").nfc().collect();
        let found = in_acme(&world, &["user", "list", "--search", &name]);
        assert!(found.as_array().unwrap().iter().any(|row| row["name"] == name.as_str()), "{c:?}");
    }
    let name = "ΝΙΚΟΣ ΟΔΟΣ İ ſ ẞ";
    world.ok(&["tenant", "update", "acme", "--name", name]);
    for part in [name, "ΟΔΟΣ İ", "νικ"] {
        assert_eq!(world.json(&["tenant", "list", "--search", part]).as_array().unwrap().len(), 1, "{part}");
    }
}

/// Addresses are folded by Nexus alone, names by the database alone.
#[test]
fn no_statement_folds_an_address() {
    fn look(folder: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                look(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path).unwrap();
                let lines = text.lines().filter(|line| line.contains("lower(") && line.contains("email"));
                let folded = lines.filter(|line| !line.contains("email_key like any ($4)"));
                found.extend(folded.map(|line| format!("{}: {line}", path.display())));
                let lines =
                    text.lines().filter(|line| line.contains("email") && line.contains("to_lowercase()"));
                let fallback = |line: &&str| !line.contains("map_or_else(|_|");
                found.extend(lines.filter(fallback).map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    let mut found = Vec::new();
    look(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    assert!(found.is_empty(), "{}", found.join("\n"));
}
