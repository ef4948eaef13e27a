//! Several servers, of which one does not answer.

use super::{Seen, database, of, seen, verify};
use crate::inspection::{Second, tenants};
use crate::support::world::World;

#[test]
fn who_does_not_answer_is_named_and_the_others_are_asked() {
    let world = World::new();
    let second = Second::start();
    second.register(&world);
    tenants(&world, 1, 2, &[]);
    tenants(&world, 3, 4, &["--cluster", "second"]);
    assert_eq!(verify(&world, &[]), (0, vec![]));
    second.stop();
    let (code, rows) = verify(&world, &[]);
    assert_eq!((code, of(&rows, "unchecked")), (6, seen(&[("cluster_unreachable", "")])));
    assert_eq!(of(&rows, "error"), Seen::new());
    let (code, rows) = verify(&world, &["--where", "cluster=second"]);
    assert_eq!((code, of(&rows, "unchecked")), (8, seen(&[("cluster_unreachable", "")])));
    let (_, error) = world.error(&["migrate", "verify", "t-003"]);
    assert_eq!(error["message"], "1 of 1 tenant could not be checked");
    let ask = |args: &[&str]| {
        let args: Vec<&str> = ["exec"].iter().chain(args).chain(&["--", "select 1"]).copied().collect();
        world.run(&args).status.code()
    };
    assert_eq!((ask(&["--all"]), ask(&["t-003", "t-004"])), (Some(6), Some(8)));
    world.sql(&database(&world, "t-001"), "create table public.rogue (id int)");
    let (code, rows) = verify(&world, &[]);
    assert_eq!((code, of(&rows, "error")), (9, seen(&[("schema_drift", "t-001")])));
}
