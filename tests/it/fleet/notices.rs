//! What PostgreSQL says while files run.

use super::Fleet;

#[test]
fn what_postgresql_says_is_shown_with_its_file_and_tenants_and_kept_bounded() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file("1_says", "do $$ begin raise warning 'careful'; raise notice 'by the way'; end $$;");
    fleet.file("2_talks", "do $$ begin for n in 1..50 loop raise notice 'number %', n; end loop; end $$;");
    let output = fleet.world.run(&["migrate", "tenants", "--all"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("warning in ash, birch of 1_says (set app): careful"), "{told}");
    assert!(told.contains("notice in ash, birch of 1_says (set app): by the way"), "{told}");
    assert!(told.contains("PostgreSQL said more than that"), "{told}");
    assert!(!told.contains("sqlx"), "no raw lines of the log: {told}");
    assert!(told.lines().filter(|line| line.contains("(set app)")).count() <= 10, "{told}");
    let run = fleet.world.control_sql("select id from control.runs").remove(0);
    let shown = fleet.migrate(&["runs", "show", &run]);
    let ash = &shown["tenants"][0];
    assert_eq!(ash["notices"][0]["text"], "careful");
    assert_eq!((ash["notices"].as_array().unwrap().len(), ash["notices_count"].as_i64()), (20, Some(52)));
}

#[test]
fn a_syntax_error_has_no_line_of_the_log_before_it() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_wrong", "create tabel t (id int);");
    let output = fleet.world.run(&["migrate", "tenants", "--all"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(6));
    assert_eq!(told.matches("syntax error").count(), 1, "{told}");
    assert!(!told.contains("ERROR"), "{told}");
}

#[test]
fn a_file_whose_ends_of_lines_changed_is_said_to_have_other_ends_of_lines() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_books", "create table books (\n    id int\n);\n");
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("1_books", "create table books (\r\n    id int\r\n);\r\n");
    fleet.file("2_more", "create table more (id int);");
    for verb in ["plan", "tenants"] {
        let (code, error) = fleet.world.error(&["migrate", verb, "--all"]);
        assert_eq!((code, &error["code"]), (9, &"file_changed".into()), "{error}");
        assert!(error["message"].as_str().unwrap().contains("different line endings"), "{error}");
        assert!(error["hint"].as_str().unwrap().contains("eol=lf"), "{error}");
    }
    let output = fleet.world.run(&["migrate", "verify", "ash"]);
    assert!(String::from_utf8_lossy(&output.stdout).contains("different line endings"));
}
