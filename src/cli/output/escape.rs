//! Makes text from a database or a server safe to show: one line, and no command to the terminal.

use std::borrow::Cow;

/// Replaces what would break a line of a table, move a terminal's cursor or turn the direction of
/// what follows (Unicode Standard Annex 9), by a backslash and a name. A backslash is doubled,
/// so that nothing can pass for an escape that is none.
#[must_use]
pub fn cell(text: &str) -> Cow<'_, str> {
    if !text.chars().any(|c| c == '\\' || is_harmful(c)) {
        return Cow::Borrowed(text);
    }
    let mut safe = String::with_capacity(text.len() + 8);
    for c in text.chars() {
        match c {
            '\\' => safe.push_str("\\\\"),
            '\t' => safe.push_str("\\t"),
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            c if is_harmful(c) => safe.extend(c.escape_unicode()),
            c => safe.push(c),
        }
    }
    Cow::Owned(safe)
}

/// The same for a sentence on standard error, whose own backslashes and line ends stay.
#[must_use]
pub fn sentence(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c != '\n' && is_harmful(c);
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let escaped = |c: char| if harmful(c) { c.escape_unicode().collect() } else { c.to_string() };
    Cow::Owned(text.chars().map(escaped).collect())
}

fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_cannot_command_the_terminal_or_break_a_row() {
        assert_eq!(cell("a\tb\nc"), "a\\tb\\nc");
        assert_eq!(cell("\u{1b}[2J\u{9b}1m\u{202e}"), "\\u{1b}[2J\\u{9b}1m\\u{202e}");
        assert_eq!(cell("\\t"), "\\\\t");
        assert_eq!(cell("Åcme 株式会社"), "Åcme 株式会社");
        assert_eq!(sentence("a\nb\u{1b}c"), "a\nb\\u{1b}c");
    }
}
