//! Subscribers of the code: each test runs with PostgreSQL alone, and with NATS.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use nexus::app::{App, EventHandler};
use nexus::features::subscribers::{Event, Subscriber};
use nexus::infra::event_stream::StreamError;
use nexus::kernel::{AnyFailure, TenantId};
use nexus::worker;
use nexus::worker::registry::Registry;
use tokio::runtime::Runtime;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::{AppLogin, until};
use crate::jobs::session;
use crate::support::nats::NatsServer;
use crate::support::world::World;

static COUNTED: Subscriber = Subscriber { name: "test.counted", pattern: "test.*" };

/// What carries events.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Backend {
    Postgres,
    Nats,
}

/// Runs a test with both.
macro_rules! with_both {
    ($($name:ident)*) => {
        mod with_postgres {
            $(#[test] fn $name() { super::$name(super::Backend::Postgres) })*
        }
        mod with_nats {
            $(#[test] fn $name() { super::$name(super::Backend::Nats) })*
        }
    };
}

with_both! {
    events_of_a_key_come_in_order_and_none_is_lost_with_64_writers_and_kills
    an_event_that_fails_keeps_those_of_its_key_waiting_and_no_others
    an_event_that_fails_for_good_is_shown_and_can_be_tried_again
    a_new_subscriber_is_told_of_what_is_published_from_then_on
    an_event_that_is_handled_is_not_handled_again_by_a_second_process
}

/// An installation with a tenant `acme`, whose events are carried so.
struct Place {
    world: World,
    app: AppLogin,
    nats: Option<NatsServer>,
}

impl Place {
    fn with(backend: Backend) -> Self {
        let world = World::new();
        world.ok(&["tenant", "create", "acme"]);
        let nats = (backend == Backend::Nats).then(NatsServer::start);
        if let Some(nats) = &nats {
            nats.carry_events_of(&world);
        }
        let app = AppLogin::of(&world, "acme");
        Self { world, app, nats }
    }

    fn publish(&self, key: &str, n: usize) {
        let statement = format!("select nexus.publish('test.counted', '{key}', '{{\"n\": {n}}}')");
        self.app.sql(&self.world, &statement).unwrap();
    }
}

/// What a handler was told, in the order in which it ended with it.
#[derive(Default)]
struct Told {
    events: Mutex<Vec<(String, i64, uuid::Uuid)>>,
    /// Keys of which all events fail.
    failing: Mutex<BTreeSet<String>>,
    attempts: Mutex<BTreeMap<i64, usize>>,
}

#[async_trait]
impl EventHandler for Told {
    async fn handle(&self, _: &App, _: TenantId, event: &Event) -> Result<(), AnyFailure> {
        *self.attempts.lock().unwrap().entry(event.position).or_default() += 1;
        if self.failing.lock().unwrap().contains(&event.key) {
            let reason = "the key fails".to_owned();
            return Err(StreamError::Refused { what: "handle it", reason }.into());
        }
        let n = event.payload["n"].as_i64().unwrap();
        self.events.lock().unwrap().push((event.key.clone(), n, event.id));
        Ok(())
    }
}

impl Told {
    /// The counts of a key, each where it came first.
    fn of(&self, key: &str) -> Vec<i64> {
        let mut seen = BTreeSet::new();
        let events = self.events.lock().unwrap();
        events.iter().filter(|(of, _, id)| of == key && seen.insert(*id)).map(|(_, n, _)| *n).collect()
    }

    fn is(&self, key: &str, counts: &[i64]) -> bool {
        self.of(key) == counts
    }
}

/// A process that has a subscriber, within this one.
struct Process {
    runtime: Option<Runtime>,
    stop: CancellationToken,
    tasks: TaskTracker,
}

impl Process {
    fn start(world: &World, told: &Arc<Told>) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let (stop, tasks) = (CancellationToken::new(), TaskTracker::new());
        runtime.block_on(async {
            let app = session(world).await.app;
            let registry = Registry::new(None).subscribe(&COUNTED, told.clone());
            worker::begin_with(&app, registry, &tasks, &stop);
        });
        Self { runtime: Some(runtime), stop, tasks }
    }

    /// Ends it wherever it is: what it was about to do is not done.
    fn kill(mut self) {
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let Some(runtime) = self.runtime.take() else { return };
        self.stop.cancel();
        self.tasks.close();
        runtime.block_on(self.tasks.wait());
    }
}

/// As if the leases of who was killed were over, and the pauses of jobs.
fn hurry(world: &World) {
    crate::support::worker::end_leases(world);
    world.control_sql("update control.event_subscriptions set lease_until = '-infinity'");
    end_pauses(world);
}

fn end_pauses(world: &World) {
    world.control_sql("update control.jobs set due_at = clock_timestamp() where state = 'scheduled'");
}

fn events_of_a_key_come_in_order_and_none_is_lost_with_64_writers_and_kills(backend: Backend) {
    const WRITERS: usize = 64;
    const TIMES: usize = 20;
    let mut place = Place::with(backend);
    let told = Arc::new(Told::default());
    let mut process = Some(Process::start(&place.world, &told));
    for round in 0..4 {
        std::thread::scope(|scope| {
            let place = &place;
            // Each key is one writer's: so many sessions at once would be too many for the server.
            for part in 0..16 {
                scope.spawn(move || {
                    for writer in (part..WRITERS).step_by(16) {
                        let from = round * TIMES / 4;
                        let each = format!(
                            "do $$ begin for n in {}..{} loop
                                 perform nexus.publish('test.counted', 'k{writer}', jsonb_build_object('n', n)); commit;
                             end loop; end $$",
                            from + 1,
                            from + TIMES / 4
                        );
                        place.app.sql(&place.world, &each).unwrap();
                    }
                });
            }
        });
        process.take().unwrap().kill();
        if let Some(nats) = &mut place.nats {
            nats.start_again();
        }
        hurry(&place.world);
        process = Some(Process::start(&place.world, &told));
    }
    let all: Vec<i64> = (1..=i64::try_from(TIMES).unwrap()).collect();
    until("events are missing, or out of order", || {
        (0..WRITERS).all(|writer| told.is(&format!("k{writer}"), &all))
    });
    until("something is still to be done", || {
        place.world.control_sql("select count(*) from control.parked_events") == ["0"]
    });
}

fn an_event_that_fails_keeps_those_of_its_key_waiting_and_no_others(backend: Backend) {
    let place = Place::with(backend);
    let told = Arc::new(Told::default());
    told.failing.lock().unwrap().insert("bad".to_owned());
    let _process = Process::start(&place.world, &told);
    for n in 1..=3 {
        place.publish("bad", n);
        place.publish("good", n);
    }
    until("those of another key wait", || told.is("good", &[1, 2, 3]));
    let parked = "select coalesce(string_agg(key, ' ' order by position), '-') from control.parked_events";
    until("those of the key are not parked", || place.world.control_sql(parked) == ["bad bad bad"]);
    told.failing.lock().unwrap().clear();
    until("those of the key do not follow", || {
        end_pauses(&place.world);
        told.is("bad", &[1, 2, 3])
    });
    until("they are parked for ever", || place.world.control_sql(parked) == ["-"]);
    // The second and the third waited for the first.
    let attempts = told.attempts.lock().unwrap();
    assert!(attempts.values().filter(|count| **count > 1).count() <= 1, "{attempts:?}");
}

fn an_event_that_fails_for_good_is_shown_and_can_be_tried_again(backend: Backend) {
    let place = Place::with(backend);
    let told = Arc::new(Told::default());
    told.failing.lock().unwrap().insert("bad".to_owned());
    let _process = Process::start(&place.world, &told);
    place.publish("bad", 1);
    let job = "select count(*) from control.jobs where kind = 'event.retry'";
    until("there is no job", || place.world.control_sql(job) == ["1"]);
    place.world.control_sql("update control.jobs set attempts = 9 where kind = 'event.retry'");
    let dead = "select count(*) from control.jobs where kind = 'event.retry' and state = 'dead'";
    until("it is not given up", || {
        end_pauses(&place.world);
        place.world.control_sql(dead) == ["1"]
    });
    let jobs = place.world.json(&["job", "list", "--state", "dead"]);
    assert_eq!(jobs[0]["kind"], "event.retry");
    assert_eq!(jobs[0]["last_error"], "cannot handle it: the key fails");
    // Those that follow do not wait for it.
    told.failing.lock().unwrap().clear();
    place.publish("bad", 2);
    until("the next one waits for what was given up", || told.is("bad", &[2]));
    place.world.ok(&["job", "retry", jobs[0]["id"].as_str().unwrap()]);
    until("it is not tried again", || told.is("bad", &[2, 1]));
}

fn a_new_subscriber_is_told_of_what_is_published_from_then_on(backend: Backend) {
    let place = Place::with(backend);
    place.publish("k", 1);
    {
        let _without = super::order::Worker::start(&place.world);
        super::until_published(&place.world, "acme");
    }
    let told = Arc::new(Told::default());
    let _process = Process::start(&place.world, &told);
    for n in 2..=3 {
        place.publish("k", n);
    }
    until("it is not told", || told.is("k", &[2, 3]));
}

fn an_event_that_is_handled_is_not_handled_again_by_a_second_process(backend: Backend) {
    let place = Place::with(backend);
    let told = Arc::new(Told::default());
    let (_one, _two) = (Process::start(&place.world, &told), Process::start(&place.world, &told));
    for n in 1..=50 {
        place.publish("k", n);
    }
    let all: Vec<i64> = (1..=50).collect();
    until("some are missing", || told.is("k", &all));
    std::thread::sleep(Duration::from_millis(500));
    assert_eq!(told.events.lock().unwrap().len(), 50, "nobody was killed: none comes twice");
}
