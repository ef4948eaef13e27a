//! Every statement in a `store.rs` is one that PostgreSQL accepts on the schema as it is.

use std::fs;
use std::path::{Path, PathBuf};

use crate::support::world::World;

/// A statement in the sources.
struct Statement {
    path: String,
    line: usize,
    text: String,
}

impl Statement {
    /// Whether this is all of it, and not a part of what is put together when it is run.
    fn is_whole(&self) -> bool {
        !self.text.contains('{') && !self.text.ends_with(' ')
    }
}

fn stores(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            stores(&path, found);
        } else if path.ends_with("store.rs") {
            found.push(path);
        }
    }
}

/// The string literals of a source, each with its line. Escapes are resolved as Rust does; a
/// comment, a character or a lifetime is none.
fn literals(source: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some((start, character)) = rest.next() {
        match character {
            '/' if source[start..].starts_with("//") => {
                while rest.next_if(|(_, it)| *it != '\n').is_some() {}
            }
            '\'' if source[start..].starts_with("'\"'") => {
                rest.nth(1);
            }
            '"' => {
                let mut text = String::new();
                while let Some((_, character)) = rest.next() {
                    match character {
                        '"' => break,
                        '\\' => match rest.next() {
                            Some((_, '\n')) => while rest.next_if(|(_, it)| it.is_whitespace()).is_some() {},
                            Some((_, 'n')) => text.push('\n'),
                            Some((_, other)) => text.push(other),
                            None => break,
                        },
                        other => text.push(other),
                    }
                }
                found.push((source[..start].lines().count(), text));
            }
            _ => {}
        }
    }
    found
}

/// As many were found when this was written; fewer means that this test has stopped finding them.
const WHOLE: usize = 290;

/// The statements of a source. `{NAME}` stands for the constant of that name in the same file;
/// what is put together in another way is no whole statement.
fn statements(path: &Path) -> Vec<Statement> {
    let source = fs::read_to_string(path).unwrap();
    let source = source.split("#[cfg(test)]").next().unwrap();
    let all = literals(source);
    let mut constants = Vec::new();
    for (at, line) in source.lines().enumerate() {
        if let Some((name, _)) = line.strip_prefix("const ").and_then(|line| line.split_once(": &str =")) {
            let (_, value) = all.iter().find(|(line, _)| *line > at).unwrap();
            constants.push((format!("{{{name}}}"), value));
        }
    }
    let mut found = Vec::new();
    for (line, text) in &all {
        let verb = text.split_whitespace().next().unwrap_or_default();
        if !["select", "insert", "update", "delete", "with"].contains(&verb) || !text.contains(' ') {
            continue;
        }
        let mut text = text.clone();
        for (name, value) in &constants {
            text = text.replace(name, value);
        }
        let path = path.strip_prefix(env!("CARGO_MANIFEST_DIR")).unwrap().display().to_string();
        found.push(Statement { path, line: *line, text });
    }
    found
}

#[test]
fn every_statement_of_a_store_fits_the_schema() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let realm = world.control_sql("select database_name from control.tenants").remove(0);
    let mut paths = Vec::new();
    stores(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src/features"), &mut paths);
    let all: Vec<Statement> = paths.iter().flat_map(|path| statements(path)).collect();
    let (all, parts): (Vec<Statement>, Vec<Statement>) = all.into_iter().partition(Statement::is_whole);
    assert!(all.len() >= WHOLE, "only {} statements were found", all.len());
    let parts = parts.iter().map(|it| {
        let words: Vec<&str> = it.text.split_whitespace().take(8).collect();
        format!("{}: {}", it.path, words.join(" "))
    });
    // Those that run them are the tests of their features.
    insta::assert_snapshot!("statements_that_are_put_together", parts.collect::<Vec<_>>().join("\n"));
    let mut wrong = Vec::new();
    // The control database holds a realm, too: the platform's.
    for database in [&world.control, &realm] {
        let fits: Vec<&Statement> =
            all.iter().filter(|it| *database == world.control || !it.text.contains("control.")).collect();
        let prepared = |it: &&Statement| {
            format!("set search_path = pg_catalog, pg_temp; deallocate all; prepare it as {}", it.text)
        };
        let said = world.stack().sql_each(database, &fits.iter().map(prepared).collect::<Vec<_>>());
        for (Statement { path, line, text }, said) in fits.into_iter().zip(said) {
            // psql declares no parameter's type, the driver declares each one's.
            if let Some(said) =
                said.err().filter(|said| !said.contains("could not determine data type of parameter"))
            {
                wrong.push(format!("{path}:{line}: {said}{text}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
