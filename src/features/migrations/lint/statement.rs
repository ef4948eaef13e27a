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
}

impl Statement {
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
    let of = |it: db::Statement<'_>| Statement {
        words: it.words(usize::MAX),
        start: it.start,
        end: it.start + it.text.len(),
    };
    db::statements(text).into_iter().map(of).collect()
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
    fn squawk_sees_what_the_server_sees() {
        assert_eq!(for_squawk("-- a\rselect '\r' -- é\r\nx", &[]), "-- a\nselect '\r' -- é\n\nx");
        assert_eq!(for_squawk("-- é\nx", &[(0, 5)]), "     \nx");
    }
}
