//! The tokens of SQL text, as PostgreSQL 15 and its psql read them (manual, chapter 4.1; both were
//! asked, see `tests/it/sql`). Works on bytes: whatever is not ASCII belongs to a name.

/// What a token is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// White space.
    Space,
    /// `-- …` or `/* … */`.
    Comment,
    /// A key word or a name without quotes.
    Word,
    /// A name in quotes.
    Name,
    /// A constant in quotes or between dollars, with its prefix.
    Constant,
    /// A number, a parameter, a variable of psql.
    Other,
    /// `(`
    Open,
    /// `)`
    Close,
    /// `;`
    Semicolon,
    /// `\`, which the server does not know outside quotes.
    Backslash,
}

/// A token of a text: from where to where, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
    /// psql and the server go on from here in different ways.
    pub(super) ambiguous: bool,
}

/// Reads one token after the other. Each byte is looked at a bounded number of times.
#[derive(Debug, Clone)]
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    /// The byte that comes next.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// Goes on at a byte.
    pub(super) fn go_to(&mut self, at: usize) {
        self.at = at;
    }
}

impl Iterator for Lexer<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let start = self.at;
        // Every token ends before an ASCII character or behind one.
        let rest = self.text.get(start..).filter(|rest| !rest.is_empty())?;
        let (kind, length, ambiguous) = token(rest);
        self.at = start + length;
        Some(Token { kind, start, end: self.at, ambiguous })
    }
}

/// What a text that is not empty begins with.
fn token(whole: &str) -> (Kind, usize, bool) {
    let sure = |kind, length| (kind, length, false);
    let text = whole.as_bytes();
    match text {
        [b'-', b'-', ..] => sure(Kind::Comment, line_comment(text)),
        [b'/', b'*', ..] => sure(Kind::Comment, block_comment(text)),
        [b'e' | b'E', b'\'', ..] => {
            let length = 1 + escape_string(&text[1..]);
            (Kind::Constant, length, continued_with_backslash(&text[length..]))
        }
        [b'b' | b'B' | b'n' | b'N' | b'x' | b'X', b'\'', ..] => sure(Kind::Constant, 1 + quoted(&text[1..])),
        [b'u' | b'U', b'&', b'\'', ..] => sure(Kind::Constant, 2 + quoted(&text[2..])),
        [b'u' | b'U', b'&', b'"', ..] => sure(Kind::Name, 2 + quoted(&text[2..])),
        // No word to psql, which counts the words of a statement.
        [b'u' | b'U', b'&', ..] => sure(Kind::Other, 1),
        [b'\'', ..] => sure(Kind::Constant, quoted(text)),
        [b'"', ..] => sure(Kind::Name, quoted(text)),
        [b'$', ..] => dollar(whole),
        [b':', ..] => colon(text),
        [b'(', ..] => sure(Kind::Open, 1),
        [b')', ..] => sure(Kind::Close, 1),
        [b';', ..] => sure(Kind::Semicolon, 1),
        [b'\\', ..] => sure(Kind::Backslash, 1),
        [b'.', second, ..] if second.is_ascii_digit() => sure(Kind::Other, number(text)),
        [first, ..] if is_space(*first) => sure(Kind::Space, run(text, is_space)),
        [first, ..] if begins_word(*first) => sure(Kind::Word, run(text, is_word)),
        [first, ..] if first.is_ascii_digit() => sure(Kind::Other, number(text)),
        _ => sure(Kind::Other, 1),
    }
}

/// White space of version 15: no vertical tab, and nothing beyond ASCII.
pub(super) fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | b'\r' | 0x0c)
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || byte >= 0x80
}

fn is_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// How many bytes a text begins with that are so.
fn run(text: &[u8], is: impl Fn(u8) -> bool) -> usize {
    text.iter().position(|byte| !is(*byte)).unwrap_or(text.len())
}

/// A carriage return ends a comment, too.
fn line_comment(text: &[u8]) -> usize {
    run(text, |byte| byte != b'\n' && byte != b'\r')
}

/// Comments of this kind nest (manual, chapter 4.1.5).
fn block_comment(text: &[u8]) -> usize {
    let (mut depth, mut at) = (0_usize, 0);
    while at < text.len() {
        match &text[at..] {
            [b'/', b'*', ..] => (depth, at) = (depth + 1, at + 2),
            [b'*', b'/', ..] => {
                (depth, at) = (depth - 1, at + 2);
                if depth == 0 {
                    return at;
                }
            }
            _ => at += 1,
        }
    }
    text.len()
}

/// A doubled quote ends one constant and begins the next, which comes to the same here.
fn quoted(text: &[u8]) -> usize {
    let quote = text[0];
    let mut at = 1;
    loop {
        match text.get(at..).and_then(|rest| rest.iter().position(|byte| *byte == quote)) {
            None => return text.len(),
            Some(more) if text.get(at + more + 1) == Some(&quote) => at += more + 2,
            Some(more) => return at + more + 1,
        }
    }
}

/// A string in which a backslash takes the next byte's meaning away.
fn escape_string(text: &[u8]) -> usize {
    let mut at = 1;
    while at < text.len() {
        match &text[at..] {
            [b'\\', ..] | [b'\'', b'\'', ..] => at += 2,
            [b'\'', ..] => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// Whether a string with escapes goes on on the next line (manual, chapter 4.1.2.1) with a backslash
/// in it: to the server that is an escape, and psql, which reads line by line, does not know.
fn continued_with_backslash(after: &[u8]) -> bool {
    let (mut at, mut new_line) = (0, false);
    while let Some(byte) = after.get(at) {
        match (byte, &after[at..]) {
            (b'\n' | b'\r', _) => (at, new_line) = (at + 1, true),
            (_, [b'-', b'-', ..]) => at += line_comment(&after[at..]),
            (byte, _) if is_space(*byte) => at += 1,
            (b'\'', rest) if new_line => {
                let piece = escape_string(rest);
                if rest[..piece].contains(&b'\\') {
                    return true;
                }
                // It may go on once more.
                (at, new_line) = (at + piece, false);
            }
            _ => return false,
        }
    }
    false
}

/// `$tag$ … $tag$`, a parameter, or a dollar alone.
fn dollar(whole: &str) -> (Kind, usize, bool) {
    let text = whole.as_bytes();
    let digits = run(&text[1..], |byte| byte.is_ascii_digit());
    if digits > 0 {
        let junk = text.get(1 + digits).is_some_and(|byte| begins_word(*byte));
        let more = if junk { run(&text[1 + digits..], is_word) } else { 0 };
        return (Kind::Other, 1 + digits + more, false);
    }
    let tag = 1 + run(&text[1..], |byte| is_word(byte) && byte != b'$');
    if text.get(tag) != Some(&b'$') {
        return (Kind::Other, 1, false);
    }
    let (tag, body) = whole.split_at(tag + 1);
    let end = body.find(tag);
    (Kind::Constant, end.map_or(text.len(), |end| tag.len() + end + tag.len()), false)
}

/// What follows a number without a blank belongs to it: the server refuses it as junk.
fn number(text: &[u8]) -> usize {
    let digits = |from: usize| run(&text[from..], |byte| byte.is_ascii_digit());
    let mut at = digits(0);
    // Two dots are an operator of PL/pgSQL.
    if text.get(at) == Some(&b'.') && text.get(at + 1) != Some(&b'.') {
        at += 1;
        at += digits(at);
    }
    // Without a sign an exponent is part of the junk that may follow, e.g. in `1e5$$`.
    if let [b'e' | b'E', b'+' | b'-', ..] = &text[at..] {
        let exponent = digits(at + 2);
        at += 2 + exponent;
        if exponent == 0 {
            return at;
        }
    }
    match text.get(at) {
        Some(byte) if begins_word(*byte) => at + run(&text[at..], is_word),
        _ => at,
    }
}

/// A cast, or what psql takes for one of its variables: it ends where such a name does, and the
/// server reads on.
fn colon(text: &[u8]) -> (Kind, usize, bool) {
    if text.get(1) == Some(&b':') {
        return (Kind::Other, 2, false);
    }
    let name = run(&text[1..], |byte| is_word(byte) && byte != b'$');
    let after = text.get(1 + name);
    let ambiguous = match &text[1..=name] {
        [] => false,
        [b'e' | b'E'] if after == Some(&b'\'') => true,
        _ => after == Some(&b'$'),
    };
    (Kind::Other, 1 + name, ambiguous)
}
