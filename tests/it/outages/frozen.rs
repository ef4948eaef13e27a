//! PostgreSQL is frozen, swallows what is said, or is slow: every wait has an end that is said.
//!
//! In CI a few verbs at a few messages; all of them with `NEXUS_TEST_ALL=1`, in some ten minutes.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::verbs::VERBS;
use crate::support::pg_proxy::{Operation, PgProxy};
use crate::support::private::Private;
use crate::support::world::World;

/// Generous: a wait ends within half a minute, and this machine has other things to do.
const LIMIT: Duration = Duration::from_secs(90);

/// A tenant, a set of migrations, and files that verbs name.
fn prepared() -> World {
    let world = World::new();
    world.ok(&["tenant", "create", "acme", "--admin-email", "ann@acme.example"]);
    let folder = world.machine().path("shop");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("1_a.sql"), "create table a (x bigint primary key);\n").unwrap();
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    for (file, text) in [
        ("password", "not a password"),
        ("dsn", "postgres://a:b@127.0.0.1:1/c"),
        ("plan", "{}"),
        ("iam", "roles: []"),
    ] {
        let path = world.machine().path(file);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    }
    world
}

/// A command behind a proxy of its own.
struct Waiting {
    what: String,
    child: Child,
    proxy: PgProxy,
    began: Instant,
}

impl Waiting {
    fn start(world: &World, number: usize, verb: &str, words: &str, order: impl FnOnce(&PgProxy)) -> Self {
        let proxy = PgProxy::before(world.stack());
        // Each its own settings.
        let settings = world.machine().path(&format!("behind-{number}.toml"));
        fs::copy(world.behind(&proxy), &settings).unwrap();
        fs::set_permissions(&settings, fs::Permissions::from_mode(0o600)).unwrap();
        order(&proxy);
        let path = |name: &str| world.machine().path(name).display().to_string();
        let words = words
            .replace("{password}", &path("password"))
            .replace("{dsn}", &path("dsn"))
            .replace("{plan}", &path("plan"))
            .replace("{iam}", &path("iam"))
            .replace("{folder}", &path("shop"))
            .replace("{spare}", "none")
            .replace("{}", &format!("f{number}"));
        let settings = settings.display().to_string();
        let args: Vec<&str> = ["--config", &settings, "--yes"]
            .into_iter()
            .chain(verb.split(' '))
            .chain(match words.split_once("-- ") {
                Some((before, after)) => before.split_whitespace().chain(["--", after]).collect(),
                None => words.split_whitespace().collect::<Vec<_>>(),
            })
            .collect();
        let child = world.command(&args).spawn().unwrap();
        Self { what: format!("{verb} {words}"), child, proxy, began: Instant::now() }
    }

    /// What it did; whether it met what was ordered.
    fn end(mut self) -> (String, Output, bool) {
        while self.child.try_wait().unwrap().is_none() {
            if self.began.elapsed() > LIMIT {
                self.child.kill().unwrap();
                let output = self.child.wait_with_output().unwrap();
                panic!("{} did not end: {}", self.what, String::from_utf8_lossy(&output.stderr));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        let met = self.proxy.is_met();
        (self.what, self.child.wait_with_output().unwrap(), met)
    }
}

fn all() -> bool {
    std::env::var_os("NEXUS_TEST_ALL").is_some()
}

/// Every so many verbs, and the messages of them at which the server freezes.
fn cases() -> Vec<(&'static str, &'static str, usize)> {
    if all() {
        let messages = [0, 1, 2, 4, 7, 11, 16, 24];
        return VERBS.iter().flat_map(|(verb, words)| messages.map(|at| (*verb, *words, at))).collect();
    }
    let chosen = [
        ("tenant create", 0),
        ("tenant create", 9),
        ("tenant list", 1),
        ("migrate tenants", 12),
        ("fsck", 6),
        ("token mint", 3),
        ("exec", 7),
        ("user create", 5),
    ];
    let words = |verb: &str| VERBS.iter().find(|(name, _)| *name == verb).unwrap();
    chosen.map(|(verb, at)| (words(verb).0, words(verb).1, at)).to_vec()
}

#[test]
fn a_black_hole_at_any_message_of_any_verb_ends_with_exit_8() {
    let world = prepared();
    let (mut wrong, mut met_by) = (Vec::new(), 0);
    for (round, cases) in cases().chunks(24).enumerate() {
        let waiting: Vec<Waiting> = cases
            .iter()
            .enumerate()
            .map(|(index, (verb, words, at))| {
                let number = round * 100 + index;
                Waiting::start(&world, number, verb, words, |proxy| proxy.at(*at, Operation::Freeze))
            })
            .collect();
        for ((what, output, met), (_, _, at)) in waiting.into_iter().map(Waiting::end).zip(cases) {
            met_by += usize::from(met);
            let code = output.status.code();
            // Those who look say what they could not look at (6, 9), and a verb that was refused for
            // another reason did not get that far.
            let right = if met { matches!(code, Some(0 | 6 | 8 | 9)) } else { code != Some(1) };
            if !right {
                let said = String::from_utf8_lossy(&output.stderr).into_owned();
                wrong.push(format!("{what} at message {at}: {code:?}: {said}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert!(met_by >= 6, "only {met_by} got as far as their message");
}

#[test]
fn half_a_second_of_latency_is_waited_for() {
    let world = prepared();
    let chosen = if all() { VERBS.to_vec() } else { vec![("tenant list", ""), ("tenant show", "acme")] };
    let mut wrong = Vec::new();
    for chunk in chosen.chunks(24) {
        let slow = Duration::from_millis(500);
        let waiting: Vec<Waiting> = chunk
            .iter()
            .enumerate()
            .map(|(number, (verb, words))| {
                Waiting::start(&world, 900 + number, verb, words, |proxy| proxy.latency(slow))
            })
            .collect();
        for (what, output, _) in waiting.into_iter().map(Waiting::end) {
            // The doctor calls slow what takes it more than three seconds.
            let is_slow = output.status.code() == Some(8) && !what.starts_with("doctor");
            if is_slow || output.status.code() == Some(1) {
                let said = [output.stdout, output.stderr].concat();
                wrong.push(format!("{what}: {}", String::from_utf8_lossy(&said)));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Stops the processes of a private server, or lets them go on.
fn signal_postgres(private: &Private, signal: Signal) {
    let file = fs::read_to_string(private.path().join("local/pg/postmaster.pid")).unwrap();
    let first = file.lines().next().unwrap().to_owned();
    let children = Command::new("ps").args(["-o", "pid=", "--ppid", &first]).output().unwrap();
    let children = String::from_utf8(children.stdout).unwrap();
    for pid in [first.as_str()].into_iter().chain(children.split_whitespace()) {
        let _ = kill(Pid::from_raw(pid.parse().unwrap()), signal);
    }
}

#[test]
fn a_server_whose_processes_are_stopped_is_given_up_and_works_when_they_go_on() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.ok(&["tenant", "create", "acme"]);
    let sleeping = ["exec", "--statement-timeout", "300s", "--all", "--", "select pg_sleep(200)"];
    let mut child = world.command(&sleeping).stdout(Stdio::null()).spawn().unwrap();
    let at_work = "select count(*) from pg_stat_activity where wait_event = 'PgSleep'";
    world.until("postgres", at_work, |count| {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        count == ["1"]
    });
    signal_postgres(&private, Signal::SIGSTOP);
    let others = [&["tenant", "list"][..], &["fsck"], &["tenant", "create", "globex"]];
    let others: Vec<Child> = others.map(|args| world.command(args).spawn().unwrap()).into_iter().collect();
    let began = Instant::now();
    for mut child in others.into_iter().chain([child]) {
        while child.try_wait().unwrap().is_none() && began.elapsed() < LIMIT {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = child.kill();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    }
    signal_postgres(&private, Signal::SIGCONT);
    world.ok(&["tenant", "create", "globex"]);
}

#[test]
fn a_session_whose_own_process_is_stopped_is_given_up_and_one_that_works_for_long_is_not() {
    let private = Private::start();
    let world = World::of(private.stack(), &private.stack().endpoint);
    world.ok(&["tenant", "create", "acme"]);
    let start = |seconds: u32| {
        let statement = format!("select pg_sleep({seconds})");
        let args = ["exec", "--statement-timeout", "300s", "--all", "--", &statement];
        world.command(&args).spawn().unwrap()
    };
    let (mut stopped, long) = (start(200), start(33));
    let pid = "select pid from pg_stat_activity where query like 'select pg_sleep(200%' and state = 'active'
               or query like '%pg_sleep(200)%' and wait_event = 'PgSleep'";
    let mut found = None;
    world.until("postgres", pid, |pids| {
        assert!(stopped.try_wait().unwrap().is_none(), "it ended early");
        found = pids.first().map(|pid| Pid::from_raw(pid.parse().unwrap()));
        pids.len() == 1
    });
    let pid = found.unwrap();
    kill(pid, Signal::SIGSTOP).unwrap();
    let began = Instant::now();
    while stopped.try_wait().unwrap().is_none() && began.elapsed() < LIMIT {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = stopped.kill();
    let output = stopped.wait_with_output().unwrap();
    let _ = kill(pid, Signal::SIGCONT);
    assert_eq!(output.status.code(), Some(8), "{}", String::from_utf8_lossy(&output.stderr));
    let output = long.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// Three tenants, whose store takes connections and answers nothing until the process goes on; and the
/// process.
fn behind_a_frozen_store(private: &Private) -> (World, Pid) {
    let world = World::of(private.stack(), &private.stack().endpoint);
    for slug in ["acme", "globex", "initech"] {
        world.ok(&["tenant", "create", slug]);
    }
    let pid = fs::read_to_string(private.path().join("local/daemon.pid")).unwrap();
    let pid = Pid::from_raw(pid.trim().parse().unwrap());
    kill(pid, Signal::SIGSTOP).unwrap();
    (world, pid)
}

/// Waits until it ends, and lets the store go on; its exit code, none where it had to be killed.
fn end_of(mut child: Child, limit: Duration, store: Pid) -> Option<i32> {
    let began = Instant::now();
    while child.try_wait().unwrap().is_none() && began.elapsed() < limit {
        std::thread::sleep(Duration::from_millis(20));
    }
    let _ = child.kill();
    let _ = kill(store, Signal::SIGCONT);
    child.wait().unwrap().code()
}

#[test]
fn a_proof_waits_for_a_frozen_store_once_and_proves_nothing() {
    let private = Private::start();
    let (world, store) = behind_a_frozen_store(&private);
    let child = world.command(&["tenant", "prove", "--all", "--pairs", "2"]).spawn().unwrap();
    assert_eq!(end_of(child, LIMIT, store), Some(8));
}

#[test]
fn a_proof_that_waits_for_a_frozen_store_is_stopped_at_once() {
    let private = Private::start();
    let (world, store) = behind_a_frozen_store(&private);
    let mut child = world.command(&["tenant", "prove", "--all", "--pairs", "2"]).spawn().unwrap();
    let begun = "select count(*) from control.audit_log where action = 'tenant.prove'";
    world.until(&world.control, begun, |count| {
        assert!(child.try_wait().unwrap().is_none(), "it ended early");
        count != ["0"]
    });
    kill(Pid::from_raw(child.id().try_into().unwrap()), Signal::SIGTERM).unwrap();
    assert_eq!(end_of(child, Duration::from_secs(10), store), Some(130));
}
