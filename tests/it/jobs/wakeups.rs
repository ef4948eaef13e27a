//! What one process commits, and how it wakes others.

use std::time::{Duration, Instant};

use futures_util::FutureExt;
use nexus::app::App;
use nexus::kernel::TenantId;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::TIMEOUT;
use super::queue::session;
use crate::iam::inside::run;
use crate::support::world::World;

/// A process that wakes others, and is woken by them, for as long as the guard lives.
async fn process(world: &World) -> (App, DropGuard) {
    let (app, stop) = (session(world).await.app, CancellationToken::new());
    tokio::spawn(app.clone().run_wakeups(stop.clone()));
    (app, stop.drop_guard())
}

/// Wakes the other until it is woken: it may not listen yet.
async fn until_woken(from: &App, to: &App) {
    let end = Instant::now() + TIMEOUT;
    loop {
        from.wake_workers();
        let woken = tokio::time::timeout(Duration::from_millis(100), to.workers_woken()).await;
        if woken.is_ok() {
            return;
        }
        assert!(Instant::now() < end, "nothing arrived");
    }
}

/// No job is there and nobody polls: it is the wake-up that arrives.
#[test]
fn jobs_operations_and_events_that_one_process_wrote_wake_another() {
    let world = World::new();
    run(async {
        let ((one, _here), (other, _there)) = (process(&world).await, process(&world).await);
        until_woken(&one, &other).await;
        one.tell_worker();
        tokio::time::timeout(TIMEOUT, other.told_of_operation()).await.expect("it is woken for an operation");
        let realms = [TenantId::new(), TenantId::new()];
        for realm in realms {
            one.wake_relay(realm);
        }
        let mut woken = std::collections::BTreeSet::new();
        while woken.len() < 2 {
            woken.extend(
                tokio::time::timeout(TIMEOUT, other.woken_realms()).await.expect("it is woken for a realm"),
            );
        }
        assert_eq!(woken, realms.into());
        // A process that relays itself wakes no other: others would find no event.
        one.begin_to_relay();
        one.wake_relay(TenantId::new());
        until_woken(&one, &other).await;
        assert!(other.woken_realms().now_or_never().unwrap_or_default().is_empty());
    });
}

#[test]
fn a_command_wakes_others_before_it_ends() {
    let world = World::new();
    run(async {
        let (other, _there) = process(&world).await;
        let command = session(&world).await.app;
        let end = Instant::now() + TIMEOUT;
        loop {
            command.wake_relay(TenantId::PLATFORM);
            command.notify_peers().await.unwrap();
            if tokio::time::timeout(Duration::from_millis(100), other.woken_realms()).await.is_ok() {
                break;
            }
            assert!(Instant::now() < end, "nothing arrived");
        }
    });
}

#[test]
fn a_session_that_listens_and_is_cut_is_followed_by_another() {
    let world = World::new();
    run(async {
        let ((one, _here), (other, _there)) = (process(&world).await, process(&world).await);
        until_woken(&one, &other).await;
        let cut = "select count(pg_terminate_backend(pid, 5000)) from pg_stat_activity
                   where datname = current_database() and application_name = 'nexus:wakeup'";
        assert_eq!(world.control_sql(cut), ["2"]);
        while other.workers_woken().now_or_never().is_some() {}
        until_woken(&one, &other).await;
    });
}
