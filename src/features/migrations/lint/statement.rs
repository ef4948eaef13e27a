//! A text as statements and their words. What is a statement, a comment or a string is the
//! business of squawk's parser.

use squawk_syntax::ast::AstNode;
use squawk_syntax::{Parse, SourceFile, SyntaxElement, SyntaxKind};

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
pub(super) fn statements(parse: &Parse<SourceFile>) -> Vec<Statement> {
    let mut found = Vec::new();
    for statement in parse.tree().stmts() {
        let tokens = statement.syntax().descendants_with_tokens().filter_map(SyntaxElement::into_token);
        let tokens = tokens.filter(|it| !matches!(it.kind(), SyntaxKind::WHITESPACE | SyntaxKind::COMMENT));
        let (mut words, mut start, mut end) = (Vec::new(), None, 0);
        for token in tokens.filter(|it| it.kind() != SyntaxKind::SEMICOLON) {
            let text = token.text();
            let quoted = text.starts_with(['"', '\'', '$']);
            words.push(if quoted { text.to_owned() } else { text.to_ascii_lowercase() });
            start.get_or_insert(usize::from(token.text_range().start()));
            end = usize::from(token.text_range().end());
        }
        if let Some(start) = start {
            found.push(Statement { words, start, end });
        }
    }
    found
}

/// The comments of a text: where each begins and ends, in bytes.
pub(super) fn comments(parse: &Parse<SourceFile>) -> Vec<(usize, usize)> {
    let tokens = parse.syntax_node().descendants_with_tokens().filter_map(SyntaxElement::into_token);
    tokens
        .filter(|token| token.kind() == SyntaxKind::COMMENT)
        .map(|token| (usize::from(token.text_range().start()), usize::from(token.text_range().end())))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Vec<Statement> {
        statements(&SourceFile::parse(text))
    }

    #[test]
    fn words_are_what_is_left_without_comments() {
        let found = of("-- a\n CREATE /* b */ TABLE \"A b\" (x int DEFAULT ';'); ;\nselect 1");
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].words[..3], ["create", "table", "\"A b\""]);
        assert!(found[0].has("';'"));
        assert_eq!((found[0].start, found[1].words.clone()), (6, vec!["select".into(), "1".into()]));
    }

    #[test]
    fn a_table_is_found_behind_its_schema_and_what_stands_before_it() {
        let table = |text: &str, index| of(text)[0].table_at(index).unwrap();
        assert_eq!(table("alter table if exists only a.\"B\"\"c\" add x int", 2), "B\"c");
        assert_eq!(table("update Things set a = 1", 1), "things");
        assert_eq!(table("create table if not exists x.y ()", 2), "y");
    }
}
