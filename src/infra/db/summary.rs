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

/// The verb of a statement; `OTHER` for a word that is none.
pub(super) fn verb(text: &str) -> &'static str {
    let word =
        text.split(|c: char| !c.is_ascii_alphabetic()).find(|word| !word.is_empty()).unwrap_or_default();
    VERBS.into_iter().find(|known| known.eq_ignore_ascii_case(word)).unwrap_or("OTHER")
}

/// The verb and the first table of the schema `nexus`. Only where no quote comes before it: what is quoted is
/// somebody's.
pub(super) fn summary(text: &str) -> String {
    let verb = verb(text);
    let unquoted = text.split(['\'', '"', '$']).next().unwrap_or_default();
    let mut words = unquoted.split_whitespace();
    while let Some(word) = words.next() {
        if BEFORE_TABLES.iter().any(|before| before.eq_ignore_ascii_case(word))
            && let Some(table) = words.clone().next().and_then(table)
        {
            return format!("{verb} {table}");
        }
    }
    verb.to_owned()
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
            "SELECT 'x' FROM nexus.hunter2",
            "SELECT $$ FROM nexus.hunter2 $$",
            "ALTER ROLE x PASSWORD 'hunter2'",
            "SELECT * FROM hunter2",
            "SELECT * FROM nexus.HUNTER2",
        ] {
            assert!(!summary(text).to_lowercase().contains("hunter2"), "{text}");
        }
    }
}
