//! A server's budget of sessions, which all processes share.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::PASSWORD;
use crate::iam::inside::run;
use crate::support::api::{Answer, ApiServer};
use crate::support::dice::Dice;
use crate::support::stack::{self, Stack};
use crate::support::world::World;

/// Sessions that all processes together may hold.
const BUDGET: usize = 12;

/// An installation with a server `eu` of its own login, by which its sessions are known.
struct Budgeted {
    /// Gone before the login goes.
    world: Option<World>,
    second: &'static Stack,
    login: String,
}

impl Budgeted {
    fn new(more: &[&str]) -> Self {
        let (world, second) = (World::new(), stack::second());
        let login = format!("admin_{}", uuid::Uuid::new_v4().simple());
        let password = world.file("eu.password", "a-password");
        let it = Self { world: Some(world), second, login };
        it.as_superuser(&format!("create role {} login superuser password 'a-password'", it.login));
        let (host, port) = (second.socket_dir.as_str(), second.port.as_str());
        let place = ["--host", host, "--port", port, "--user", &it.login, "--password-file", &password];
        it.world().ok(&[&["cluster", "add", "eu"][..], &place, more].concat());
        it
    }

    fn world(&self) -> &World {
        self.world.as_ref().unwrap()
    }

    fn as_superuser(&self, statement: &str) {
        self.second.sql("nexus", &self.second.password(), "postgres", statement).unwrap();
    }

    /// Tenants there, each with an administrator.
    fn tenants(&self, slugs: &[String]) {
        for slug in slugs {
            let email = format!("ann@{slug}.example");
            let args = ["tenant", "create", slug, "--cluster", "eu", "--admin-email", &email];
            let args = [&args[..], &["--admin-password-stdin"]].concat();
            let output = self.world().machine().output(&args, &format!("{PASSWORD}\n"));
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
    }

    /// What counts Nexus's sessions on the server by what they are for: those of the administrator, and those
    /// of others in its tenants' databases.
    fn counting(&self) -> String {
        let databases = self.world().control_sql("select database_name from control.tenants");
        format!(
            "select count(*), coalesce(string_agg(application_name, ' ' order by application_name), '')
             from pg_stat_activity where backend_type = 'client backend'
             and (usename = '{}' or datname in ('{}'))",
            self.login,
            databases.join("', '")
        )
    }
}

impl Drop for Budgeted {
    fn drop(&mut self) {
        self.world = None;
        for what in ["reassign owned by {} to nexus", "drop owned by {}", "drop role {}"] {
            let statement = what.replace("{}", &self.login);
            let _ = self.second.sql("nexus", &self.second.password(), "postgres", &statement);
        }
    }
}

fn limits<'a>() -> [(&'a str, &'a str); 3] {
    [("passwords_a_minute", "1000000"), ("requests_a_minute", "1000000"), ("sessions", "16")]
}

fn tokens(server: &ApiServer, slugs: &[String]) -> Vec<String> {
    slugs.iter().map(|slug| server.token(slug, &format!("ann@{slug}.example"), PASSWORD)).collect()
}

/// Ends what goes on beside, also where a test fails.
struct End<'a>(&'a AtomicBool);

impl Drop for End<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[test]
fn servers_a_fleet_run_and_a_creation_never_hold_more_sessions_together_than_the_budget() {
    let it = Budgeted::new(&["--connections", &BUDGET.to_string()]);
    let world = it.world();
    let slugs: Vec<String> = (0..10).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let folder = world.machine().path("shop");
    std::fs::create_dir_all(&folder).unwrap();
    let file = |number: usize| {
        let text = format!("create table t{number} (x bigint primary key);\n");
        std::fs::write(folder.join(format!("{number}_t.sql")), text).unwrap();
    };
    file(1);
    world.ok(&["migrate", "set", "add", "shop", "--source", folder.to_str().unwrap()]);
    let (one, two) = (ApiServer::start_with(world, &limits()), ApiServer::start_with(world, &limits()));
    let tokens = tokens(&one, &slugs);

    let ended = AtomicBool::new(false);
    let (good, busy) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let wrong: Mutex<Vec<String>> = Mutex::default();
    let most = Mutex::new((0_usize, String::new(), 0_usize));
    let sample = |rows: &[String]| {
        let (count, who) = rows[0].split_once('|').unwrap();
        let count: usize = count.parse().unwrap();
        let mut most = most.lock().unwrap();
        most.2 += 1;
        if count > most.0 {
            (most.0, most.1) = (count, who.to_owned());
        }
        ended.load(Ordering::Relaxed)
    };
    let counting = it.counting();
    std::thread::scope(|scope| {
        scope.spawn(|| it.second.until("postgres", &counting, sample).unwrap());
        for worker in 0..16 {
            let (one, two, tokens, ended, good, busy, wrong) =
                (&one, &two, &tokens, &ended, &good, &busy, &wrong);
            scope.spawn(move || {
                let mut dice = Dice(worker);
                while !ended.load(Ordering::Relaxed) {
                    let server = if dice.below(2) == 0 { one } else { two };
                    let answer = server.get("/auth/me", &tokens[dice.below(tokens.len())]);
                    match (answer.status, answer.json()["code"].as_str()) {
                        (200, _) => good.fetch_add(1, Ordering::Relaxed),
                        (503, Some("sessions_busy" | "realm_busy")) => busy.fetch_add(1, Ordering::Relaxed),
                        _ => {
                            wrong.lock().unwrap().push(format!("{answer:?}"));
                            0
                        }
                    };
                }
            });
        }
        let _end = End(&ended);
        for number in 2..=4 {
            let run = world.json(&["migrate", "tenants", "--all"]);
            assert_eq!(run["outcome"], "done", "{run}");
            file(number);
        }
        world.ok(&["tenant", "create", "late", "--cluster", "eu"]);
    });
    let (good, busy) = (good.into_inner(), busy.into_inner());
    let (most, who, samples) = most.into_inner().unwrap();
    let wrong = wrong.into_inner().unwrap();
    println!("{most} sessions at most in {samples} samples; {good} answers, {busy} times busy");
    assert!(wrong.is_empty(), "{}: {}", wrong.len(), wrong[..wrong.len().min(5)].join("\n"));
    assert!(most <= BUDGET, "{most}: {who}");
    assert!(samples > 100 && most > BUDGET / 2, "{most} in {samples} samples: this test saw nothing");
    assert!(good > 200 && good > busy, "{good} answers, {busy} times busy");
}

#[test]
fn sessions_that_nobody_uses_make_room_for_another_process() {
    let it = Budgeted::new(&["--connections", "5"]);
    let slugs: Vec<String> = (0..5).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let (one, two) =
        (ApiServer::start_with(it.world(), &limits()), ApiServer::start_with(it.world(), &limits()));
    let tokens = tokens(&one, &slugs);
    for token in &tokens {
        assert_eq!(one.get("/auth/me", token).status, 200);
    }
    // All that may be open is open in the first, and in nobody's use.
    for token in &tokens {
        assert_eq!(two.get("/auth/me", token).status, 200);
    }
    // A creation needs them all.
    let began = Instant::now();
    it.world().ok(&["tenant", "create", "late", "--cluster", "eu"]);
    assert!(began.elapsed() < Duration::from_secs(30), "it waited for {:?}", began.elapsed());
}

#[test]
fn sessions_by_the_apps_logins_count_in_the_budget_and_make_room_as_those_of_realms_do() {
    let it = Budgeted::new(&["--connections", "5"]);
    let slugs: Vec<String> = (0..4).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let servers = [(); 2].map(|()| ApiServer::start_with(it.world(), &limits()));
    let tokens = tokens(&servers[0], &slugs);
    // Each needs a session in the realm and then one by the apps' login: eight kinds, and there is room for five.
    for server in &servers {
        for token in tokens.iter().chain(&tokens) {
            assert_eq!(server.get("/usage", token).status, 200);
        }
    }
    let (ended, most) = (AtomicBool::new(false), Mutex::new((0_usize, String::new())));
    let counting = it.counting();
    let sample = |rows: &[String]| {
        let (count, who) = rows[0].split_once('|').unwrap();
        let mut most = most.lock().unwrap();
        if count.parse::<usize>().unwrap() > most.0 {
            *most = (count.parse().unwrap(), who.to_owned());
        }
        ended.load(Ordering::Relaxed)
    };
    let good: usize = std::thread::scope(|scope| {
        scope.spawn(|| it.second.until("postgres", &counting, sample).unwrap());
        let _end = End(&ended);
        let workers: Vec<_> = (0..6)
            .map(|worker| {
                let (server, tokens) = (&servers[worker % 2], &tokens);
                scope.spawn(move || {
                    let answers = tokens.iter().cycle().skip(worker).take(12);
                    let answers = answers.map(|token| server.get("/usage", token));
                    let is_good = |answer: &Answer| {
                        let is_good = answer.status == 200;
                        assert!(
                            is_good || answer.problem() == (503, "sessions_busy".to_owned()),
                            "{answer:?}"
                        );
                        is_good
                    };
                    answers.filter(is_good).count()
                })
            })
            .collect();
        workers.into_iter().map(|it| it.join().unwrap()).sum()
    });
    let (most, who) = most.into_inner().unwrap();
    println!("{good} of 72 were served; {most} sessions at most: {who}");
    assert!(most <= 5, "{most}: {who}");
    assert!(good > 24, "only {good} of 72 were served");
}

#[test]
fn a_session_that_stays_open_asks_nobody_for_its_slot() {
    let it = Budgeted::new(&["--connections", "8"]);
    let slugs = ["acme".to_owned()];
    it.tenants(&slugs);
    let server = ApiServer::start_with(it.world(), &limits());
    let token = tokens(&server, &slugs).remove(0);
    let control = it.world().control.clone();
    // The statistics of a session that is at work reach others after a second.
    let statements = || -> u64 {
        std::thread::sleep(Duration::from_secs(2));
        let sum = format!("select xact_commit from pg_stat_database where datname = '{control}'");
        it.world().sql("postgres", &sum).remove(0).parse().unwrap()
    };
    let before = statements();
    for _ in 0..500 {
        assert_eq!(server.get("/auth/me", &token).status, 200);
    }
    let spent = statements() - before;
    assert!(spent < 500, "{spent} transactions in the control database for 500 requests");
}

#[test]
fn a_budget_that_is_set_while_servers_run_holds_for_them_too() {
    let it = Budgeted::new(&[]);
    let world = it.world();
    let slugs: Vec<String> = (0..8).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let server = ApiServer::start_with(world, &limits());
    let tokens = tokens(&server, &slugs);
    for token in &tokens {
        assert_eq!(server.get("/auth/me", token).status, 200);
    }
    let counting = it.counting();
    let count = |rows: &[String]| rows[0].split('|').next().unwrap().parse::<usize>().unwrap();
    it.second.until("postgres", &counting, |rows| count(rows) >= 8).unwrap();
    world.ok(&["cluster", "update", "eu", "--connections", "5"]);
    it.second.until("postgres", &counting, |rows| count(rows) <= 5).unwrap();
    for token in tokens.iter().chain(&tokens) {
        assert_eq!(server.get("/auth/me", token).status, 200);
        it.second.until("postgres", &counting, |rows| count(rows) <= 5).unwrap();
    }
    // And one that is taken away holds nobody back.
    world.ok(&["cluster", "update", "eu", "--connections", "none"]);
    server_opens(&server, &tokens, || {
        it.second.until("postgres", &counting, |rows| count(rows) >= 8).is_ok()
    });
}

/// Asks for all until something is so.
fn server_opens(server: &ApiServer, tokens: &[String], is_so: impl Fn() -> bool) {
    for token in tokens {
        assert_eq!(server.get("/auth/me", token).status, 200);
    }
    assert!(is_so());
}

#[test]
fn sessions_whose_slots_are_lost_to_others_are_closed() {
    let it = Budgeted::new(&["--connections", "5"]);
    let slugs: Vec<String> = (0..4).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let server = ApiServer::start_with(it.world(), &limits());
    let tokens = tokens(&server, &slugs);
    let counting = it.counting();
    let count = |rows: &[String]| rows[0].split('|').next().unwrap().parse::<usize>().unwrap();
    it.second.until("postgres", &counting, |rows| count(rows) >= 4).unwrap();
    let control = it.world().stack().superuser(&it.world().control);
    run(async {
        let mut other = control.connect("test").await.unwrap();
        // Whoever held the slots is gone, and somebody else has them.
        let take = "select pg_terminate_backend(pid) from pg_stat_activity
                    where application_name = 'nexus:sessions' and datname = current_database();
                    select pg_advisory_lock(hashtext('nexus:sessions:eu'), slot) from generate_series(1, 5) as slot";
        sqlx::raw_sql(take).execute(&mut other).await.unwrap();
        it.second.until("postgres", &counting, |rows| count(rows) == 0).unwrap();
        assert_eq!(server.get("/auth/me", &tokens[0]).problem(), (503, "sessions_busy".to_owned()));
        other.close().await.unwrap();
    });
    for token in &tokens {
        assert_eq!(server.get("/auth/me", token).status, 200);
    }
}

#[test]
fn who_waits_too_long_is_told_that_all_are_in_use_and_the_server_counts_as_up() {
    let it = Budgeted::new(&["--connections", "5"]);
    let world = it.world();
    let slugs = ["acme".to_owned()];
    it.tenants(&slugs);
    let paused = world.paused_at("create.database.after", &["tenant", "create", "late", "--cluster", "eu"]);
    let server = ApiServer::start_with(world, &limits());
    let answer = server.login(Some("acme"), "ann@acme.example", PASSWORD);
    assert_eq!(answer.problem(), (503, "sessions_busy".to_owned()));
    assert!((1..=4).contains(&answer.retry_after()), "{answer:?}");
    let state = |answer: &Value| {
        let servers = answer["servers"].as_array().unwrap();
        let states = servers.iter().map(|it| (it["name"].to_string(), it["state"].to_string()));
        states.collect::<BTreeMap<_, _>>()["\"eu\""].clone()
    };
    server.until("/ready", |answer| state(&answer.json()) == "\"busy\"");
    assert!(paused.go_on().status.success());
    assert_eq!(server.login(Some("acme"), "ann@acme.example", PASSWORD).status, 200);
}

#[test]
fn a_control_database_that_is_slow_to_answer_loses_nobody_their_slots() {
    let it = Budgeted::new(&["--connections", "5"]);
    let slugs: Vec<String> = (0..3).map(|n| format!("t{n}")).collect();
    it.tenants(&slugs);
    let server = ApiServer::start_with(it.world(), &limits());
    let tokens = tokens(&server, &slugs);
    let control = it.world().control.clone();
    // Who holds slots is its own process of the server, and waits for something to do.
    let keeper = "select pid from pg_stat_activity
                  where application_name = 'nexus:sessions' and datname = current_database()";
    let mut found = Vec::new();
    it.world().until(&control, &format!("{keeper} and state = 'idle'"), |rows| {
        found = rows.to_vec();
        rows.len() == 1
    });
    let pid = found.remove(0);
    let signal =
        |signal| nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid.parse().unwrap()), signal).unwrap();
    signal(nix::sys::signal::Signal::SIGSTOP);
    // Longer than a keeper's session was waited for once.
    std::thread::sleep(Duration::from_millis(2_500));
    let went_on = it.world().sql("postgres", "select clock_timestamp()").remove(0);
    signal(nix::sys::signal::Signal::SIGCONT);
    let asked = format!(
        "select pid from pg_stat_activity where application_name = 'nexus:sessions'
         and datname = current_database() and query_start > '{went_on}'"
    );
    it.world().until(&control, &asked, |rows| !rows.is_empty());
    assert_eq!(it.world().sql(&control, keeper), std::slice::from_ref(&pid), "it is the same session");
    let held = format!(
        "select count(*) >= 3 from pg_locks where pid = {pid} and locktype = 'advisory' and objid < 1000"
    );
    assert_eq!(it.world().sql(&control, &held), ["t"]);
    for token in &tokens {
        assert_eq!(server.get("/auth/me", token).status, 200);
    }
}
