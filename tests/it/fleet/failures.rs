//! Tenants that are not as the others are.

use std::time::{Duration, Instant};

use super::{Fleet, as_strs, slugs};

const PEOPLE: &str = "create table people (id bigint primary key, email text, name text, age text);
    insert into people values (1, 'a@x', 'a', '1'), (2, 'b@x', 'b', '2');";
const STRICTER: &str = "create unique index people_email on people (email);
alter table people alter column name set not null;
alter table people alter column age type integer using age::integer;";

#[test]
fn of_fifty_tenants_seven_are_broken_in_seven_ways_and_the_others_are_done() {
    let slugs = slugs(50);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_stricter", STRICTER);
    fleet.sql("t01", "insert into people values (3, 'a@x', 'c', '3')");
    fleet.sql("t02", "alter table people rename to folk");
    fleet.sql("t03", "create index people_email on people (id)");
    fleet.sql("t04", "update people set name = null");
    fleet.sql("t05", "alter table people owner to nexus");
    fleet.sql("t06", "update people set age = 'old' where id = 1");
    let args = ["tenants", "--all", "--retries", "0", "--ddl-lock-timeout", "300ms"];
    let (code, report, _) =
        fleet.while_held("t07", "select count(*) from people", "60", || fleet.try_migrate(&args));
    let expected = [
        ("t01", "23505"),
        ("t02", "42P01"),
        ("t03", "42P07"),
        ("t04", "23502"),
        ("t05", "42501"),
        ("t06", "22P02"),
        ("t07", "55P03"),
    ]
    .map(|(slug, state)| (slug.to_owned(), state.to_owned()));
    assert_eq!(code, 6, "{report}");
    assert_eq!(Fleet::failures(&report), expected);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"partial".into(), &43.into()));
    let of = |slug: &str| {
        report["tenants"].as_array().unwrap().iter().find(|it| it["slug"] == slug).unwrap().clone()
    };
    assert!(of("t04")["message"].as_str().unwrap().starts_with("2_stricter:2:"), "{}", of("t04"));
    assert!(of("t02")["message"].as_str().unwrap().starts_with("2_stricter:1:"), "{}", of("t02"));
    fleet.is_tidy();
    // What failed left nothing behind.
    assert_eq!(fleet.history("t04"), ["1"]);
    assert_eq!(fleet.sql("t04", "select to_regclass('people_email') is null"), ["t"]);
    // The next run touches the seven alone; the one that was only held up comes through.
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all", "--retries", "0"]);
    assert_eq!((code, &report["run"]["tenants"], &report["run"]["done"]), (6, &7.into(), &1.into()));
    assert_eq!(Fleet::failures(&report), expected[..6]);
    for (slug, fix) in [
        ("t01", "delete from people where id = 3"),
        ("t02", "alter table folk rename to people"),
        ("t03", "drop index people_email"),
        ("t04", "update people set name = 'x'"),
        (
            "t05",
            "do $$ begin execute format('alter table people owner to %I', (select pg_get_userbyid(datdba) from pg_database where datname = current_database())); end $$",
        ),
        ("t06", "update people set age = '7' where id = 1"),
    ] {
        fleet.sql(slug, fix);
    }
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"done".into(), &6.into()));
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    for slug in &slugs {
        assert_eq!(fleet.history(slug), ["1", "2"], "{slug}");
    }
}

/// Promise F2.
#[test]
fn behind_a_long_reader_others_wait_no_longer_than_our_attempt_and_we_try_again() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_more", "alter table people add column more text;");
    let (code, longest) = fleet.while_held("ash", "select count(*) from people", "60", || {
        let args = ["migrate", "tenants", "--all", "--retries", "2", "--ddl-lock-timeout", "700ms"];
        let mut child = fleet.world.command(&args).spawn().unwrap();
        let mut longest = Duration::ZERO;
        let mut asked = 0;
        while child.try_wait().unwrap().is_none() {
            let began = Instant::now();
            fleet.sql("ash", "select count(*) from people");
            longest = longest.max(began.elapsed());
            asked += 1;
        }
        assert!(asked > 2, "{asked}");
        (child.wait().unwrap().code(), longest)
    });
    assert_eq!(code, Some(6));
    assert!(longest < Duration::from_secs(2), "{longest:?}");
    assert_eq!(
        fleet.world.control_sql("select attempts, sqlstate from control.run_tenants where state = 'failed'"),
        ["3|55P03"]
    );
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

#[test]
fn a_lock_that_is_let_go_in_time_costs_a_retry_and_nothing_else() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_more", "alter table people add column more text;");
    let report = fleet.while_held("ash", "select count(*) from people", "2", || {
        fleet.migrate(&["tenants", "--all", "--ddl-lock-timeout", "400ms", "--retries", "10"])
    });
    assert_eq!(report["outcome"], "done", "{report}");
    let attempts =
        fleet.world.control_sql("select max(attempts) from control.run_tenants")[0].parse::<i32>().unwrap();
    assert!(attempts > 1, "{attempts}");
    assert_eq!(fleet.history("ash"), ["1", "2"]);
}

#[test]
fn a_file_that_changed_after_it_was_applied_is_refused_and_nothing_newer_runs() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("1_people", &format!("{PEOPLE} -- changed"));
    fleet.file("2_more", "alter table people add column more text;");
    for args in [&["plan", "--all"][..], &["tenants", "--all", "--dry-run"], &["tenants", "--all"]] {
        let (code, error) = fleet.world.error(&[&["migrate"], args].concat());
        assert_eq!((code, error["code"].as_str()), (9, Some("file_changed")), "{args:?}: {error}");
        assert!(error["message"].as_str().unwrap().contains("1_people of set app"), "{error}");
    }
    assert_eq!(fleet.history("ash"), ["1"]);
    fleet.file("1_people", PEOPLE);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

#[test]
fn a_file_that_changed_after_some_had_it_is_named_to_those_and_no_others() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "ash"]);
    fleet.file("1_people", &format!("{PEOPLE} -- changed"));
    fleet.file("2_more", "alter table people add column more text;");
    for who in ["ash", "--all"] {
        let (code, error) = fleet.world.error(&["migrate", "plan", who]);
        assert_eq!((code, error["code"].as_str()), (9, Some("file_changed")), "{who}: {error}");
    }
    fleet.migrate(&["plan", "birch"]);
    fleet.file("1_people", PEOPLE);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

#[test]
fn a_file_that_was_taken_back_may_be_changed() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file("1_people.up", PEOPLE);
    fleet.file("1_people.down", "drop table people;");
    fleet.migrate(&["tenants", "ash"]);
    let run = fleet.world.control_sql("select id from control.runs").remove(0);
    fleet.world.ok(&["--yes", "migrate", "runs", "rollback", &run]);
    fleet.file("1_people.up", &format!("{PEOPLE} -- changed"));
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

#[test]
fn a_file_that_changed_after_it_was_applied_is_refused_where_nobody_lacks_anything_too() {
    let fleet = Fleet::of(&["ash"]);
    let applied = format!("{PEOPLE}\n");
    fleet.file("1_people", &applied);
    fleet.migrate(&["tenants", "--all"]);
    let runs = fleet.world.control_sql("select count(*) from control.runs");
    for (text, hint) in [
        (format!("{applied}-- changed\n"), "nexus migrate new app NAME"),
        (applied.replace('\n', "\r\n"), ".gitattributes"),
    ] {
        fleet.file("1_people", &text);
        for args in [&["tenants", "--all"][..], &["tenants", "--all", "--dry-run"], &["plan", "ash"]] {
            let (code, error) = fleet.world.error(&[&["migrate"], args].concat());
            assert_eq!((code, error["code"].as_str()), (9, Some("file_changed")), "{args:?}: {error}");
            assert!(error["message"].as_str().unwrap().contains("1_people of set app"), "{error}");
            assert!(error["hint"].as_str().unwrap().contains(hint), "{error}");
        }
    }
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), runs);
    fleet.migrate(&["status"]);
    fleet.file("1_people", &applied);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
}

#[test]
fn a_version_that_the_set_does_not_know_is_told() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_people", PEOPLE);
    fleet.migrate(&["tenants", "--all"]);
    fleet.sql(
        "ash",
        "insert into public._sqlx_migrations select 5, 'elsewhere', now(), true, checksum, 1 from public._sqlx_migrations",
    );
    fleet.file("2_more", "alter table people add column more text;");
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!((code, Fleet::failures(&report)), (6, vec![("ash".to_owned(), "version_unknown".to_owned())]));
}

#[test]
fn a_file_that_comes_late_with_an_older_version_reaches_everybody_all_the_same() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file("1_people", PEOPLE);
    fleet.file("3_more", "alter table people add column more text;");
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_late", "alter table people add column late text;");
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"done".into(), &2.into()), "{report}");
    assert_eq!(fleet.history("birch"), ["1", "2", "3"]);
    // Who is made from now on has it, and the registry knows.
    fleet.create(&["cedar"]);
    assert_eq!(fleet.history("cedar"), ["1", "2", "3"]);
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    fleet.world.ok(&["migrate", "verify"]);
}

#[test]
fn a_file_that_ends_its_own_transaction_is_refused_before_anything_runs() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_people", "create table a (id int);\ncommit;\ncreate table b (id int);");
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("transaction_control")));
    assert!(error["message"].as_str().unwrap().contains("line 2"), "{error}");
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["0"]);
}

#[test]
fn sets_run_in_the_order_of_their_dependence() {
    let fleet = Fleet::of(&["ash"]);
    fleet.register("base", &[]);
    fleet.world.control_sql("update control.migration_sets set depends_on = '{base}' where name = 'app'");
    fleet.file("1_orders", "create table orders (id int primary key, customer int references customers);");
    fleet.file_of("base", "1_customers", "create table customers (id int primary key);");
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
    assert_eq!(fleet.sql("ash", "select version from public._sqlx_migrations_base"), ["1"]);
    assert_eq!(fleet.history("ash"), ["1"]);
}
