//! Tenants in which it fails, or that are left out.

use serde_json::json;

use super::{database, exec, sorted};
use crate::inspection::tenants;
use crate::support::world::World;

#[test]
fn one_bad_tenant_is_a_line_and_stops_no_other() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    for slug in ["t-001", "t-003"] {
        let make = "create table public.invoices (id int); grant select on public.invoices to public";
        world.sql(&database(&world, slug), make);
    }
    let (code, lines, said) = exec(&world, &["--all", "--", "select count(*) from invoices"]);
    assert_eq!(code, 6);
    assert_eq!(
        sorted(lines),
        [
            json!({ "tenant": "t-001", "row": { "count": 0 } }),
            json!({
                "tenant": "t-002",
                "error": { "sqlstate": "42P01", "message": "relation \"invoices\" does not exist" },
            }),
            json!({ "tenant": "t-003", "row": { "count": 0 } }),
        ]
    );
    assert!(said.contains("the statement failed in 1 of 3 tenants"), "{said}");
}

#[test]
fn an_error_amid_rows_comes_after_them() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let (code, lines, _) =
        exec(&world, &["t-001", "--", "select 1 / (3 - n) as x from generate_series(1, 5) as n"]);
    assert_eq!(code, 6);
    assert_eq!(lines.last().unwrap()["error"]["sqlstate"], "22012");
}

#[test]
fn no_more_are_begun_once_enough_have_failed() {
    let world = World::new();
    tenants(&world, 1, 6, &[]);
    let failing = |limit: &str| {
        let (code, lines, said) =
            exec(&world, &["--all", "--jobs", "1", "--max-failures", limit, "--", "select nothing"]);
        assert_eq!(code, 6, "{said}");
        lines.len()
    };
    assert_eq!(failing("2"), 2);
    assert_eq!(failing("50%"), 3);
}

#[test]
fn a_suspended_tenant_is_left_out_and_named() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    world.ok(&["tenant", "suspend", "t-002", "--reason", "unpaid"]);
    let (code, lines, _) = exec(&world, &["--all", "--", "select 1 as one"]);
    assert_eq!(code, 0);
    assert_eq!(
        sorted(lines),
        [
            json!({ "tenant": "t-001", "row": { "one": 1 } }),
            json!({ "tenant": "t-002", "skipped": "it is suspended: its database takes no sessions" }),
        ]
    );
}

#[test]
fn neither_a_slow_statement_nor_a_lock_holds_it_up() {
    let world = World::new();
    tenants(&world, 1, 1, &[]);
    let (code, lines, _) = exec(&world, &["t-001", "--statement-timeout", "1s", "--", "select pg_sleep(30)"]);
    assert_eq!((code, lines[0]["error"]["sqlstate"].as_str()), (6, Some("57014")));
    // What the tenant has set for its own login does not count.
    let role = world.control_sql("select app_role from control.tenants").remove(0);
    world.sql("postgres", &format!("alter role {role} set statement_timeout to 0"));
    let (code, lines, _) = exec(&world, &["t-001", "--statement-timeout", "1s", "--", "select pg_sleep(30)"]);
    assert_eq!((code, lines[0]["error"]["sqlstate"].as_str()), (6, Some("57014")));
}

#[test]
fn ctrl_c_while_the_last_are_asked_takes_nothing_away() {
    let world = World::new();
    tenants(&world, 1, 2, &[]);
    let ask = |jobs: &str| {
        let args = ["exec", "--all", "--jobs", jobs, "--", "select 1 as one from pg_sleep(2)"];
        let mut command = world.command(&args);
        let child = command
            .stdout(std::process::Stdio::piped())
            .stderr(std::process::Stdio::piped())
            .spawn()
            .unwrap();
        let sleeping = "select count(*) from pg_stat_activity where wait_event = 'PgSleep' and application_name = 'nexus:exec'
            and datname in (select database_name from tenants)";
        let names = world.control_sql("select database_name from control.tenants").join("', '");
        let sleeping = sleeping.replace("select database_name from tenants", &format!("'{names}'"));
        world.until("postgres", &sleeping, |count| count == [jobs]);
        let pid = nix::unistd::Pid::from_raw(child.id().try_into().unwrap());
        nix::sys::signal::kill(pid, nix::sys::signal::Signal::SIGINT).unwrap();
        let output = child.wait_with_output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap().lines().count())
    };
    assert_eq!(ask("2"), (Some(0), 2), "both were asked already");
    assert_eq!(ask("1"), (Some(130), 1), "one was never asked");
}
