//! Where one statement of a script ends and the next begins: cut as psql 15 cuts a file, in a time
//! that grows with its length. What a statement means is the server's business.

use std::fmt;

use super::lexer::{Kind, Lexer, Token};

/// One statement of a script.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Statement<'a> {
    /// Its text, without the semicolon, from its first word on.
    pub text: &'a str,
    /// How many characters of the script stand before it.
    pub offset: usize,
    /// How many bytes.
    pub start: usize,
    /// Its line, from 1.
    pub line: usize,
    /// What of it no server can be sent.
    pub flaw: Option<ScriptFlaw<'a>>,
}

/// What cannot be sent to a server as it stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ScriptFlaw<'a> {
    /// Where, in bytes of the script.
    pub start: usize,
    /// The line, from 1.
    pub line: usize,
    pub kind: FlawKind<'a>,
}

/// The kinds of what cannot be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FlawKind<'a> {
    /// A command of psql, with its backslash.
    Backslash(&'a str),
    /// `COPY … FROM STDIN`.
    CopyIn,
    /// `COPY … TO STDOUT`.
    CopyOut,
    /// psql and the server would go on from here in different ways.
    Ambiguous,
}

impl fmt::Display for FlawKind<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Backslash(command) => write!(f, "{command} is a command of psql, not SQL"),
            Self::CopyIn => {
                f.write_str("COPY … FROM STDIN wants data from a client, and a file has none to send")
            }
            Self::CopyOut => f.write_str("COPY … TO STDOUT sends data to a client, and nobody takes it"),
            Self::Ambiguous => f.write_str("psql and the server would read on from here in different ways"),
        }
    }
}

impl FlawKind<'_> {
    /// What to write instead.
    #[must_use]
    pub fn instead(self) -> &'static str {
        match self {
            Self::Backslash(_) => "write it in SQL, or remove the line",
            Self::CopyIn => "write the rows as INSERT INTO … VALUES; pg_dump --inserts writes them so",
            Self::CopyOut => "remove it: a file changes rows, and reads none",
            Self::Ambiguous => {
                "write a string with backslashes as one string on one line, and a blank after a colon"
            }
        }
    }
}

impl Statement<'_> {
    /// Its words up to the `most`-th, in lower case, comments left out. What is quoted stays as it
    /// is.
    #[must_use]
    pub fn words(&self, most: usize) -> Vec<String> {
        words(self.text).take(most).collect()
    }

    /// Whether it begins or ends a transaction.
    #[must_use]
    pub fn controls_transaction(&self) -> bool {
        let words = self.words(3);
        let word = |at: usize| words.get(at).map_or("", String::as_str);
        match word(0) {
            "begin" | "commit" | "end" | "abort" => true,
            "rollback" if matches!(word(1), "work" | "transaction") => word(2) != "to",
            "rollback" => word(1) != "to",
            "start" | "prepare" => word(1) == "transaction",
            _ => false,
        }
    }
}

/// The words of a text: names and key words in lower case, signs as they are.
fn words(text: &str) -> impl Iterator<Item = String> {
    let tokens = Lexer::new(text).filter(|it| !matches!(it.kind, Kind::Space | Kind::Comment));
    tokens.map(|it| {
        let word = &text[it.start..it.end];
        let quoted = matches!(it.kind, Kind::Name | Kind::Constant);
        if quoted { word.to_owned() } else { word.to_ascii_lowercase() }
    })
}

/// The statements of a script; empty ones are left out.
#[must_use]
pub fn statements(script: &str) -> Vec<Statement<'_>> {
    Cutter::new(script).collect()
}

/// Whether a script has a statement.
#[must_use]
pub fn has_statement(script: &str) -> bool {
    Cutter::new(script).next().is_some()
}

/// The first thing in a script that no server can be sent.
#[must_use]
pub fn first_flaw(script: &str) -> Option<ScriptFlaw<'_>> {
    Cutter::new(script).find_map(|it| it.flaw)
}

/// A script without the comments, blanks and semicolons around its code; `None`: it has no code.
#[must_use]
pub fn code(script: &str) -> Option<&str> {
    let is_code = |it: &Token| !matches!(it.kind, Kind::Space | Kind::Comment | Kind::Semicolon);
    let mut tokens = Lexer::new(script).filter(is_code);
    let first = tokens.next()?;
    let end = tokens.last().unwrap_or(first).end;
    Some(&script[first.start..end])
}

/// Cuts one statement after the other.
struct Cutter<'a> {
    script: &'a str,
    lexer: Lexer<'a>,
    /// Up to this byte, characters and lines are counted.
    counted: usize,
    characters: usize,
    line: usize,
}

impl<'a> Cutter<'a> {
    fn new(script: &'a str) -> Self {
        Self { script, lexer: Lexer::new(script), counted: 0, characters: 0, line: 1 }
    }

    /// Counts on to a byte.
    fn count_to(&mut self, at: usize) {
        let piece = &self.script[self.counted..at];
        self.characters += piece.chars().count();
        self.line += piece.bytes().filter(|byte| *byte == b'\n').count();
        self.counted = at;
    }

    fn flaw_of(&self, token: Token) -> Option<FlawKind<'a>> {
        if token.ambiguous {
            return Some(FlawKind::Ambiguous);
        }
        (token.kind == Kind::Backslash).then(|| {
            let command = &self.script[token.start..];
            let after = command[1..]
                .find(|c: char| c.is_whitespace() || c == '\\')
                .map_or(command.len(), |it| it + 1);
            FlawKind::Backslash(&command[..after])
        })
    }
}

impl<'a> Iterator for Cutter<'a> {
    type Item = Statement<'a>;

    fn next(&mut self) -> Option<Statement<'a>> {
        let mut nesting = Nesting::default();
        let mut copy = CopyStatement::default();
        let (mut start, mut end, mut flaw) = (None, 0, None);
        while let Some(token) = self.lexer.next() {
            match token.kind {
                Kind::Space | Kind::Comment => continue,
                Kind::Semicolon if nesting.is_none() => {
                    if start.is_some() {
                        break;
                    }
                    continue;
                }
                _ => {}
            }
            let text = &self.script[token.start..token.end];
            let first = start.is_none();
            start.get_or_insert(token.start);
            end = token.end;
            nesting.take(token.kind, text);
            copy.take(token.kind, text, first);
            if let (None, Some(kind)) = (flaw, self.flaw_of(token)) {
                flaw = Some((token.start, kind));
            }
        }
        let start = start?;
        self.count_to(start);
        let (offset, line) = (self.characters, self.line);
        if let (None, Some(kind)) = (flaw, copy.flaw()) {
            flaw = Some((start, kind));
            if kind == FlawKind::CopyIn {
                self.pass_data();
            }
        }
        let flaw = flaw.map(|(at, kind)| {
            self.count_to(at);
            ScriptFlaw { start: at, line: self.line, kind }
        });
        Some(Statement { text: &self.script[start..end], offset, start, line, flaw })
    }
}

impl Cutter<'_> {
    /// Goes on behind the data of a `COPY`: they are the lines after this one, up to `\.`. What else
    /// stands on the line is not looked at: the script is refused anyway.
    fn pass_data(&mut self) {
        let at = self.lexer.at();
        let Some(mut from) = self.script[at..].find('\n').map(|more| at + more + 1) else { return };
        for line in self.script[from..].split_inclusive('\n') {
            from += line.len();
            if matches!(line.trim_end_matches(['\n', '\r']), "\\.") {
                break;
            }
        }
        self.lexer.go_to(from);
    }
}

/// Where a semicolon ends no statement: between parentheses, and in the body of a function in
/// standard SQL, which psql knows by the first words of the statement.
#[derive(Default)]
struct Nesting {
    parentheses: usize,
    bodies: usize,
    words: usize,
    /// The first letters of the first four words, of those that matter.
    first: [u8; 4],
}

impl Nesting {
    fn is_none(&self) -> bool {
        self.parentheses == 0 && self.bodies == 0
    }

    fn take(&mut self, kind: Kind, text: &str) {
        match kind {
            Kind::Open => self.parentheses += 1,
            Kind::Close => self.parentheses = self.parentheses.saturating_sub(1),
            Kind::Word => self.word(text),
            _ => {}
        }
    }

    fn word(&mut self, text: &str) {
        let is = |word: &str| text.eq_ignore_ascii_case(word);
        if let Some(place) = self.first.get_mut(self.words)
            && ["create", "or", "replace", "function", "procedure"].into_iter().any(is)
        {
            *place = text.as_bytes()[0].to_ascii_lowercase();
        }
        self.words += 1;
        let makes_routine = matches!(self.first, [b'c', b'f' | b'p', ..] | [b'c', b'o', b'r', b'f' | b'p']);
        if !makes_routine || self.parentheses > 0 {
            return;
        }
        // CASE ends with END, too.
        if is("begin") || is("case") && self.bodies > 0 {
            self.bodies += 1;
        } else if is("end") {
            self.bodies = self.bodies.saturating_sub(1);
        }
    }
}

/// Whether a statement is a `COPY` from or to the client (manual, part VI, COPY): its source or
/// target is the word STDIN or STDOUT, either of them, outside parentheses.
#[derive(Default)]
struct CopyStatement {
    is_copy: bool,
    depth: usize,
    direction: Option<FlawKind<'static>>,
    found: Option<FlawKind<'static>>,
}

impl CopyStatement {
    fn take(&mut self, kind: Kind, text: &str, first: bool) {
        let is = |word: &str| kind == Kind::Word && text.eq_ignore_ascii_case(word);
        if first {
            self.is_copy = is("copy");
        }
        if !self.is_copy {
            return;
        }
        match kind {
            Kind::Open => self.depth += 1,
            Kind::Close => self.depth = self.depth.saturating_sub(1),
            _ => {}
        }
        if self.depth == 0 && (is("stdin") || is("stdout")) {
            self.found = self.found.or(self.direction);
        }
        self.direction = if is("from") {
            Some(FlawKind::CopyIn)
        } else if is("to") {
            Some(FlawKind::CopyOut)
        } else {
            None
        };
    }

    fn flaw(&self) -> Option<FlawKind<'static>> {
        self.found
    }
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
        assert_eq!(texts("create rule r as on insert to t do (x; y); z").len(), 2);
        assert_eq!(texts("-- a\rdrop table t"), ["drop table t"]);
    }

    #[test]
    fn a_body_in_standard_sql_is_part_of_its_statement() {
        let routine = "create or replace function f() returns int language sql begin atomic \
                       select case when true then 1 end; begin; end; select 2; end";
        assert_eq!(texts(&format!("{routine}; select 1")), [routine, "select 1"]);
        assert_eq!(texts("create procedure p() begin atomic; end; begin; end; x").len(), 4);
        assert_eq!(texts("create table begin (a int); end"), ["create table begin (a int)", "end"]);
        assert!(!statements(routine)[0].controls_transaction());
    }

    #[test]
    fn what_no_server_can_be_sent_is_found_with_its_line() {
        let flaw = |script: &str| first_flaw(script).map(|it| (it.line, it.kind.to_string()));
        assert_eq!(flaw("select 1;\n\\set x 1\n").unwrap().0, 2);
        assert!(flaw("select 1\\gx").unwrap().1.starts_with("\\gx is a command of psql"));
        assert!(flaw("select '\\set', $$\\set$$ -- \\set\n/* \\set */").is_none());
        assert!(flaw("\n COPY public.t (a, b) From /* c */ STDIN with (format csv);\n1,2\n\\.\n").is_some());
        assert!(flaw("copy t to stdout").is_some() && flaw("copy (select 1) to STDIN").is_some());
        assert!(flaw("copy t from stdout").is_some());
        for fine in ["copy stdin from 'x'", "copy (select * from stdin) to '/x'", "select 1 from stdin"] {
            assert_eq!(flaw(fine), None, "{fine}");
        }
        assert_eq!(texts("copy t from stdin;\n1;\n\\.\nselect 2;"), ["copy t from stdin", "select 2"]);
        assert!(flaw("select e'a'\n  '\\' ; drop table t; --'").is_some());
        assert!(flaw("select e'a'\n'b' -- c\n'\\' ; drop table t; --'").is_some());
        assert!(flaw("select a[1:e'\\'';x']").is_some() && flaw("select a[1:b$$;$$]").is_some());
        assert!(flaw("select e'a'\n'b', a[1:b], x::e'\\n'").is_none());
    }

    #[test]
    fn a_statement_knows_where_it_stood() {
        let script = "select 'ä';\n-- b\n  select x";
        let second = statements(script)[1];
        assert_eq!((second.text, second.line), ("select x", 3));
        assert_eq!(script.chars().skip(second.offset).collect::<String>(), "select x");
        assert_eq!(&script[second.start..], "select x");
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
            "rollback work",
            "prepare transaction 'a'",
        ] {
            assert!(controls(yes), "{yes}");
        }
        for no in [
            "rollback to savepoint a",
            "rollback work to a",
            "savepoint a",
            "do $$ begin commit; end $$",
            "prepare p as select 1",
        ] {
            assert!(!controls(no), "{no}");
        }
    }

    #[test]
    fn code_is_what_is_left_without_what_is_around_it() {
        assert_eq!(code(" ;/* a; */ select 1; -- b\n ; "), Some("select 1"));
        assert_eq!(code("select 'a'; select 2;"), Some("select 'a'; select 2"));
        assert_eq!(code("-- a\n;;"), None);
    }

    proptest! {
        #[test]
        fn nothing_is_lost_and_nothing_panics(script in ".{0,80}|[;'\"$a\\-\\-/*e:1.()\\\\\n ]{0,60}") {
            let mut at = 0;
            for token in Lexer::new(&script) {
                prop_assert!(token.start == at && token.end > at && script.is_char_boundary(token.end));
                at = token.end;
            }
            prop_assert_eq!(at, script.len());
            for statement in statements(&script) {
                let there: String = script.chars().skip(statement.offset).collect();
                prop_assert!(there.starts_with(statement.text));
                prop_assert!(statement.words(5).len() <= 5);
            }
        }
    }
}
