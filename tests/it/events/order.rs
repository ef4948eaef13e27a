//! Positions: without a gap, in order for each key, whoever writes and whoever is killed.

use std::process::{Child, Stdio};

use super::{AppLogin, until_published};
use crate::support::world::World;

/// Every point between two statements of the relay.
const POINTS: [&str; 5] = [
    "relay.lease.taken",
    "relay.commit.before",
    "relay.jobs.written",
    "relay.mark.before",
    "relay.events.marked",
];
const WRITERS: usize = 16;
const KEYS: usize = 8;

/// A tenant whose apps count: who writes an event of a key has locked it.
fn counting() -> (World, AppLogin) {
    let world = World::new();
    world.ok(&["tenant", "create", "acme"]);
    let keys = format!(
        "create table public.counters (key text primary key, n int not null default 0);
         insert into public.counters (key) select 'k' || n from generate_series(0, {}) as n;
         grant select, update on public.counters to nexus_app",
        KEYS - 1
    );
    world.tenant_sql("acme", &keys);
    let app = AppLogin::of(&world, "acme");
    (world, app)
}

/// Counts up keys so often, each time with an event in the same transaction.
fn count_up(from: usize, times: usize, pause: &str) -> String {
    format!(
        "do $$ declare v int; begin for i in 1..{times} loop
             update public.counters set n = n + 1 where key = 'k' || ((i + {from}) % {KEYS}) returning n into v;
             perform nexus.publish('test.counted', 'k' || ((i + {from}) % {KEYS}), jsonb_build_object('n', v));
             commit; {pause}
         end loop; end $$"
    )
}

/// What is wrong with the log: positions are 1 to n, each count of each key is there once and in order.
fn require_whole(world: &World, events: usize) {
    let log = "select count(*), min(position), max(position), count(distinct position), count(distinct id)
               from nexus.outbox where type not like 'mail.%'";
    let found = world.tenant_sql("acme", log).remove(0);
    let all: Vec<usize> = found.split('|').map(|text| text.parse().unwrap()).collect();
    let count = all[0];
    assert_eq!(all, [count, 1, count, count, count], "{found}");
    let counted = "select count(*) from nexus.outbox where type = 'test.counted'";
    assert_eq!(world.tenant_sql("acme", counted), [events.to_string()]);
    let out_of_order = "select key, n, before from (
            select key, (payload->>'n')::int as n,
                   lag((payload->>'n')::int, 1, 0) over (partition by key order by position) as before
            from nexus.outbox where type = 'test.counted') as each where n <> before + 1";
    assert_eq!(world.tenant_sql("acme", out_of_order), [""; 0]);
}

pub(super) struct Worker(Child);

impl Worker {
    pub(super) fn start(world: &World) -> Self {
        Self(world.command(&["worker"]).stderr(Stdio::null()).spawn().unwrap())
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn with_sixteen_writers_and_a_relay_that_is_killed_everywhere_nothing_is_lost_doubled_or_out_of_order() {
    let (world, app) = counting();
    let times = 300;
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let (world, app) = (&world, &app);
            scope.spawn(move || app.sql(world, &count_up(writer, times, "perform pg_sleep(0.01);")).unwrap());
        }
        // The code writes among them.
        scope.spawn(|| {
            for name in ["bob", "cy", "di", "eve"] {
                let email = format!("{name}@acme.example");
                world.ok(&["user", "create", "--tenant", "acme", "--email", &email, "--invite", "--reveal"]);
            }
        });
        for point in POINTS {
            world.killed_at(point, &["worker"]);
            world.control_sql("update control.relays set lease_until = '-infinity'");
        }
    });
    // Two at once, one of which finds the other at work.
    let _workers = [Worker::start(&world), Worker::start(&world)];
    until_published(&world, "acme");
    require_whole(&world, WRITERS * times);
}

#[test]
fn two_relays_of_which_one_lost_its_lease_give_no_position_twice() {
    let (world, app) = counting();
    app.sql(&world, &count_up(0, 50, "")).unwrap();
    let paused = world.paused_at("relay.jobs.written", &["worker"]);
    world.control_sql("update control.relays set lease_until = '-infinity'");
    {
        let _other = Worker::start(&world);
        until_published(&world, "acme");
    }
    app.sql(&world, &count_up(0, 50, "")).unwrap();
    // It goes on where it was, and numbers nothing again.
    let _late = Worker::start(&world);
    until_published(&world, "acme");
    paused.kill();
    require_whole(&world, 100);
}

#[test]
fn a_transaction_that_stays_open_delays_no_other_event_and_loses_none() {
    let (world, app) = counting();
    world.tenant("birch");
    let other = AppLogin::of(&world, "birch");
    let _worker = Worker::start(&world);
    std::thread::scope(|scope| {
        let open = "begin; select nexus.publish('test.late', 'k', '{}'); select pg_sleep(5); commit";
        let late = scope.spawn(|| app.sql(&world, open).unwrap());
        let begun =
            "select count(*) from pg_stat_activity where query like '%test.late%' and state = 'active'
                     and pid <> pg_backend_pid()";
        world.until("postgres", begun, |rows| rows == ["1"]);
        app.sql(&world, &count_up(0, 20, "")).unwrap();
        other.publish(&world, "test.other", 20);
        for (slug, kind) in [("acme", "test.counted"), ("birch", "test.other")] {
            let numbered =
                format!("select count(*) from nexus.outbox where type = '{kind}' and position > 0");
            world.until(&world.database_of(slug), &numbered, |rows| rows == ["20"]);
        }
        assert!(!late.is_finished(), "the transaction ended too early to say anything");
    });
    until_published(&world, "acme");
    let late = "select position from nexus.outbox where type = 'test.late'";
    assert_eq!(world.tenant_sql("acme", late), ["21"]);
    require_whole(&world, 20);
}

#[test]
fn what_is_older_than_a_week_is_forgotten_from_the_oldest_on() {
    let (world, app) = counting();
    app.publish(&world, "test.old", 2_000);
    {
        let _worker = Worker::start(&world);
        until_published(&world, "acme");
    }
    // Not in order, as clocks may give it.
    world.tenant_sql(
        "acme",
        "update nexus.outbox set published_at = now() - interval '8 days' where position <= 400 and position <> 7",
    );
    app.publish(&world, "test.new", 2_000);
    let _worker = Worker::start(&world);
    until_published(&world, "acme");
    let kept = "select min(position), max(position), count(*) from nexus.outbox";
    assert_eq!(world.tenant_sql("acme", kept), ["401|4000|3600"]);
}
