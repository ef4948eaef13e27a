//! The one place where a name or a value becomes part of a statement's text: PostgreSQL binds no
//! parameters in DDL.

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
    format!("'\\x{}'::bytea", hex::encode(value))
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
