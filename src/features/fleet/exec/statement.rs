//! A statement as it was typed, and how its rows become JSON. Pure.

use sha2::{Digest, Sha256};
use squawk_syntax::ast::AstNode;
use squawk_syntax::{SourceFile, SyntaxKind};

use super::super::error::FleetError;
use super::super::hex;

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
        let Some((begin, end)) = code(text) else { return Err(FleetError::NoStatement) };
        let text = text[begin..end].to_owned();
        let word = text.trim_start_matches(['(', ' ', '\t', '\n']);
        let word: String = word.chars().take_while(char::is_ascii_alphabetic).collect();
        let word = word.to_ascii_lowercase();
        if word == "copy" {
            return Err(FleetError::Copy);
        }
        Ok(Self { text, word })
    }

    /// The text.
    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// What the audit log has of it instead of the text, which may hold a customer's data: its
    /// first word, SHA-256 and length.
    pub(super) fn outline(&self) -> (&str, String, usize) {
        (&self.word, hex(&Sha256::digest(self.text.as_bytes())), self.text.len())
    }

    /// The same statement, with each of its rows as one JSON object, in the ways in which the server
    /// may take it; none where it cannot be part of another.
    pub(super) fn as_json(&self) -> Vec<String> {
        let text = &self.text;
        // The server turns every type into JSON itself, in the order of the columns.
        let within = || format!("select pg_catalog.row_to_json(q)::pg_catalog.text from (\n{text}\n) as q");
        match self.word.as_str() {
            "select" | "values" | "table" => vec![within()],
            "with" => [within()].into_iter().chain(self.one_more_with()).collect(),
            "insert" | "update" | "delete" | "merge" => {
                vec![format!(
                    "with q as (\n{text}\n) select pg_catalog.row_to_json(q)::pg_catalog.text from q"
                )]
            }
            _ => Vec::new(),
        }
    }

    /// What changes rows within a `WITH` has to stay in the outermost one (manual, chapter 7.8.4):
    /// what follows that is made its last part.
    fn one_more_with(&self) -> Option<String> {
        let statement = SourceFile::parse(&self.text).tree().stmts().next()?;
        let with = statement.syntax().children().find(|it| it.kind() == SyntaxKind::WITH_CLAUSE)?;
        let (with, rest) = self.text.split_at_checked(usize::from(with.text_range().end()))?;
        // No name of the statement's own; of a recursive WITH each part sees the others.
        let name = (0..1000).map(|n| format!("row_{n}")).find(|name| !self.text.contains(name.as_str()))?;
        Some(format!(
            "{with}\n, {name} as (\n{rest}\n) select pg_catalog.row_to_json({name})::pg_catalog.text from {name}"
        ))
    }
}

/// Where code begins and ends: comments and blanks before it, and comments, blanks and semicolons
/// after it, left away. `None`: there is none (manual, chapter 4.1).
fn code(text: &str) -> Option<(usize, usize)> {
    let bytes = text.as_bytes();
    let (mut at, mut begin, mut end) = (0, None, 0);
    while at < bytes.len() {
        let rest = &bytes[at..];
        let length = match rest {
            [b'-', b'-', ..] => {
                at += rest.iter().position(|byte| *byte == b'\n').unwrap_or(rest.len());
                continue;
            }
            [b'/', b'*', ..] => {
                at += comment(rest);
                continue;
            }
            [b';', ..] => {
                at += 1;
                continue;
            }
            [byte, ..] if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            [b'\'', ..] => {
                let escapes = at > 0 && matches!(bytes[at - 1], b'e' | b'E');
                quoted(rest, b'\'', escapes)
            }
            [b'"', ..] => quoted(rest, b'"', false),
            [b'$', ..] => dollar(rest),
            _ => 1,
        };
        begin.get_or_insert(at);
        at = (at + length).min(bytes.len());
        end = at;
    }
    begin.map(|begin| (begin, end))
}

/// The length of a comment between `/*` and `*/`, which nest.
fn comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => {
                depth += 1;
                at += 2;
            }
            [b'*', b'/', ..] => {
                depth -= 1;
                at += 2;
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// The length of a constant or name between quotes; a doubled one ends nothing.
fn quoted(text: &[u8], quote: u8, escapes: bool) -> usize {
    let mut at = 1;
    while at < text.len() {
        if escapes && text[at] == b'\\' {
            at += 2;
        } else if text[at] == quote {
            if text.get(at + 1) != Some(&quote) {
                return at + 1;
            }
            at += 2;
        } else {
            at += 1;
        }
    }
    text.len()
}

/// The length of a constant between dollars, `$tag$…$tag$`, or of the dollar alone.
fn dollar(text: &[u8]) -> usize {
    let name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 128;
    let tag = text[1..].iter().take_while(|byte| name(byte)).count() + 2;
    if text.get(tag - 1) != Some(&b'$') || text.get(1).is_some_and(u8::is_ascii_digit) {
        return 1;
    }
    let (tag, body) = text.split_at(tag);
    let end = body.windows(tag.len()).position(|window| window == tag);
    end.map_or(text.len(), |end| tag.len() + end + tag.len())
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
    fn rows_become_json_where_a_statement_can_be_part_of_another() {
        let json = |text: &str| Statement::parse(text).unwrap().as_json();
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
