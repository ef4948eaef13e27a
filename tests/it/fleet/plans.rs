//! Plans in files, reports in files, and runs that are stopped by a person.

use std::fs;

use super::{FIRST, Fleet, as_strs, slugs};

#[test]
fn a_saved_plan_is_done_as_long_as_it_holds() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    let file = fleet.world.machine().path("plan.json");
    let file = file.to_str().unwrap();
    fleet.migrate(&["plan", "--all", "--out", file]);
    let refused = |what: &str| {
        let (code, error) = fleet.world.error(&["migrate", "apply", "--plan", file]);
        assert_eq!((code, error["code"].as_str()), (5, Some("plan_changed")), "{what}");
    };
    fleet.create(&["cedar"]);
    refused("another tenant");
    fleet.migrate(&["plan", "--all", "--out", file]);
    fleet.file(FIRST.0, &format!("{} -- changed", FIRST.1));
    refused("another text");
    fleet.file(FIRST.0, FIRST.1);
    let (dry, _, _) = fleet.try_migrate(&["apply", "--plan", file, "--dry-run"]);
    assert_eq!(dry, 0);
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["0"]);
    let report = fleet.migrate(&["apply", "--plan", file]);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"done".into(), &3.into()));
    refused("done already");
    fs::write(file, "{}").unwrap();
    let (code, error) = fleet.world.error(&["migrate", "apply", "--plan", file]);
    assert_eq!((code, error["code"].as_str()), (2, Some("plan_unreadable")));
}

#[test]
fn what_was_approved_is_what_runs_whatever_becomes_of_the_files_meanwhile() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    let paused = fleet.world.paused_at("fleet.create.after", &["migrate", "tenants", "--all"]);
    fleet.file(FIRST.0, "create table other (id int);");
    assert!(paused.go_on().status.success());
    assert_eq!(
        fleet.sql("ash", "select to_regclass('books') is not null, to_regclass('other') is null"),
        ["t|t"]
    );
}

#[test]
fn reports_tell_each_tenant_in_the_forms_that_ci_systems_read() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.sql("ash", "create table public.books (\"<x>\" int)");
    let (junit, markdown) = (fleet.world.machine().path("r.xml"), fleet.world.machine().path("r.md"));
    let (to_junit, to_markdown) =
        (format!("junit={}", junit.display()), format!("markdown={}", markdown.display()));
    let (code, _, _) =
        fleet.try_migrate(&["tenants", "--all", "--report", &to_junit, "--report", &to_markdown]);
    assert_eq!(code, 6);
    let junit = fs::read_to_string(&junit).unwrap();
    assert!(
        junit.contains("tests=\"2\" failures=\"1\"") && junit.contains("<failure type=\"42P07\""),
        "{junit}"
    );
    assert!(junit.contains("name=\"birch\"") && junit.trim_end().ends_with("</testsuites>"), "{junit}");
    let text = fs::read_to_string(&markdown).unwrap();
    assert!(text.contains("partial") && text.contains("| ash | 42P07 |"), "{text}");
    fleet.sql("ash", "drop table public.books");
    fleet.migrate(&["tenants", "--all"]);
    fleet.migrate(&["tenants", "--all", "--report", &to_markdown]);
    assert!(fs::read_to_string(&markdown).unwrap().contains("nothing to do"));
}

#[test]
fn ctrl_c_finishes_what_is_begun_and_says_how_to_go_on() {
    let slugs = slugs(6);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file("1_slow", "create table slow (id int); select pg_sleep(0.5);");
    let child =
        fleet.world.command(&["-o", "json", "migrate", "tenants", "--all", "--jobs", "1"]).spawn().unwrap();
    let done = "select count(*) from control.run_tenants where state = 'done'";
    fleet.world.until(&fleet.world.control, done, |count| count != ["0"]);
    let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
    nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
    let output = child.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(130), "{told}");
    let run = fleet.world.control_sql("select id from control.runs").remove(0);
    assert!(told.contains(&format!("nexus migrate runs resume {run}")), "{told}");
    let states = "select distinct state from control.run_tenants order by state";
    assert_eq!(fleet.world.control_sql(states), ["done", "pending"]);
    assert_eq!(fleet.world.control_sql("select state from control.runs"), ["stopped"]);
    fleet.is_tidy();
    assert_eq!(fleet.migrate(&["runs", "resume", &run])["run"]["done"], 6);
}

#[test]
fn a_cancelled_run_begins_no_more_tenants() {
    let fleet = Fleet::of(&["ash", "birch", "cedar"]);
    fleet.file(FIRST.0, FIRST.1);
    let paused =
        fleet.world.paused_at("fleet.apply.1.before", &["migrate", "tenants", "--all", "--jobs", "1"]);
    let run = fleet.world.control_sql("select id from control.runs").remove(0);
    fleet.migrate(&["runs", "cancel", &run]);
    // By then the other process has looked.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let output = paused.go_on();
    assert_eq!(output.status.code(), Some(6), "{}", String::from_utf8_lossy(&output.stderr));
    let view = fleet.migrate(&["runs", "show", &run]);
    assert_eq!(view["outcome"], "cancelled");
    assert!(view["run"]["done"].as_i64().unwrap() < 3, "{view}");
    let (code, error) = fleet.world.error(&["migrate", "runs", "cancel", &run]);
    assert_eq!((code, error["code"].as_str()), (5, Some("run_over")));
    let listed = fleet.migrate(&["runs", "list", "--state", "cancelled"]);
    assert_eq!(listed[0]["id"], run.as_str());
    let (code, error) =
        fleet.world.error(&["migrate", "runs", "show", "0193b2c4-7e00-7a1b-9c3d-2f4e5a6b7c8d"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("run_not_found")));
}

#[test]
fn only_a_part_only_so_far_only_those_that_failed() {
    let fleet = Fleet::of(&["ash", "birch", "cedar"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.file("2_more", "alter table books add column more text;");
    let report = fleet.migrate(&["tenants", "--where", "slug=ash", "--set", "app", "--to", "1"]);
    assert_eq!(report["run"]["done"], 1);
    assert_eq!(fleet.history("ash"), ["1"]);
    fleet.sql("birch", "create table public.books (id int)");
    assert_eq!(fleet.try_migrate(&["tenants", "birch"]).0, 6);
    fleet.sql("birch", "drop table public.books");
    assert_eq!(fleet.migrate(&["tenants", "--all", "--only", "failed"])["run"]["tenants"], 1);
    assert_eq!(fleet.history("birch"), ["1", "2"]);
    assert_eq!(fleet.migrate(&["tenants", "--all", "--only", "pending"])["run"]["tenants"], 2);
    assert_eq!(fleet.history("ash"), ["1", "2"]);
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all", "--to", "1"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("set_missing")));
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all", "--set", "app", "--to", "7"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("version_not_found")));
}

#[test]
fn a_set_stays_while_a_stopped_run_needs_it() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.sql("ash", "create table public.books (x int)");
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all", "--wave", "canary=ash"]);
    assert_eq!((code, report["outcome"].as_str()), (6, Some("stopped")));
    let run = report["run"]["id"].as_str().unwrap();
    let remove = ["migrate", "set", "remove", "app", "--forget", "--yes", "--confirm", "app"];
    let (code, error) = fleet.world.error(&remove);
    assert_eq!(
        (code, error["code"].as_str(), &error["details"]["run"]),
        (5, Some("run_needs_set"), &run.into())
    );
    assert!(error["hint"].to_string().contains(&format!("nexus migrate runs resume {run}")), "{error}");
    assert_eq!(fleet.migrate(&["runs", "cancel", run])["outcome"], "cancelled");
    fleet.world.ok(&remove);
    // What is gone with it is said, and nobody is called done.
    let (code, error) = fleet.world.error(&["migrate", "runs", "resume", run]);
    assert_eq!((code, error["code"].as_str()), (5, Some("run_files_gone")), "{error}");
    assert_eq!(fleet.sql("birch", "select to_regclass('books') is null"), ["t"]);
    assert_eq!(fleet.world.control_sql("select state from control.runs"), ["cancelled"]);
    fleet.is_tidy();
}

#[test]
fn a_file_that_nobody_filled_in_is_not_applied() {
    let fleet = Fleet::of(&["ash"]);
    let made = fleet.world.json(&["migrate", "new", "app", "add books"]);
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all"]);
    assert_eq!((code, error["code"].as_str()), (2, Some("migration_empty")), "{error}");
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["0"]);
    fs::write(made[0]["file"].as_str().unwrap(), FIRST.1).unwrap();
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "done");
}
