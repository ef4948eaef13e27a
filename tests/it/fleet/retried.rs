//! Statements of several transactions that were cut short between two of them.

use super::Fleet;

/// Makes a file look cut short in every tenant, with what an attempt left of it.
fn cut_short(fleet: &Fleet, name: &str, text: &str, left: &str) {
    let version = name.split('_').next().unwrap();
    fleet.file(name, &format!("-- no-transaction\n{text}"));
    let sum = "sha384(convert_to($$-- no-transaction\n".to_owned() + text + "$$, 'UTF8'))";
    fleet.sql(
        "ash",
        &format!(
            "insert into public._sqlx_migrations (version, description, success, checksum, execution_time)
             values ({version}, 'x', false, {sum}, -1); {left}"
        ),
    );
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!(code, 0, "{text}: {report}");
}

#[test]
fn what_was_cut_short_is_brought_to_its_end_by_the_same_command() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(
        "1_tables",
        "create schema shop; create table shop.item (id int, a int, b int); create index i_a on shop.item (a);
         create index i_b on shop.item (b); create table parts (id int) partition by range (id);
         create table part1 partition of parts for values from (0) to (10);
         create table part2 partition of parts for values from (10) to (20);",
    );
    fleet.migrate(&["tenants", "--all"]);
    cut_short(&fleet, "2_drop", "drop index concurrently shop.i_a;", "drop index shop.i_a");
    cut_short(&fleet, "3_drop", "drop index concurrently shop.i_b;", "");
    cut_short(
        &fleet,
        "4_build",
        "create index concurrently i_c on shop.item (a);",
        "create index i_c on shop.item (a); update pg_index set indisvalid = false where indexrelid = 'shop.i_c'::regclass",
    );
    cut_short(
        &fleet,
        "5_again",
        "reindex index concurrently shop.i_c;",
        "create index i_c_ccnew on shop.item (a); update pg_index set indisvalid = false where indexrelid = 'shop.i_c_ccnew'::regclass",
    );
    cut_short(
        &fleet,
        "6_detach",
        "alter table parts detach partition part1 concurrently;",
        "update pg_inherits set inhdetachpending = true where inhrelid = 'part1'::regclass",
    );
    cut_short(
        &fleet,
        "7_detach",
        "alter table parts detach partition part2 concurrently;",
        "alter table parts detach partition part2",
    );
    let indexes = "select string_agg(relname || ' ' || indisvalid, ' ' order by relname) from pg_index
                   join pg_class on pg_class.oid = indexrelid where indrelid = 'shop.item'::regclass";
    assert_eq!(fleet.sql("ash", indexes), ["i_c true"]);
    assert_eq!(fleet.sql("ash", "select count(*) from pg_inherits"), ["0"]);
    assert_eq!(fleet.history("ash"), ["1", "2", "3", "4", "5", "6", "7"]);
}

#[test]
fn what_was_refused_for_its_words_is_not_taken_for_done() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_t", "create table t (a int, b int); create index i on t (a);");
    fleet.migrate(&["tenants", "--all"]);
    for (name, text) in
        [("2_drop", "drop index concurrently missing;"), ("2_drop", "create index concurrently i on t (b);")]
    {
        fleet.file(name, &format!("-- no-transaction\n{text}"));
        for _ in 0..2 {
            let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
            assert_eq!(code, 6, "{report}");
        }
        assert_eq!(fleet.history("ash"), ["1"], "{text}");
    }
}
