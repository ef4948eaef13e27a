//! `docs/errors.md` is what the derive of errors declares. To write it anew:
//! `UPDATE_GENERATED=1 cargo test --lib generated`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::Exit;
use crate::kernel::{ErrorCode, ErrorCodes, ErrorKind};

const BEGINNING: &str = "\
# Errors

An error in JSON (`-o json`) has its code in `error.code`; for a person `--verbose` adds it. Codes never change within a major version, and the exit code depends on the kind alone. Codes that stand here more than once have several kinds; where the kind is that of the cause, the same code can come with several exit codes. `bug` (exit code 1) is an error of Nexus itself.

| code | kind | exit code | what it means |
|---|---|---|---|
";

/// ErrorCodes that had several kinds before this was looked at. A new one is a mistake: scripts tell errors
/// apart by code.
const OF_SEVERAL_KINDS: &[&str] = &["local_system"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

fn codes() -> impl Iterator<Item = &'static ErrorCode> {
    inventory::iter::<ErrorCodes>().flat_map(|codes| codes.codes)
}

fn page() -> String {
    let mut rows: BTreeMap<_, BTreeSet<&str>> = BTreeMap::new();
    for code in codes() {
        rows.entry((code.code, code.kind)).or_default().insert(code.meaning);
    }
    let mut page = BEGINNING.to_owned();
    for ((code, kind), meanings) in rows {
        let (kind, exit) = kind.map_or(("that of the cause".to_owned(), String::new()), |kind| {
            (words(kind), Exit::from(kind).code().to_string())
        });
        // Links of rustdoc lead nowhere here.
        let meaning =
            meanings.into_iter().collect::<Vec<_>>().join(" ").replace("[`", "`").replace("`]", "`");
        writeln!(page, "| `{code}` | {kind} | {exit} | {meaning} |").unwrap();
    }
    page
}

/// `NotFound` as `not found`.
fn words(kind: ErrorKind) -> String {
    let mut text = String::new();
    for letter in format!("{kind:?}").chars() {
        if letter.is_uppercase() && !text.is_empty() {
            text.push(' ');
        }
        text.extend(letter.to_lowercase());
    }
    text
}

#[test]
fn the_page_of_errors_is_what_they_declare() {
    let (path, page) = (root().join("docs/errors.md"), page());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &page).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap_or_default();
    assert!(found == page, "docs/errors.md is out of date: UPDATE_GENERATED=1 cargo test --lib generated");
}

#[test]
fn every_error_that_derives_its_codes_is_on_the_page() {
    let mut folders = vec![root().join("src")];
    let mut missing = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() && !path.ends_with("src/failure") {
                folders.push(path);
            } else if path.extension().is_some_and(|end| end == "rs") {
                let (text, path) =
                    (fs::read_to_string(&path).unwrap(), path.strip_prefix(root()).unwrap().to_owned());
                let derive = |line: &&str| line.starts_with("#[derive(") && line.contains("Failure)]");
                let (derived, listed) = (
                    text.lines().filter(derive).count(),
                    inventory::iter::<ErrorCodes>().filter(|codes| Path::new(codes.file) == path).count(),
                );
                if derived != listed {
                    missing.push(format!("{}: {derived} derived, {listed} listed", path.display()));
                }
            }
        }
    }
    assert!(missing.is_empty(), "{}", missing.join("\n"));
}

#[test]
fn a_code_has_one_kind() {
    let mut kinds: BTreeMap<&str, BTreeSet<Option<ErrorKind>>> = BTreeMap::new();
    for code in codes() {
        kinds.entry(code.code).or_default().insert(code.kind);
    }
    kinds.retain(|_, kinds| kinds.len() > 1);
    let several: Vec<&str> = kinds.keys().copied().collect();
    assert_eq!(several, OF_SEVERAL_KINDS, "{kinds:#?}");
}
