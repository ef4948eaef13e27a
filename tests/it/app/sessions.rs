//! Sessions are used again, made safe before, and never more than may be.

use std::time::Duration;

use futures_util::future::join_all;
use nexus::app::{App, AppLimits};
use nexus::infra::db::{
    AdvisoryLock, Lease, LockKey, PgConnection, PoolKey, PoolLimits, SessionPool, transaction,
};
use nexus::kernel::progress::Silent;
use nexus::kernel::{Failure, SecretString};
use sqlx::Row;
use uuid::Uuid;

use super::{load, read};
use crate::iam::inside::{machine, run};
use crate::support::world::World;

#[test]
fn requests_that_follow_each_other_need_no_login() {
    let world = World::new();
    world.tenant("acme");
    run(async {
        let app = load(&world, 4).await;
        for _ in 0..20 {
            read(&app, "acme").await.unwrap();
        }
        let stats = app.stats();
        assert_eq!((stats.realms.logins, stats.control.logins), (1, 0), "{stats:?}");
    });
}

#[test]
fn there_are_never_more_sessions_than_the_cap_and_every_request_is_served() {
    let world = World::new();
    let slugs = ["one", "two", "three"];
    for slug in slugs {
        world.ok(&["tenant", "create", slug]);
    }
    run(async {
        let app = load(&world, 2).await;
        let all = (0..30).map(|n| read(&app, slugs[n % 3]));
        for result in join_all(all).await {
            result.unwrap();
        }
        let stats = app.stats().realms;
        assert!(stats.most_open <= 2 && stats.evicted > 0, "{stats:?}");
    });
}

#[test]
fn who_waits_too_long_for_a_session_is_told_that_all_are_in_use() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 1).await;
        let held = pool.lease(Uuid::nil(), async || server.connect("test").await).await.unwrap();
        let refused = pool.lease(Uuid::nil(), async || server.connect("test").await).await.unwrap_err();
        assert_eq!(refused.code(), "sessions_busy");
        drop(held);
        pool.lease(Uuid::nil(), async || server.connect("test").await).await.unwrap();
    });
}

/// What a request may leave in its session.
const LEFT: [&str; 7] = [
    "set search_path to public",
    "set statement_timeout to '1s'",
    "create temp table pg_authid_of_mine (a int)",
    "listen somebody",
    "select pg_advisory_lock(4711)",
    "set role pg_monitor",
    "set nexus.remains to 'a secret'",
];
/// What there is to see of it.
const SEEN: &str =
    "select concat_ws(' ', current_setting('search_path'), current_setting('statement_timeout'),
     coalesce(nullif(current_setting('nexus.remains', true), ''), 'nothing'), current_user,
     (select count(*) from pg_catalog.pg_class where relname = 'pg_authid_of_mine'),
     (select count(*) from pg_catalog.pg_listening_channels()),
     (select count(*) from pg_catalog.pg_locks where locktype = 'advisory' and pid = pg_backend_pid()))";

#[test]
fn nothing_of_what_a_session_was_left_with_reaches_who_uses_it_next() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let mut first = pool.lease(Uuid::nil(), open).await.unwrap();
        let (pid, clean) = (backend(&mut first).await, text(&mut first, SEEN).await);
        for statement in LEFT {
            sqlx::raw_sql(statement).execute(&mut *first).await.unwrap();
        }
        assert_ne!(text(&mut first, SEEN).await, clean);
        drop(first);
        let mut second = pool.lease(Uuid::nil(), open).await.unwrap();
        assert_eq!(backend(&mut second).await, pid, "it is the same session");
        assert_eq!(text(&mut second, SEEN).await, clean);
    });
}

#[test]
fn nothing_that_is_left_in_a_session_of_an_apps_login_reaches_who_uses_the_next() {
    const CANNOT_BE_TAKEN: [&str; 3] = ["prepare mine as select 1", "begin", "begin; select 1/0"];
    const OPEN: &str = "select count(*)::text from pg_catalog.pg_prepared_statements where from_sql
         union all select (pg_catalog.now() <> pg_catalog.statement_timestamp())::text";
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect_for("test", Some(Duration::from_secs(7))).await;
        let key = PoolKey::limited(Uuid::nil());
        let mut first = pool.lease(key, open).await.unwrap();
        let (pid, clean) = (backend(&mut first).await, text(&mut first, SEEN).await);
        assert!(clean.contains(" 7s "), "{clean}");
        let cursor = "declare all_of_mine cursor with hold for select 1";
        for statement in LEFT.into_iter().chain([cursor]) {
            sqlx::raw_sql(statement).execute(&mut *first).await.unwrap();
        }
        drop(first);
        unused(&pool).await;
        let mut second = pool.lease(key, open).await.unwrap();
        assert_eq!((backend(&mut second).await, text(&mut second, SEEN).await), (pid, clean));
        let fetched = sqlx::raw_sql("fetch all_of_mine").execute(&mut *second).await;
        assert!(fetched.is_err(), "the cursor is there");
        drop(second);
        unused(&pool).await;
        let mut before = pid;
        for statement in CANNOT_BE_TAKEN {
            let mut lease = pool.lease(key, open).await.unwrap();
            assert_eq!(backend(&mut lease).await, before, "{statement}");
            let _ = sqlx::raw_sql(statement).execute(&mut *lease).await;
            drop(lease);
            unused(&pool).await;
            let mut next = pool.lease(key, open).await.unwrap();
            before = backend(&mut next).await;
            let rows = sqlx::raw_sql(OPEN).fetch_all(&mut *next).await.unwrap();
            let seen: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            assert_eq!(seen, ["0", "false"], "{statement}");
        }
        assert_eq!((pool.stats().logins, pool.stats().open), (4, 1));
        // An administrator's sessions are others.
        let mut other = pool.lease(Uuid::nil(), open).await.unwrap();
        assert_ne!(backend(&mut other).await, before);
    });
}

#[test]
fn a_transaction_that_a_request_dropped_keeps_nobody_waiting() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let mut lease = pool.lease(Uuid::nil(), open).await.unwrap();
        let mut tx = transaction(&mut lease).await.unwrap();
        sqlx::raw_sql("lock table control.tenants in access exclusive mode").execute(&mut *tx).await.unwrap();
        drop(tx);
        drop(lease);
        // Its session is with nobody now.
        let mut other = server.connect("test").await.unwrap();
        let seen = "set lock_timeout to '5s'; select count(*) from control.tenants";
        sqlx::raw_sql(seen).execute(&mut other).await.unwrap();
    });
}

#[test]
fn what_a_handler_locked_and_did_not_give_back_is_free_once_it_is_done() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let key = PoolKey::limited(Uuid::nil());
        let lock = "lock table control.tenants in access exclusive mode";
        for (begin, fails) in [("BEGIN", false), ("start transaction", false), ("begin; select 1/0", true)] {
            let mut lease = pool.lease(key, open).await.unwrap();
            let statement = sqlx::AssertSqlSafe(format!("begin; {lock}; {begin}"));
            let done = sqlx::raw_sql(statement).execute(&mut *lease).await;
            assert_eq!(done.is_err(), fails, "{begin}");
            drop(lease);
            // Nobody uses the session now, and nobody will for long.
            let mut other = server.connect("test").await.unwrap();
            let seen = "set lock_timeout to '5s'; select count(*) from control.tenants";
            sqlx::raw_sql(seen).execute(&mut other).await.unwrap();
        }
        let mut lease = pool.lease(key, open).await.unwrap();
        sqlx::raw_sql("select pg_advisory_lock(4711)").execute(&mut *lease).await.unwrap();
        drop(lease);
        let mut other = server.connect("test").await.unwrap();
        let seen = "set lock_timeout to '5s'; select pg_advisory_lock(4711)";
        sqlx::raw_sql(seen).execute(&mut other).await.unwrap();
        unused(&pool).await;
        // A word is no transaction: the session is used again, and asked about no more than that.
        let before = pool.stats().logins;
        for _ in 0..3 {
            let mut lease = pool.lease(key, open).await.unwrap();
            assert_eq!(text(&mut lease, "select 'begin' || 'start'").await, "beginstart");
            drop(lease);
            unused(&pool).await;
        }
        assert_eq!(pool.stats().logins, before);
    });
}

#[test]
fn a_session_from_which_somebody_took_its_prepared_statements_is_not_used_again() {
    const BY_A_FUNCTION: &str = "do $$ declare one text; begin
        select name into one from pg_prepared_statements where not from_sql limit 1;
        execute format('deallocate %I', one); end $$";
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let key = PoolKey::limited(Uuid::nil());
        for taken in ["deallocate all", "discard all", BY_A_FUNCTION] {
            let mut lease = pool.lease(key, open).await.unwrap();
            let pid = backend(&mut lease).await;
            assert_eq!(text(&mut lease, "select 'two'").await, "two");
            sqlx::raw_sql(taken).execute(&mut *lease).await.unwrap();
            drop(lease);
            let mut next = pool.lease(key, open).await.unwrap();
            assert_ne!(backend(&mut next).await, pid, "{taken}");
            assert_eq!(text(&mut next, "select 'two'").await, "two");
            // One that has all of its statements is used again.
            let pid = backend(&mut next).await;
            drop(next);
            let mut again = pool.lease(key, open).await.unwrap();
            assert_eq!(backend(&mut again).await, pid, "{taken}");
        }
    });
}

#[test]
fn a_statement_of_a_request_in_the_control_database_has_an_end_and_one_of_a_command_has_none() {
    let world = World::new();
    run(async {
        let limits = AppLimits { statement: Some(Duration::from_secs(7)), ..AppLimits::default() };
        for (limits, expected) in [(limits, "7s"), (AppLimits::default(), "0")] {
            let mut first = App::load(&world.settings(), limits, &machine(), &Silent).await.unwrap();
            let mut second = first.app.session().await.unwrap();
            for session in [&mut first.control, &mut second.control] {
                assert_eq!(text(session, "show statement_timeout").await, expected);
                sqlx::raw_sql("set statement_timeout to '1h'").execute(&mut **session).await.unwrap();
            }
            let app = first.app.clone();
            drop((first, second));
            let mut again = app.session().await.unwrap();
            assert_eq!(app.stats().control.hits, 1);
            assert_eq!(text(&mut again.control, "show statement_timeout").await, expected);
        }
    });
}

#[test]
fn a_session_whose_answer_nobody_waited_for_is_not_used_again() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let mut lease = pool.lease(Uuid::nil(), open).await.unwrap();
        let pid = backend(&mut lease).await;
        let given_up = sqlx::raw_sql("select pg_sleep(30)").execute(&mut *lease);
        tokio::time::timeout(Duration::from_millis(100), given_up).await.unwrap_err();
        drop(lease);
        // The server ends it once it sees that nobody is there; until then it counts.
        assert_eq!(pool.stats().open, 1);
        while pool.stats().open > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let mut next = pool.lease(Uuid::nil(), open).await.unwrap();
        assert_ne!(backend(&mut next).await, pid);
    });
}

#[test]
fn thousands_who_gave_up_waiting_for_a_session_do_no_harm() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let (busy, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        drop(pool.lease(other, open).await.unwrap());
        let held = pool.lease(busy, open).await.unwrap();
        let waiting =
            (0..5000).map(|_| tokio::time::timeout(Duration::from_millis(100), pool.lease(busy, open)));
        assert!(join_all(waiting).await.iter().all(Result::is_err), "there is none for them");
        drop(held);
        pool.lease(busy, open).await.unwrap();
        assert_eq!(pool.stats().open, 2);
    });
}

#[test]
fn a_session_that_took_a_lock_is_not_used_again() {
    let world = World::new();
    run(async {
        let (pool, server) = pool(&world, 2).await;
        let open = async || server.connect("test").await;
        let mut lease = pool.lease(Uuid::nil(), open).await.unwrap();
        let lock = AdvisoryLock::take(&mut lease, LockKey::of("test", "of sessions")).await.unwrap();
        assert!(lock.is_some());
        drop(lease);
        assert_eq!(pool.stats().open, 0);
        let mut next = pool.lease(Uuid::nil(), open).await.unwrap();
        let again = AdvisoryLock::take(&mut next, LockKey::of("test", "of sessions")).await.unwrap();
        assert!(again.is_some(), "nobody holds it");
    });
}

#[test]
fn a_session_that_the_server_ended_costs_the_next_request_a_login_and_no_error() {
    let world = World::new();
    world.tenant("acme");
    run(async {
        let app = load(&world, 4).await;
        read(&app, "acme").await.unwrap();
        world.control_sql(
            "select pg_terminate_backend(pid, 5000) from pg_stat_activity
             where application_name = 'nexus:realm' and datname in (select database_name from control.tenants)",
        );
        read(&app, "acme").await.unwrap();
        assert_eq!(app.stats().realms.logins, 2);
    });
}

#[test]
fn all_sessions_of_a_process_hash_passwords_within_one_limit() {
    let world = World::new();
    run(async {
        let app = App::load(&world.settings(), AppLimits::default(), &machine(), &Silent).await.unwrap().app;
        let mut rules = Vec::new();
        for _ in 0..2 {
            let realm = app.session().await.unwrap().enter_realm(&machine(), None).await.unwrap();
            rules.push(realm.rules().clone());
        }
        let [one, two] = &rules[..] else { panic!("two realms") };
        assert!(one.hasher.shares_its_limit_with(&two.hasher));
    });
}

/// Waits until what was given back is with nobody: its locks are given back first, beside whoever had it.
async fn unused(pool: &SessionPool) {
    while pool.stats().leased > 0 {
        tokio::task::yield_now().await;
    }
}

/// A pool of sessions in the control database.
async fn pool(world: &World, sessions: usize) -> (SessionPool, nexus::infra::db::ServerAddress) {
    let limits = PoolLimits { sessions, wait: Duration::from_millis(300), idle: Duration::from_mins(1) };
    let app = load(world, 1).await;
    let server = app.session().await.unwrap().provisioning.control.clone();
    (SessionPool::new(limits, SecretString::from("")), server)
}

async fn backend(session: &mut Lease) -> i64 {
    text(session, "select pg_backend_pid()::text").await.parse().unwrap()
}

async fn text(session: &mut PgConnection, statement: &'static str) -> String {
    sqlx::query_scalar(statement).fetch_one(session).await.unwrap()
}
