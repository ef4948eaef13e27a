//! Who goes first, and when the rest does not go at all.

use super::{FIRST, Fleet, as_strs, slugs};

#[test]
fn a_canary_that_fails_stops_the_waves_after_it() {
    let slugs = slugs(6);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file(FIRST.0, FIRST.1);
    fleet.sql("t03", "create table public.books (x int)");
    let args = ["tenants", "--all", "--wave", "canary=t03,t04;50%"];
    let (code, report, _) = fleet.try_migrate(&args);
    assert_eq!((code, report["outcome"].as_str()), (6, Some("stopped")));
    let run = &report["run"];
    assert_eq!(
        (&run["done"], &run["failed"], &run["pending"]),
        (&1.into(), &1.into(), &4.into()),
        "{report}"
    );
    assert_eq!(fleet.history("t04"), ["1"]);
    for slug in ["t00", "t01", "t02", "t05"] {
        assert_eq!(fleet.sql(slug, "select to_regclass('books') is null"), ["t"], "{slug}");
    }
    // Once it is mended the run goes on.
    fleet.sql("t03", "drop table public.books");
    let id = run["id"].as_str().unwrap();
    let report = fleet.migrate(&["runs", "resume", id]);
    assert_eq!((&report["outcome"], &report["run"]["done"]), (&"done".into(), &6.into()), "{report}");
    fleet.is_tidy();
}

#[test]
fn waves_go_one_after_the_other_with_a_pause_between() {
    let slugs = slugs(5);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file(FIRST.0, FIRST.1);
    fleet.migrate(&["tenants", "--all", "--wave", "canary=t04;40%", "--soak", "1s"]);
    let order =
        fleet.world.control_sql("select wave, count(*) from control.run_tenants group by wave order by wave");
    assert_eq!(order, ["0|1", "1|2", "2|2"]);
    let apart = "select bool_and(later.started_at > earlier.finished_at + interval '900 milliseconds')
                 from control.run_tenants as earlier, control.run_tenants as later where later.wave = earlier.wave + 1";
    assert_eq!(fleet.world.control_sql(apart), ["t"]);
}

#[test]
fn too_many_failures_begin_no_more_tenants() {
    let slugs = slugs(12);
    let fleet = Fleet::of(&as_strs(&slugs));
    fleet.file(FIRST.0, "select 1/0;");
    let (code, report, _) = fleet.try_migrate(&["tenants", "--all", "--jobs", "1", "--max-failures", "2"]);
    let run = &report["run"];
    let (failed, pending) = (run["failed"].as_i64().unwrap(), run["pending"].as_i64().unwrap());
    assert_eq!((code, report["outcome"].as_str()), (6, Some("stopped")));
    assert!((3..12).contains(&failed) && failed + pending == 12, "{run}");
    fleet.is_tidy();
}

#[test]
fn a_wave_of_somebody_who_is_not_there_is_refused() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file(FIRST.0, FIRST.1);
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all", "--wave", "canary=nobody"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("tenant_not_found")));
}
