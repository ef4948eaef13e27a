//! The one place where a name or a value becomes part of a statement's text: PostgreSQL binds no
//! parameters in DDL.

use std::fmt::Write as _;

/// A quoted identifier (manual, chapter 4.1.1).
#[must_use]
pub fn identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// A quoted string constant. `standard_conforming_strings` is on by default since 9.1, and a
/// backslash forces the escape form, so the text means the same either way (manual, 4.1.2.2).
#[must_use]
pub fn literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') {
        format!(" E'{}'", quoted.replace('\\', "\\\\"))
    } else {
        format!("'{quoted}'")
    }
}

/// A constant of type `bytea`, in hexadecimal digits (manual, chapter 8.4.1).
#[must_use]
pub fn bytes(value: &[u8]) -> String {
    let mut text = String::with_capacity(value.len() * 2 + 12);
    text.push_str("'\\x");
    for byte in value {
        // A String takes whatever it is given.
        let _ = write!(text, "{byte:02x}");
    }
    text.push_str("'::bytea");
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quote_never_ends_the_name_or_the_value() {
        assert_eq!(identifier("a\"; drop"), "\"a\"\"; drop\"");
        assert_eq!(literal("a'; drop"), "'a''; drop'");
        assert_eq!(literal("a\\'"), " E'a\\\\'''");
    }
}
