//! Processes killed without warning, and what the next command finds.

use std::fs;
use std::time::Duration;

use nexus::features::local::PartState;
use nexus::kernel::progress::Silent;
use nix::sys::signal::Signal;

use super::support::{BROKEN_MARK, TestHome, execute, lives, number, send, stack_with, until};

#[tokio::test]
async fn a_killed_postgres_is_started_again_by_the_daemon() {
    let home = TestHome::new();
    let running = home.up().await;
    execute(&running, "create table kept (n bigint); insert into kept values (7)").await.unwrap();
    let (daemon, postgres) = home.pids().await;
    send(postgres, Signal::SIGKILL);
    until("the daemon noticed", || async { home.stack.status().await.unwrap().postgres.restarts == 1 }).await;
    let again = home.up().await;
    assert_eq!(number(&again, "select n from kept").await, 7);
    let (same_daemon, other_postgres) = home.pids().await;
    assert_eq!(same_daemon, daemon);
    assert_ne!(other_postgres, postgres);
}

#[tokio::test]
async fn a_postgres_that_dies_again_and_again_is_called_failing_and_still_tried() {
    let home = TestHome::new();
    home.up().await;
    for round in 1..=5 {
        send(home.pids().await.1, Signal::SIGKILL);
        until("the daemon noticed", || async {
            home.stack.status().await.unwrap().postgres.restarts == round
        })
        .await;
        if round < 5 {
            home.up().await;
        }
    }
    assert_eq!(home.stack.status().await.unwrap().postgres.state, PartState::Failing);
    let error = home.stack.up(&Silent).await.unwrap_err();
    assert!(error.to_string().starts_with("postgres keeps dying: it ended (signal: 9"), "{error}");
    until("it is up again", || async { home.stack.running().unwrap().is_some() }).await;
}

#[tokio::test]
async fn an_endpoint_that_cannot_start_is_an_error_and_leaves_nothing_running() {
    let home = TestHome::new();
    let broken = stack_with(&home.path, BROKEN_MARK);
    let error = broken.up(&Silent).await.unwrap_err();
    assert!(error.to_string().contains("the S3 endpoint does not start: told to be broken"), "{error}");
    assert!(home.stack.status().await.unwrap().postgres.pid.is_none());
    home.up().await;
}

#[tokio::test]
async fn a_killed_postgres_with_a_busy_session_is_started_again() {
    let home = TestHome::new();
    let running = home.up().await;
    let busy = tokio::spawn({
        let running = running.clone();
        async move { execute(&running, "do $$ begin loop end loop; end $$").await }
    });
    let sessions = "select count(*) from pg_stat_activity where query like 'do %' and state = 'active'";
    until("the session is busy", || async { number(&running, sessions).await == 1 }).await;
    send(home.pids().await.1, Signal::SIGKILL);
    until("the daemon noticed", || async { home.stack.status().await.unwrap().postgres.restarts == 1 }).await;
    let again = home.up().await;
    assert_eq!(number(&again, sessions).await, 0);
    assert!(busy.await.unwrap().is_err());
}

#[tokio::test]
async fn after_a_killed_daemon_nothing_runs_officially_and_up_mends_it() {
    let home = TestHome::new();
    let running = home.up().await;
    execute(&running, "create table kept (n bigint); insert into kept values (7)").await.unwrap();
    let (daemon, postgres) = home.pids().await;
    send(daemon, Signal::SIGKILL);
    until("the daemon is dead", || async { !lives(daemon) }).await;
    assert!(home.stack.running().unwrap().is_none());
    assert_eq!(home.stack.status().await.unwrap().postgres.state, PartState::Orphaned);

    let again = home.up().await;
    assert_eq!(number(&again, "select n from kept").await, 7);
    assert_eq!(again.s3.endpoint, running.s3.endpoint);
    until("the orphan is gone", || async { !lives(postgres) }).await;
}

#[tokio::test]
async fn down_after_a_killed_daemon_stops_the_orphan() {
    let home = TestHome::new();
    home.up().await;
    let (daemon, postgres) = home.pids().await;
    send(daemon, Signal::SIGKILL);
    until("the daemon is dead", || async { !lives(daemon) }).await;
    assert!(home.stack.down().await.unwrap());
    until("the orphan is gone", || async { !lives(postgres) }).await;
}

#[tokio::test]
async fn a_daemon_killed_on_its_way_up_is_an_error_and_the_next_up_works() {
    let home = TestHome::new();
    execute(&home.up().await, "create table kept (n bigint); insert into kept values (7)").await.unwrap();
    for later in [0, 20, 40, 60, 80, 100] {
        home.stack.down().await.unwrap();
        let pid_file = home.local().join("daemon.pid");
        let number_in = || fs::read_to_string(&pid_file).ok().and_then(|text| text.trim().parse().ok());
        let (up, ()) = tokio::join!(home.stack.up(&Silent), async {
            until("the daemon has begun", || async { number_in().is_some() }).await;
            // Not a wait for a fact: the point is to strike at different moments.
            tokio::time::sleep(Duration::from_millis(later)).await;
            send(number_in().unwrap(), Signal::SIGKILL);
        });
        if let Err(error) = up {
            assert!(error.to_string().contains("the daemon ended"), "{error}");
        }
        let again = home.up().await;
        assert_eq!(number(&again, "select n from kept").await, 7);
    }
}

#[tokio::test]
async fn both_killed_at_once_and_up_right_after() {
    let home = TestHome::new();
    let running = home.up().await;
    execute(&running, "create table kept (n bigint); insert into kept values (7)").await.unwrap();
    for _ in 0..3 {
        let (daemon, postgres) = home.pids().await;
        send(daemon, Signal::SIGKILL);
        send(postgres, Signal::SIGKILL);
        // The system takes a moment to release what the dead held; a stack that is still there
        // by its word is not asked for.
        until("the daemon is dead", || async { !lives(daemon) }).await;
        let again = home.up().await;
        assert_eq!(number(&again, "select n from kept").await, 7);
    }
}

#[tokio::test]
async fn process_numbers_that_now_belong_to_strangers_keep_nobody_out() {
    let home = TestHome::new();
    home.up().await;
    home.stack.down().await.unwrap();
    // As after a power cut: the files name a process that lives and has nothing to do with it.
    let me = std::process::id();
    let data = home.local().join("pg");
    fs::write(data.join("postmaster.pid"), format!("{me}\n{}\n1\n5432\n", data.display())).unwrap();
    fs::write(home.local().join("run/.s.PGSQL.5432.lock"), format!("{me}\n")).unwrap();
    fs::write(home.local().join("daemon.pid"), format!("{me}\n")).unwrap();
    assert!(home.stack.running().unwrap().is_none());
    assert!(!home.stack.down().await.unwrap());
    home.up().await;
}

#[tokio::test]
async fn an_up_killed_while_initdb_ran_leaves_nothing_in_the_way() {
    let home = TestHome::new();
    let mut first = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["up_process", "--exact", "--nocapture"])
        .env(super::support::UP_MARK, &home.path)
        .stderr(std::process::Stdio::null())
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let unfinished = || {
        let entries = fs::read_dir(home.local()).into_iter().flatten().flatten();
        entries.filter(|entry| entry.file_name().to_string_lossy().starts_with(".new-")).count()
    };
    until("initdb runs", || async { unfinished() == 2 }).await;
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(!home.local().join("pg").exists());
    let running = home.up().await;
    assert_eq!(number(&running, "select 1::bigint").await, 1);
    assert_eq!(unfinished(), 0);
}

#[tokio::test]
async fn a_server_that_cannot_start_is_an_error_with_its_last_words() {
    let home = TestHome::new();
    home.up().await;
    home.stack.down().await.unwrap();
    let settings = home.local().join("pg/postgresql.conf");
    let good = fs::read_to_string(&settings).unwrap();
    fs::write(&settings, format!("{good}\nmax_connections = many\n")).unwrap();
    let error = home.stack.up(&Silent).await.unwrap_err().to_string();
    assert!(error.contains("PostgreSQL does not start") && error.contains("max_connections"), "{error}");
    assert!(home.stack.running().unwrap().is_none());
    fs::write(&settings, good).unwrap();
    home.up().await;
}
