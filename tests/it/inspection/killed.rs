//! A mending that is killed is finished by the next one.

use super::{Seen, fsck, tenants};
use crate::support::world::World;

const MINE: [&str; 2] = ["--where", "slug=t-*"];

/// A fault that a recorded repair mends, and two that a change each mends: on the server, in the
/// store, in a row.
fn plant(world: &World) {
    let names = |column: &str, number: usize| {
        let statement = format!("select {column} from control.tenants where slug = 't-{number:03}'");
        world.control_sql(&statement).remove(0)
    };
    world.sql("postgres", &format!("alter role {} createdb", names("app_role", 1)));
    world.control_sql("update control.tenants set schema_version = 1 where slug = 't-002'");
    let (database, stranger) = (names("database_name", 3), names("app_role", 2));
    world.sql("postgres", &format!("grant connect on database {database} to {stranger}"));
}

#[test]
fn a_mending_killed_at_any_point_is_finished_by_the_next() {
    let world = World::new();
    tenants(&world, 1, 3, &[]);
    let fix = ["fsck", "--fix", "--yes", MINE[0], MINE[1]];
    for point in ["fsck.fix.before", "fsck.fix.after", "repair.tighten.before", "repair.tighten.after"] {
        plant(&world);
        assert_eq!(fsck(&world, &MINE).1.len(), 3, "{point}");
        world.killed_at(point, &fix);
        world.ok(&["tenant", "repair", "--all"]);
        world.ok(&fix);
        assert_eq!(fsck(&world, &MINE), (0, Seen::new(), Seen::new()), "{point}");
    }
}
