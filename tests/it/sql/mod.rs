//! The reader of SQL text beside the real psql: both cut the same files. `NEXUS_TEST_ALL=1` takes 30,000
//! of them instead of a seeded 400.

mod corpus;
mod driver;
mod psql;

use nexus::infra::db::{FlawKind, code, statements};

/// What ours makes of a file, up to what only psql knows how to go on from.
fn ours(text: &str) -> (Vec<String>, bool) {
    let mut cut = Vec::new();
    // psql passes over a mark at the beginning, and a migration with one is refused.
    for statement in statements(text.trim_start_matches('\u{feff}')) {
        if matches!(statement.flaw.map(|flaw| flaw.kind), Some(FlawKind::Backslash(_))) {
            return (cut, false);
        }
        // What is open at the end of the file may end in a semicolon.
        cut.extend(code(statement.text).map(without_empty_lines));
    }
    (cut, true)
}

/// Statements as psql sent them, without what is around their code.
fn theirs(sent: &[String]) -> Vec<String> {
    sent.iter().filter_map(|text| code(text)).map(without_empty_lines).collect()
}

/// psql leaves out empty lines, except in quotes.
fn without_empty_lines(text: &str) -> String {
    text.split('\n').filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n").trim_end().to_owned()
}

fn compare(files: &[String]) {
    let mut whole = 0;
    for (file, sent) in files.iter().zip(psql::sent(files)) {
        let (ours, complete) = ours(file);
        let mut theirs = theirs(&sent);
        if complete {
            whole += 1;
        } else {
            theirs.truncate(ours.len());
        }
        assert_eq!(ours, theirs, "{file:?}");
    }
    assert!(whole >= files.len() * 3 / 4, "{whole} of {} files were compared to their ends", files.len());
}

#[test]
fn files_written_to_be_misread_are_cut_as_psql_cuts_them() {
    let files: Vec<String> = corpus::NASTY.iter().map(|text| (*text).to_owned()).collect();
    compare(&files);
}

#[test]
fn generated_files_of_all_shapes_are_cut_as_psql_cuts_them() {
    let all = std::env::var_os("NEXUS_TEST_ALL").is_some();
    let files = corpus::generated(if all { 30_000 } else { 400 });
    // No more arguments than a command may have.
    files.chunks(2000).for_each(compare);
}

#[test]
fn a_command_of_psql_is_named_with_the_line_that_psql_names() {
    let files = ["select 1;\n\\nosuch a b\n", "select $$\\x$$;\n\n  select 2 \\nosuch\n;"];
    for file in files {
        let found = statements(file).into_iter().find_map(|it| it.flaw).unwrap();
        assert_eq!(found.kind, FlawKind::Backslash("\\nosuch"));
        let said = psql::said(file);
        assert!(said.contains(&format!(":{}: error: invalid command \\nosuch", found.line)), "{said}");
    }
}
