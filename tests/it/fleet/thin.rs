//! From a file to every tenant.

use super::{FIRST, Fleet};

#[test]
fn a_file_reaches_every_tenant_once_and_a_second_run_has_nothing_to_do() {
    let fleet = Fleet::of(&["ash", "birch", "cedar"]);
    fleet.file(FIRST.0, FIRST.1);
    let report = fleet.migrate(&["tenants", "--all"]);
    assert_eq!(report["outcome"], "done", "{report}");
    assert_eq!(report["run"]["done"], 3);
    for slug in ["ash", "birch", "cedar"] {
        assert_eq!(fleet.history(slug), ["1"]);
        assert_eq!(fleet.sql(slug, "select count(*) from public.books"), ["0"]);
    }
    assert_eq!(fleet.migrate(&["tenants", "--all"])["outcome"], "nothing_to_do");
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["1"]);
    fleet.is_tidy();
}

#[test]
fn what_a_run_makes_belongs_to_the_owner_and_the_app_may_use_it_but_not_its_history() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "ash"]);
    let env = fleet.world.env("ash");
    let (user, password) = (env["PGUSER"].as_str().unwrap(), env["PGPASSWORD"].as_str().unwrap());
    let database = fleet.database("ash");
    let as_app = |statement: &str| fleet.world.sql_as(user, password, &database, statement);
    as_app("insert into public.books values (1, 'one')").unwrap();
    assert_eq!(as_app("select version from public._sqlx_migrations").unwrap(), ["1"]);
    for statement in [
        "update public._sqlx_migrations set success = false",
        "delete from public._sqlx_migrations",
        "insert into public._sqlx_migrations select 2, description, installed_on, success, checksum, 1 from public._sqlx_migrations",
        "truncate public._sqlx_migrations",
    ] {
        assert!(as_app(statement).unwrap_err().contains("permission denied"), "{statement}");
    }
    let owners = fleet.sql(
        "ash",
        "select distinct pg_get_userbyid(relowner) = (select pg_get_userbyid(datdba) from pg_database where datname = current_database())
         from pg_class where relnamespace = 'public'::regnamespace",
    );
    assert_eq!(owners, ["t"]);
}

#[test]
fn a_plan_writes_nothing() {
    let fleet = Fleet::of(&["ash", "birch"]);
    fleet.file(FIRST.0, FIRST.1);
    for args in [&["migrate", "plan", "--all"][..], &["--dry-run", "migrate", "tenants", "--all"]] {
        let plan = fleet.world.json(args);
        assert_eq!(plan["outcome"], "pending");
        assert_eq!(plan["tenants"].as_array().unwrap().len(), 2);
        assert_eq!(plan["files"][0]["version"], 1);
    }
    assert_eq!(fleet.world.control_sql("select count(*) from control.runs"), ["0"]);
    assert_eq!(fleet.sql("ash", "select to_regclass('public.books') is null"), ["t"]);
}
