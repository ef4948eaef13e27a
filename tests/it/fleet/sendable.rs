//! What of a file a server can be sent, and what is refused before anything runs.

use super::Fleet;

const ATOMIC: &str = "create table n (v int);
create function add_one(a int) returns int language sql begin atomic
    insert into n values (a);
    select case when a > 0 then a + 1 end;
end;
create rule twice as on insert to n do also (select 1; select 2);";

#[test]
fn a_body_in_standard_sql_runs_in_a_transaction_and_outside_one() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_f", ATOMIC);
    let outside =
        "-- no-transaction\ncreate procedure twice() language sql begin atomic select 1; select 2; end;\n";
    fleet.file("2_p", outside);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
    assert_eq!(fleet.sql("ash", "select count(*) from pg_proc where proname in ('add_one', 'twice')"), ["2"]);
}

#[test]
fn what_no_server_can_be_sent_is_refused_with_its_line_before_anything_runs() {
    let fleet = Fleet::of(&["ash"]);
    for (text, line, what) in [
        ("create table t (a int);\ncopy t from stdin;\n1\n\\.\n", 2, "COPY … FROM STDIN"),
        ("select 1;\n\ncopy (select 1) to stdout;", 3, "COPY … TO STDOUT"),
        ("\\set x 1\nselect 1;", 1, "\\set is a command of psql"),
        ("-- no-transaction\nselect 1;\n\\gexec", 3, "\\gexec is a command of psql"),
        ("select e'a'\n'\\' ; select '; commit; --';", 1, "in different ways"),
    ] {
        fleet.file("1_t", text);
        for verb in [&["plan", "--all"][..], &["tenants", "--all"]] {
            let (code, error) = fleet.world.error(&[&["migrate"], verb].concat());
            assert_eq!((code, error["code"].as_str()), (2, Some("migration_unsendable")), "{text}");
            let message = error["message"].as_str().unwrap();
            assert!(message.contains(&format!("line {line}: ")) && message.contains(what), "{message}");
            assert!(!error["hint"].as_str().unwrap().is_empty());
        }
        let (code, found, _) = fleet.try_migrate(&["lint", "app"]);
        let found = found.as_array().unwrap();
        let hit = found.iter().find(|it| it["rule"] == "not-sendable").unwrap();
        assert_eq!((code, &hit["line"], &hit["state"]), (9, &line.into(), &"fails".into()));
    }
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["0"]);
}

#[test]
fn what_begins_or_ends_a_files_transaction_is_refused_by_lint_as_it_is_by_a_run() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_t.down", "drop table t;");
    for (up, down) in [
        ("create table t (a int);\nprepare transaction 'x';", "drop table t;"),
        ("create table t (a int);\nCOMMIT;", "drop table t;"),
        ("create table t (a int);", "drop table t;\nabort;"),
    ] {
        let waiver = "-- nexus: allow transaction-control because of old files\n";
        fleet.file("1_t.up", &format!("{waiver}{up}"));
        fleet.file("1_t.down", down);
        for verb in [&["plan", "--all"][..], &["tenants", "--all"]] {
            let (code, error) = fleet.world.error(&[&["migrate"], verb].concat());
            assert_eq!((code, error["code"].as_str()), (2, Some("transaction_control")), "{up} {down}");
        }
        let (code, found, _) = fleet.try_migrate(&["lint", "app"]);
        let found = found.as_array().unwrap();
        let hit = found.iter().find(|it| it["rule"] == "transaction-control").unwrap();
        assert_eq!((code, hit["state"].as_str()), (9, Some("fails")), "{up} {down}");
    }
}

#[test]
fn a_way_back_that_no_server_can_be_sent_is_refused_before_the_way_there_runs() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_t.up", "create table t (a int);");
    fleet.file("1_t.down", "drop table t;\n\\q\n");
    let (_, error) = fleet.world.error(&["migrate", "tenants", "--all"]);
    assert_eq!(error["code"], "migration_unsendable");
    assert!(error["message"].as_str().unwrap().contains("1_t.down"), "{error}");
}

#[test]
fn misnamed_files_are_named_and_not_run_and_editors_leftovers_stop_nothing() {
    let fleet = Fleet::of(&["ash"]);
    let folder = fleet.source("app");
    fleet.file("1_t", "create table t (a int);");
    for name in ["2-b.sql", "3_c.SQL", "4_d.up copy.sql", "5_e.sql.txt", "6.sql"] {
        std::fs::write(folder.join(name), "create table misnamed (a int);").unwrap();
    }
    std::fs::write(folder.join("._1_t.sql"), b"\0\x05\x16\x07").unwrap();
    std::os::unix::fs::symlink("ann@host.1234:1700000000", folder.join(".#1_t.sql")).unwrap();
    for verb in [&["plan", "--all"][..], &["tenants", "--all"]] {
        let output = fleet.world.run(&[&["migrate"], verb].concat());
        let said = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{said}");
        for name in ["2-b.sql", "3_c.SQL", "4_d.up copy.sql", "5_e.sql.txt", "6.sql"] {
            assert!(said.contains(name), "{verb:?} does not name {name}: {said}");
        }
    }
    assert_eq!(fleet.history("ash"), ["1"]);
    assert_eq!(fleet.sql("ash", "select to_regclass('misnamed') is null"), ["t"]);
    let (code, found, _) = fleet.try_migrate(&["lint", "app", "--all-files"]);
    let misnamed = found.as_array().unwrap().iter().filter(|it| it["rule"] == "misnamed-file").count();
    assert_eq!((code, misnamed), (9, 5));
}
