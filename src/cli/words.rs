//! What a person reads is in the trade's words: the retired ones (docs/glossary.md) come back nowhere.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::grammar;

/// Retired words and phrases; `_` stands for one word or none.
const RETIRED: &[&str] = &[
    "amiss",
    "anew",
    "at hand",
    "begun",
    "bury",
    "cure",
    "good no more",
    "had _ back",
    "has _ back",
    "have _ back",
    "heed",
    "is there",
    "is not there",
    "are there",
    "are not there",
    "was there",
    "were there",
    "left out",
    "let go of",
    "lets go of",
    "let _ in",
    "lets _ in",
    "looked at",
    "looks at",
    "mend",
    "mended",
    "mending",
    "mends",
    "strangers",
    "take _ back",
    "taken _ back",
    "takes _ back",
    "to come",
    "told",
    "took _ back",
];

/// Fields of documents in the control database, which nobody is shown: a new name would need a migration.
const STORED: &[&str] = &["realm_was_there"];

/// The words of a text, in small letters. Placeholders are none, and the end of a sentence or of a
/// cell is a word of its own, so that no phrase goes across it.
fn words(text: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut depth = 0_usize;
    for letter in text.chars() {
        match letter {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ if depth > 0 => {}
            '\'' => plain.push(letter),
            _ if letter.is_alphanumeric() => plain.extend(letter.to_lowercase()),
            '.' | ',' | ';' | ':' | '?' | '|' | '`' | '"' => plain.push_str(" . "),
            _ => plain.push(' '),
        }
    }
    plain.split_whitespace().map(str::to_owned).collect()
}

fn begins_with(words: &[String], phrase: &[&str]) -> bool {
    match phrase {
        [] => true,
        ["_", rest @ ..] => {
            begins_with(words, rest) || words.get(1..).is_some_and(|words| begins_with(words, rest))
        }
        [first, rest @ ..] => {
            words.first().is_some_and(|word| word == first) && begins_with(&words[1..], rest)
        }
    }
}

/// The retired words in a text.
fn retired(text: &str) -> Vec<&'static str> {
    let words = words(text);
    let is_in = |phrase: &str| {
        let phrase: Vec<&str> = phrase.split(' ').collect();
        (0..words.len()).any(|at| begins_with(&words[at..], &phrase))
    };
    let mut found: Vec<&str> = RETIRED.iter().copied().filter(|phrase| is_in(phrase)).collect();
    if text.contains("(s)") {
        found.push("(s)");
    }
    found
}

/// The string literals of a source, tests apart, each with its line. A comment or a character is none.
fn literals(source: &str) -> Vec<(usize, String)> {
    let source = source.split("#[cfg(test)]\nmod tests").next().unwrap();
    let mut found = Vec::new();
    let mut rest = source.char_indices().peekable();
    while let Some((start, letter)) = rest.next() {
        match letter {
            '/' if source[start..].starts_with("//") => {
                while rest.next_if(|(_, it)| *it != '\n').is_some() {}
            }
            '\'' if source[start..].starts_with("'\"'") => {
                rest.nth(1);
            }
            '"' => {
                let mut text = String::new();
                while let Some((_, letter)) = rest.next() {
                    match letter {
                        '"' => break,
                        '\\' => match rest.next() {
                            Some((_, '\n')) => while rest.next_if(|(_, it)| it.is_whitespace()).is_some() {},
                            Some((_, 'n')) | None => text.push(' '),
                            Some((_, other)) => text.push(other),
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

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// The files below a folder whose names end so.
fn files(folder: &Path, end: &str) -> Vec<PathBuf> {
    let (mut folders, mut found) = (vec![folder.to_owned()], Vec::new());
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    found
}

/// Notes what is retired in a text.
fn note(wrong: &mut String, place: &str, text: &str) {
    for phrase in retired(text) {
        writeln!(wrong, "{place}: {phrase:?} in {}", text.trim()).unwrap();
    }
}

fn help(command: &clap::Command, wrong: &mut String) {
    let place = command.get_name().to_owned();
    let texts = [
        command.get_about(),
        command.get_long_about(),
        command.get_before_help(),
        command.get_after_help(),
        command.get_after_long_help(),
    ];
    for text in texts.into_iter().flatten() {
        note(wrong, &place, &text.to_string());
    }
    for argument in command.get_arguments() {
        let place = format!("{place} {}", argument.get_id());
        for text in [argument.get_help(), argument.get_long_help()].into_iter().flatten() {
            note(wrong, &place, &text.to_string());
        }
        for value in argument.get_possible_values() {
            note(wrong, &place, value.get_name());
            note(wrong, &place, &value.get_help().map(ToString::to_string).unwrap_or_default());
        }
    }
    for verb in command.get_subcommands() {
        help(verb, wrong);
    }
}

#[test]
fn help_has_no_retired_word() {
    let mut wrong = String::new();
    help(&grammar(), &mut wrong);
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn no_page_has_a_retired_word() {
    let mut wrong = String::new();
    let mut pages = files(&root().join("docs"), ".md");
    pages.extend(files(&root().join("man"), ".1"));
    pages.push(root().join("README.md"));
    // The glossary lists them.
    pages.retain(|page| !page.ends_with("docs/glossary.md"));
    for page in pages {
        for (at, line) in fs::read_to_string(&page).unwrap().lines().enumerate() {
            note(&mut wrong, &format!("{}:{}", page.display(), at + 1), line);
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// Doc comments of errors are in docs/errors.md, which is read above.
#[test]
fn no_message_has_a_retired_word() {
    let mut wrong = String::new();
    for path in files(&root().join("src"), ".rs") {
        // The list itself.
        if path.ends_with("cli/words.rs") || path.ends_with("tests.rs") {
            continue;
        }
        let source = fs::read_to_string(&path).unwrap();
        let in_cli = path.starts_with(root().join("src/cli"));
        let lines: Vec<&str> = source.lines().collect();
        for (line, text) in literals(&source) {
            // The attribute is on this line, or opens on one before it.
            let before = lines[..line].iter().rev().map(|line| line.trim_start());
            let attribute = before.take(4).find(|line| line.starts_with("#["));
            let of_error = attribute
                .is_some_and(|it| ["#[error(", "#[hint(", "#[hints("].iter().any(|a| it.starts_with(a)));
            if in_cli || of_error {
                note(&mut wrong, &format!("{}:{line}", path.display()), &text);
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The fields that are serialised under their own name, and the names that others are given.
#[test]
fn no_field_in_json_has_a_retired_word() {
    let mut wrong = String::new();
    for path in files(&root().join("src"), ".rs") {
        let source = fs::read_to_string(&path).unwrap();
        let (mut serialised, mut other_name) = (false, false);
        for (at, line) in source.lines().enumerate() {
            let text = line.trim();
            let place = format!("{}:{}", path.display(), at + 1);
            if text.starts_with("#[derive(") {
                serialised = text.contains("Serialize");
            } else if let Some(name) = text.strip_prefix("#[serde(rename = ") {
                other_name = true;
                note(&mut wrong, &place, &name.replace('_', " "));
            } else if text.starts_with("#[serde(skip)") {
                other_name = true;
            } else if !line.starts_with(' ') && text == "}" {
                serialised = false;
            } else if serialised && line.starts_with("    ") && !text.starts_with(['#', '/']) {
                let name = text.trim_start_matches("pub ").trim_start_matches("pub(super) ");
                let shown = |(name, _): &(&str, &str)| !other_name && !STORED.contains(name);
                if let Some((name, _)) = name.split_once(": ").filter(shown) {
                    note(&mut wrong, &place, &name.replace('_', " "));
                }
                other_name = false;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

#[test]
fn phrases_are_found_with_a_word_between_and_not_across_sentences() {
    assert_eq!(retired("Take it back"), ["take _ back"]);
    assert_eq!(retired("take {it} back"), ["take _ back"]);
    assert_eq!(retired("which there are: there, and here. Back"), [""; 0]);
    assert_eq!(retired("2 tenant(s), mended"), ["mended", "(s)"]);
    assert_eq!(retired("recommended, amend"), [""; 0]);
}
