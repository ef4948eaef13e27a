//! Several changes of one tenant at the same time, and kills at a moment that nobody chose.

use std::process::{Child, Output};
use std::time::{Duration, Instant};

use super::{delete, doors_are_as_recorded, ready_for, resume, state, suspend, undelete};
use crate::crash::settled::{create, is_settled, is_usable, repair_settles};
use crate::support::world::World;

fn at_once(world: &World, commands: &[Vec<&str>]) -> Vec<Output> {
    let start = |args: &Vec<&str>| {
        let args: Vec<&str> = ["-o", "json"].into_iter().chain(args.iter().copied()).collect();
        world.command(&args).spawn().unwrap()
    };
    let running: Vec<Child> = commands.iter().map(start).collect();
    running.into_iter().map(|child| child.wait_with_output().unwrap()).collect()
}

#[test]
fn of_several_changes_at_once_each_is_done_or_is_told_and_the_tenant_is_whole() {
    let world = World::new();
    world.ok(&create("acme"));
    for round in 0..6 {
        let ended = at_once(&world, &[suspend("acme"), delete("acme"), resume("acme"), undelete("acme")]);
        let mut done = 0;
        for output in &ended {
            let said = String::from_utf8_lossy(&output.stderr);
            match output.status.code() {
                Some(0) => done += 1,
                code => assert_eq!(code, Some(5), "round {round}: {said}"),
            }
        }
        assert!(done > 0, "round {round}: nobody won");
        is_settled(&world, "changes at once");
        doors_are_as_recorded(&world, "changes at once");
    }
    world.run(&undelete("acme"));
    world.run(&resume("acme"));
    is_usable(&world, "acme", "changes at once");
}

#[test]
fn of_two_suspensions_at_once_one_is_recorded() {
    let world = World::new();
    world.ok(&create("acme"));
    for output in at_once(&world, &vec![suspend("acme"); 4]) {
        assert!(matches!(output.status.code(), Some(0 | 5)), "{}", String::from_utf8_lossy(&output.stderr));
    }
    assert_eq!(world.control_sql("select count(*) from control.operations where kind = 'suspend'"), ["1"]);
    is_settled(&world, "suspended four times");
}

#[test]
fn who_comes_second_is_told_who_is_first() {
    let world = World::new();
    world.ok(&create("acme"));
    let paused = world.paused_at("suspend.close-logins.before", &suspend("acme"));
    for args in [delete("acme"), resume("acme"), vec!["tenant", "repair", "acme"]] {
        let (code, error) = world.error(&args);
        assert_eq!((code, error["code"].as_str()), (5, Some("tenant_in_progress")), "{args:?}");
        assert!(error["message"].as_str().unwrap().contains("(suspend)"), "{error}");
    }
    assert_eq!(world.error(&["tenant", "env", "acme"]).1["code"], "tenant_suspended");
    assert!(paused.go_on().status.success());
    assert_eq!(state(&world, "acme"), "suspended");
}

/// A small generator (xorshift), so that a seed repeats a run.
struct Moments(u64);

#[expect(clippy::print_stdout, reason = "who repeats a failed run needs its seed")]
impl Moments {
    fn new() -> Self {
        let given = std::env::var("NEXUS_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
        let since = std::time::UNIX_EPOCH.elapsed().unwrap();
        let seed = given.unwrap_or(u64::from(since.subsec_nanos()) | 1);
        println!("NEXUS_TEST_SEED={seed}");
        Self(seed)
    }

    fn within(&mut self, most: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        most * u32::try_from(self.0 % 1000).unwrap() / 1000
    }
}

fn killed_at_random(kind: &str) {
    let world = World::new();
    let mut moments = Moments::new();
    let args = ready_for(&world, kind, "acme");
    let begun = Instant::now();
    world.ok(&args);
    let whole = begun.elapsed();
    for _ in 0..15 {
        let args = ready_for(&world, kind, "acme");
        let delay = moments.within(whole);
        let mut child = world.command(&args).spawn().unwrap();
        std::thread::sleep(delay);
        child.kill().unwrap();
        child.wait().unwrap();
        let what = format!("{kind} killed after {delay:?}");
        repair_settles(&world, &what);
        doors_are_as_recorded(&world, &what);
    }
    world.run(&undelete("acme"));
    world.run(&resume("acme"));
    is_usable(&world, "acme", "random kills");
}

#[test]
fn suspensions_killed_at_random_moments_are_finished_or_never_began() {
    killed_at_random("suspend");
}

#[test]
fn resumptions_killed_at_random_moments_are_finished_or_never_began() {
    killed_at_random("resume");
}

#[test]
fn deletions_killed_at_random_moments_are_finished_or_never_began() {
    killed_at_random("delete");
}

#[test]
fn undeletions_killed_at_random_moments_are_finished_or_never_began() {
    killed_at_random("undelete");
}
