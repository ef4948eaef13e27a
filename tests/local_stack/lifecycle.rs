//! Up, down, status, logs, reset.

use std::fs;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use nexus::features::local::{LogSource, PartState, StackState};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Event, ExposeSecret, Progress};

use super::support::{self, TestHome, UP_MARK, execute, get, number, until};

#[derive(Default)]
struct Notes(std::sync::Mutex<Vec<String>>);

impl Progress for Notes {
    fn event(&self, event: Event) {
        if let Event::Note(note) = event {
            self.0.lock().unwrap().push(note);
        }
    }
}

#[tokio::test]
async fn the_first_up_makes_it_the_second_finds_it_and_down_keeps_the_data() {
    let home = TestHome::new();
    assert!(home.stack.running().unwrap().is_none());
    assert!(!home.stack.down().await.unwrap(), "there was nothing to stop");
    assert!(!home.path.exists(), "asking makes nothing");

    let notes = Notes::default();
    let began = Instant::now();
    let first = home.stack.up(&notes).await.unwrap();
    eprintln!("first up: {:?}", began.elapsed());
    let notes = notes.0.into_inner().unwrap();
    assert!(notes[0].starts_with("creating a private PostgreSQL 1"), "{notes:?}");
    execute(&first, "create table kept (n bigint); insert into kept values (7)").await.unwrap();
    assert_eq!(get(&first.s3.endpoint, "/_nexus/v1/health").await.unwrap(), "HTTP/1.1 200 OK");

    let began = Instant::now();
    let again = home.up().await;
    let second_up = began.elapsed();
    assert_eq!(again.s3.endpoint, first.s3.endpoint);
    let began = Instant::now();
    for _ in 0..100 {
        assert!(home.stack.running().unwrap().is_some());
    }
    let asked = began.elapsed() / 100;
    eprintln!("second up: {second_up:?}; running(): {asked:?}");
    assert!(asked < Duration::from_millis(2), "{asked:?}");

    let pids = home.pids().await;
    let began = Instant::now();
    assert!(home.stack.down().await.unwrap());
    eprintln!("down: {:?}", began.elapsed());
    assert!(home.stack.running().unwrap().is_none());
    assert!(!support::lives(pids.1));
    // What is left of the daemon is the system's clearing away.
    until("the daemon is gone", || async { !support::lives(pids.0) }).await;
    assert!(support::connect_fails(&first).await);
    assert!(get(&first.s3.endpoint, "/_nexus/v1/health").await.is_err());
    assert!(!home.stack.down().await.unwrap(), "it was stopped already");

    let began = Instant::now();
    let later = home.up().await;
    eprintln!("later up: {:?}", began.elapsed());
    assert_eq!(number(&later, "select n from kept").await, 7);
    assert_eq!(later.s3.endpoint, first.s3.endpoint, "the address stays the same");
    assert_eq!(later.postgres.password.expose_secret(), first.postgres.password.expose_secret());
    assert_eq!(later.s3.admin_token.expose_secret(), first.s3.admin_token.expose_secret());
}

#[tokio::test]
async fn a_taken_port_gives_the_endpoint_another_one() {
    let home = TestHome::new();
    let first = home.up().await;
    home.stack.down().await.unwrap();
    let address = first.s3.endpoint.strip_prefix("http://").unwrap();
    let _squatter = std::net::TcpListener::bind(address).unwrap();
    let second = home.up().await;
    assert_ne!(second.s3.endpoint, first.s3.endpoint);
    assert_eq!(get(&second.s3.endpoint, "/_nexus/v1/health").await.unwrap(), "HTTP/1.1 200 OK");
}

#[tokio::test]
async fn twenty_processes_at_once_get_one_and_the_same_stack() {
    let home = TestHome::new();
    let processes: Vec<_> = (0..20)
        .map(|_| {
            let mut command = Command::new(std::env::current_exe().unwrap());
            command.args(["up_process", "--exact", "--nocapture"]).env(UP_MARK, &home.path);
            command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
        })
        .collect();
    let mut endpoints = Vec::new();
    for process in processes {
        let output = tokio::task::spawn_blocking(|| process.wait_with_output().unwrap()).await.unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
        endpoints.push(said);
    }
    endpoints.dedup();
    assert_eq!(endpoints.len(), 1, "{endpoints:?}");
    let started = home.all_logs().matches("the local stack is starting").count();
    assert_eq!(started, 1, "one daemon");
}

#[tokio::test]
async fn down_during_up_waits_for_it_and_then_stops_it() {
    let home = TestHome::new();
    let lock = home.local().join("start.lock");
    let (up, down) = tokio::join!(home.stack.up(&Silent), async {
        until("up has begun", || async { lock.exists() }).await;
        home.stack.down().await
    });
    up.unwrap();
    assert!(down.unwrap());
    assert!(home.stack.running().unwrap().is_none());
}

#[tokio::test]
async fn ups_downs_and_resets_at_once_do_not_hurt_each_other() {
    let home = TestHome::new();
    for _ in 0..3 {
        let ups = futures_util::future::join_all((0..4).map(|_| home.stack.up(&Silent)));
        let downs = futures_util::future::join_all((0..2).map(|_| home.stack.down()));
        let (ups, downs, reset) = tokio::join!(ups, downs, home.stack.reset());
        reset.unwrap();
        for up in ups {
            up.unwrap();
        }
        for down in downs {
            down.unwrap();
        }
    }
    let running = home.up().await;
    assert_eq!(number(&running, "select 1::bigint").await, 1);
}

#[tokio::test]
async fn status_has_the_shape_that_scripts_read() {
    let home = TestHome::new();
    let before = serde_json::to_value(home.stack.status().await.unwrap()).unwrap();
    assert_eq!(before["state"], "stopped");
    assert_eq!(before["postgres"]["state"], "stopped");
    assert!(before["postgres"]["version"].is_null() && before["s3"]["endpoint"].is_null());

    let running = home.up().await;
    let status = home.stack.status().await.unwrap();
    let view = serde_json::to_value(&status).unwrap();
    assert_eq!(view["data_dir"], home.local().to_str().unwrap());
    assert_eq!(view["state"], "running");
    assert_eq!(view["daemon"]["pid"], status.daemon.pid.unwrap());
    assert_eq!(view["postgres"]["state"], "running");
    assert_eq!(view["postgres"]["socket_dir"], home.local().join("run").to_str().unwrap());
    assert_eq!(view["postgres"]["port"], 5432);
    assert_eq!(view["postgres"]["version"], running.postgres.version.to_string());
    assert_eq!(view["s3"]["state"], "running");
    assert_eq!(view["s3"]["endpoint"], running.s3.endpoint);
    assert_eq!(view["s3"]["region"], "local");

    home.stack.down().await.unwrap();
    let after = serde_json::to_value(home.stack.status().await.unwrap()).unwrap();
    assert_eq!(after["state"], "stopped");
    assert_eq!(after["postgres"]["version"], running.postgres.version.major.to_string());
    assert_eq!(after["s3"]["endpoint"], running.s3.endpoint);
    assert!(after["daemon"]["pid"].is_null());
}

#[tokio::test]
async fn an_endpoint_that_dies_or_breaks_comes_back_at_the_same_address() {
    let home = TestHome::new();
    let running = home.up().await;
    for (round, way) in (1_u64..).zip(["/die", "/panic"]) {
        let _ = get(&running.s3.endpoint, way).await;
        until("the endpoint answers again", || async {
            let status = home.stack.status().await.unwrap();
            status.s3.state == PartState::Running && status.s3.restarts == round
        })
        .await;
    }
    assert_eq!(home.up().await.s3.endpoint, running.s3.endpoint);
    assert_eq!(home.stack.status().await.unwrap().state, StackState::Running);
}

#[tokio::test]
async fn no_log_holds_a_secret_or_the_text_of_a_statement() {
    let home = TestHome::new();
    let running = home.up().await;
    let _ = execute(&running, "create role r login password 'a-very-secret-word' no_such_option").await;
    let _ = execute(&running, "create role r login password a-very-secret-word").await;
    execute(&running, "create role r login password 'a-very-secret-word'").await.unwrap();
    let _ = execute(&running, "create role r login password 'a-very-secret-word'").await;
    let _ = execute(&running, "do $$ begin raise warning 'a-very-secret-word'; end $$").await;
    let _ = execute(&running, "select 'a-very-secret-word'::int").await;
    // The server tells of a session that was killed, and knows what it was doing.
    let statement = "select pg_sleep(100), 'a-very-secret-word'";
    let session = tokio::spawn({
        let running = running.clone();
        async move { execute(&running, statement).await }
    });
    let pid =
        "select coalesce(max(pid), 0)::bigint from pg_stat_activity where query like 'select pg_sleep%'";
    until("the session is busy", || async { number(&running, pid).await > 0 }).await;
    let pid = i32::try_from(number(&running, pid).await).unwrap();
    support::send(pid, nix::sys::signal::Signal::SIGKILL);
    assert!(session.await.unwrap().is_err());
    home.stack.down().await.unwrap();
    let logs = home.all_logs();
    assert!(logs.contains("was terminated by signal 9"), "{logs}");
    assert!(logs.contains("PostgreSQL is up"), "{logs}");
    assert!(logs.contains("database system is ready"), "{logs}");
    for secret in [
        running.postgres.password.expose_secret(),
        running.s3.admin_token.expose_secret(),
        "a-very-secret-word",
        "very-secret",
    ] {
        assert!(!logs.contains(secret), "{logs}");
    }
    assert!(!format!("{running:?}").contains(running.postgres.password.expose_secret()));
}

#[tokio::test]
async fn logs_show_the_last_lines_and_follow_new_ones() {
    let home = TestHome::new();
    assert!(home.stack.logs(LogSource::Daemon, 10).unwrap().is_empty());
    home.up().await;
    assert_eq!(home.stack.logs(LogSource::Postgres, 1).unwrap().len(), 1);
    assert!(
        home.stack.logs(LogSource::Daemon, 50).unwrap().iter().any(|line| line.contains("PostgreSQL is up"))
    );
    let mut seen = Vec::new();
    let mut take = |line: &str| {
        seen.push(line.to_owned());
        !line.contains("the local stack has stopped")
    };
    let (followed, _) = tokio::join!(home.stack.follow(LogSource::Daemon, 1, &mut take), home.stack.down());
    followed.unwrap();
    assert!(seen.len() > 1);
}

#[tokio::test]
async fn reset_removes_everything_and_what_an_interrupted_one_left() {
    let home = TestHome::new();
    let running = home.up().await;
    execute(&running, "create table gone ()").await.unwrap();
    let left = home.path.join(".local-deleted-0");
    fs::create_dir_all(left.join("pg")).unwrap();
    home.stack.reset().await.unwrap();
    assert_eq!(fs::read_dir(&home.path).unwrap().count(), 0);
    assert!(support::processes_of(&home.path).is_empty());
    home.stack.reset().await.unwrap();

    let anew = home.up().await;
    assert_ne!(anew.postgres.password.expose_secret(), running.postgres.password.expose_secret());
    assert_eq!(number(&anew, "select count(*) from pg_class where relname = 'gone'").await, 0);
}

#[tokio::test]
async fn the_server_is_as_promised() {
    let home = TestHome::new();
    let running = home.up().await;
    for (setting, value) in [
        ("select count(*) from pg_settings where name = 'listen_addresses' and setting = ''", 1),
        ("select count(*) from pg_settings where name = 'max_connections' and setting = '200'", 1),
        ("select count(*) from pg_settings where name = 'data_checksums' and setting = 'on'", 1),
        (
            "select count(*) from pg_settings where name = 'client_connection_check_interval' and setting = '500'",
            1,
        ),
        (
            "select count(*) from pg_settings where name in ('fsync', 'synchronous_commit') and setting = 'on'",
            2,
        ),
        ("select count(*) from pg_hba_file_rules where auth_method <> 'scram-sha-256'", 0),
        ("select count(*) from pg_authid where rolcanlogin and rolpassword not like 'SCRAM-SHA-256$%'", 0),
        ("select count(*) from pg_database where pg_encoding_to_char(encoding) <> 'UTF8'", 0),
    ] {
        assert_eq!(number(&running, setting).await, value, "{setting}");
    }
    let mut wrong = running.clone();
    wrong.postgres.password = "not-the-password".into();
    assert!(support::connect_fails(&wrong).await);
}
