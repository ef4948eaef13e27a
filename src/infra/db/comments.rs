//! The comments of a script, found by the same reader that cuts its statements.

use super::lexer::{Kind, Lexer};

/// Where comments begin and end, in bytes; a line's comment without its line end.
pub fn comments(script: &str) -> impl Iterator<Item = (usize, usize)> {
    Lexer::new(script).filter(|it| it.kind == Kind::Comment).map(|it| (it.start, it.end))
}

/// The `--` comments before the first statement, each with its line from 1 and without its hyphens;
/// and the byte at which what follows them begins.
#[must_use]
pub fn leading_comments(script: &str) -> (Vec<(usize, &str)>, usize) {
    let mut found = Vec::new();
    let mut line = 1;
    for token in Lexer::new(script) {
        let text = &script[token.start..token.end];
        match token.kind {
            Kind::Comment => found.extend(text.strip_prefix("--").map(|comment| (line, comment))),
            Kind::Space => {}
            _ => return (found, token.start),
        }
        line += text.matches('\n').count();
    }
    (found, script.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_before_the_first_statement_know_their_lines() {
        let script = "-- a\r\n/* b\n -- c */ -- d\n\n  select 1 -- e";
        let (found, at) = leading_comments(script);
        assert_eq!(found, [(1, " a"), (3, " d")]);
        assert_eq!(&script[at..at + 6], "select");
        // A carriage return alone ends a comment, too: what follows is run.
        assert_eq!(leading_comments("-- a\rdrop table t").0, [(1, " a")]);
        assert_eq!(comments(script).count(), 4);
    }
}
