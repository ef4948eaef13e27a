//! The list of rules in the documentation is that of the program. To write it anew:
//! `UPDATE_GENERATED=1 cargo test --test it generated`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use nexus::features::migrations::lint::{Author, Effect, Level, Rule, all_rules};

#[test]
fn the_generated_list_of_rules() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/migrations.md");
    let page = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- rules -->\n", "<!-- /rules -->");
    let (before, rest) = page.split_once(begin).unwrap();
    let (_, after) = rest.split_once(end).unwrap();
    let expected = format!("{before}{begin}{}{end}{after}", tables());
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        fs::write(&path, &expected).unwrap();
    }
    let found = fs::read_to_string(&path).unwrap();
    assert!(found == expected, "docs/migrations.md: UPDATE_GENERATED=1 cargo test --test it generated");
}

fn tables() -> String {
    let mut text = String::new();
    let parts = [
        (Level::Usual, "Asked always", "the safer way"),
        (Level::Strict, "Asked with `--strict`", "the safer way"),
        (Level::Never, "Never asked", "why not"),
    ];
    for (level, title, last) in parts {
        write!(text, "\n### {title}\n\n| rule | effect | what it finds | {last} |\n|---|---|---|---|\n")
            .unwrap();
        for effect in Effect::ALL {
            for rule in all_rules().filter(|rule| rule.level == level && rule.effect == effect) {
                let Rule { name, what, instead, .. } = rule;
                let mark = if rule.author == Author::Nexus { " *" } else { "" };
                writeln!(text, "| `{name}`{mark} | {} | {what} | {instead} |", effect.as_str()).unwrap();
            }
        }
    }
    text + "\n"
}
