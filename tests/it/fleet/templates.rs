//! What new tenants are cloned from follows what the fleet has.

use super::{FIRST, Fleet};

fn templates(fleet: &Fleet) -> Vec<String> {
    let names = fleet.world.control_sql("select database_name from control.templates where state = 'ready'");
    let ids =
        format!("select oid from pg_database where datname = any('{{{}}}') order by oid", names.join(","));
    fleet.world.sql("postgres", &ids)
}

#[test]
fn the_template_before_the_last_is_brought_up_to_date_and_none_is_made_or_dropped() {
    let fleet = Fleet::of(&["ash"]);
    for (name, text) in [FIRST, ("2_more", "create table more (id int);")] {
        fleet.file(name, text);
        fleet.migrate(&["tenants", "--all"]);
    }
    let two = templates(&fleet);
    for version in ["3", "4", "5"] {
        fleet.file(&format!("{version}_on"), &format!("create table t{version} (id int);"));
        fleet.migrate(&["tenants", "--all"]);
        let slug = format!("birch-{version}");
        fleet.create(&[&slug]);
        assert_eq!(fleet.history(&slug), fleet.history("ash"));
    }
    assert_eq!((two.len(), templates(&fleet)), (2, two));
    fleet.world.ok(&["migrate", "verify"]);
    fleet.is_tidy();
}

#[test]
fn a_template_that_holds_what_was_rolled_back_is_built_from_the_start() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    fleet.file("2_wrong.up", "create table wrong (id int);");
    fleet.file("2_wrong.down", "drop table wrong;");
    let run = fleet.migrate(&["tenants", "--all"])["run"]["id"].as_str().unwrap().to_owned();
    fleet.world.ok(&["migrate", "runs", "rollback", &run, "--yes"]);
    std::fs::remove_file(fleet.source("app").join("2_wrong.up.sql")).unwrap();
    std::fs::remove_file(fleet.source("app").join("2_wrong.down.sql")).unwrap();
    for (name, text) in
        [("2_right", "create table good (id int);"), ("3_more", "create table more (id int);")]
    {
        fleet.file(name, text);
        fleet.migrate(&["tenants", "--all"]);
        let slug = format!("birch-{}", &name[..1]);
        fleet.create(&[&slug]);
        let tables = "select relname from pg_class where relname in ('wrong', 'good')";
        assert_eq!(fleet.sql(&slug, tables), ["good"]);
    }
    fleet.world.ok(&["migrate", "verify"]);
}

#[test]
fn a_template_that_was_never_finished_goes_with_the_next_run() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all"]);
    let before = fleet.world.control_sql("select count(*) from control.templates");
    let unfinished = fleet.world.control_sql(
        "update control.templates set state = 'building' where sets = '{}' returning database_name",
    );
    assert_eq!((before[0].as_str(), unfinished.len()), ("2", 1));
    fleet.file("2_more", "create table more (id int);");
    fleet.migrate(&["tenants", "--all"]);
    assert_eq!(
        fleet.world.control_sql("select state from control.templates where cluster = 'default'"),
        ["ready"; 2]
    );
    let left = format!("select datname from pg_database where datname = '{}'", unfinished[0]);
    assert_eq!(fleet.world.sql("postgres", &left), [""; 0]);
    fleet.is_tidy();
}
