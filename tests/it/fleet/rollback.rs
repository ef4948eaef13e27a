//! Taking a run back.

use super::{FIRST, Fleet};

fn reversible(fleet: &Fleet, version: u32) {
    fleet.file(&format!("{version}_more.up"), &format!("create table t{version} (id int);"));
    fleet.file(&format!("{version}_more.down"), &format!("drop table t{version};"));
}

fn last_run(fleet: &Fleet) -> String {
    fleet.world.control_sql("select id from control.runs order by created_at desc limit 1").remove(0)
}

#[test]
fn a_rollback_takes_back_what_the_run_did_where_it_did_it_and_nothing_else() {
    let fleet = Fleet::of(&["ash", "birch", "cedar"]);
    reversible(&fleet, 1);
    fleet.migrate(&["tenants", "ash"]);
    reversible(&fleet, 2);
    fleet.migrate(&["tenants", "ash", "birch"]);
    let run = last_run(&fleet);
    let planned = fleet.world.json(&["--dry-run", "migrate", "runs", "rollback", &run]);
    assert_eq!(planned["tenants"].as_array().unwrap().len(), 2);
    let (code, error) = fleet.world.error(&["migrate", "runs", "rollback", &run]);
    assert_eq!((code, error["code"].as_str()), (3, Some("confirmation_required")));
    assert_eq!(fleet.history("ash"), ["1", "2"]);
    let report = fleet.world.json(&["--yes", "migrate", "runs", "rollback", &run]);
    assert_eq!(
        (&report["outcome"], &report["run"]["kind"]),
        (&"done".into(), &"rollback".into()),
        "{report}"
    );
    assert_eq!(report["run"]["rolls_back"], run.as_str());
    assert_eq!(fleet.history("ash"), ["1"]);
    assert_eq!(fleet.history("birch"), Vec::<String>::new());
    assert_eq!(fleet.sql("ash", "select to_regclass('t1') is not null, to_regclass('t2') is null"), ["t|t"]);
    assert_eq!(fleet.sql("birch", "select to_regclass('t1') is null"), ["t"]);
    fleet.is_tidy();
    // Once is enough; and everybody can go up again.
    let (code, error) = fleet.world.error(&["--yes", "migrate", "runs", "rollback", &run]);
    assert_eq!((code, error["code"].as_str()), (5, Some("run_over")));
    assert_eq!(fleet.migrate(&["tenants", "--all"])["run"]["done"], 3);
    assert_eq!(fleet.history("cedar"), ["1", "2"]);
}

#[test]
fn without_a_way_back_nothing_is_done() {
    let fleet = Fleet::of(&["ash"]);
    reversible(&fleet, 2);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    let (code, error) = fleet.world.error(&["--yes", "migrate", "runs", "rollback", &last_run(&fleet)]);
    assert_eq!((code, error["code"].as_str()), (5, Some("no_way_back")));
    assert!(error["message"].as_str().unwrap().contains("app 1"), "{error}");
    assert_eq!(fleet.history("ash"), ["1", "2"]);
}

#[test]
fn a_rollback_that_is_killed_is_gone_on_with() {
    let fleet = Fleet::of(&["ash", "birch"]);
    reversible(&fleet, 1);
    fleet.migrate(&["tenants", "--all"]);
    fleet
        .world
        .killed_at("fleet.revert.1.before", &["--yes", "migrate", "runs", "rollback", &last_run(&fleet)]);
    let report = fleet.migrate(&["runs", "resume", &last_run(&fleet)]);
    assert_eq!(report["outcome"], "done", "{report}");
    for slug in ["ash", "birch"] {
        assert_eq!(fleet.history(slug), Vec::<String>::new());
    }
    // New tenants are born without it, too.
    fleet.create(&["cedar"]);
    assert_eq!(fleet.sql("cedar", "select to_regclass('t1') is null"), ["t"]);
    fleet.is_tidy();
}

#[test]
fn the_same_rollback_goes_on_after_a_kill_and_its_logins_go() {
    let fleet = Fleet::of(&["ash", "birch"]);
    reversible(&fleet, 1);
    fleet.migrate(&["tenants", "--all"]);
    let run = last_run(&fleet);
    let rollback = ["--yes", "migrate", "runs", "rollback", &run];
    fleet.world.killed_at("fleet.revert.1.before", &rollback);
    let planned = fleet.world.json(&["--dry-run", "migrate", "runs", "rollback", &run]);
    assert_eq!(planned["outcome"], "pending", "{planned}");
    let report = fleet.world.json(&rollback);
    assert_eq!(
        (&report["outcome"], &report["run"]["kind"]),
        (&"done".into(), &"rollback".into()),
        "{report}"
    );
    for slug in ["ash", "birch"] {
        assert_eq!(fleet.history(slug), Vec::<String>::new());
    }
    let backs = fleet.world.control_sql("select count(*) from control.runs where kind = 'back'");
    assert_eq!(backs, ["1"], "it went on with the same run");
    fleet.is_tidy();
    let (code, error) = fleet.world.error(&rollback);
    assert_eq!((code, error["code"].as_str()), (5, Some("run_over")));
}

#[test]
fn a_rollback_in_which_a_tenant_failed_goes_on_with_the_same_command() {
    let fleet = Fleet::of(&["ash", "birch"]);
    reversible(&fleet, 1);
    fleet.migrate(&["tenants", "--all"]);
    let run = last_run(&fleet);
    fleet.sql("ash", "create view holds as select * from t1");
    let rollback = ["--yes", "migrate", "runs", "rollback", &run];
    assert_eq!(fleet.world.run(&rollback).status.code(), Some(6));
    let planned = fleet.world.json(&["--dry-run", "migrate", "runs", "rollback", &run]);
    assert_eq!(planned["tenants"].as_array().unwrap().len(), 1, "{planned}");
    fleet.sql("ash", "drop view holds");
    assert_eq!(fleet.world.json(&rollback)["outcome"], "done");
    assert_eq!(fleet.history("ash"), Vec::<String>::new());
    fleet.is_tidy();
}

#[test]
fn a_rehearsed_rollback_says_what_would_run_where() {
    let fleet = Fleet::of(&["ash", "birch"]);
    reversible(&fleet, 1);
    reversible(&fleet, 2);
    fleet.migrate(&["tenants", "--all"]);
    let run = last_run(&fleet);
    let told = fleet.world.ok(&["--dry-run", "migrate", "runs", "rollback", &run]);
    let would = "2_more.down.sql of set app in 2 tenants; 1_more.down.sql of set app in 2 tenants";
    assert!(told.contains(would) && told.contains("2: ash, birch"), "{told}");
    assert_eq!(fleet.history("ash"), ["1", "2"]);
}

#[test]
fn a_rollback_that_was_cut_short_is_not_gone_on_with_after_a_later_run() {
    let fleet = Fleet::of(&["ash", "birch"]);
    reversible(&fleet, 1);
    fleet.migrate(&["tenants", "--all"]);
    let run = last_run(&fleet);
    fleet.world.killed_at("fleet.finish.before", &["--yes", "migrate", "runs", "rollback", &run]);
    fleet.migrate(&["tenants", "--all"]);
    let (code, error) = fleet.world.error(&["--yes", "migrate", "runs", "rollback", &run]);
    assert_eq!((code, error["code"].as_str()), (5, Some("run_over")), "{error}");
    fleet.create(&["cedar"]);
    for slug in ["ash", "birch", "cedar"] {
        assert_eq!(fleet.history(slug), ["1"], "{slug}");
    }
    fleet.is_tidy();
}
