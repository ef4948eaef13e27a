//! Many commands at once.

use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;

use super::settled::{create, delete, is_active, is_settled, is_usable, open_operation, repair_settles};
use crate::support::world::World;

/// Runs commands at the same time; how each ended.
fn at_once(world: &World, commands: &[Vec<String>]) -> Vec<Output> {
    let running: Vec<Child> = commands
        .iter()
        .map(|args| {
            let args: Vec<&str> = ["-o", "json"].into_iter().chain(args.iter().map(String::as_str)).collect();
            world.command(&args).spawn().unwrap()
        })
        .collect();
    running.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

fn owned(args: &[&str]) -> Vec<String> {
    args.iter().map(|arg| (*arg).to_owned()).collect()
}

fn codes(ended: &[Output]) -> Vec<i32> {
    let mut codes: Vec<i32> = ended.iter().map(|output| output.status.code().unwrap_or(-1)).collect();
    codes.sort_unstable();
    codes
}

/// What they said, for a failure.
fn said(ended: &[Output]) -> String {
    ended.iter().map(|output| String::from_utf8_lossy(&output.stderr).into_owned()).collect()
}

#[test]
fn of_twenty_creates_of_one_slug_with_different_settings_one_wins() {
    let world = World::new();
    let commands: Vec<_> =
        (0..20).map(|n| owned(&[create("acme"), vec!["--name", &format!("Acme {n}")]].concat())).collect();
    let ended = at_once(&world, &commands);
    let mut expected = vec![5; 20];
    expected[0] = 0;
    assert_eq!(codes(&ended), expected, "{}", said(&ended));
    is_settled(&world, "a race");
    is_usable(&world, "acme", "a race");
    assert_eq!(world.control_sql("select count(*) from control.tenants"), ["1"]);
}

#[test]
fn twenty_creates_of_one_slug_with_the_same_settings_make_one_tenant() {
    let world = World::new();
    let ended = at_once(&world, &vec![owned(&create("acme")); 20]);
    let id = world.control_sql("select id from control.tenants");
    assert_eq!(id.len(), 1);
    for output in &ended {
        match output.status.code() {
            Some(0) => {
                let made: Value = serde_json::from_slice(&output.stdout).unwrap();
                assert_eq!(made["id"], *id[0]);
            }
            code => assert_eq!(code, Some(5), "{}", said(&ended)),
        }
    }
    assert!(ended.iter().any(|output| output.status.success()));
    is_settled(&world, "a race");
}

#[test]
fn who_waits_for_a_create_gets_the_tenant_even_when_its_maker_died() {
    let world = World::new();
    let commands = vec![owned(&[create("acme"), vec!["--wait"]].concat()); 8];
    for maker_died in [false, true] {
        if maker_died {
            world.ok(&delete("acme"));
            world.killed_at("create.bucket.after", &create("acme"));
        }
        let ended = at_once(&world, &commands);
        assert_eq!(codes(&ended), [0; 8], "{}", said(&ended));
    }
    is_settled(&world, "those who waited");
    is_usable(&world, "acme", "those who waited");
}

/// Sessions that somebody holds open in the databases that others are usually cloned from.
struct Held(Vec<Child>);

impl Held {
    fn in_template1_and_postgres(world: &World) -> Self {
        let name = format!("held-{}", world.id);
        let hold = |database: &str| {
            let stack = world.stack();
            Command::new("psql")
                .args(["-X", "-q", "-c", "select pg_sleep(120)"])
                .envs([
                    ("PGHOST", &stack.socket_dir),
                    ("PGPORT", &stack.port),
                    ("PGPASSWORD", &stack.password()),
                ])
                .env("PGUSER", "nexus")
                .env("PGDATABASE", database)
                .env("PGAPPNAME", &name)
                .env("PGOPTIONS", "-c client_connection_check_interval=200ms")
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .spawn()
                .unwrap()
        };
        let sessions = Self(vec![hold("template1"), hold("postgres")]);
        let count = format!("select count(*) from pg_stat_activity where application_name = '{name}'");
        world.until("postgres", &count, |count| count == ["2"]);
        sessions
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        for child in &mut self.0 {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

#[test]
fn twenty_slugs_at_once_are_all_made_while_others_sit_in_template1_and_postgres() {
    let world = World::new();
    let _held = Held::in_template1_and_postgres(&world);
    let commands: Vec<_> = (0..20).map(|n| owned(&create(&format!("acme-{n}")))).collect();
    let ended = at_once(&world, &commands);
    assert_eq!(codes(&ended), [0; 20], "{}", said(&ended));
    assert_eq!(world.there().databases.len(), 20);
    is_settled(&world, "twenty at once");
}

#[test]
fn a_create_and_a_delete_of_one_tenant_at_once_leave_it_whole_or_gone() {
    let world = World::new();
    for round in 0..4 {
        if round % 2 == 1 && !is_active(&world, "acme") {
            world.ok(&create("acme"));
        }
        let ended = at_once(&world, &[owned(&create("acme")), owned(&delete("acme"))]);
        for output in &ended {
            let code = output.status.code();
            assert!([Some(0), Some(4), Some(5)].contains(&code), "{code:?}: {}", said(&ended));
        }
        is_settled(&world, "a create and a delete at once");
    }
}

#[test]
fn of_two_resumes_of_one_operation_one_does_the_work() {
    let world = World::new();
    world.killed_at("create.roles.after", &create("acme"));
    let resume = owned(&["operation", "resume", &open_operation(&world)]);
    let ended = at_once(&world, &[resume.clone(), resume]);
    let codes = codes(&ended);
    assert_eq!(codes[0], 0, "{}", said(&ended));
    assert!(matches!(codes[1], 5 | 7), "{}", said(&ended));
    is_settled(&world, "two resumes");
    is_usable(&world, "acme", "two resumes");
}

#[test]
fn who_waits_keeps_its_tenant_until_it_is_dead() {
    let world = World::new();
    let paused = world.paused_at("create.database.after", &create("acme"));
    let (code, error) = world.error(&["tenant", "repair", "acme"]);
    assert_eq!((code, error["code"].as_str()), (5, Some("tenant_in_progress")));
    let (code, error) = world.error(&["operation", "rollback", &open_operation(&world)]);
    assert_eq!((code, error["code"].as_str()), (5, Some("tenant_in_progress")));
    paused.kill();
    repair_settles(&world, "a paused command was killed");
    is_usable(&world, "acme", "a paused command was killed");

    let paused = world.paused_at("purge.bucket.before", &delete("acme"));
    let (code, error) = world.error(&delete("acme"));
    assert_eq!((code, error["code"].as_str()), (5, Some("tenant_in_progress")));
    let output = paused.go_on();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    is_settled(&world, "a paused delete went on");
}
