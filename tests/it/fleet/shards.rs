//! Several processes that share one run.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nexus::infra::db::is_held;

use super::{Fleet, as_strs, slugs};

#[test]
fn four_shards_of_which_two_are_killed_migrate_each_tenant_once_within_the_budget() {
    let slugs = slugs(16);
    let fleet = Fleet::of(&as_strs(&slugs));
    let budget = 9;
    fleet.world.ok(&["cluster", "update", "default", "--connections", &budget.to_string()]);
    fleet.file("1_slow", "create table slow (id int); insert into slow values (1); select pg_sleep(0.4);");
    let mark = format!("nexus:{}:", fleet.world.id);
    // The platform's sessions on the server: the administrator's for runs, and the migrations' own. Those of a process
    // that was killed outlive it, and its slots, by `client_connection_check_interval`.
    let sessions = format!(
        "select count(*) from pg_stat_activity where application_name like 'nexus:run:%'
         and (datname in (select datname from pg_database where shobj_description(oid, 'pg_database') like '{mark}%')
              or datname = 'postgres')
         and {}",
        is_held("replace(application_name, 'nexus:run:', 'nexus:runner:')")
    );
    let over = AtomicBool::new(false);
    let most = std::thread::scope(|scope| {
        let watching = scope.spawn(|| {
            let mut most = 0;
            while !over.load(Ordering::Relaxed) {
                most = most.max(fleet.world.control_sql(&sessions)[0].parse::<usize>().unwrap());
            }
            most
        });
        let mut running: Vec<_> = (1..=4)
            .map(|number| {
                let shard = format!("{number}/4");
                let args = ["migrate", "tenants", "--all", "--jobs", "2", "--shard", &shard];
                fleet.world.command(&args).spawn().unwrap()
            })
            .collect();
        std::thread::sleep(Duration::from_millis(900));
        for child in &mut running[..2] {
            let _ = child.kill();
            child.wait().unwrap();
        }
        for child in running.split_off(2) {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        over.store(true, Ordering::Relaxed);
        watching.join().unwrap()
    });
    assert!(most <= budget, "{most} sessions");
    assert_eq!(fleet.world.control_sql("select count(*), min(state) from control.runs"), ["1|done"]);
    for slug in &slugs {
        assert_eq!(fleet.history(slug), ["1"], "{slug}");
        assert_eq!(fleet.sql(slug, "select count(*) from slow"), ["1"], "{slug}");
    }
    fleet.is_tidy();
}

#[test]
fn another_run_is_waited_for_as_long_as_was_said() {
    let fleet = Fleet::of(&["ash"]);
    fleet.file("1_slow", "create table slow (id int);");
    let paused = fleet.world.paused_at("fleet.apply.1.before", &["migrate", "tenants", "--all"]);
    let (code, error) = fleet.world.error(&["migrate", "tenants", "--all", "--lock-wait", "300ms"]);
    assert_eq!((code, error["code"].as_str()), (7, Some("run_under_way")));
    let run = fleet.world.control_sql("select id from control.runs").remove(0);
    assert_eq!(error["details"]["run"], run.as_str());
    let waiting =
        fleet.world.command(&["migrate", "tenants", "--all", "--lock-wait", "60s"]).spawn().unwrap();
    assert!(paused.go_on().status.success());
    assert!(waiting.wait_with_output().unwrap().status.success());
    assert_eq!(fleet.history("ash"), ["1"]);
}
