//! Commands killed at a moment that nobody chose.

use std::time::{Duration, Instant};

use super::settled::{create, delete, is_active, is_usable, repair_settles};
use crate::support::world::World;

/// How many commands of each kind are killed.
const ROUNDS: u32 = 25;

/// A small generator (xorshift), so that a seed repeats a run.
struct Moments(u64);

#[expect(clippy::print_stdout, reason = "who repeats a failed run needs its seed")]
impl Moments {
    /// With a seed from `NEXUS_TEST_SEED`, or one of the time.
    fn new() -> Self {
        let given = std::env::var("NEXUS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = given.unwrap_or(u64::from(since.subsec_nanos()) | 1);
        println!("NEXUS_TEST_SEED={seed}");
        Self(seed)
    }

    /// One somewhere within `most`.
    fn within(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most * u32::try_from(self.0 % 1000).unwrap() / 1000
    }
}

/// Runs a command and kills it after a while. Here time itself is what is tried.
fn killed_after(world: &World, delay: Duration, args: &[&str]) {
    let mut child = world.command(args).spawn().unwrap();
    std::thread::sleep(delay);
    child.kill().unwrap();
    child.wait().unwrap();
}

/// How long a command takes at present.
fn duration(world: &World, args: &[&str]) -> Duration {
    let begun = Instant::now();
    world.ok(args);
    begun.elapsed()
}

#[test]
fn creates_killed_at_random_moments_are_finished_or_never_began() {
    let world = World::new();
    let mut moments = Moments::new();
    let whole = duration(&world, &create("first"));
    for n in 0..ROUNDS {
        let slug = format!("acme-{n}");
        let delay = moments.within(whole);
        killed_after(&world, delay, &create(&slug));
        if n % 5 == 4 {
            repair_settles(&world, &format!("killed after {delay:?}"));
        }
    }
    for n in (0..ROUNDS).step_by(5) {
        let slug = format!("acme-{n}");
        if is_active(&world, &slug) {
            is_usable(&world, &slug, "a random kill");
        }
    }
}

#[test]
fn deletes_killed_at_random_moments_are_finished_or_never_began() {
    let world = World::new();
    let mut moments = Moments::new();
    let slugs: Vec<String> = (0..ROUNDS).map(|n| format!("acme-{n}")).collect();
    for slug in &slugs {
        world.ok(&create(slug));
    }
    world.ok(&create("first"));
    let whole = duration(&world, &delete("first"));
    for (n, slug) in slugs.iter().enumerate() {
        let delay = moments.within(whole);
        killed_after(&world, delay, &delete(slug));
        if n % 5 == 4 {
            repair_settles(&world, &format!("killed after {delay:?}"));
        }
    }
    for slug in slugs.iter().step_by(5) {
        if is_active(&world, slug) {
            is_usable(&world, slug, "a random kill");
        }
    }
}

/// Killing a client does not stop its `CREATE DATABASE`: the database would appear after the
/// repair has looked.
#[test]
fn a_database_under_way_when_its_maker_dies_does_not_appear_after_the_repair() {
    let world = World::new();
    // A template that takes a while to clone.
    let template = world.control_sql("select database_name from control.templates where state = 'ready'");
    let open = |yes: bool| {
        let statement = format!("alter database {} allow_connections {yes}", template[0]);
        world.sql("postgres", &statement);
    };
    open(true);
    world.sql(
        &template[0],
        "create table public.bulk as select n, repeat('x', 1000) as text from generate_series(1, 60000) as n",
    );
    open(false);
    for n in 0..3 {
        let slug = format!("acme-{n}");
        let mut child = world.command(&create(&slug)).spawn().unwrap();
        let under_way = "select count(*) from pg_stat_activity join control.operations
                             on application_name = 'nexus:' || operations.id
                         where query ilike 'create database %' and pg_stat_activity.state = 'active'";
        world.until(&world.control, under_way, |count| {
            assert!(child.try_wait().unwrap().is_none(), "it was over before it was seen");
            count != ["0"]
        });
        child.kill().unwrap();
        child.wait().unwrap();
        repair_settles(&world, "killed while the database was made");
        assert!(is_active(&world, &slug));
        // `repair_settles` looked after every session of the operation had ended.
        let alive = "select count(*) from pg_stat_activity join control.operations
                         on application_name = 'nexus:' || operations.id";
        let until = Instant::now() + Duration::from_secs(5);
        world.until(&world.control, alive, |count| {
            assert!(Instant::now() < until, "a session of a dead process lives on");
            count == ["0"]
        });
        assert_eq!(world.there(), world.believed(), "something appeared after the repair");
    }
}
