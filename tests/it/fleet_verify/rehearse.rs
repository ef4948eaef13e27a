//! Rehearsals on copies.

use serde_json::Value;

use super::{apply_shop, at_version, database, role, shop};
use crate::inspection::tenants;
use crate::support::world::World;

/// Four tenants at the first version of the shop, with a second one to come.
fn world(second: &str) -> World {
    let world = World::new();
    tenants(&world, 1, 4, &[]);
    shop(&world);
    std::fs::write(world.machine().path("shop/2_price.sql"), second).unwrap();
    for slug in ["t-001", "t-002", "t-003", "t-004"] {
        apply_shop(&world, slug, 1);
    }
    world.sql(
        &database(&world, "t-002"),
        "insert into public.shop select n from generate_series(1, 100000) as n; analyze public.shop",
    );
    world
}

fn rehearse(world: &World, args: &[&str]) -> (i32, Value) {
    let args: Vec<&str> = ["-o", "json", "migrate", "rehearse"].iter().chain(args).copied().collect();
    let output = world.run(&args);
    let text = String::from_utf8_lossy(&output.stdout);
    let report = serde_json::from_str(&text)
        .unwrap_or_else(|_| panic!("{text}{}", String::from_utf8_lossy(&output.stderr)));
    (output.status.code().unwrap(), report)
}

fn nothing_is_left(world: &World) {
    assert_eq!(world.control_sql("select count(*) from control.scratch_databases"), ["0"]);
    let (there, believed) = (world.there(), world.believed());
    assert_eq!((there.databases, there.roles), (believed.databases, believed.roles));
}

#[test]
fn it_tells_what_a_file_locks_and_writes_anew_and_leaves_every_tenant_as_it_was() {
    let world = world("alter table public.shop alter column id type numeric;\nselect pg_sleep(0.3);\n");
    let planned = world.json(&["--dry-run", "migrate", "rehearse", "--tenants", "2"]);
    assert_eq!(
        (&planned["clones"][0]["tenant"], &planned["clones"][0]["steps"]),
        (&"t-002".into(), &serde_json::json!([]))
    );
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'tenant.rehearse'"),
        ["0"]
    );
    let (code, report) = rehearse(&world, &["shop", "--tenants", "2"]);
    assert_eq!(code, 0, "{report}");
    assert_eq!(
        world.control_sql("select count(*) from control.audit_log where action = 'tenant.rehearse'"),
        ["2"]
    );
    let clones = report["clones"].as_array().unwrap();
    assert_eq!(clones.len(), 2);
    assert_eq!((&clones[0]["tenant"], &clones[0]["why"]), (&"t-002".into(), &"it is the largest".into()));
    let step = &clones[0]["steps"][0];
    assert_eq!((&step["set"], &step["version"], &step["error"]), (&"shop".into(), &2.into(), &Value::Null));
    assert_eq!(step["rewritten"], serde_json::json!(["public.shop"]));
    let lock = &step["locks"][0];
    assert_eq!((&lock["table"], &lock["mode"]), (&"public.shop".into(), &"AccessExclusiveLock".into()));
    assert!(lock["milliseconds"].as_u64().unwrap() >= 250, "{step}");
    assert!(step["milliseconds"].as_u64().unwrap() >= 300, "{step}");
    let forecast = &report["forecast"];
    assert_eq!((&forecast["tenants"], &forecast["longest"]), (&4.into(), &"t-002".into()));
    assert!(forecast["milliseconds"].as_u64().unwrap() >= step["milliseconds"].as_u64().unwrap());

    let kind = "select atttypid::regtype from pg_attribute where attrelid = 'public.shop'::regclass and attname = 'id'";
    assert_eq!(world.sql(&database(&world, "t-002"), kind), ["bigint"]);
    nothing_is_left(&world);
}

#[test]
fn a_file_that_fails_with_some_data_fails_on_the_copy() {
    let world = world("alter table public.shop add constraint few check (id < 1000);\n");
    let (code, report) = rehearse(&world, &["--tenants", "4"]);
    assert_eq!(code, 9, "{report}");
    let failed: Vec<_> = report["clones"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|clone| !clone["steps"][0]["error"].is_null())
        .map(|clone| {
            (clone["tenant"].as_str().unwrap(), clone["steps"][0]["error"]["sqlstate"].as_str().unwrap())
        })
        .collect();
    assert_eq!(failed, [("t-002", "23514")]);
    nothing_is_left(&world);
}

/// The steps of each clone: version, why it failed.
fn steps(report: &Value) -> Vec<(String, Vec<(i64, String)>)> {
    let steps = |clone: &Value| {
        let step = |it: &Value| {
            let why = it["error"]["message"].as_str().unwrap_or_default().to_owned();
            (it["version"].as_i64().unwrap(), why)
        };
        clone["steps"].as_array().unwrap().iter().map(step).collect()
    };
    let clones = report["clones"].as_array().unwrap().iter();
    let mut found: Vec<_> =
        clones.map(|clone| (clone["tenant"].as_str().unwrap().to_owned(), steps(clone))).collect();
    found.sort();
    found
}

#[test]
fn a_file_that_came_late_is_rehearsed_where_it_lacks_and_nowhere_else() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    shop(&world);
    let folder = world.machine().path("shop");
    std::fs::rename(folder.join("2_price.sql"), folder.join("3_price.sql")).unwrap();
    assert_eq!(world.json(&["migrate", "tenants", "--all"])["outcome"], "done");
    std::fs::write(folder.join("2_late.sql"), "create table public.late (id int);\n").unwrap();
    world.json(&["migrate", "tenants", "t-003"]);
    let (code, report) = rehearse(&world, &["--tenants", "3"]);
    assert_eq!(code, 0, "{report}");
    let late = vec![(2, String::new())];
    assert_eq!(steps(&report), [("t-001".to_owned(), late.clone()), ("t-002".to_owned(), late)]);
    assert_eq!(report["forecast"]["tenants"], 2);
    assert_eq!(world.json(&["migrate", "tenants", "--all"])["run"]["done"], 2, "as it was rehearsed");
    nothing_is_left(&world);
}

#[test]
fn what_a_run_would_refuse_fails_before_anything_of_it_is_rehearsed() {
    let world = world("alter table public.shop add column price numeric;\n");
    world.sql(&database(&world, "t-003"), "update public._sqlx_migrations set checksum = sha384('x')");
    let (code, report) = rehearse(&world, &["--tenants", "4"]);
    assert_eq!(code, 9, "{report}");
    let steps = steps(&report);
    assert_eq!(steps[2], ("t-003".to_owned(), vec![(1, "it has changed since it was applied".to_owned())]));
    assert_eq!(steps[1], ("t-002".to_owned(), vec![(2, String::new())]));
    nothing_is_left(&world);
}

#[test]
fn a_file_that_changes_the_database_itself_fails_on_the_copy_as_in_a_run() {
    let world = world(
        "create table things (id int);
         do $$ begin execute format('alter database %I connection limit 3', current_database()); end $$;",
    );
    let (code, report) = rehearse(&world, &[]);
    assert_ne!(code, 0, "{report}");
    assert!(report.to_string().contains("no migration may change who owns or may enter"), "{report}");
    nothing_is_left(&world);
}

#[test]
fn a_file_without_a_transaction_goes_statement_by_statement_as_in_a_run() {
    let world = world(
        "-- no-transaction\ncreate index concurrently one on shop (id);\ncreate index concurrently two on shop (id);\n",
    );
    let (code, report) = rehearse(&world, &["--tenants", "1"]);
    assert_eq!((code, steps(&report)), (0, vec![("t-002".to_owned(), vec![(2, String::new())])]), "{report}");
    nothing_is_left(&world);
}

#[test]
fn a_killed_rehearsal_is_cleared_away_by_the_next() {
    let world = world("alter table public.shop add column price numeric;\n");
    for point in ["rehearsal.planned", "rehearsal.made", "rehearsal.copied"] {
        world.killed_at(point, &["migrate", "rehearse", "--tenants", "1"]);
        assert_eq!(world.control_sql("select count(*) from control.scratch_databases"), ["1"], "{point}");
    }
    assert_eq!(rehearse(&world, &["--tenants", "1"]).0, 0);
    nothing_is_left(&world);
}

#[test]
fn where_nothing_is_to_come_nothing_is_copied() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let (code, report) = rehearse(&world, &[]);
    assert_eq!(
        (code, &report["clones"], &report["forecast"]["tenants"]),
        (0, &serde_json::json!([]), &0.into())
    );
    let (code, error) = world.error(&["migrate", "rehearse", "nothing"]);
    assert_eq!((code, error["code"].as_str()), (4, Some("set_not_found")));
}

#[test]
fn what_is_planted_in_a_tenant_has_no_rights_where_it_is_copied_to() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    shop(&world);
    apply_shop(&world, "t-001", 1);
    at_version(&world, "t-001", 1);
    let sprung = std::env::temp_dir().join(format!("nexus-trap-{}", uuid::Uuid::new_v4().simple()));
    let (inside, owner) = (database(&world, "t-001"), role(&world, "t-001", "owner_role"));
    world.sql(
        &inside,
        &format!(
            "set role \"{owner}\";
             create function public.bang() returns bigint language plpgsql as
                 $$ begin execute 'copy (select current_user) to ''{sprung}'''; return 1;
                    exception when insufficient_privilege then return 0; end $$;
             create function public.bang(bigint) returns bigint immutable language plpgsql as
                 $$ begin perform public.bang(); return $1; end $$;
             insert into public.shop values (1);
             create index trap on public.shop (public.bang(id));
             create materialized view public.trapped as select public.bang(id) as id from public.shop;
             alter table public.shop add constraint trap check (public.bang(id) > 0)",
            sprung = sprung.display()
        ),
    );
    world.sql(&inside, "select public.bang()");
    assert!(sprung.exists(), "a trap that does not spring proves nothing");
    std::fs::remove_file(&sprung).unwrap();
    let (code, report) = rehearse(&world, &[]);
    let stepped = sprung.exists();
    let _ = std::fs::remove_file(&sprung);
    assert!(!stepped, "a trap was stepped on");
    assert_eq!(code, 0, "{report}");
    nothing_is_left(&world);
}

#[test]
fn ctrl_c_on_a_terminal_ends_the_programs_that_copy_and_is_no_failure_of_theirs() {
    use std::os::unix::process::CommandExt;
    let world = world("alter table public.shop add column price numeric;\n");
    let inside = database(&world, "t-002");
    let waiting = format!(
        "select count(*) from pg_stat_activity where datname = '{inside}' and wait_event_type = 'Lock'"
    );
    let stack = world.stack();
    let held = "begin; lock table public.shop in access exclusive mode; select pg_sleep(60)";
    std::thread::scope(|scope| {
        // It is ended from outside.
        let holder = scope.spawn(|| stack.sql("nexus", &stack.password(), &inside, held).is_err());
        let sleeping = format!("from pg_stat_activity where datname = '{inside}' and wait_event = 'PgSleep'");
        world.until("postgres", &format!("select count(*) {sleeping}"), |count| count == ["1"]);
        let mut command = world.command(&["migrate", "rehearse", "--tenants", "1"]);
        let mut child = command.process_group(0).spawn().unwrap();
        world.until("postgres", &waiting, |count| {
            assert!(child.try_wait().unwrap().is_none(), "pg_dump did not wait for the lock");
            count != ["0"]
        });
        let group = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::killpg(group, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        world.sql("postgres", &format!("select pg_terminate_backend(pid) {sleeping}"));
        assert!(holder.join().unwrap());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(130), "{said}");
        assert!(!said.contains("pg_dump"), "{said}");
    });
    nothing_is_left(&world);
}
