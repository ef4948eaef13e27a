//! What a statement is called in traces and in the log: its verb, and the table of ours that it is about. No text
//! of it, which may hold a role's verifier or what somebody typed.

/// The words that statements begin with.
const VERBS: [&str; 37] = [
    "ALTER",
    "ANALYZE",
    "BEGIN",
    "CALL",
    "CLOSE",
    "CLUSTER",
    "COMMENT",
    "COMMIT",
    "COPY",
    "CREATE",
    "DECLARE",
    "DELETE",
    "DISCARD",
    "DO",
    "DROP",
    "EXPLAIN",
    "FETCH",
    "GRANT",
    "INSERT",
    "LISTEN",
    "LOCK",
    "MERGE",
    "NOTIFY",
    "REASSIGN",
    "REINDEX",
    "RELEASE",
    "RESET",
    "REVOKE",
    "ROLLBACK",
    "SAVEPOINT",
    "SELECT",
    "SET",
    "SHOW",
    "TRUNCATE",
    "UPDATE",
    "VACUUM",
    "WITH",
];
/// The words that a table's name follows.
const BEFORE_TABLES: [&str; 4] = ["FROM", "INTO", "UPDATE", "JOIN"];

/// Most bytes of a statement that are read for a table.
const MOST_READ: usize = 4096;

/// The verb of a statement; `OTHER` for a word that is none.
pub(super) fn verb(text: &str) -> &'static str {
    let word =
        text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    VERBS.into_iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or("OTHER")
}

/// The verb, and the table of the schema `nexus` that the statement itself is about, else one of its parts.
pub(super) fn summary(text: &str) -> String {
    let verb = verb(text);
    match main_table(&text[..text.floor_char_boundary(MOST_READ)]) {
        Some(table) => format!("{verb} {table}"),
        None => verb.to_owned(),
    }
}

/// What is quoted is somebody's, and is passed over; with what could hide where a quote ends, nothing is read.
fn main_table(text: &str) -> Option<&str> {
    if text.contains('\\') {
        return None;
    }
    let (mut rest, mut depth, mut inner, mut is_next) = (text, 0_i32, None, false);
    while let Some(c) = rest.chars().next() {
        let mut end = c.len_utf8();
        match c {
            '\'' | '"' => end += rest[1..].find(c)? + 1,
            '-' if rest.starts_with("--") => end = rest.find('\n').unwrap_or(rest.len()),
            '/' if rest.starts_with("/*") => return None,
            '$' if !rest[1..].starts_with(|next: char| next.is_ascii_digit()) => return None,
            '(' => depth += 1,
            ')' => depth -= 1,
            c if c.is_alphanumeric() || c == '_' => {
                let is_part = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
                end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
                let word = &rest[..end];
                match table(word).filter(|_| is_next) {
                    Some(found) if depth == 0 => return Some(found),
                    found => inner = inner.or(found),
                }
                is_next = BEFORE_TABLES.iter().any(|before| before.eq_ignore_ascii_case(word));
            }
            _ => {}
        }
        rest = &rest[end..];
    }
    inner
}

fn table(word: &str) -> Option<&str> {
    let is_part = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    let name = word.strip_prefix("nexus.")?;
    let end = name.find(|c| !is_part(c)).unwrap_or(name.len());
    (end > 0).then(|| &word[.."nexus.".len() + end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_called_by_its_verb_and_table() {
        for (text, called) in [
            ("SELECT id FROM nexus.users WHERE id = $1", "SELECT nexus.users"),
            ("INSERT INTO nexus.outbox(id) VALUES ($1)", "INSERT nexus.outbox"),
            ("update nexus.users set name = $1", "UPDATE nexus.users"),
            ("WITH x AS (SELECT 1 FROM nexus.roles) SELECT * FROM x", "WITH nexus.roles"),
            ("select (select a from nexus.roles), 'x' from nexus.users where a = $1", "SELECT nexus.users"),
            ("select exists (select from nexus.roles -- of them\n)", "SELECT nexus.roles"),
            ("BEGIN", "BEGIN"),
            ("COMMIT;", "COMMIT"),
            ("SELECT 1", "SELECT"),
        ] {
            assert_eq!(summary(text), called);
        }
    }

    #[test]
    fn nothing_that_somebody_typed_is_repeated() {
        for text in [
            "hunter2",
            "'hunter2'",
            "SELECT ' FROM nexus.hunter2 '",
            "SELECT ' '' FROM nexus.hunter2 '",
            "SELECT E'\\' FROM nexus.hunter2 '",
            "SELECT /* FROM nexus.hunter2 */ 1",
            "SELECT 1 -- FROM nexus.hunter2",
            "SELECT $$ FROM nexus.hunter2 $$",
            "ALTER ROLE x PASSWORD 'hunter2'",
            "SELECT * FROM hunter2",
            "SELECT * FROM nexus.HUNTER2",
        ] {
            assert!(!summary(text).to_lowercase().contains("hunter2"), "{text}");
        }
    }
}
