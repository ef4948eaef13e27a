//! What one tenant's login can take away from the others: the rows of `docs/limits.md`.

use nexus::infra::cluster::{end_hoarders, superusers};
use serde_json::Value;

use super::{Neighbour, neighbours};
use crate::iam::inside::run;
use crate::inspection::fsck;
use crate::support::world::World;

fn say(world: &World, tenant: &Neighbour, statement: &str) -> Result<Vec<String>, String> {
    world.sql_as(tenant.get("PGUSER"), tenant.get("PGPASSWORD"), tenant.get("PGDATABASE"), statement)
}

fn is_refused(world: &World, tenant: &Neighbour, statement: &str) {
    let said = say(world, tenant, statement).expect_err(statement);
    assert!(said.contains("permission denied") || said.contains("must be"), "{statement}: {said}");
}

#[test]
fn a_login_that_wants_all_locks_gets_none_and_the_others_go_on() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash", "birch"]);
    let ash = &tenants[0];
    for shared in ["", "_shared"] {
        for verb in ["advisory", "advisory_xact", "try_advisory", "try_advisory_xact"] {
            let function = format!("pg_{verb}_lock{shared}");
            is_refused(&world, ash, &format!("select {function}(i) from generate_series(1, 30000) as i"));
            is_refused(&world, ash, &format!("select {function}(i, 1) from generate_series(1, 30000) as i"));
        }
    }
    for made in ["lo_create(0)", "lo_creat(-1)", "lo_from_bytea(0, 'x')"] {
        is_refused(&world, ash, &format!("select {made} from generate_series(1, 30000)"));
    }
    world.ok(&["tenant", "create", "cedar"]);
    world.ok(&["tenant", "suspend", "ash", "--reason", "it wants all locks", "--yes"]);
    assert_eq!(fsck(&world, &[]).0, 0);
}

#[test]
fn the_temporary_files_of_a_login_are_bounded_and_it_cannot_change_that() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash"]);
    let ash = &tenants[0];
    let role = ash.get("PGUSER");
    assert_eq!(say(&world, ash, "show temp_file_limit").unwrap(), ["512MB"]);
    for statement in [
        "set temp_file_limit to -1".to_owned(),
        "set local temp_file_limit to '1TB'".to_owned(),
        "select set_config('temp_file_limit', '-1', false)".to_owned(),
        format!("alter role \"{role}\" set temp_file_limit to -1"),
        format!("alter role \"{role}\" reset temp_file_limit"),
        format!("alter role \"{role}\" in database \"{}\" set temp_file_limit to -1", ash.get("PGDATABASE")),
    ] {
        is_refused(&world, ash, &statement);
    }
    // Takes away what it may change itself, and no more.
    let _ = say(&world, ash, &format!("alter role \"{role}\" reset all"));
    assert_eq!(say(&world, ash, "show temp_file_limit").unwrap(), ["512MB"]);
    // The same with a bound that is reached at once.
    world.sql("postgres", &format!("alter role \"{role}\" set temp_file_limit to '1MB'"));
    let sort = "set work_mem to '64kB'; \
                select count(*) from (select repeat('x', 100) || i as a from generate_series(1, 100000) i order by 1) s";
    let said = say(&world, ash, sort).unwrap_err();
    assert!(said.contains("temporary file size exceeds"), "{said}");
    // What an operator set stays; the search path is what it took from itself above.
    assert_eq!(fsck(&world, &[]).1, crate::inspection::seen(&[("role_search_path", "ash")]));
}

#[test]
fn a_session_that_takes_most_of_the_lock_table_all_the_same_is_ended() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash"]);
    // Each of these holds a lock until the end, and no right forbids them. They are fewer than the
    // server has room for: other tests share it.
    let nested: Vec<String> = (0..14_000)
        .map(|i| format!("savepoint s{i}; insert into nexus.settings (key, value) values ('k{i}', '1');"))
        .collect();
    let said =
        say(&world, &tenants[0], &format!("begin; {} select pg_sleep(600)", nested.concat())).unwrap_err();
    assert!(!said.contains("shared memory"), "{said}");
    assert_eq!(
        say(&world, &tenants[0], "select count(*) from nexus.settings where key like 'k%'").unwrap(),
        ["0"]
    );
    world.ok(&["tenant", "list"]);
}

#[test]
fn a_session_with_some_hundred_locks_goes_on_beside_who_looks_for_those_with_most_of_the_table() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash"]);
    let role = tenants[0].get("PGUSER");
    let nested: Vec<String> = (0..300)
        .map(|i| format!("savepoint s{i}; insert into nexus.settings (key, value) values ('k{i}', '1');"))
        .collect();
    let work = format!("begin; {} select pg_sleep(60)", nested.concat());
    let sleeping = format!("from pg_stat_activity where usename = '{role}' and wait_event = 'PgSleep'");
    std::thread::scope(|scope| {
        // It is ended from outside.
        let session = scope.spawn(|| say(&world, &tenants[0], &work));
        world.until("postgres", &format!("select count(*) {sleeping}"), |count| {
            assert!(!session.is_finished(), "the session is over");
            count == ["1"]
        });
        let server = world.stack().superuser("postgres");
        let ended = run(async {
            let mut guard = server.connect("nexus:test").await.unwrap();
            let superusers = superusers(&mut guard).await.unwrap();
            end_hoarders(&mut guard, &superusers).await.unwrap()
        });
        let alive = world.sql("postgres", &format!("select count(*) {sleeping}"));
        world.sql("postgres", &format!("select pg_terminate_backend(pid) {sleeping}"));
        assert_eq!((ended.iter().filter(|(name, _)| name == role).count(), alive), (0, vec!["1".to_owned()]));
    });
}

#[test]
fn nothing_is_left_locked_by_a_session_that_has_gone() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash"]);
    let said = say(&world, &tenants[0], "begin; prepare transaction 'mine'").unwrap_err();
    assert!(said.contains("prepared transactions are disabled"), "{said}");
}

#[test]
fn a_tenant_from_before_the_bounds_is_found_and_brought_along() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash", "birch"]);
    let loosen = |tenant: &Neighbour| {
        let (database, role) = (tenant.get("PGDATABASE"), tenant.get("PGUSER"));
        world.sql(database, "grant execute on function pg_advisory_lock(bigint), lo_create(oid) to public");
        world.sql("postgres", &format!("alter role \"{role}\" reset temp_file_limit"));
    };
    loosen(&tenants[0]);
    let (code, faults, _) = fsck(&world, &[]);
    let expected = crate::inspection::seen(&[("inside_unbounded", "ash"), ("role_temp_file_limit", "ash")]);
    assert_eq!((code, faults), (9, expected));
    world.ok(&["fsck", "--fix", "--yes"]);
    is_refused(&world, &tenants[0], "select pg_advisory_lock(1)");
    loosen(&tenants[1]);
    world.ok(&["tenant", "repair", "birch"]);
    is_refused(&world, &tenants[1], "select lo_create(0)");
    assert_eq!(say(&world, &tenants[1], "show temp_file_limit").unwrap(), ["512MB"]);
    assert_eq!(fsck(&world, &[]).0, 0);
}

#[test]
fn an_app_that_needs_advisory_locks_is_allowed_them_on_record() {
    let world = World::new();
    let tenants = neighbours(&world, &["ash", "birch"]);
    let allow =
        |word| world.json(&["tenant", "update", "ash", "--advisory-locks", word])[0]["outcome"].clone();
    world.ok(&["--dry-run", "tenant", "update", "ash", "--advisory-locks", "allow"]);
    is_refused(&world, &tenants[0], "select pg_advisory_lock(1)");
    assert_eq!((allow("allow"), allow("allow")), (Value::from("updated"), Value::from("unchanged")));
    say(&world, &tenants[0], "select pg_try_advisory_lock(1), pg_advisory_xact_lock(1, 2)").unwrap();
    is_refused(&world, &tenants[0], "select lo_create(0)");
    is_refused(&world, &tenants[1], "select pg_advisory_lock(1)");
    assert_eq!(fsck(&world, &[]).0, 0);
    world.ok(&["tenant", "repair", "ash"]);
    say(&world, &tenants[0], "select pg_try_advisory_lock(1)").unwrap();
    assert_eq!(allow("deny"), "updated");
    is_refused(&world, &tenants[0], "select pg_advisory_lock(1)");
    let recorded = world.control_sql(
        "select detail->>'advisory_locks' from control.audit_log where action = 'tenant.update' order by id",
    );
    assert_eq!(recorded, ["true", "false"]);
    let (code, error) = world.error(&["tenant", "update", "ash", "birch", "--advisory-locks", "allow"]);
    assert_eq!((code, &error["code"]), (2, &Value::from("usage")));
}
