//! A process that lost its right to go on, and goes on: nothing of what it does late counts.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::settled::{create, delete, is_active, is_settled, is_usable, open_operation, repair_settles};
use crate::support::world::{Inventory, Paused, World};

/// Steps before which a process waits while another takes its operation over.
const STEPS: [&str; 8] = ["roles", "bucket", "key", "seal", "database", "privileges", "seed", "activate"];

/// Ends the sessions to the control database, and with them the tenant's lock: what a broken
/// network does to a process that lives.
fn cut_off(world: &World) {
    let others = "from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()";
    world.control_sql(&format!("select pg_terminate_backend(pid) {others}"));
    world.until(&world.control, &format!("select count(*) {others}"), |count| count == ["0"]);
}

/// Lets it go on; it must find out that it may not.
fn goes_on_in_vain(paused: Paused, what: &str) {
    let output = paused.go_on();
    let code = output.status.code();
    assert!(matches!(code, Some(7 | 8)), "{what}: {code:?} {}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_create_that_was_finished_by_another_process_changes_nothing_more() {
    let world = World::new();
    for step in STEPS {
        let (slug, point) = (format!("acme-{step}"), format!("create.{step}.before"));
        let paused = world.paused_at(&point, &create(&slug));
        cut_off(&world);
        world.ok(&["tenant", "repair", "--all"]);
        assert!(is_active(&world, &slug), "{point}");
        goes_on_in_vain(paused, &point);
        assert_eq!(world.there(), world.believed(), "{point}");
        is_usable(&world, &slug, &point);
    }
    is_settled(&world, "after all");
}

#[test]
fn a_create_that_was_taken_back_by_another_process_leaves_nothing_later() {
    let world = World::new();
    for step in STEPS {
        let point = format!("create.{step}.before");
        let paused = world.paused_at(&point, &create("acme"));
        cut_off(&world);
        world.ok(&["operation", "rollback", &open_operation(&world)]);
        goes_on_in_vain(paused, &point);
        assert_eq!(world.there(), Inventory::default(), "{point}: something came late");
    }
    is_settled(&world, "after all");
}

#[test]
fn a_delete_that_was_finished_by_another_process_touches_nothing_of_a_new_tenant() {
    let world = World::new();
    for step in ["close-logins", "key", "bucket", "database", "roles", "release"] {
        let point = format!("purge.{step}.before");
        world.ok(&create("acme"));
        let paused = world.paused_at(&point, &delete("acme"));
        cut_off(&world);
        world.ok(&["tenant", "repair", "--all"]);
        world.ok(&create("acme"));
        goes_on_in_vain(paused, &point);
        is_usable(&world, "acme", &point);
        world.ok(&delete("acme"));
    }
    is_settled(&world, "after all");
}

#[test]
fn a_process_that_is_stopped_keeps_its_tenant_until_it_goes_on_or_dies() {
    let world = World::new();
    for dies in [false, true] {
        let slug = format!("acme-{dies}");
        let paused = world.paused_at("create.key.after", &create(&slug));
        let pid = Pid::from_raw(i32::try_from(paused.pid()).unwrap());
        kill(pid, Signal::SIGSTOP).unwrap();
        let (code, error) = world.error(&["tenant", "repair", &slug]);
        assert_eq!((code, error["code"].as_str()), (5, Some("tenant_in_progress")));
        if dies {
            paused.kill();
            repair_settles(&world, "it died");
        } else {
            kill(pid, Signal::SIGCONT).unwrap();
            let output = paused.go_on();
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        }
        is_usable(&world, &slug, "a stopped process");
    }
    is_settled(&world, "after all");
}
