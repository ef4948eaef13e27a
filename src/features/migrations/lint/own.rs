//! Nexus's own rules, found by the words that a statement has.

use std::collections::BTreeSet;

use super::outside::acts_outside;
use super::rules::{EMPTY_FILE, NEEDS_NO_TRANSACTION, OUTSIDE_TENANT, SINGLE_STATEMENT, TRANSACTION_CONTROL};
use super::statement::Statement;

/// A place that breaks a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Hit {
    pub(super) rule: &'static str,
    /// Where, in bytes.
    pub(super) start: usize,
    /// To where, in bytes.
    pub(super) end: usize,
}

impl Hit {
    fn at(rule: &'static str, statement: &Statement) -> Self {
        Self { rule, start: statement.start, end: statement.end }
    }
}

/// What breaks a rule of ours in a way there.
pub(super) fn hits(statements: &[Statement], transaction: bool) -> Vec<Hit> {
    let mut hits = never(statements, transaction);
    if statements.is_empty() {
        hits.push(Hit { rule: EMPTY_FILE, start: 0, end: 0 });
    }
    if let (false, Some(second)) = (transaction, statements.get(1)) {
        hits.push(Hit::at(SINGLE_STATEMENT, second));
    }
    let mut made = BTreeSet::new();
    for statement in statements {
        let of_this_file = table_changed(statement).is_some_and(|table| made.contains(&table));
        let rules = [
            (NEEDS_NO_TRANSACTION, transaction && needs_no_transaction(statement)),
            ("table-rewrite", !of_this_file && rewrites(statement)),
            ("long-lock", !of_this_file && locks(statement)),
            ("unbounded-change", !of_this_file && changes_all(statement)),
        ];
        hits.extend(rules.iter().filter(|(_, found)| *found).map(|(rule, _)| Hit::at(rule, statement)));
        if transaction {
            made.extend(table_made(statement));
        }
    }
    hits
}

/// What no run does, whichever way a file leads.
pub(super) fn never(statements: &[Statement], transaction: bool) -> Vec<Hit> {
    let mut hits = Vec::new();
    for statement in statements {
        if acts_outside(statement) {
            hits.push(Hit::at(OUTSIDE_TENANT, statement));
        }
        if transaction && statement.controls_transaction {
            hits.push(Hit::at(TRANSACTION_CONTROL, statement));
        }
    }
    hits
}

/// The statements that change a table which was made before in the same transaction: nobody else
/// has seen it, so nobody waits and nothing breaks.
pub(super) fn on_tables_of_this_file(statements: &[Statement]) -> Vec<&Statement> {
    let mut made = BTreeSet::new();
    let mut found = Vec::new();
    for statement in statements {
        if table_changed(statement).is_some_and(|table| made.contains(&table)) {
            found.push(statement);
        }
        made.extend(table_made(statement));
    }
    found
}

fn table_made(statement: &Statement) -> Option<String> {
    if statement.word(0) != "create" {
        return None;
    }
    // CREATE [LOCAL] [TEMPORARY | UNLOGGED] TABLE (manual, part VI, CREATE TABLE).
    let table = statement.words.iter().take(4).position(|word| word == "table")?;
    statement.table_at(table)
}

fn table_changed(statement: &Statement) -> Option<String> {
    match (statement.word(0), statement.word(1)) {
        ("alter", "table") | ("delete", "from") => statement.table_at(2),
        ("update" | "truncate" | "lock" | "cluster", _) => statement.table_at(1),
        _ => None,
    }
}

fn needs_no_transaction(statement: &Statement) -> bool {
    let concurrently = statement.has("concurrently");
    match (statement.word(0), statement.word(1)) {
        ("vacuum", _) => true,
        ("create", "index" | "unique") | ("drop", "index") | ("alter", "table") => concurrently,
        ("reindex", _) => {
            let many = ["database", "system", "schema"];
            concurrently || statement.words.iter().take(8).any(|word| many.contains(&word.as_str()))
        }
        _ => false,
    }
}

fn rewrites(statement: &Statement) -> bool {
    match (statement.word(0), statement.word(1)) {
        ("vacuum", _) => statement.has("full"),
        ("cluster", _) => true,
        ("alter", "table" | "materialized") => {
            let of = [&["set", "logged"][..], &["set", "unlogged"], &["set", "access", "method"]];
            of.iter().any(|words| statement.has_in_a_row(words))
                || statement.has_in_a_row(&["set", "tablespace"])
        }
        _ => false,
    }
}

fn locks(statement: &Statement) -> bool {
    match (statement.word(0), statement.word(1)) {
        ("lock", _) => true,
        ("refresh", "materialized") => statement.word(3) != "concurrently",
        _ => false,
    }
}

fn changes_all(statement: &Statement) -> bool {
    matches!((statement.word(0), statement.word(1)), ("update", _) | ("delete", "from"))
        && !statement.has("where")
}

#[cfg(test)]
mod tests {
    use super::super::statement::statements;
    use super::*;

    fn found(text: &str, transaction: bool) -> Vec<&'static str> {
        let statements = statements(text);
        hits(&statements, transaction).into_iter().map(|hit| hit.rule).collect()
    }

    #[test]
    fn what_begins_or_ends_a_transaction_is_found_where_the_file_runs_in_one() {
        for text in ["begin", "commit", "end", "rollback", "start transaction", "prepare transaction 'x'"] {
            assert_eq!(found(text, true), [TRANSACTION_CONTROL], "{text}");
            assert!(found(text, false).is_empty(), "{text}");
        }
        for text in ["rollback to savepoint a", "savepoint a", "prepare p as select 1"] {
            assert!(found(text, true).is_empty(), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_in_a_transaction_is_found_where_it_is_in_one() {
        let alone = [
            "create index concurrently i on t (a)",
            "create unique index concurrently i on t (a)",
            "drop index concurrently i",
            "reindex table concurrently t",
            "reindex (verbose) database d",
            "vacuum t",
            "alter table t detach partition p concurrently",
        ];
        for text in alone {
            assert!(found(text, true).contains(&NEEDS_NO_TRANSACTION), "{text}");
            assert!(!found(text, false).contains(&NEEDS_NO_TRANSACTION), "{text}");
        }
        assert!(found("refresh materialized view concurrently v", true).is_empty());
        assert!(found("create index i on t (a)", true).is_empty());
    }

    #[test]
    fn a_file_without_a_transaction_has_one_statement() {
        assert_eq!(found("select 1; select 2; select 3", false), [SINGLE_STATEMENT]);
        assert!(found("select 1;;", false).is_empty());
        assert_eq!(found("-- nothing", true), [EMPTY_FILE]);
    }

    #[test]
    fn rewrites_locks_and_unbounded_changes_are_found() {
        assert_eq!(found("vacuum full t", false), ["table-rewrite"]);
        assert_eq!(found("alter table t set unlogged", true), ["table-rewrite"]);
        assert_eq!(found("cluster t using i", true), ["table-rewrite"]);
        assert_eq!(found("lock table t", true), ["long-lock"]);
        assert_eq!(found("refresh materialized view v", true), ["long-lock"]);
        assert_eq!(found("update t set a = 1", true), ["unbounded-change"]);
        assert_eq!(found("delete from t", true), ["unbounded-change"]);
        assert!(found("update t set a = 1 where b", true).is_empty());
    }

    #[test]
    fn a_table_of_the_same_file_is_nobody_elses() {
        let text = "create table s.t (a int); update only s.t set a = 1; alter table t set unlogged; lock t";
        assert!(found(text, true).is_empty());
        assert_eq!(found("update t set a = 1; create table t (a int)", true), ["unbounded-change"]);
    }
}
