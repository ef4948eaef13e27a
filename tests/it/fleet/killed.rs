//! Processes that are killed in the middle of it.

use std::time::{Duration, Instant};

use super::{FIRST, Fleet, as_strs, slugs};
use crate::inspection::{Seen, fsck, seen};

/// Every version once, everywhere, and nothing left.
fn is_whole(fleet: &Fleet, slugs: &[String], versions: &[&str], what: &str) {
    for slug in slugs {
        assert_eq!(fleet.history(slug), versions, "{slug}, {what}");
    }
    fleet.is_tidy();
}

#[test]
fn killed_at_any_point_the_same_command_takes_it_up() {
    let slugs = slugs(3);
    let fleet = Fleet::of(&as_strs(&slugs));
    let points = ["fleet.create.after", "fleet.apply.N.before", "fleet.apply.N.after", "fleet.finish.before"];
    for (index, point) in points.iter().enumerate() {
        let version = (index + 1).to_string();
        fleet.file(
            &format!("{version}_more"),
            &format!("create table t{version} (id int); insert into t{version} values (1);"),
        );
        fleet.world.killed_at(&point.replace('N', &version), &["migrate", "tenants", "--all"]);
        let began = Instant::now();
        let report = fleet.migrate(&["tenants", "--all"]);
        assert_eq!(
            (&report["outcome"], &report["run"]["done"]),
            (&"done".into(), &3.into()),
            "{point}: {report}"
        );
        assert!(began.elapsed() < Duration::from_secs(5), "{point}: {:?}", began.elapsed());
        let versions: Vec<String> = (1..=index + 1).map(|version| version.to_string()).collect();
        is_whole(&fleet, &slugs, &as_strs(&versions), point);
        assert_eq!(fleet.sql("t00", &format!("select count(*) from t{version}")), ["1"], "{point}");
    }
    // Each took up the run that was there, and made none.
    assert_eq!(
        fleet.world.control_sql("select count(*), count(*) filter (where state = 'done') from control.runs"),
        ["4|4"]
    );
    let applied = "select distinct jsonb_array_length(applied) from control.run_tenants";
    assert_eq!(
        fleet.world.control_sql(applied),
        ["1"],
        "each run says what it applied, also what a dead process did"
    );
}

#[test]
fn killed_in_the_middle_of_a_statement_its_session_ends_and_the_next_goes_on() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file("1_slow", "create table slow (id int); select pg_sleep(20);");
    let mut child = fleet.world.command(&["migrate", "tenants", "--all"]).spawn().unwrap();
    let database = fleet.database("ash");
    let sleeping = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and wait_event = 'PgSleep'"
    );
    fleet.world.until("postgres", &sleeping, |count| count == ["1"]);
    child.kill().unwrap();
    child.wait().unwrap();
    fleet.file("1_slow", "create table slow (id int);");
    let began = Instant::now();
    let report = fleet.migrate(&["tenants", "--all"]);
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert_eq!(report["run"]["done"], 2, "{report}");
    let states = fleet.world.control_sql("select state from control.runs order by created_at");
    assert_eq!(states, ["stopped", "done"], "another text is another run");
    fleet.is_tidy();
}

#[test]
fn an_index_build_that_was_killed_is_found_named_and_made_whole() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_index", "-- no-transaction\ncreate index concurrently books_title on books (title);");
    // A transaction that is older than the build keeps it waiting.
    fleet.while_held("ash", "insert into books values (1, 'a')", "60", || {
        let mut child = fleet.world.command(&["migrate", "tenants", "--all"]).spawn().unwrap();
        let half = "select count(*) from pg_index where not indisvalid";
        fleet.world.until(&fleet.database("ash"), half, |count| count == ["1"]);
        child.kill().unwrap();
        child.wait().unwrap();
        let end = "select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and application_name like 'nexus:run:%'";
        fleet.sql("ash", end);
    });
    assert_eq!(fleet.sql("ash", "select count(*) from pg_index where not indisvalid"), ["1"]);
    let output = fleet.world.run(&["migrate", "tenants", "--all"]);
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{told}");
    assert!(told.contains("public.books_title"), "{told}");
    assert_eq!(fleet.history("ash"), ["1", "2"]);
    let index = "select indisvalid from pg_index where indexrelid = 'books_title'::regclass";
    assert_eq!(fleet.sql("ash", index), ["t"]);
    assert_eq!(fleet.sql("ash", "select count(*) from pg_class where relname like 'books_title%'"), ["1"]);
    fleet.is_tidy();
}

#[test]
fn a_file_outside_a_transaction_that_cannot_be_repeated_is_left_to_a_person() {
    let fleet = Fleet::of(&["ash"]);
    // It is slow in the tenant only: the template comes before it.
    let database = fleet.database("ash");
    let slow = format!("select pg_sleep(30) where current_database() = '{database}'");
    fleet.file(
        "1_more",
        &format!("-- no-transaction\ncreate table a (id int);\n{slow};\ncreate table b (id int);"),
    );
    let mut child = fleet.world.command(&["migrate", "tenants", "--all"]).spawn().unwrap();
    let sleeping = format!(
        "select count(*) from pg_stat_activity where datname = '{database}' and wait_event = 'PgSleep'"
    );
    fleet.world.until("postgres", &sleeping, |count| count == ["1"]);
    child.kill().unwrap();
    child.wait().unwrap();
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!(
        (code, Fleet::failures(&report)),
        (6, vec![("ash".to_owned(), "half_applied".to_owned())]),
        "{report}"
    );
    assert_eq!(fleet.history("ash"), ["1 dirty"]);
    // As the hint says.
    fleet.sql(
        "ash",
        "create table b (id int); update public._sqlx_migrations set success = true where version = 1",
    );
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

#[test]
fn a_statement_that_fails_outside_a_transaction_before_anything_is_done_can_be_mended_in_the_file() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_more", "-- no-transaction\ncreate tabel a (id int);");
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all"]);
    assert_eq!((code, Fleet::failures(&report)), (6, vec![("ash".to_owned(), "42601".to_owned())]));
    assert!(report["tenants"][0]["message"].as_str().unwrap().starts_with("1_more:2: "), "{report}");
    fleet.file("1_more", "-- no-transaction\ncreate table a (id int);");
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}

/// Promise F4.
#[test]
fn two_runners_at_an_index_build_apply_it_once_and_never_wait_for_each_other_in_a_circle() {
    let slugs = slugs(6);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file(FIRST.0, FIRST.1);
    fleet.file("2_index", "-- no-transaction\ncreate index concurrently books_title on books (title);");
    let args = ["migrate", "tenants", "--all", "--lock-wait", "60s"];
    let running: Vec<_> = (0..2).map(|_| fleet.world.command(&args).spawn().unwrap()).collect();
    for child in running {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    is_whole(&fleet, &slugs, &["1", "2"], "two at once");
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["1"]);
}

#[test]
fn killed_at_random_moments_every_version_is_applied_once() {
    let slugs = slugs(8);
    let fleet = Fleet::of(&as_strs(&slugs));
    for version in 1..=6 {
        fleet.file(
            &format!("{version}_more"),
            &format!("create table t{version} (id int); insert into t{version} values (1);"),
        );
    }
    let mut seed = 7_u64;
    for _ in 0..8 {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        let mut child = fleet.world.command(&["migrate", "tenants", "--all", "--jobs", "2"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(40 + (seed >> 33) % 400));
        let _ = child.kill();
        child.wait().unwrap();
    }
    fleet.world.ok(&["migrate", "tenants", "--all"]);
    is_whole(&fleet, &slugs, &["1", "2", "3", "4", "5", "6"], "random kills");
    for slug in &slugs {
        let rows: Vec<String> = (1..=6).map(|version| format!("(select count(*) from t{version})")).collect();
        assert_eq!(fleet.sql(slug, &format!("select {}", rows.join(" + "))), ["6"], "{slug}");
    }
}

#[test]
fn what_a_killed_process_left_is_found_by_fsck_and_what_a_living_one_has_is_not() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    let paused = fleet.world.paused_at("fleet.apply.1.before", &["migrate", "tenants", "--all"]);
    let none = (0, Seen::new(), Seen::new());
    assert_eq!(fsck(&fleet.world, &[]), none, "a run under way is no fault");
    assert_eq!(fsck(&fleet.world, &["--where", "slug=ash"]), none);
    paused.kill();
    fleet.world.control_sql("update control.runners set leased_until = now() - interval '1 minute'");
    let (code, faults, _) = fsck(&fleet.world, &[]);
    assert_eq!((code, faults), (9, seen(&[("orphan_role", "")])));
    fleet.world.ok(&["fsck", "--fix", "--yes"]);
    assert_eq!(fsck(&fleet.world, &[]).1, Seen::new());
    fleet.world.ok(&["migrate", "tenants", "--all"]);
    is_whole(&fleet, &["ash".to_owned()], &["1"], "after fsck");
}
