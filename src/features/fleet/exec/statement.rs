//! A statement as it was typed, and how its rows become JSON. Pure.

use std::collections::{HashMap, HashSet};

use sha2::{Digest, Sha256};
use squawk_syntax::ast::AstNode;
use squawk_syntax::{SourceFile, SyntaxKind};

use super::super::error::FleetError;
use crate::infra::db::{FlawKind, code, first_flaw, identifier, statements};

/// One statement. That it is one only, the server says: its extended protocol takes no more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    text: String,
    /// Its first word, in lower case.
    word: String,
}

impl Statement {
    /// Of a text; comments and a semicolon at its end are left away.
    ///
    /// # Errors
    /// [`FleetError::NoStatement`], [`FleetError::Copy`].
    pub fn parse(text: &str) -> Result<Self, FleetError> {
        let text = code(text).ok_or(FleetError::NoStatement)?.to_owned();
        match first_flaw(&text).map(|flaw| flaw.kind) {
            Some(FlawKind::CopyIn | FlawKind::CopyOut) => return Err(FleetError::Copy),
            Some(FlawKind::Backslash(command)) => {
                return Err(FleetError::PsqlCommand { command: command.to_owned() });
            }
            // One statement goes to the server whole.
            Some(FlawKind::Ambiguous) | None => {}
        }
        let first = statements(&text).first().map(|it| it.words(64)).unwrap_or_default();
        let word = first.into_iter().find(|word| word != "(").unwrap_or_default();
        if word == "copy" {
            return Err(FleetError::Copy);
        }
        let word = word.chars().take_while(char::is_ascii_alphabetic).collect();
        Ok(Self { text, word })
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the audit log has of it instead of the text, which may hold a customer's data: its
    /// first word, SHA-256 and length.
    pub(super) fn outline(&self) -> (&str, String, usize) {
        (&self.word, hex::encode(Sha256::digest(self.text.as_bytes())), self.text.len())
    }

    /// The same statement, with each of its rows as one JSON object, in the ways in which the server
    /// may take it; none where it cannot be part of another. `names`: see [`distinct`].
    pub(super) fn as_json(&self, names: Option<&[String]>) -> Vec<String> {
        let text = &self.text;
        let names = names.map_or_else(String::new, |names| {
            format!("({})", names.iter().map(|name| identifier(name)).collect::<Vec<_>>().join(", "))
        });
        // The server turns every type into JSON itself, in the order of the columns.
        let within =
            || format!("select pg_catalog.row_to_json(q)::pg_catalog.text from (\n{text}\n) as q{names}");
        match self.word.as_str() {
            "select" | "values" | "table" => vec![within()],
            "with" => [within()].into_iter().chain(self.wrap_as_cte(&names)).collect(),
            "insert" | "update" | "delete" | "merge" => {
                vec![format!(
                    "with q{names} as (\n{text}\n) select pg_catalog.row_to_json(q)::pg_catalog.text from q"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// What changes rows within a `WITH` has to stay in the outermost one (manual, chapter 7.8.4):
    /// what follows that is made its last part.
    fn wrap_as_cte(&self, names: &str) -> Option<String> {
        let statement = SourceFile::parse(&self.text).tree().stmts().next()?;
        let with = statement.syntax().children().find(|it| it.kind() == SyntaxKind::WITH_CLAUSE)?;
        let (with, rest) = self.text.split_at_checked(usize::from(with.text_range().end()))?;
        // No name of the statement's own; of a recursive WITH each part sees the others.
        let name = (0..1000).map(|n| format!("row_{n}")).find(|name| !self.text.contains(name.as_str()))?;
        Some(format!(
            "{with}\n, {name}{names} as (\n{rest}\n) select pg_catalog.row_to_json({name})::pg_catalog.text from {name}"
        ))
    }
}

/// Names for the columns of rows, each once: the second `a` is `a_2`. `None`: they are so already.
/// A reader of JSON keeps one of several fields of one name (RFC 8259, section 4).
pub(super) fn distinct(names: &[&str]) -> Option<Vec<String>> {
    let taken: HashSet<&str> = names.iter().copied().collect();
    if taken.len() == names.len() {
        return None;
    }
    let mut seen = HashSet::new();
    let mut made: Vec<String> = Vec::with_capacity(names.len());
    let mut next: HashMap<&str, usize> = HashMap::new();
    for name in names {
        if seen.insert(*name) {
            made.push((*name).to_owned());
            continue;
        }
        let number = next.entry(name).or_insert(2);
        loop {
            let numbered = numbered(name, *number);
            *number += 1;
            if !taken.contains(&*numbered) && !made.contains(&numbered) {
                made.push(numbered);
                break;
            }
        }
    }
    Some(made)
}

/// A name with a number, no longer than the server keeps (manual, chapter 4.1.1: 63 bytes).
fn numbered(name: &str, number: usize) -> String {
    let end = format!("_{number}");
    let mut length = name.len().min(63 - end.len());
    while !name.is_char_boundary(length) {
        length -= 1;
    }
    format!("{}{end}", &name[..length])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_around_a_statement_is_left_away_and_nothing_in_it() {
        for (typed, expected) in [
            ("select 1", "select 1"),
            (" \n select 1 ; \n-- done", "select 1"),
            ("/* a /* b */ ; */ select 1; /* x */ ;", "select 1"),
            ("select ';' -- ;", "select ';'"),
            ("select 'it''s -- no comment';", "select 'it''s -- no comment'"),
            ("select E'\\'; -- in it';", "select E'\\'; -- in it'"),
            ("select \"a;b\" ;", "select \"a;b\""),
            ("do $x$ begin; -- $y$ end $x$;", "do $x$ begin; -- $y$ end $x$"),
            ("select $1 ;", "select $1"),
            ("select 1; select 2;", "select 1; select 2"),
        ] {
            assert_eq!(Statement::parse(typed).unwrap().text(), expected, "{typed}");
        }
        for nothing in ["", " ; ;", "-- select 1", "/* select 1"] {
            assert!(matches!(Statement::parse(nothing), Err(FleetError::NoStatement)), "{nothing}");
        }
        assert!(matches!(Statement::parse("(Copy t to stdout)"), Err(FleetError::Copy)));
    }

    #[test]
    fn what_only_psql_can_do_is_refused() {
        for copy in ["/* c */ copy t from stdin", "COPY t to stdout", "copy t from '/x'"] {
            assert!(matches!(Statement::parse(copy), Err(FleetError::Copy)), "{copy}");
        }
        let refused = Statement::parse("select 1 \\gx");
        assert!(matches!(refused, Err(FleetError::PsqlCommand { command }) if command == "\\gx"));
    }

    #[test]
    fn columns_of_one_name_get_names_of_their_own() {
        assert_eq!(distinct(&["a", "b"]), None);
        assert_eq!(distinct(&["a", "a_2", "a", "a"]).unwrap(), ["a", "a_2", "a_3", "a_4"]);
        let long = "é".repeat(31);
        let made = distinct(&[&long, &long]).unwrap();
        assert!(made[1].len() <= 63 && made[1].ends_with("_2"));
        let names = ["a".to_owned(), "a_2".to_owned()];
        let json = Statement::parse("select 1 a, 2 a").unwrap().as_json(Some(&names));
        assert!(json[0].ends_with("as q(\"a\", \"a_2\")"));
    }

    #[test]
    fn rows_become_json_where_a_statement_can_be_part_of_another() {
        let json = |text: &str| Statement::parse(text).unwrap().as_json(None);
        assert!(json("(select 1) union select 2")[0].contains("from (\n(select 1) union select 2\n) as q"));
        assert!(json("delete from t returning *")[0].starts_with("with q as ("));
        assert_eq!(
            json("with A as (delete from t returning *), b as (select ')') select * from a")[1],
            "with A as (delete from t returning *), b as (select ')')\n, row_0 as (\n select * from a\n) \
             select pg_catalog.row_to_json(row_0)::pg_catalog.text from row_0"
        );
        assert!(json("with row_0 as (select 1) select 1")[1].contains(", row_1 as ("));
        assert_eq!(json("show all"), Vec::<String>::new());
        assert_eq!(json("create table t ()"), Vec::<String>::new());
    }
}
