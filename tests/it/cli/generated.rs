//! What is generated from the grammar and the settings is what is committed. To write it anew:
//! `UPDATE_GENERATED=1 cargo test --test it generated`.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use nexus::cli::completions::Shell;
use nexus::cli::manual;
use nexus::settings::key::{self, PLAIN_VARIABLES, SECTIONS};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_owned()
}

/// Compares a file with what it should be, or writes it.
fn hold(path: &Path, expected: &[u8]) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, expected).unwrap();
    }
    let found = fs::read(path).unwrap_or_default();
    assert!(
        found == expected,
        "{} is out of date: UPDATE_GENERATED=1 cargo test --test it generated",
        path.display()
    );
}

/// Refuses files in a folder of generated ones that nothing generates any more.
fn hold_only(folder: &Path, expected: &BTreeSet<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !expected.contains(&name) {
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                fs::remove_file(&path).unwrap();
            } else {
                panic!("{} stands for no command", path.display());
            }
        }
    }
}

#[test]
fn manual_pages() {
    let pages = manual::pages().unwrap();
    for (name, page) in &pages {
        hold(&root().join("man").join(name), page);
    }
    hold_only(&root().join("man"), &pages.into_iter().map(|(name, _)| name).collect());
}

#[test]
fn completion_scripts() {
    for shell in Shell::value_variants() {
        hold(&root().join("completions").join(shell.file_name()), shell.script().unwrap().as_bytes());
    }
}

#[test]
fn the_readmes_table_of_commands() {
    let path = root().join("README.md");
    let readme = fs::read_to_string(&path).unwrap();
    let expected = manual::with_readme_table(&readme).expect("README.md lacks the marks of the table");
    hold(&path, expected.as_bytes());
}

#[test]
fn the_settings_page() {
    let path = root().join("docs/configuration.md");
    let page = fs::read_to_string(&path).unwrap();
    let replaced = |page: &str, mark: &str, table: &str| {
        let (begin, end) = (format!("<!-- {mark} -->\n"), format!("<!-- /{mark} -->"));
        let (before, rest) = page.split_once(&begin).expect(mark);
        let (_, after) = rest.split_once(&end).expect(mark);
        format!("{before}{begin}{table}{end}{after}")
    };
    let page = replaced(&page, "keys", &keys_tables());
    hold(&path, replaced(&page, "variables", &variables_table()).as_bytes());
}

fn keys_tables() -> String {
    let mut text = String::new();
    for section in SECTIONS {
        let title = if section.path.is_empty() { "Top".to_owned() } else { format!("`[{}]`", section.path) };
        write!(text, "\n### {title}\n\n{}\n\n| key | default | what it is |\n|---|---|---|\n", section.help)
            .unwrap();
        for key in section.keys {
            let default = match key.default {
                key::Default::Value(text) => format!("`{text}`"),
                key::Default::Words(text) => text.to_owned(),
                key::Default::Required => "must be set".to_owned(),
            };
            writeln!(text, "| `{}` | {default} | {} {} |", key.name, key.help, takes(key.kind)).unwrap();
        }
    }
    text + "\n"
}

fn takes(kind: key::Kind) -> String {
    match kind {
        key::Kind::Word(words) => format!("One of {}.", words.join(", ")),
        key::Kind::Number(least, most) => format!("{least} to {most}."),
        _ => String::new(),
    }
}

fn variables_table() -> String {
    let mut text = String::from("| variable | what it does |\n|---|---|\n");
    for (name, help) in PLAIN_VARIABLES {
        writeln!(text, "| `{name}` | {help} |").unwrap();
    }
    text
}
