//! Where one statement of a script ends and the next begins (manual, chapter 4.1). Knows strings,
//! quoted names, dollar quotes, comments and nothing else of the language: the server is who parses.

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, without the semicolon, from its first word on.
    pub text: &'a str,
    /// How many characters of the script stand before it.
    pub offset: usize,
}

impl Statement<'_> {
    /// Its words up to the `most`-th, in lower case, comments left out. A quoted name keeps its
    /// quotes.
    #[must_use]
    pub fn words(&self, most: usize) -> Vec<String> {
        let mut words = Vec::new();
        let mut rest = self.text;
        while words.len() < most {
            rest = skip_blank(rest);
            let Some(first) = rest.chars().next() else { break };
            let end = if is_word(first) {
                rest.find(|c| !is_word(c)).unwrap_or(rest.len())
            } else {
                token(rest).max(1)
            };
            let word = &rest[..end];
            words.push(if first == '"' { word.to_owned() } else { word.to_lowercase() });
            rest = &rest[end..];
        }
        words
    }

    /// Whether it begins or ends a transaction.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        let words = self.words(2);
        let word = |at: usize| words.get(at).map(String::as_str);
        match word(0) {
            Some("begin" | "commit" | "end" | "abort") => true,
            Some("rollback") => word(1) != Some("to"),
            Some("start" | "prepare") => word(1) == Some("transaction"),
            _ => false,
        }
    }
}

/// The statements of a script; empty ones are left out.
#[must_use]
pub fn statements(script: &str) -> Vec<Statement<'_>> {
    let mut found = Vec::new();
    let mut start = 0;
    let mut at = 0;
    let mut push = |start: usize, end: usize| {
        let blank = script[start..end].len() - skip_blank(&script[start..end]).len();
        let text = script[start + blank..end].trim_end();
        if !text.is_empty() {
            found.push(Statement { text, offset: script[..start + blank].chars().count() });
        }
    };
    while at < script.len() {
        if script[at..].starts_with(';') {
            push(start, at);
            at += 1;
            start = at;
        } else {
            at += token(&script[at..]).max(1);
        }
    }
    push(start, script.len());
    found
}

/// What comes after white space and comments.
fn skip_blank(text: &str) -> &str {
    let mut rest = text.trim_start();
    loop {
        if !(rest.starts_with("--") || rest.starts_with("/*")) {
            return rest;
        }
        rest = rest[token(rest)..].trim_start();
    }
}

/// The length in bytes of what a text begins with: a comment, a string, a quoted name, a word, or
/// one character.
fn token(text: &str) -> usize {
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some('-'), Some('-')) => text.find('\n').map_or(text.len(), |end| end + 1),
        (Some('/'), Some('*')) => comment(text),
        (Some('\''), _) => quoted(text, '\'', false),
        (Some('"'), _) => quoted(text, '"', false),
        (Some('e' | 'E'), Some('\'')) => 1 + quoted(&text[1..], '\'', true),
        (Some('$'), _) => dollar_quoted(text),
        (Some(first), _) if is_word(first) => text.find(|c| !is_word(c)).unwrap_or(text.len()),
        (Some(first), _) => first.len_utf8(),
        (None, _) => 0,
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Comments nest (manual, chapter 4.1.5).
fn comment(text: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    text.len()
}

/// A doubled quote ends one piece and begins the next, which comes to the same here.
fn quoted(text: &str, quote: char, escapes: bool) -> usize {
    let mut chars = text.char_indices().skip(1);
    while let Some((at, c)) = chars.next() {
        if escapes && c == '\\' {
            chars.next();
        } else if c == quote {
            return at + 1;
        }
    }
    text.len()
}

/// `$tag$ … $tag$`, or the one character where it is none (manual, chapter 4.1.2.4).
fn dollar_quoted(text: &str) -> usize {
    let Some(end) = text[1..].find('$').map(|end| end + 2) else { return 1 };
    let tag = &text[..end];
    let inner = &tag[1..tag.len() - 1];
    let is_tag = inner.chars().all(|c| c.is_alphanumeric() || c == '_')
        && !inner.starts_with(|c: char| c.is_ascii_digit());
    if !is_tag {
        return 1;
    }
    text[end..].find(tag).map_or(text.len(), |more| end + more + tag.len())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn texts(script: &str) -> Vec<&str> {
        statements(script).into_iter().map(|statement| statement.text).collect()
    }

    #[test]
    fn a_semicolon_ends_a_statement_only_where_the_server_says_so() {
        assert_eq!(texts("select 1; select 2;;  "), ["select 1", "select 2"]);
        assert_eq!(texts("select ';'; select \"a;b\""), ["select ';'", "select \"a;b\""]);
        assert_eq!(texts("select 'it''s;'; x"), ["select 'it''s;'", "x"]);
        assert_eq!(texts(r"select e'\';'; x"), [r"select e'\';'", "x"]);
        assert_eq!(texts("select '\\'; x"), ["select '\\'", "x"]);
        assert_eq!(texts("-- a; b\nselect 1; -- c;\n/* d; /* e; */ ; */"), ["select 1"]);
        assert_eq!(texts("do $$ begin; end $$; x"), ["do $$ begin; end $$", "x"]);
        assert_eq!(texts("do $a$ $$ ; $b$ ; $a$; x"), ["do $a$ $$ ; $b$ ; $a$", "x"]);
        assert_eq!(texts("prepare p as select $1; x"), ["prepare p as select $1", "x"]);
        assert_eq!(texts("select a$b$; x"), ["select a$b$", "x"]);
    }

    #[test]
    fn a_statement_knows_where_it_stood_in_characters() {
        let script = "select 'ä';\n-- b\n  select x";
        let second = statements(script)[1];
        assert_eq!(second.text, "select x");
        assert_eq!(script.chars().skip(second.offset).collect::<String>(), "select x");
    }

    #[test]
    fn what_begins_or_ends_a_transaction_is_seen() {
        let controls = |script: &str| statements(script)[0].controls_transaction();
        for yes in [
            "commit",
            "BEGIN work",
            "/* x */ end",
            "start transaction",
            "rollback",
            "prepare transaction 'a'",
        ] {
            assert!(controls(yes), "{yes}");
        }
        for no in
            ["rollback to savepoint a", "savepoint a", "do $$ begin commit; end $$", "prepare p as select 1"]
        {
            assert!(!controls(no), "{no}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(script in ".{0,80}|[;'\"$a\\-\\-/*e\\\\\n ]{0,60}") {
            for statement in statements(&script) {
                let there: String = script.chars().skip(statement.offset).collect();
                prop_assert!(there.starts_with(statement.text));
                prop_assert!(statement.words(5).len() <= 5);
            }
        }
    }
}
