//! A text as statements and their words, read as it is read when it is run.

use crate::infra::db;

/// A statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    /// Its words and signs without comments: in lower case, but for what stands in quotes.
    pub(super) words: Vec<String>,
    /// Where its first word begins, in bytes.
    pub(super) start: usize,
    /// Where it ends, in bytes.
    pub(super) end: usize,
    /// Whether it begins or ends a transaction.
    pub(super) controls_transaction: bool,
}

impl Statement {
    /// Of what was cut out of a text, with its words up to the `most`-th.
    pub(super) fn of(cut: &db::Statement<'_>, most: usize) -> Self {
        Self {
            words: cut.words(most),
            start: cut.start,
            end: cut.start + cut.text.len(),
            controls_transaction: cut.controls_transaction(),
        }
    }

    /// The word at a place; empty where there is none.
    pub(super) fn word(&self, index: usize) -> &str {
        self.words.get(index).map_or("", String::as_str)
    }

    /// Whether a word is among them.
    pub(super) fn has(&self, word: &str) -> bool {
        self.words.iter().any(|it| it == word)
    }

    /// Whether words stand in it one after the other.
    pub(super) fn has_in_a_row(&self, words: &[&str]) -> bool {
        self.words.windows(words.len()).any(|window| window.iter().zip(words).all(|(a, b)| a == b))
    }

    /// Whether the word at a place is this name without case, once quotes and escapes (manual, chapter
    /// 4.1.2.3) are undone. One whose sign of escape is not in sight may be any.
    pub(super) fn may_be(&self, index: usize, name: &str) -> bool {
        let word = self.word(index);
        if word.starts_with('"') {
            return unquoted(word).eq_ignore_ascii_case(name);
        }
        if !word.starts_with("U&\"") && !word.starts_with("u&\"") {
            return word == name;
        }
        let sign = if self.word(index + 1) == "uescape" { sign_in(self.word(index + 2)) } else { Some('\\') };
        sign.is_none_or(|sign| unescaped(&unquoted(&word[2..]), sign).eq_ignore_ascii_case(name))
    }

    /// The name of a table at a place, without its schema and quotes, once words that may stand
    /// before it are passed over.
    pub(super) fn table_at(&self, mut index: usize) -> Option<String> {
        while matches!(self.word(index), "if" | "not" | "exists" | "only" | "table") {
            index += 1;
        }
        while self.word(index + 1) == "." {
            index += 2;
        }
        let name = self.words.get(index)?;
        let bare = name.strip_prefix('"').and_then(|it| it.strip_suffix('"'));
        Some(bare.map_or_else(|| name.clone(), |it| it.replace("\"\"", "\"")))
    }
}

/// The statements of a text; a lone semicolon is none.
pub(super) fn statements(text: &str) -> Vec<Statement> {
    db::statements(text).iter().map(|it| Statement::of(it, usize::MAX)).collect()
}

/// What is between the quotes of a name.
fn unquoted(name: &str) -> String {
    let rest = name.strip_prefix('"').unwrap_or(name);
    rest.strip_suffix('"').unwrap_or(rest).replace("\"\"", "\"")
}

/// The one character of a plain string.
fn sign_in(constant: &str) -> Option<char> {
    let mut inside = constant.strip_prefix('\'')?.strip_suffix('\'')?.chars();
    inside.next().filter(|_| inside.next().is_none())
}

/// A name in which a sign and four digits, or a plus and six, stand for a character. What is no
/// character stays out: no server takes it.
fn unescaped(name: &str, sign: char) -> String {
    let mut pieces = name.split(sign);
    let mut plain = pieces.next().unwrap_or_default().to_owned();
    while let Some(piece) = pieces.next() {
        if piece.is_empty() {
            // The sign twice stands for itself.
            plain.push(sign);
            plain.push_str(pieces.next().unwrap_or_default());
            continue;
        }
        let (digits, count) = piece.strip_prefix('+').map_or((piece, 4), |digits| (digits, 6));
        let Some((digits, rest)) = digits.split_at_checked(count) else { continue };
        plain.extend(u32::from_str_radix(digits, 16).ok().and_then(char::from_u32));
        plain.push_str(rest);
    }
    plain
}

/// The text as squawk is to see it, byte for byte: blanks for some comments, and a line feed for the
/// carriage return that ends a comment, which to squawk it does not.
pub(super) fn for_squawk(text: &str, without: &[(usize, usize)]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    for (start, end) in without {
        for byte in bytes[*start..*end].iter_mut().filter(|byte| **byte != b'\n') {
            *byte = b' ';
        }
    }
    if text.contains('\r') {
        for (_, end) in db::comments(text) {
            if let Some(after) = bytes.get_mut(end).filter(|after| **after == b'\r') {
                *after = b'\n';
            }
        }
    }
    // A comment begins and ends at a character.
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_what_is_left_without_comments() {
        let found = statements("-- a\n CREATE /* b */ TABLE \"A b\" (x int DEFAULT ';'); ;\nselect 1");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].words[..3], ["create", "table", "\"A b\""]);
        assert!(found[0].has("';'"));
        assert_eq!((found[0].start, found[1].words.clone()), (6, vec!["select".into(), "1".into()]));
    }

    #[test]
    fn a_table_is_found_behind_its_schema_and_what_stands_before_it() {
        let table = |text: &str, index| statements(text)[0].table_at(index).unwrap();
        assert_eq!(table("alter table if exists only a.\"B\"\"c\" add x int", 2), "B\"c");
        assert_eq!(table("update Things set a = 1", 1), "things");
        assert_eq!(table("create table if not exists x.y ()", 2), "y");
    }

    #[test]
    fn a_name_is_read_as_the_server_reads_it() {
        let is = |text: &str, name: &str| statements(text)[0].may_be(0, name);
        for text in ["Role", "\"ROLE\"", r#"U&"\0052ol\+000065""#, "u&\"rR006Fle\" /* c */ uescape 'R'"] {
            assert!(is(text, "role") && !is(text, "rol"), "{text}");
        }
        assert!(is("\"a\"\"b\"", "a\"b") && is("U&\"a!0062!!\" uescape '!'", "ab!"));
        assert!(is("U&\"a\" uescape E'!'", "role"));
        assert!(!is(r#"U&"\00""#, "role") && !is("role", "a"));
    }

    #[test]
    fn squawk_sees_what_the_server_sees() {
        assert_eq!(for_squawk("-- a\rselect '\r' -- é\r\nx", &[]), "-- a\nselect '\r' -- é\n\nx");
        assert_eq!(for_squawk("-- é\nx", &[(0, 5)]), "     \nx");
    }
}
