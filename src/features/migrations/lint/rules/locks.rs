//! Rules about locks that others wait for, and tables that are written anew.

use super::{Effect::Locks, Effect::Rewrites, Rule};

pub(super) const RULES: &[Rule] = &[
    Rule::squawk(
        "adding-field-with-default",
        Rewrites,
        "a new column is computed for every row: its default is volatile, or it is generated and stored",
        "add the column without a default, set the default next, and fill the rows in small steps",
    ),
    Rule::squawk(
        "changing-column-type",
        Rewrites,
        "a column gets another type: the table is rewritten, and programs of the previous version may fail",
        "add a column of the new type, fill it in small steps, change the programs, drop the old column later",
    ),
    Rule::squawk(
        "ban-alter-generated-expression",
        Rewrites,
        "a generated column gets another expression: the table is rewritten",
        "add a column of the new expression, change the programs, drop the old column later",
    ),
    Rule::nexus(
        "table-rewrite",
        Rewrites,
        "VACUUM FULL, CLUSTER, SET LOGGED, UNLOGGED, ACCESS METHOD or TABLESPACE: the table is rewritten",
        "leave the table as it is, or do it by hand in quiet hours",
    ),
    Rule::squawk(
        "require-concurrent-index-creation",
        Locks,
        "an index is built while nobody can write to the table",
        "begin a file of its own with '-- no-transaction' and write CREATE INDEX CONCURRENTLY",
    ),
    Rule::squawk(
        "require-concurrent-index-deletion",
        Locks,
        "an index is dropped, and every query of the table waits until that is done",
        "begin a file of its own with '-- no-transaction' and write DROP INDEX CONCURRENTLY",
    ),
    Rule::squawk(
        "require-concurrent-reindex",
        Locks,
        "an index is rebuilt while nobody can write to the table",
        "begin a file of its own with '-- no-transaction' and write REINDEX ... CONCURRENTLY",
    ),
    Rule::squawk(
        "require-concurrent-partition-detach",
        Locks,
        "a partition is detached while nobody can use the table",
        "begin a file of its own with '-- no-transaction' and write DETACH PARTITION ... CONCURRENTLY",
    ),
    Rule::squawk(
        "constraint-missing-not-valid",
        Locks,
        "a constraint is checked for every row while nobody can write to the table",
        "add it NOT VALID, and VALIDATE CONSTRAINT in a later file",
    ),
    Rule::squawk(
        "adding-foreign-key-constraint",
        Locks,
        "a foreign key is checked for every row while nobody can write to either table",
        "add it NOT VALID, and VALIDATE CONSTRAINT in a later file",
    ),
    Rule::squawk(
        "adding-not-nullable-field",
        Locks,
        "a column becomes NOT NULL: every row is checked while nobody can use the table",
        "add CHECK (column IS NOT NULL) NOT VALID, validate it in a later file, then SET NOT NULL",
    ),
    Rule::squawk(
        "disallowed-unique-constraint",
        Locks,
        "the index of a unique constraint is built while nobody can use the table",
        "build a unique index CONCURRENTLY, then ADD CONSTRAINT ... UNIQUE USING INDEX",
    ),
    Rule::squawk(
        "adding-serial-primary-key-field",
        Locks,
        "the index of a primary key is built while nobody can use the table",
        "build a unique index CONCURRENTLY, then ADD CONSTRAINT ... PRIMARY KEY USING INDEX",
    ),
    Rule::squawk(
        "ban-alter-domain-with-add-constraint",
        Locks,
        "a domain gets a constraint: every table with such a column is checked under a lock",
        "add the constraint to the tables, NOT VALID, and validate it in a later file",
    ),
    Rule::nexus(
        "long-lock",
        Locks,
        "LOCK TABLE, or REFRESH MATERIALIZED VIEW without CONCURRENTLY: others wait to the end of the file",
        "do without the lock; refresh with CONCURRENTLY, for which the view needs a unique index",
    ),
    Rule::nexus(
        "unbounded-change",
        Locks,
        "every row of a table is changed at once, and stays locked to the end of the file",
        "change rows in small steps: with WHERE, in several files or from a program",
    ),
    Rule::squawk(
        "require-lock-timeout",
        Locks,
        "no lock_timeout is set before a statement that may wait",
        "every run sets it; a file asks for another with '-- nexus: lock_timeout=5s'",
    )
    .never(),
    Rule::squawk(
        "require-statement-timeout",
        Locks,
        "no statement_timeout is set before a statement that may last",
        "every run sets it; a file asks for another with '-- nexus: statement_timeout=10min'",
    )
    .never(),
    Rule::squawk("require-timeout-settings", Locks, "both of these", "every run sets both").never(),
    Rule::squawk(
        "prefer-repack",
        Rewrites,
        "VACUUM FULL or CLUSTER where PostgreSQL 19 has REPACK",
        "only PostgreSQL 19 has it; table-rewrite finds the same statements",
    )
    .never(),
];
