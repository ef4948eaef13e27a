//! Rules about what fails, does not do what it seems to, or acts outside the tenant.

use super::{Effect::Escapes, Effect::Fails, Rule};

/// Statements that would act outside the tenant.
pub(in super::super) const OUTSIDE_TENANT: &str = "outside-tenant";
/// Statements that PostgreSQL refuses in a transaction.
pub(in super::super) const NEEDS_NO_TRANSACTION: &str = "needs-no-transaction";
/// Several statements in a file without a transaction.
pub(in super::super) const SINGLE_STATEMENT: &str = "single-statement";
/// Statements that begin or end the transaction that a file runs in.
pub(in super::super) const TRANSACTION_CONTROL: &str = "transaction-control";
/// A text that is no SQL.
pub(in super::super) const SYNTAX: &str = "syntax";
/// What no server can be sent.
pub(in super::super) const UNSENDABLE: &str = "not-sendable";
/// A file whose name is not that of a migration.
pub(in super::super) const MISNAMED_FILE: &str = "misnamed-file";
/// A file without a statement.
pub(in super::super) const EMPTY_FILE: &str = "empty-file";
/// `no-transaction` where sqlx does not see it.
pub(in super::super) const LATE_NO_TRANSACTION: &str = "late-no-transaction";
/// A waiver of a rule that is none.
pub(in super::super) const UNKNOWN_RULE: &str = "unknown-rule";
/// A waiver of a rule that nothing breaks.
pub(in super::super) const UNUSED_WAIVER: &str = "unused-waiver";
/// A waiver in squawk's own words.
pub(in super::super) const FOREIGN_WAIVER: &str = "foreign-waiver";

pub(super) const RULES: &[Rule] = &[
    Rule::nexus(
        OUTSIDE_TENANT,
        Escapes,
        "a statement names a database, a role, the server or its files: it would act outside the tenant; \
         so could set_config with a first argument that is not one plain string",
        "leave it out: tenants, their roles and their rights are made by Nexus; this cannot be waived",
    ),
    Rule::nexus(
        SYNTAX,
        Fails,
        "the text is not valid SQL for PostgreSQL",
        "fix it; if PostgreSQL does accept it, waive this rule",
    ),
    Rule::nexus(
        UNSENDABLE,
        Fails,
        "a command of psql, COPY from or to the client, or a text that psql and the server read differently",
        "write it in SQL, rows as INSERT; runs refuse such a file, so this cannot be waived",
    ),
    Rule::nexus(
        NEEDS_NO_TRANSACTION,
        Fails,
        "PostgreSQL refuses this statement in a transaction",
        "begin the file with '-- no-transaction', and let it hold this statement alone",
    ),
    Rule::nexus(
        SINGLE_STATEMENT,
        Fails,
        "a file without a transaction has several statements: where one fails, those before it stay",
        "write a file for each",
    ),
    Rule::nexus(
        LATE_NO_TRANSACTION,
        Fails,
        "'-- no-transaction' is not at the very beginning, so the file runs in a transaction",
        "make it the first characters of the file",
    ),
    Rule::nexus(
        MISNAMED_FILE,
        Fails,
        "a file in the set's folder looks like a migration, but its name is not one: it is not run",
        "call it VERSION_words.sql, or move it out of the folder",
    ),
    Rule::nexus(EMPTY_FILE, Fails, "the file has no statement", "write one, or remove the file"),
    Rule::nexus(
        UNKNOWN_RULE,
        Fails,
        "a rule is waived that does not exist",
        "take the name from where the rule is broken, or from the page of rules",
    ),
    Rule::nexus(
        UNUSED_WAIVER,
        Fails,
        "a rule is waived that nothing in the file breaks; a notice, which fails nothing",
        "remove the line",
    ),
    Rule::nexus(
        FOREIGN_WAIVER,
        Fails,
        "a waiver in squawk's own form, which gives no reason and waives nothing; a notice",
        "write '-- nexus: allow RULE because REASON' at the top of the file",
    ),
    Rule::nexus(
        TRANSACTION_CONTROL,
        Fails,
        "BEGIN, COMMIT, ROLLBACK, PREPARE TRANSACTION and the like in a file that runs in a transaction",
        "leave them out, or begin the file with '-- no-transaction'; runs refuse such a file, so this cannot be waived",
    ),
    Rule::squawk(
        "transaction-nesting",
        Fails,
        "BEGIN twice, or COMMIT or ROLLBACK without BEGIN, in a file that runs outside a transaction",
        "leave them out; what is to be committed apart goes into a file of its own",
    ),
    Rule::squawk(
        "ban-uncommitted-transaction",
        Fails,
        "a transaction is started and not ended",
        "leave BEGIN out: a file runs in a transaction unless it says otherwise",
    ),
    Rule::squawk(
        "ban-duplicate-column-assignments",
        Fails,
        "a column is named twice where it may be named once",
        "remove one of them",
    ),
    Rule::squawk(
        "identifier-too-long",
        Fails,
        "a name has more than 63 bytes: PostgreSQL cuts it without an error, and two may become one",
        "use a shorter name",
    ),
    Rule::squawk(
        "ban-concurrent-index-creation-in-transaction",
        Fails,
        "CREATE INDEX CONCURRENTLY beside other statements in a transaction",
        "needs-no-transaction finds the same, and more",
    )
    .never(),
    Rule::squawk("ban-drop-database", Escapes, "a database is dropped", "outside-tenant finds it").never(),
    Rule::squawk("ban-alter-role-options", Escapes, "a role is changed", "outside-tenant finds it").never(),
    Rule::squawk("ban-alter-database-options", Escapes, "a database is changed", "outside-tenant finds it")
        .never(),
    Rule::squawk("ban-alter-system-options", Escapes, "the server is changed", "outside-tenant finds it")
        .never(),
];
