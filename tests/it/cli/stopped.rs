//! Ctrl-C, and a reader that leaves, while a command reads.

use std::fs;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::support::lock_holder::LockHolder;
use crate::support::world::World;

/// Keeps a table of the control database from everybody else.
fn hold<'a>(world: &'a World, table: &str) -> LockHolder<'a> {
    LockHolder::of(world, &world.control, &format!("lock table {table} in access exclusive mode"))
}

fn write_rows(world: &World, rows: u32) {
    world.control_sql(&format!(
        "insert into control.audit_log (caller, action, detail)
         select 'machine:ann', 'test.write', json_build_object('n', n) from generate_series(1, {rows}) as n"
    ));
}

/// How many have the table to themselves, or wait for it.
fn locks(world: &World, table: &str, granted: bool) -> usize {
    let condition = if granted { "granted and mode = 'AccessExclusiveLock'" } else { "not granted" };
    // Clones of a database have the same relations under the same numbers.
    let statement = format!(
        "select pid from pg_locks join pg_database on pg_database.oid = database
         where datname = current_database() and relation = '{table}'::regclass and {condition}"
    );
    world.control_sql(&statement).len()
}

fn interrupt(pid: u32) {
    kill(Pid::from_raw(i32::try_from(pid).unwrap()), Signal::SIGINT).unwrap();
}

/// Presses Ctrl-C once while a command waits for this table.
fn stopped_at(world: &World, table: &str, args: &[&str]) -> Output {
    let holder = hold(world, table);
    let mut child = world.command(args).spawn().unwrap();
    while locks(world, table, false) == 0 {
        assert!(child.try_wait().unwrap().is_none(), "{args:?} did not come to {table}");
    }
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    // It did not wait until it was its turn, and nobody waits in its place.
    assert_eq!(locks(world, table, true), 1, "{args:?}");
    drop(holder);
    output
}

#[test]
fn a_command_that_reads_ends_at_the_first_ctrl_c() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let rows = || world.control_sql("select count(*) from control.audit_log");
    let before = rows();
    for (table, args) in [
        ("control.audit_log", &["audit", "verify"][..]),
        ("control.audit_log", &["audit", "list", "--all"]),
        ("control.audit_log", &["audit", "export"]),
        ("control.audit_log", &["audit", "anchor"]),
        ("control.tenants", &["tenant", "list"]),
        ("control.tenants", &["tenant", "list", "--all"]),
        ("control.tenants", &["fsck"]),
        ("control.tenants", &["tenant", "prove", "--all"]),
        ("nexus.users", &["user", "list"]),
        ("nexus.users", &["user", "export"]),
        ("control.signing_keys", &["key", "list"]),
        ("control.issued_tokens", &["token", "list"]),
        ("nexus.roles", &["role", "list"]),
        ("nexus.groups", &["group", "tree"]),
        ("nexus.permissions", &["permission", "list"]),
        ("nexus.operator_grants", &["operator", "list"]),
        ("control.clusters", &["cluster", "list"]),
        ("control.stores", &["store", "show", "default"]),
        ("control.operations", &["operation", "list"]),
        ("control.tenants", &["migrate", "status"]),
        ("control.runs", &["migrate", "runs", "list"]),
        ("control.data_keys", &["secret", "status"]),
    ] {
        let output = stopped_at(&world, table, args);
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{args:?}: {said}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "", "{args:?}");
        assert_eq!(
            said,
            "stopping at the next step; press Ctrl-C again to quit at once\n\
             error: stopped; nothing was changed\n",
            "{args:?}"
        );
    }
    assert_eq!(rows(), before);
}

#[test]
fn a_script_reads_that_a_reading_command_was_stopped() {
    let world = World::new();
    let output = stopped_at(&world, "control.tenants", &["-o", "json", "fsck"]);
    let error: Value = serde_json::from_slice(&output.stderr).unwrap();
    assert_eq!((output.status.code(), &error["error"]["code"]), (Some(130), &"interrupted".into()));
}

#[test]
fn an_export_into_a_file_that_is_stopped_leaves_no_file() {
    let world = World::new();
    let folder = world.machine().path("work/exports");
    fs::create_dir(&folder).unwrap();
    let file = folder.join("log.jsonl");
    let args = ["audit", "export", "--file", file.to_str().unwrap()];
    let output = stopped_at(&world, "control.audit_log", &args);
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
    world.ok(&args);
    assert_eq!(fs::read_dir(&folder).unwrap().count(), 1);
}

#[test]
fn a_proof_that_is_stopped_tidies_up_and_signs_nothing() {
    let world = World::new();
    for slug in ["ash", "birch", "cedar"] {
        world.ok(&["tenant", "create", slug]);
    }
    let report = world.machine().path("work/proof.json");
    let args = ["-o", "json", "tenant", "prove", "--all", "--report", report.to_str().unwrap()];
    let paused = world.paused_at("prove.tenant", &args);
    interrupt(paused.pid());
    let output = paused.go_on();
    let error: Value = serde_json::from_slice(&output.stderr)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    assert_eq!((output.status.code(), &error["error"]["code"]), (Some(130), &"interrupted".into()));
    assert_eq!(error["error"]["message"], "stopped; not everything was checked");
    assert!(!report.exists());
    world.ok(&args);
    assert!(report.exists());
}

#[test]
fn a_cut_export_in_a_pipe_is_not_called_intact() {
    let world = World::new();
    // More than a pipe holds: when all is written, the command is reading.
    write_rows(&world, 1000);
    let export = world.ok(&["audit", "export"]);
    let mut command = world.command(&["audit", "verify", "--file", "-"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // Ctrl-C stops both who writes and who reads.
    let mut pipe = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut pipe, export.as_bytes()).unwrap();
    interrupt(child.id());
    let output = child.wait_with_output().unwrap();
    drop(pipe);
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(String::from_utf8_lossy(&output.stdout), "");
}

#[test]
fn a_reader_that_has_enough_ends_a_command_quietly() {
    let world = World::new();
    write_rows(&world, 5000);
    for verb in ["audit export", "audit export --format csv", "audit list --all", "-o json audit list --all"]
    {
        let line =
            format!("'{}' {verb} | head -n 1; exit \"${{PIPESTATUS[0]}}\"", env!("CARGO_BIN_EXE_nexus"));
        let mut command = Command::new("bash");
        command.args(["-c", &line]).stdin(Stdio::null());
        world.machine().furnish(&mut command);
        let output = command.output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "{verb}");
        assert!(output.status.success(), "{verb}");
        assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 1, "{verb}");
    }
}

#[test]
fn a_command_that_waits_for_its_input_ends_at_the_first_ctrl_c_or_sigterm() {
    let world = World::new();
    let waiting = [
        (Signal::SIGINT, &["token", "verify"][..]),
        (Signal::SIGTERM, &["token", "inspect"]),
        (Signal::SIGINT, &["api-key", "verify"]),
        (Signal::SIGINT, &["user", "create", "--from", "-"]),
        (Signal::SIGTERM, &["iam", "apply", "-"]),
        (Signal::SIGINT, &["user", "create", "--email", "ann@acme.example", "--password-stdin"]),
        (Signal::SIGINT, &["tenant", "create", "--from", "-"]),
    ]
    .map(|(signal, args)| (signal, args, world.command(args).stdin(Stdio::piped()).spawn().unwrap()));
    std::thread::sleep(Duration::from_secs(2));
    for (signal, args, mut child) in waiting {
        kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), signal).unwrap();
        let until = Instant::now() + Duration::from_secs(10);
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break status;
            }
            assert!(Instant::now() < until, "{args:?} still waits");
            std::thread::sleep(Duration::from_millis(20));
        };
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!((status.code(), &*said), (Some(130), "error: stopped; nothing was done\n"), "{args:?}");
    }
}

/// Runs a command in a terminal of its own, presses Ctrl-C where it asks, and says how the terminal
/// is then.
const AT_A_TERMINAL: &str = r#"
import os, pty, sys, time
pid, terminal = pty.fork()
if pid == 0:
    shell = 'trap : INT; "$@"; echo "code=$?"; stty -a'
    os.execvp("sh", ["sh", "-c", shell, "sh"] + sys.argv[1:])
said, pressed = b"", False
while True:
    try:
        said += os.read(terminal, 1024)
    except OSError:
        break
    if b"The password" in said and not pressed:
        pressed = True
        time.sleep(0.5)
        os.write(terminal, b"\x03")
sys.stdout.buffer.write(said)
"#;

#[test]
fn ctrl_c_at_a_question_for_a_password_ends_it_and_leaves_the_terminal_as_it_was() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let mut command = Command::new("python3");
    world.machine().furnish(&mut command);
    command.args(["-c", AT_A_TERMINAL, env!("CARGO_BIN_EXE_nexus")]);
    command.args(["user", "create", "--email", "ann@acme.example", "--tenant", "acme"]);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("stopped; nothing was done"), "{said}");
    assert!(said.contains("code=130"), "{said}");
    let words: Vec<&str> = said.split([' ', ';', '\r', '\n']).collect();
    assert!(words.contains(&"echo") && !words.contains(&"-echo"), "{said}");
}

#[test]
fn who_waits_for_a_lock_that_somebody_keeps_is_told_after_half_a_minute() {
    let world = World::new();
    let _holder = hold(&world, "control.tenants");
    let (code, error) = world.error(&["tenant", "list"]);
    assert_eq!(code, 7, "{error}");
    assert!(error["hint"].as_str().unwrap().contains("pg_stat_activity"), "{error}");
}

#[test]
fn a_psql_that_a_supervisor_ends_is_ended_with_us() {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let asleep = ["tenant", "psql", "acme", "--", "-c", "select pg_sleep(600)"];
    let mut child = world.command(&asleep).spawn().unwrap();
    let role = world.control_sql("select app_role from control.tenants").remove(0);
    let sleeps =
        format!("select count(*) from pg_stat_activity where usename = '{role}' and query like '%pg_sleep%'");
    world.until("postgres", &sleeps, |count| {
        assert!(child.try_wait().unwrap().is_none(), "psql ended");
        count == ["1"]
    });
    kill(Pid::from_raw(i32::try_from(child.id()).unwrap()), Signal::SIGTERM).unwrap();
    // It ends when psql, which has the same streams, has ended, too.
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130), "{}", String::from_utf8_lossy(&output.stderr));
}
